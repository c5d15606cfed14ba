"""Put the exchange together: one engine, its hubs, one router per service, one application."""

from __future__ import annotations

import random
from collections.abc import Callable

from polybot.sandbox.auth import KeyRing
from polybot.sandbox.chain import Chain
from polybot.sandbox.control import ControlApi
from polybot.sandbox.data_api import DataApi
from polybot.sandbox.exchange import Exchange, ExchangeOptions
from polybot.sandbox.faults import Faults
from polybot.sandbox.gamma_api import GammaApi
from polybot.sandbox.http_account import AccountApi
from polybot.sandbox.http_books import BooksApi
from polybot.sandbox.http_core import Router
from polybot.sandbox.http_markets import MarketsApi
from polybot.sandbox.http_orders import OrdersApi
from polybot.sandbox.messages import ExchangeEvent, UserEvent
from polybot.sandbox.notices import Notices
from polybot.sandbox.relayer_api import RelayerApi
from polybot.sandbox.rpc import RpcApi
from polybot.sandbox.server import SandboxApp
from polybot.sandbox.stats import Stats
from polybot.sandbox.ws_market import MarketHub
from polybot.sandbox.ws_user import UserHub


def build_app(options: ExchangeOptions, *, clock: Callable[[], int]) -> SandboxApp:
    """Return the application around a new engine. `clock` returns Unix milliseconds."""
    exchange = Exchange(options, clock=clock)
    keys = KeyRing(options.state_dir)
    faults = Faults(random.Random(options.seed), clock=clock)
    stats = Stats()
    notices = Notices(exchange.catalogue, clock=clock)
    market_hub = MarketHub(lambda token: exchange.book(token).event(), faults, stats)
    user_hub = UserHub(keys, faults, stats)
    chain = Chain(exchange)

    def note(event: ExchangeEvent) -> None:
        if isinstance(event, UserEvent):
            notices.on_event(event)

    exchange.listen(note)
    clob = Router("clob")
    BooksApi(exchange).add_to(clob)
    MarketsApi(exchange).add_to(clob)
    AccountApi(exchange, keys, notices).add_to(clob)
    OrdersApi(exchange, keys).add_to(clob)
    control = ControlApi(
        exchange=exchange,
        faults=faults,
        stats=stats,
        market_hub=market_hub,
        user_hub=user_hub,
        resolve=exchange.resolve_market,
        retick=exchange.change_tick,
    )
    return SandboxApp(
        exchange=exchange,
        routers={
            "clob": clob,
            "gamma": GammaApi(exchange).router(),
            "data": DataApi(exchange).router(),
            "relayer": RelayerApi(chain).router(),
            "rpc": RpcApi(chain).router(),
            "control": control.router(),
        },
        market_hub=market_hub,
        user_hub=user_hub,
        faults=faults,
        stats=stats,
        clock=clock,
    )
