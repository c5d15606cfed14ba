# ruff: noqa: F811 (fixtures are imported by name)
"""A venue that changes what it sends: entries stop, exits go on, a person reads which field, and lets them go again."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from alerts.models import AuditEvent
from markets.domain.instruments import Side
from markets.domain.views import BookView
from markets.models import Block, Drift, Outcome
from markets.services import drift
from markets.venues.base import VenueError
from markets.venues.polymarket.connection import HttpAnswer, HttpPool
from markets.venues.polymarket.user_feed import read_news
from orders.domain.intents import Origin, OriginKind
from orders.models import Account, Fill, Order
from orders.services import keyholder, kill
from orders.services.drift_watch import events_look
from orders.services.execution import order_submit
from orders.services.resync import account_resync
from risk.selectors import picture
from risk.services import profiles
from risk.services.gate import review_manual
from tests.factories.markets import book_make
from tests.factories.orders import placement
from tests.factories.strategies import books_publish
from tests.live_desk import LiveDesk, live_desk, local_exchange  # noqa: F401
from tests.orders.services.venue_kit import until

pytestmark = pytest.mark.django_db
_sizes = itertools.count(501)  # the gate refuses the same order twice within seconds
Change = Callable[[dict[str, Any]], dict[str, Any]]


def added(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "feeTier": "gold"}


def without(name: str) -> Change:
    return lambda row: {key: value for key, value in row.items() if key != name}


def retyped(name: str) -> Change:
    return lambda row: {**row, name: {"value": row.get(name)}}


class Wire:
    """Stands between our connections and the exchange, and changes what answers hold."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.change: Change | None = None
        self.path = ""
        self._ask = HttpPool.request
        wire = self

        def request(pool: HttpPool, method: str, target: str, **more: Any) -> HttpAnswer:
            answer = wire._ask(pool, method, target, **more)
            if wire.change is None or f"{method} {target.partition('?')[0]}" != wire.path or answer.status != 200:
                return answer
            body = json.loads(answer.body)
            rows = body.get("data")
            if isinstance(rows, list):
                body["data"] = [wire.change(row) for row in rows]
            else:
                body = wire.change(body)
            raw = json.dumps(body).encode()
            return replace(answer, body=raw, headers={**answer.headers, "content-length": str(len(raw))})

        monkeypatch.setattr(HttpPool, "request", request)

    @contextlib.contextmanager
    def changing(self, path: str, change: Change) -> Any:
        self.path, self.change = path, change
        yield
        self.change = None


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    drift._noted.clear()
    drift._uncounted.clear()

    def fresh(ids: Any) -> dict[int, BookView]:
        at = int(timezone.now().timestamp() * 1000)
        return {i: book_make(i, venue_ms=at, received_ms=at, confirmed_ms=at) for i in ids}

    monkeypatch.setattr(picture, "books_read", fresh)
    kill.kill_install()
    profiles.install()
    return Wire(monkeypatch)


def review(account: Account, outcome: Outcome, side: Side) -> Any:
    origin = Origin(kind=OriginKind.MANUAL, id=account.owner_id, label="ada")
    price, size = "0.40" if side is Side.BUY else "0.60", f"{next(_sizes) / 100:.2f}"
    wanted = placement(outcome, side, price, size, origin=origin, created_at=timezone.now())
    return review_manual(account.pk, wanted, by="ada")


def accept(account: Account, row: Drift) -> None:
    """Be the person: on the doctor's page."""
    type(account.owner).objects.filter(pk=account.owner_id).update(is_staff=True)
    client = Client()
    client.force_login(account.owner)
    client.post(reverse("desk:drift_accept", args=[row.pk]))


def held(desk: LiveDesk) -> tuple[Account, Outcome]:
    """Return an account that has bought some shares, so that it has something to leave."""
    at = int(timezone.now().timestamp() * 1000)
    ids = Outcome.objects.values_list("pk", flat=True)
    books_publish(*(book_make(pk, venue_ms=at, received_ms=at, confirmed_ms=at) for pk in ids))
    account, outcome = desk.account(), desk.outcome(5)
    profiles.profile_assign(account.pk, "conservative")
    bought = desk.order(account, outcome, Side.BUY, "0.99", "60", "fak")
    order_submit(bought.pk, timezone.now())
    assert until(lambda: resync(account) or Fill.objects.filter(account=account, settlement="confirmed").exists())
    return account, outcome


def resync(account: Account) -> None:
    with contextlib.suppress(VenueError):  # what cannot be read any more concludes nothing
        account_resync(account.pk, keyholder.gateway(account.pk), since_ms=0, clock=timezone.now)


def stops_entries_only(account: Account, outcome: Outcome, *, source: str, kind: str, field: str) -> None:
    """Assert that one difference was noted, stops entries, lets exits pass, alerts, and goes with a person's word."""
    row = Drift.objects.get(accepted_at=None)
    assert (row.source, row.kind, row.field) == (source, kind, field)
    event = AuditEvent.objects.filter(kind="venue.drift").latest("pk")
    assert event.severity == "critical" and field in event.message
    entry, leaving = review(account, outcome, Side.BUY), review(account, outcome, Side.SELL)
    assert entry.order_id is None and field in entry.verdict.message
    assert leaving.order_id is not None, leaving.verdict.message
    accept(account, row)
    assert not Block.objects.filter(lifted_at=None).exists()
    again = review(account, outcome, Side.BUY)
    assert again.order_id is not None, again.verdict.message


@pytest.mark.parametrize(
    ("change", "kind", "field"),
    [
        (added, "unknown_field", "feeTier"),
        (without("makingAmount"), "missing_field", "makingAmount"),
        (retyped("takingAmount"), "retyped_field", "takingAmount"),
    ],
)
def test_an_order_answer_that_changed(live_desk: LiveDesk, wire: Wire, change: Change, kind: str, field: str) -> None:
    account, outcome = held(live_desk)
    other = live_desk.outcome(6)
    with wire.changing("POST /order", change):
        order_submit(live_desk.order(account, other, Side.BUY, "0.01", "100").pk, timezone.now())
        kept = live_desk.order(account, other, Side.BUY, "0.01", "101")
        order_submit(kept.pk, timezone.now())
    assert Order.objects.get(pk=kept.pk).sent_at is None  # approved before, and not sent any more
    stops_entries_only(account, outcome, source="rest.order_answer", kind=kind, field=field)


def test_rows_that_changed(live_desk: LiveDesk, wire: Wire) -> None:
    account, outcome = held(live_desk)
    resting = live_desk.order(account, live_desk.outcome(6), Side.BUY, "0.01", "100")
    order_submit(resting.pk, timezone.now())
    for path, source, name, optional in (
        ("GET /data/orders", "rest.order_row", "size_matched", "created_at"),
        ("GET /data/trades", "rest.trade_row", "size", "maker_address"),
    ):
        for change, kind, field in (
            (added, "unknown_field", "feeTier"),
            (without(optional), "missing_field", optional),
            (retyped(name), "retyped_field", name),
        ):
            with wire.changing(path, change):
                resync(account)
            stops_entries_only(account, outcome, source=source, kind=kind, field=field)


def test_user_events_that_changed(live_desk: LiveDesk, wire: Wire) -> None:
    account, outcome = held(live_desk)
    told = {
        "event_type": "order", "type": "PLACEMENT", "id": "0x" + "1" * 64, "status": "LIVE", "owner": "k",
        "maker_address": account.wallet_address, "market": outcome.market.condition_id,
        "asset_id": outcome.token_id, "side": "BUY", "original_size": "5", "size_matched": "0", "price": "0.5",
        "order_type": "GTC", "created_at": "1760000000", "timestamp": "1760000000000",
    }  # fmt: skip
    now = timezone.now()
    plain = read_news([json.dumps(told).encode()], api_key="k", wallet=account.wallet_address)
    assert plain.orders and not events_look(account.venue, plain.rows, now=now)
    for change, kind, field in (
        (added, "unknown_field", "feeTier"),
        (without("timestamp"), "missing_field", "timestamp"),
        (retyped("price"), "retyped_field", "price"),
    ):
        news = read_news([json.dumps(change(told)).encode()], api_key="k", wallet=account.wallet_address)
        assert events_look(account.venue, news.rows, now=now) == 1
        stops_entries_only(account, outcome, source="ws_user.order", kind=kind, field=field)
