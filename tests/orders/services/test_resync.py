"""One look at an account's orders and trades, and what a run makes of a venue that answers badly or moves meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from markets.domain.trading import TradeStage, VenueBalances, VenueLeg, VenueOrder
from markets.models import Outcome
from markets.venues.base import VenueUnavailable
from orders.domain.conversions import split
from orders.domain.lifecycle import OrderState
from orders.models import Account, Discrepancy, ExternalOrder, Fill, Order, OrderSubmission, PaperOrder, Position
from orders.services import keyholder, ownership, reconciliation, reconciliation_live
from orders.services.conversions import fact_book
from orders.services.invariants import check_invariants
from orders.services.reconciliation import live_reconcile, reconcile
from orders.services.resync import account_resync, since_of
from orders.services.sweep import lease_expire
from orders.services.venue_books import their_books
from tests.factories.markets import outcome_make
from tests.factories.orders import AT, account_make, micro, order_make, paper_order, sent_order
from tests.factories.venue import AT_MS, leg, live_order, sandbox_account, venue_order

pytestmark = pytest.mark.django_db
S = OrderState


class Gateway:
    """A venue that lists what a test puts there."""

    def __init__(self) -> None:
        self.listed: list[VenueOrder] = []
        self.traded: list[VenueLeg] = []
        self.found: dict[str, VenueOrder] = {}
        self.cash = micro("100")
        self.shares: dict[str, int] = {}
        self.asked: list[str] = []
        self.between: Any = None

    def open_orders(self) -> list[VenueOrder]:
        return list(self.listed)

    def legs(self, *, since_ms: int) -> list[VenueLeg]:
        return list(self.traded)

    def order(self, order_id: str) -> VenueOrder | None:
        self.asked.append(order_id)
        if self.between is not None:
            self.between()
        return self.found.get(order_id)

    def positions(self) -> Mapping[str, int]:
        return dict(self.shares)

    def balances_refresh(self, token_id: str = "") -> None: ...

    def balances(self, tokens: Sequence[str] = ()) -> VenueBalances:
        return VenueBalances(cash=self.cash, shares={t: self.shares[t] for t in tokens if t in self.shares})


@pytest.fixture
def account() -> Account:
    return sandbox_account("100")


@pytest.fixture
def outcome() -> Outcome:
    return outcome_make(fee_rate_ppm=0)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


def look(account: Account, gateway: Gateway, *, at_s: float = 0) -> Any:
    at = AT + timedelta(seconds=at_s)
    return account_resync(account.pk, gateway, since_ms=0, clock=lambda: at)  # type: ignore[arg-type]


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def row_of(order: Order) -> OrderSubmission:
    return OrderSubmission.objects.get(pk=order.pk)


# Orders ---------------------------------------------------------------------------------


def test_an_order_that_is_listed_again_has_missed_no_reading(
    account: Account, outcome: Outcome, gateway: Gateway
) -> None:
    order = live_order(account, outcome, price="0.50", size="10")
    look(account, gateway, at_s=61)
    assert (row_of(order).missing_reads, row_of(order).missing_since) == (1, AT + timedelta(seconds=61))
    gateway.listed = [venue_order(order)]
    found = look(account, gateway, at_s=91)
    assert (row_of(order).missing_reads, row_of(order).missing_since, found.moved) == (0, None, [])


def test_an_order_given_up_a_moment_ago_may_still_be_listed(
    account: Account, outcome: Outcome, gateway: Gateway
) -> None:
    order = live_order(account, outcome, price="0.50", size="10")
    gateway.listed = [venue_order(order)]
    Order.objects.filter(pk=order.pk).update(state=S.CANCELED, ended_at=AT, reserved=0)
    assert look(account, gateway, at_s=60).undead == []
    assert look(account, gateway, at_s=61).undead == [order.venue_order_id]


def missing(order: Order) -> None:
    """Two readings long ago did not list it; the third asks for the order itself."""
    OrderSubmission.objects.filter(pk=order.pk).update(missing_reads=2, missing_since=AT)


def test_the_third_reading_without_it_ends_an_order_only_if_asking_for_it_says_so(
    account: Account, outcome: Outcome, gateway: Gateway
) -> None:
    order = live_order(account, outcome, price="0.50", size="10")
    missing(order)
    gateway.found = {str(order.venue_order_id): venue_order(order)}
    assert look(account, gateway, at_s=90).ended == []
    assert (fresh(order).state, row_of(order).missing_reads) == ("live", 0), "it is there: it counts from the start"
    missing(order)
    gateway.found = {}
    assert look(account, gateway, at_s=90).ended == [order.pk]
    assert (fresh(order).state, fresh(order).reserved) == ("canceled", 0)
    assert fresh(order).state_reason == "the venue lists it no more"
    assert gateway.asked == [order.venue_order_id] * 2


def test_an_order_that_ended_while_it_was_asked_for_is_left_as_it_ended(
    account: Account, outcome: Outcome, gateway: Gateway
) -> None:
    order = live_order(account, outcome, price="0.50", size="10")
    missing(order)
    gateway.between = lambda: Order.objects.filter(pk=order.pk).update(state=S.EXPIRED, reserved=0)
    assert look(account, gateway, at_s=90).ended == []
    assert (fresh(order).state, row_of(order).ending) == ("expired", "")


@pytest.mark.parametrize(("cancel", "state"), [("", "expired"), ("changed", "canceled")])
def test_an_order_whose_time_was_over_expired_unless_its_end_was_asked_for(
    account: Account, outcome: Outcome, gateway: Gateway, cancel: str, state: str
) -> None:
    order = live_order(account, outcome, price="0.50", size="10")
    values = {"expires_at": AT + timedelta(seconds=80), "cancel_reason": cancel, "state_reason": cancel}
    Order.objects.filter(pk=order.pk).update(**values)
    missing(order)
    assert look(account, gateway, at_s=90).ended == [order.pk]
    assert (fresh(order).state, fresh(order).state_reason) == (state, cancel or "the venue lists it no more")


def test_matched_shares_without_a_trade_keep_their_money_and_are_told_when_that_lasts(
    account: Account, outcome: Outcome, gateway: Gateway
) -> None:
    order = live_order(account, outcome, price="0.50", size="10")
    missing(order)
    OrderSubmission.objects.filter(pk=order.pk).update(matched_claim=Decimal(4))
    assert (look(account, gateway, at_s=119).unbooked, fresh(order).reserved) == ({}, 5)
    assert look(account, gateway, at_s=120).unbooked == {order.pk: (Decimal(0), Decimal(4))}
    gateway.traded = [leg(order, "t1", "4", TradeStage.CONFIRMED)]
    found = look(account, gateway, at_s=150)
    assert (found.ended, found.late) == ([order.pk], ["trade t1"])
    assert (fresh(order).state, fresh(order).filled_size, fresh(order).reserved) == ("canceled", 4, 0)
    assert check_invariants() == []


# Trades ---------------------------------------------------------------------------------


def test_what_the_wallet_did_before_it_was_opened_is_in_its_opening(
    account: Account, outcome: Outcome, gateway: Gateway
) -> None:
    order = live_order(account, outcome, price="0.50", size="10")
    stranger = replace(leg(order, "old", "4"), order_id="0xabc", matched_ms=AT_MS - 1)
    gateway.traded = [stranger]
    assert (look(account, gateway).foreign, ExternalOrder.objects.count()) == (0, 0)
    gateway.traded = [replace(stranger, matched_ms=AT_MS)]
    found = look(account, gateway)
    assert (found.foreign, found.foreign_cash) == (1, -micro("2"))


def test_trades_are_read_from_the_last_clean_look_or_the_oldest_that_has_not_settled(
    account: Account, outcome: Outcome
) -> None:
    ten_minutes = 600_000
    assert since_of(account.pk, None) == AT_MS - ten_minutes
    clean = AT + timedelta(hours=5)
    assert since_of(account.pk, clean) == AT_MS + 5 * 3_600_000 - ten_minutes
    order = live_order(account, outcome, price="0.50", size="10")
    fill_of(account, order)
    assert since_of(account.pk, clean) == AT_MS + 1_000 - ten_minutes
    Fill.objects.update(settlement="confirmed")
    assert since_of(account.pk, clean) == AT_MS + 5 * 3_600_000 - ten_minutes


def fill_of(account: Account, order: Order) -> None:
    from orders.services.legs import legs_ingest

    assert legs_ingest(account.pk, [leg(order, "t1", "4")], now=AT).booked == 1


# A run ----------------------------------------------------------------------------------


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch, gateway: Gateway) -> Gateway:
    monkeypatch.setattr(keyholder, "gateway", lambda _: gateway)
    monkeypatch.setattr(keyholder, "can_sign", lambda: True)
    monkeypatch.setattr(reconciliation_live, "payments_read", lambda account: [])
    return gateway


def test_a_venue_that_does_not_name_every_balance_fails_the_run(
    account: Account, outcome: Outcome, held: Gateway
) -> None:
    order = live_order(account, outcome, price="0.50", size="10")
    fill_of(account, order)
    done = reconcile(account.pk, AT + timedelta(hours=1))
    assert (done.clean, "did not name every token" in done.error) == (False, True)
    assert Discrepancy.objects.count() == 0, "what was not read says nothing"


def test_a_trade_that_the_books_cannot_hold_is_a_difference_with_the_venues_words(
    account: Account, outcome: Outcome, held: Gateway
) -> None:
    order = live_order(account, outcome, price="0.50", size="10")
    held.listed = [venue_order(order)]
    held.traded = [leg(order, "t1", "11")]
    done = reconcile(account.pk, AT + timedelta(hours=1))
    row = Discrepancy.objects.get(kind="fill_differs")
    assert (done.clean, row.subject, row.cause) == (
        False, "trade t1", "the venue contradicts itself, or our books cannot hold it",
    )  # fmt: skip
    assert "would fill 11 of 10" in row.theirs
    assert Account.objects.get().trading_state == "halted"


def test_a_run_that_breaks_is_on_file_and_holds_no_other_account_up(
    account: Account, held: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, without_key = sandbox_account("100"), sandbox_account("100")
    real = reconciliation_live.compare

    def compare(account_id: int, *asked: Any, **more: Any) -> Any:
        if account_id == account.pk:
            raise RuntimeError("broke")
        return real(account_id, *asked, **more)

    def gateway(account_id: int) -> Gateway:
        if account_id == without_key.pk:
            raise keyholder.KeyRefused("its key does not open")
        return held

    monkeypatch.setattr(reconciliation_live, "compare", compare)
    monkeypatch.setattr(keyholder, "gateway", gateway)
    monkeypatch.setattr(ownership, "take", lambda _: True)
    assert live_reconcile(AT + timedelta(hours=1)) == 1
    assert reconcile(account.pk, AT).error == "RuntimeError: broke"
    assert [Account.objects.get(pk=a.pk).reconciled_at is not None for a in (account, other, without_key)] == [
        False, True, False,
    ]  # fmt: skip
    monkeypatch.setattr(reconciliation_live, "compare", _unavailable)
    assert reconcile(other.pk, AT).error == "VenueUnavailable: nobody home"


def _unavailable(*_: Any, **__: Any) -> Any:
    raise VenueUnavailable("nobody home")


# Paper ----------------------------------------------------------------------------------


def test_an_order_that_reaches_the_simulated_venue_while_we_look_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    order = sent_order(account_make("100"), outcome_make(fee_rate_ppm=0), price="0.50", size="10")
    lease_expire(order.pk, AT + timedelta(seconds=30))
    real = reconciliation.order_lost

    def arrives(order_id: int, *, now: datetime) -> bool:
        paper_order(order)
        return real(order_id, now=now)

    monkeypatch.setattr(reconciliation, "order_lost", arrives)
    reconcile(order.account_id, AT)
    assert (Discrepancy.objects.get().repair, fresh(order).state) == ("reached the venue meanwhile", "unknown")
    assert fresh(order).reserved > 0


def test_an_order_that_cannot_be_ended_is_a_difference_that_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    order = sent_order(account_make("100"), outcome_make(fee_rate_ppm=0), price="0.50", size="10")
    lease_expire(order.pk, AT + timedelta(seconds=30))
    monkeypatch.setattr(reconciliation, "order_lost", lambda *_, **__: False)
    assert not reconcile(order.account_id, AT).clean
    assert (Discrepancy.objects.get().repair, fresh(order).state) == ("", "unknown")


def test_a_venue_that_never_stands_still_is_a_difference_that_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    order = sent_order(account_make("100"), outcome_make(fee_rate_ppm=0), price="0.50", size="10")
    theirs = paper_order(order)
    looks: list[str] = []

    def moves(venue_order_id: str, *, now: datetime) -> int:
        looks.append(venue_order_id)
        PaperOrder.objects.filter(pk=theirs.pk).update(filled=Decimal(len(looks)))
        return 0

    monkeypatch.setattr(reconciliation, "paper_sync", moves)
    assert not reconcile(order.account_id, AT).clean
    assert (len(looks), Discrepancy.objects.get(kind="state_differs").repaired) == (3, False)


def test_an_order_that_was_never_sent_is_not_looked_for_at_the_venue() -> None:
    account = account_make("100")
    order_make(account, outcome_make(fee_rate_ppm=0), price="0.50", size="10")
    assert reconcile(account.pk, AT).clean


def test_shares_that_came_outside_of_trades_are_in_the_simulated_venues_books(outcome: Outcome) -> None:
    account = account_make("100")
    pair = list(outcome.market.outcomes.order_by("index"))
    markets = {o.pk: o.market_id for o in pair}
    fact_book(
        account, split([o.pk for o in pair], micro("20")), reference="chain:1", markets=markets, memo="split", at=AT,
        now=AT,
    )  # fmt: skip
    books = their_books(account.pk)
    assert (books.cash, books.positions) == (micro("80"), {o.pk: micro("20") for o in pair})
    assert Position.objects.filter(account=account, size=20).count() == 2
    assert reconcile(account.pk, AT).clean
