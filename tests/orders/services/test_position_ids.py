"""Markets of the newer token protocol, end to end: listed, traded under Exchange V3, split, merged, redeemed."""

from __future__ import annotations

import time

import pytest
from django.utils import timezone

from markets.domain.events import BookSnapshot
from markets.domain.instruments import Side
from markets.domain.units import text_from_micro
from markets.feed.connection import Connection
from markets.models import Market, Outcome
from markets.services import catalogue
from markets.venues.polymarket.catalogue import PolymarketCatalogue
from markets.venues.polymarket.client import PolymarketBooks, PolymarketHttp
from markets.venues.polymarket.feed import PolymarketFeed
from markets.venues.polymarket.wallets import is_position_id
from orders.domain.lifecycle import OrderState
from orders.models import Account, ChainAction, Fill, Order, OrderSubmission
from orders.services import keyholder
from orders.services.chain_wishes import set_wish
from orders.services.execution import order_submit
from orders.services.reconciliation import reconcile
from orders.services.redemption import redemptions_apply
from orders.services.resync import account_resync
from tests.factories.markets import book_make
from tests.factories.orders import micro
from tests.factories.strategies import books_publish
from tests.live_desk import LiveDesk
from tests.orders.services.test_chain_send import equal_to_the_venue, finish
from tests.orders.services.test_redemption_evidence import looked_later
from tests.orders.services.venue_kit import send

pytestmark = pytest.mark.django_db


def listed() -> list[Market]:
    markets = Market.objects.filter(state="open", event__slug__contains="-v2-").order_by("-volume_24h", "pk")
    return [m for m in markets if all(is_position_id(int(o.token_id)) for o in m.outcomes.all())]


def fair(desk: LiveDesk) -> Outcome:
    """Return an outcome of which a few shares are worth more than the venue's smallest marketable order."""
    for outcome in (o for m in listed() for o in m.outcomes.order_by("index")):
        bids, asks = desk.book(outcome)
        if bids and asks and bids[0][0] >= 250_000 and min(bids[0][1], asks[0][1]) >= micro(20):
            return outcome
    raise AssertionError("no market of position ids has a price in the middle")


def traded(desk: LiveDesk, account: Account, outcome: Outcome, side: Side, size: str = "10") -> Order:
    """Send a marketable order and take its trades over until they are settled."""
    bids, asks = desk.book(outcome)
    price = asks[0][0] if side is Side.BUY else bids[0][0]
    order, sent = send(desk, account, outcome, side, text_from_micro(price), size, "fak", answered=OrderState.MATCHED)
    assert sent.answer.is_accepted, sent
    settled(account)
    order.refresh_from_db()
    return order


def settled(account: Account) -> None:
    gateway = keyholder.gateway(account.pk)
    for _ in range(100):
        account_resync(account.pk, gateway, since_ms=0, clock=timezone.now)
        fills = Fill.objects.filter(account=account)
        if fills and {fill.settlement for fill in fills} == {"confirmed"}:
            return
        time.sleep(0.1)
    told = [(o.state, o.state_reason) for o in Order.objects.filter(account=account)]
    raise AssertionError(f"the trades did not settle: {told}")


def test_the_catalogue_lists_them_with_their_position_ids(live_desk: LiveDesk) -> None:
    markets = listed()
    assert {m.neg_risk for m in markets} >= {False}
    assert Market.objects.filter(state="open").count() > len(markets) > 0
    named = PolymarketCatalogue(PolymarketHttp(live_desk.exchange.urls["gamma"])).events_of_markets
    found = {m.condition_id for page in named([markets[0].condition_id]) for e in page.events for m in e.markets}
    assert markets[0].condition_id in found


def test_books_come_by_position_id_over_the_socket_and_by_request(live_desk: LiveDesk) -> None:
    token = fair(live_desk).token_id
    feed, heard = PolymarketFeed(), []
    socket = Connection(live_desk.exchange.urls["ws_market"])
    try:
        socket.send(feed.subscribe_first([token]))
        for _ in range(20):
            for frame in socket.receive(0.5):
                assert feed.read(frame, time.time_ns(), heard) is None
            if any(isinstance(event, BookSnapshot) for event in heard):
                break
    finally:
        socket.close()
    pushed = next(event for event in heard if isinstance(event, BookSnapshot) and event.token_id == token)
    asked = PolymarketBooks(PolymarketHttp(live_desk.exchange.urls["clob"])).books_get([token])[token]
    assert (pushed.bids, pushed.asks) == (asked.bids, asked.asks)
    assert pushed.bids and pushed.asks


def test_an_order_goes_the_whole_way_rests_and_is_cancelled(live_desk: LiveDesk) -> None:
    account, outcome = live_desk.account("safe"), fair(live_desk)
    at = int(timezone.now().timestamp() * 1000)
    books_publish(book_make(outcome.pk, venue_ms=at, received_ms=at, confirmed_ms=at))
    order = live_desk.order(account, outcome, Side.BUY, "0.05", "10")
    order_submit(order.pk, timezone.now())
    order.refresh_from_db()
    assert (order.state, order.state_reason) == (OrderState.LIVE, "")
    assert [o.order_id for o in keyholder.gateway(account.pk).open_orders()] == [order.venue_order_id]
    keyholder.gateway(account.pk).cancel_everything(deadline_ms=at + 60_000)
    looked_later(account)
    order.refresh_from_db()
    assert order.state == OrderState.CANCELED
    account.refresh_from_db()
    assert (account.cash, account.reserved_cash) == (1000, 0)


@pytest.mark.parametrize("kind", ["eoa", "safe", "deposit_beacon"])
def test_orders_are_accepted_and_filled_under_exchange_v3(live_desk: LiveDesk, kind: str) -> None:
    account, outcome = live_desk.account(kind), fair(live_desk)
    bought = traded(live_desk, account, outcome, Side.BUY)
    assert (bought.state, bought.filled_size) == ("filled", 10), bought.state_reason
    sold = traded(live_desk, account, outcome, Side.SELL, "4")
    assert sold.filled_size == 4, sold.state_reason
    equal_to_the_venue(live_desk, account)
    assert OrderSubmission.objects.get(pk=sold.pk).exchange == "v3"
    balances = keyholder.gateway(account.pk).balances([outcome.token_id])
    assert balances.shares == {outcome.token_id: micro(6)}
    assert reconcile(account.pk, timezone.now()).clean


@pytest.mark.parametrize(("kind", "winner"), [("eoa", 1), ("proxy", "split")])
def test_sets_are_split_merged_and_redeemed_through_the_router(live_desk: LiveDesk, kind: str, winner: object) -> None:
    account, market = live_desk.account(kind), listed()[-1]
    for number, (merge, size) in enumerate([(False, "20"), (True, "5.5")]):
        wish = set_wish(account_id=account.pk, market_id=market.pk, amount=micro(size), merge=merge, key=f"{number}",
                        by="ada", now=timezone.now(), preview=False)  # fmt: skip
        assert finish(wish).state == "confirmed"
    equal_to_the_venue(live_desk, account)
    live_desk.exchange.control("resolve", market=market.condition_id, winner=winner)
    assert redemptions_apply(timezone.now()) == 0  # the catalogue does not know yet
    catalogue.sync(market.venue, "full", now=timezone.now())
    assert redemptions_apply(timezone.now()) == 1
    actions = ChainAction.objects.filter(account=account, kind="redeem").order_by("pk")
    assert [finish(action).state for action in actions] == ["confirmed"] * 2
    account.refresh_from_db()
    assert account.cash == 1000
    equal_to_the_venue(live_desk, account)
