"""A desk with real keys at a local exchange: what tests of the live path stand on.

    def test_something(live_desk: LiveDesk) -> None:
        account = live_desk.account()                     # sandbox, connected, $1,000, ready to send
        outcome = live_desk.outcome()                     # with a book at the exchange
        order = live_desk.order(account, outcome, Side.BUY, "0.20", "10")    # RESERVED, as the gate leaves it

The exchange runs once per session, in a process of its own; every test gets wallets of its own and should use
an outcome of its own where books matter. `live_desk` works inside a test's transaction and outside of one
(`django_db(transaction=True)`); threads need the latter.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from markets.domain.instruments import MarketFacts, Side, Venue
from markets.domain.units import Usd
from markets.models import Market, Outcome
from markets.selectors.catalogue import market_facts
from markets.services import catalogue
from markets.venues import trading_registry
from markets.venues.polymarket.wallets import is_position_id
from markets.venues.trading import OrderGateway, OrderTerms, Sent, Unsigned
from orders.domain.lifecycle import Environment
from orders.domain.private_keys import key_new
from orders.domain.wallet_entry import wallet_entry
from orders.models import Account, AccountLease, Order, SealingKey, StreamState, VenueCondition
from orders.services import key_files, keyholder, ownership
from orders.services.accounts import account_lock, account_open
from orders.services.chain_signer import TraderChainSigner
from orders.services.connecting import account_connect
from orders.services.gateways import AccountGateways
from orders.services.placement import order_create
from orders.services.secrets import Opener, sealing_key_publish
from orders.services.signer import Caps, TraderSigner
from tests.factories.orders import micro, placement
from tests.local_exchange import running_exchange

HOSTS = ("clob", "gamma", "data", "ws_market", "ws_user", "relayer", "rpc", "control")
CAPS = Caps(order=10_000_000_000, minute=10_000_000_000_000, orders_per_minute=1_000_000)
_numbers = itertools.count(1)


@dataclass
class LocalExchange:
    """The exchange's URLs and its switchboard (polybot/sandbox/README.md)."""

    urls: dict[str, str]

    def control(self, call: str, *, method: str = "POST", **body: Any) -> dict[str, Any]:
        answer = httpx.request(method, f"{self.urls['control']}/{call}", json=body or None, timeout=10)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def book(self, token_id: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return (bids, asks) as (price, size) in millionths, best first."""
        found = httpx.get(f"{self.urls['clob']}/book", params={"token_id": token_id}, timeout=10).json()
        bids, asks = (
            sorted(
                ((micro(level["price"]), micro(level["size"])) for level in found[side]),
                reverse=side == "bids",
            )
            for side in ("bids", "asks")
        )
        return bids, asks

    def wallet(self, address: str) -> dict[str, Any]:
        return self.control(f"wallet/{address}", method="GET")

    def calm(self) -> None:
        """Take every fault, schedule, limit and mode away that a test may have left."""
        self.control("faults", method="DELETE")
        self.control("schedule", method="DELETE")
        self.control("mode", mode="normal")
        self.control("limits", signers="warning", addresses=False, scale=1)
        self.control("standing", region_blocked=False, relayer_auth=False)


@dataclass
class LiveDesk:
    exchange: LocalExchange
    folder: Path
    now: datetime = field(default_factory=timezone.now)

    @property
    def trader_key_file(self) -> Path:
        return self.folder / key_files.TRADER

    @property
    def stream_key_file(self) -> Path:
        return self.folder / key_files.STREAM

    @property
    def install_key(self) -> bytes:
        return key_files.keys_read(self.folder / key_files.INSTALL)[0]

    def keys_publish(self) -> None:
        for purpose, path in ((SealingKey.Purpose.TRADER, self.trader_key_file),
                              (SealingKey.Purpose.STREAM, self.stream_key_file)):  # fmt: skip
            sealing_key_publish(purpose, key_files.opening_keys(path)[0], now=timezone.now())

    def install(self, *, caps: Caps = CAPS) -> None:
        """Be the trader."""
        opener = Opener([self.trader_key_file, self.stream_key_file])
        keyholder.install(
            signer=TraderSigner(opener, install_key=self.install_key, caps=caps),
            gateways=AccountGateways(opener),
            chain=TraderChainSigner(opener),
        )

    # Accounts -------------------------------------------------------------------------------

    def account(
        self,
        kind: str = "deposit_beacon",
        *,
        cash: str = "1000",
        environment: Environment = Environment.SANDBOX,
        key: bytes | None = None,
        owner: Any = None,
        well: bool = True,
        name: str = "",
        **values: Any,
    ) -> Account:
        """Open and connect an account with a key of its own; `well` also meets every condition for sending."""
        n = next(_numbers)
        owner = owner or get_user_model().objects.create_user(username=f"trader{n}")
        account = account_open(
            name=name or f"{environment} {n}",
            owner=owner,
            environment=environment,
            cash=Usd(micro(cash) if environment is Environment.SANDBOX else 0),
            wallet=wallet_entry(key or key_new(), kind=kind),
            **values,
        )
        assert account_connect(account.pk), Account.objects.get(pk=account.pk).connection_note
        if well:
            self.all_well(account)
        account.refresh_from_db()
        return account

    def all_well(self, account: Account, *, now: datetime | None = None) -> None:
        """Write down that streams, clock, place and reconciliation are well at `now`."""
        now = now or timezone.now()
        ownership.take(account.pk)
        AccountLease.objects.filter(pk=account.pk).update(
            taken_at=now - timedelta(days=1), lease_until=timezone.now() + timedelta(days=1)
        )
        Account.objects.filter(pk=account.pk).update(reconciled_at=now)
        StreamState.objects.update_or_create(
            account=account,
            defaults={"connections": 2, "last_alive_at": now, "last_resync_at": now, "note": "", "updated_at": now},
        )
        VenueCondition.objects.update_or_create(
            venue=account.venue,
            environment=account.environment,
            defaults={"clock_offset_ms": 0, "clock_at": now, "blocked": False, "blocked_at": now, "mode": "normal",
                      "mode_until": None, "error": ""},
        )  # fmt: skip
        Market.objects.update(synced_at=now)

    # Markets and orders ---------------------------------------------------------------------

    def outcomes(self, **only: Any) -> list[Outcome]:
        """Return the outcomes of open markets, the busiest market first; `only` filters markets.

        Markets of position ids are left out: their tests name them.
        """
        markets = Market.objects.filter(state="open", **only).order_by("-volume_24h", "pk")
        found = [outcome for market in markets for outcome in market.outcomes.order_by("index")]
        return [outcome for outcome in found if not is_position_id(int(outcome.token_id))]

    def outcome(self, number: int = 0, *, index: int = 0, **only: Any) -> Outcome:
        """Return one outcome of the `number`th open market."""
        return self.outcomes(**only)[2 * number + index]

    def facts(self, outcome: Outcome) -> MarketFacts:
        return market_facts([outcome.market_id])[outcome.market_id]

    def book(self, outcome: Outcome) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        return self.exchange.book(outcome.token_id)

    def order(  # noqa: PLR0917
        self,
        account: Account,
        outcome: Outcome,
        side: Side = Side.BUY,
        price: str = "0.05",
        size: str = "10",
        order_type: str = "gtc",
        *,
        now: datetime | None = None,
        **values: Any,
    ) -> Order:
        """Create an order as the gate leaves it: RESERVED, its money set aside."""
        now = now or timezone.now()
        if order_type == "gtd":
            values.setdefault("expires_at", now + timedelta(minutes=10))
        wanted = placement(outcome, side, price, size, order_type=_type(order_type), created_at=now, **values)
        with transaction.atomic():
            order_id = order_create(
                account=account_lock(account.pk), placement=wanted, size=wanted.size, verdict_id=1, now=now
            )
        return Order.objects.get(pk=order_id)

    def gateway(self, account: Account) -> OrderGateway:
        return keyholder.gateway(account.pk)

    def post_foreign(  # noqa: PLR0917
        self,
        account: Account,
        outcome: Outcome,
        side: Side = Side.BUY,
        price: str = "0.05",
        size: str = "10",
        order_type: str = "gtc",
        **values: Any,
    ) -> tuple[str, Sent]:
        """Post an order with the account's key without any row of ours; return (order id, what came back)."""
        key = f"foreign-{next(_numbers)}-{time.time_ns()}"
        body, unsigned = self.signed(account, outcome, side, price, size, order_type, client_key=key, **values)
        return unsigned.order_id, self.post(account, body, unsigned)

    def signed(  # noqa: PLR0917
        self,
        account: Account,
        outcome: Outcome,
        side: Side,
        price: str,
        size: str,
        order_type: str,
        *,
        client_key: str,
        **values: Any,
    ) -> tuple[bytes, Unsigned]:
        """Sign an order as the trader does and return its request body; no row knows of it."""
        facts = self.facts(outcome)
        terms = OrderTerms(
            client_key=client_key,
            created_ms=time.time_ns() // 1_000_000,
            condition_id=outcome.market.condition_id,
            token_id=outcome.token_id,
            neg_risk=facts.neg_risk,
            tick=facts.tick,
            side=side,
            price=micro(price),
            size=micro(size),
            order_type=order_type,
            **values,
        )
        maker, signer = trading_registry.order_maker(Venue.POLYMARKET), keyholder.signer()
        unsigned = signer.prepare(account.pk, terms, maker=maker)
        return maker.body(unsigned, signer.sign(account.pk, unsigned), terms, signer.wallet(account.pk)), unsigned

    def post(self, account: Account, body: bytes, unsigned: Unsigned) -> Sent:
        return self.gateway(account).send(
            body, order_id=unsigned.order_id, unknown_attempts=0, deadline_ms=time.time_ns() // 1_000_000 + 5_000
        )


def _type(word: str) -> Any:
    from orders.domain.intents import OrderType

    return OrderType(word)


def point_at(settings: Any, exchange: LocalExchange) -> None:
    """Make the settings name the exchange's hosts."""
    settings.POLYMARKET = {**settings.POLYMARKET, **{name: exchange.urls[name] for name in HOSTS}}
    settings.POLYBOT_VENUE = "sandbox"


@pytest.fixture(scope="session")
def local_exchange() -> Iterator[LocalExchange]:
    """One quiet exchange for the session: books stand still unless a test trades."""
    with running_exchange("--seed", "11", "--rate", "0", "--protocol-v2") as urls:
        yield LocalExchange(urls)


@pytest.fixture
def live_desk(local_exchange: LocalExchange, settings: Any, tmp_path: Path, db: None) -> Iterator[LiveDesk]:
    """A trader with keys of its own at the local exchange, some markets synced, and no account yet."""
    point_at(settings, local_exchange)
    desk = LiveDesk(local_exchange, tmp_path / "keys")
    for name in (key_files.TRADER, key_files.STREAM, key_files.INSTALL):
        key_files.file_make(desk.folder / name)
    desk.keys_publish()
    run = catalogue.sync(Venue.POLYMARKET, "full", now=timezone.now())
    assert run is not None and not run.error, run
    desk.install()
    try:
        yield desk
    finally:
        keyholder.install()
        local_exchange.calm()
