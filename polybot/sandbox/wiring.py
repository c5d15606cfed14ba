"""Put the exchange together: one engine, its hubs, one router per service, one application."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from polybot.sandbox.auth import KeyRing
from polybot.sandbox.chain import Chain
from polybot.sandbox.control import ControlApi
from polybot.sandbox.control_venue import VenueControl
from polybot.sandbox.data_api import DataApi
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.faults import Faults
from polybot.sandbox.gamma_api import GammaApi
from polybot.sandbox.http_account import AccountApi
from polybot.sandbox.http_books import BooksApi
from polybot.sandbox.http_core import Request, Router, encode
from polybot.sandbox.http_markets import MarketsApi
from polybot.sandbox.http_orders import OrdersApi
from polybot.sandbox.limits import AddressLimits, SignerLimits
from polybot.sandbox.messages import ExchangeEvent, UserEvent
from polybot.sandbox.notices import Notices
from polybot.sandbox.options import ExchangeOptions
from polybot.sandbox.relayer_api import RelayerApi
from polybot.sandbox.rpc import RpcApi
from polybot.sandbox.schedule import Schedule
from polybot.sandbox.server import SandboxApp
from polybot.sandbox.session_api import SessionApi
from polybot.sandbox.sessions import Sessions
from polybot.sandbox.standing import Standing
from polybot.sandbox.stats import Stats
from polybot.sandbox.ws_market import MarketHub
from polybot.sandbox.ws_user import UserHub


def build_app(options: ExchangeOptions, *, clock: Callable[[], int]) -> SandboxApp:
    """Return the application around a new engine. `clock` returns Unix milliseconds."""
    exchange = Exchange(options, clock=clock)
    keys = KeyRing(options.state_dir)
    faults = Faults(random.Random(options.seed), clock=clock, engine=exchange.rules)
    standing, schedule, sessions = Standing(), Schedule(), Sessions(options.state_dir)
    signers, addresses = SignerLimits(), AddressLimits()
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
    AccountApi(exchange, keys, notices, standing, sessions).add_to(clob)
    OrdersApi(exchange, keys, limits=signers, standing=standing, sessions=sessions).add_to(clob)
    relayer = RelayerApi(chain, exchange, keys, standing)
    relayed = relayer.router()
    session_keys = SessionApi(relayer, sessions, keys)
    session_keys.add_to_relayer(relayed)
    session_keys.add_to_clob(clob)
    control = ControlApi(
        exchange=exchange,
        faults=faults,
        stats=stats,
        market_hub=market_hub,
        user_hub=user_hub,
        resolve=exchange.resolve_market,
        retick=exchange.change_tick,
        standing=standing,
    )
    switches = control.router()
    VenueControl(
        exchange=exchange,
        signers=signers,
        addresses=addresses,
        standing=standing,
        schedule=schedule,
        market_of=control.market_of,
    ).add_to(switches)

    def perform(call: str, body: dict[str, Any]) -> Any:
        _, handler, params = switches.resolve("POST", f"/{call}")
        empty: dict[str, str] = {}
        return handler(
            Request(
                method="POST",
                path=f"/{call}",
                query={},
                headers=empty,
                body=encode(body),
                now_s=clock() / 1000,
                params=params,
            )
        )

    schedule.perform = perform
    return SandboxApp(
        exchange=exchange,
        routers={
            "clob": clob,
            "gamma": GammaApi(exchange).router(),
            "data": DataApi(exchange).router(),
            "relayer": relayed,
            "rpc": RpcApi(chain, exchange).router(),
            "control": switches,
        },
        market_hub=market_hub,
        user_hub=user_hub,
        faults=faults,
        stats=stats,
        limits=addresses,
        schedule=schedule,
        clock=clock,
    )
