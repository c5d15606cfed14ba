"""The gate on PostgreSQL: one transaction, verdicts on file, never above a limit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Barrier, local
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts.models import AuditEvent
from markets.domain.instruments import Side
from markets.domain.units import Usd
from markets.models import Market, Outcome
from orders.domain.intents import Placement
from orders.domain.ledger import Portfolio
from orders.models import Account, Order
from orders.selectors.portfolio import portfolio_get
from orders.services import accounts, kill
from risk.domain import exposure
from risk.domain.verdicts import Decision
from risk.models import RiskVerdict
from risk.selectors import picture
from risk.services import gate, profiles
from risk.services.gate import GateDesk, placements_review
from tests.factories.markets import AT, book_make, market_make, outcome_make
from tests.factories.orders import MANUAL, ORIGIN, account_make, micro, order_make, placement
from tests.risk.conftest import Books

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]


def desk(account: Account, *, now: datetime = AT, mode: str = gate.RUNNING) -> GateDesk:
    return GateDesk(account_id=account.pk, origin=ORIGIN, mode=mode, clock=lambda: now)


def review(account: Account, *placements: Placement, now: datetime = AT) -> list[Decision]:
    return [v.decision for v in placements_review(desk(account, now=now), placements, now=now)]


def test_an_approved_placement_becomes_an_order_with_its_money_set_aside(account: Account, outcome: Outcome) -> None:
    used = desk(account)
    (verdict,) = placements_review(used, [placement(outcome, price="0.50", size="20")], now=AT)
    (order_id,) = used.order_ids
    order = Order.objects.get(pk=order_id)
    row = RiskVerdict.objects.get()
    assert verdict.approved
    assert (order.size, order.verdict_id, order.state) == (Decimal(20), row.pk, "reserved")
    assert (row.decision, row.order_id, row.allowed_size) == ("approved", order.pk, Decimal(20))
    account.refresh_from_db()
    assert account.reserved_cash == Decimal(10)


def test_a_verdict_keeps_every_rules_numbers(account: Account, outcome: Outcome) -> None:
    review(account, placement(outcome, price="0.50", size="100"))
    row = RiskVerdict.objects.get()
    (check,) = [c for c in row.checks if c["rule"] == "order_size"]
    assert (row.decision, row.rule, row.allowed_size) == ("shrunk", "order_size", Decimal(50))
    assert (check["value"], check["limit"], check["unit"]) == (50_000_000, 25_000_000, "usd")
    assert check["allowed_size"] == 50_000_000
    assert Order.objects.get().size == Decimal(50)


def test_a_refusal_is_stored_and_reported(account: Account, outcome: Outcome) -> None:
    review(account, placement(outcome, price="0.505"))
    row = RiskVerdict.objects.get()
    assert (row.decision, row.rule, row.order_id) == ("refused", "price_tick", None)
    event = AuditEvent.objects.get(kind="order.refused")
    assert (event.stream, event.subject_id) == (f"account:{account.pk}", str(row.pk))
    assert "not a multiple of the tick" in event.message


def test_the_same_refusal_within_a_minute_is_counted_not_stored(account: Account, outcome: Outcome) -> None:
    for second in (20, 30, 79, 80, 90):  # the book is older than 15 s in all of them
        review(account, placement(outcome), now=AT + timedelta(seconds=second))
    rows = RiskVerdict.objects.order_by("id")
    assert [row.repeats for row in rows] == [2, 1]
    assert rows[0].last_at == AT + timedelta(seconds=79)
    assert AuditEvent.objects.filter(kind="order.refused").count() == 2


def test_another_answer_in_between_makes_the_refusal_new(account: Account, outcome: Outcome) -> None:
    review(account, placement(outcome, price="0.505"))
    review(account, placement(outcome, price="0.40"))
    review(account, placement(outcome, price="0.505"))
    assert [row.rule for row in RiskVerdict.objects.order_by("id")] == ["price_tick", "", "price_tick"]


def test_observing_stores_what_would_have_been_and_places_and_cancels_nothing(
    account: Account, outcome: Outcome
) -> None:
    order = order_make(account, outcome)
    watching = desk(account, mode=gate.OBSERVE)
    with watching.open(AT) as held:
        held.cancel(order.pk)
        (verdict,) = gate.review([placement(outcome, price="0.40")], held.context([placement(outcome, price="0.40")]))
        assert held.record(verdict) is None
    assert RiskVerdict.objects.get().decision == "observed"
    order.refresh_from_db()
    assert order.cancel_requested_at is None
    assert Order.objects.count() == 1
    assert watching.order_ids == []


def test_an_exception_in_the_cycle_leaves_nothing_behind(account: Account, outcome: Outcome) -> None:
    with pytest.raises(RuntimeError), desk(account).open(AT) as held:
        wanted = placement(outcome)
        (verdict,) = gate.review([wanted], held.context([wanted]))
        held.record(verdict)
        raise RuntimeError("the strategy failed")
    assert not Order.objects.exists()
    assert not RiskVerdict.objects.exists()
    account.refresh_from_db()
    assert account.reserved_cash == 0


def test_cancels_go_through_the_desk(account: Account, outcome: Outcome) -> None:
    order = order_make(account, outcome)
    used = desk(account)
    with used.open(AT) as held:
        held.cancel(order.pk, reason="moved")
    order.refresh_from_db()
    assert (order.state, order.state_reason) == ("abandoned", "moved")
    assert used.cancelled_ids == [order.pk]


@pytest.mark.parametrize(
    ("prepare", "rule"),
    [
        (lambda account, market, books: kill.kill_set("drill", "ann", AT), "kill_switch"),
        (lambda account, market, books: setattr(books, "gone", True), "book_fresh"),
        (lambda account, market, books: accounts.auto_trade_set(account_id=account.pk, on=False), "auto_trade"),
        (lambda account, market, books: Market.objects.update(state="closed"), "market_open"),
        (lambda account, market, books: Market.objects.update(blocked_reason="drift"), "market_open"),
        (lambda account, market, books: Market.objects.update(fee_known=False), "fee_known"),
        (lambda account, market, books: Market.objects.update(synced_at=AT - timedelta(seconds=200)), "metadata_age"),
        (
            lambda account, market, books: Market.objects.update(closes_at=AT + timedelta(seconds=60)),
            "time_to_close",
        ),
    ],
)  # fmt: skip
def test_the_gate_reads_the_real_state(account: Account, outcome: Outcome, books: Books, prepare, rule: str) -> None:  # type: ignore[no-untyped-def]
    prepare(account, outcome.market, books)
    assert review(account, placement(outcome)) == [Decision.REFUSED]
    assert RiskVerdict.objects.get().rule == rule


def test_an_account_without_a_profile_is_refused(outcome: Outcome) -> None:
    kill.kill_install()
    bare = account_make("1000")
    assert review(bare, placement(outcome)) == [Decision.REFUSED]
    assert RiskVerdict.objects.get().rule == "limits_known"


def test_open_orders_and_the_order_rate_count_what_is_in_the_database(account: Account, outcome: Outcome) -> None:
    for _ in range(20):
        order_make(account, outcome, price="0.10", size="10")
    review(account, placement(outcome, price="0.11"))
    row = RiskVerdict.objects.get()
    assert row.rule == "open_orders"
    assert next(c for c in row.checks if c["rule"] == "order_rate")["value"] == 21


def test_a_missing_tickstore_refuses(account: Account, outcome: Outcome, settings, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.undo()
    settings.TICKSTORE_URL = "redis://127.0.0.1:1/0"
    assert review(account, placement(outcome)) == [Decision.REFUSED]
    assert RiskVerdict.objects.get().rule == "book_fresh"


def test_one_review_costs_a_bounded_number_of_queries(account: Account, outcome: Outcome) -> None:
    review(account, placement(outcome, price="0.30"))
    with CaptureQueriesContext(connection) as queries:
        review(account, placement(outcome, price="0.31"), placement(outcome, price="0.32"))
    assert len(queries) <= 45


def test_opening_the_desk_without_placements_costs_few_queries(account: Account) -> None:
    with CaptureQueriesContext(connection) as queries, desk(account).open(AT):
        pass
    assert len(queries) <= 9  # two of them are the savepoint of the test


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("limit", ["account_exposure", "market_exposure", "strategy_exposure", "open_orders"])
def test_eight_workers_racing_for_one_limit_never_overshoot(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kill.kill_install()
    profiles.install()
    account = account_make("100000")
    profiles.profile_assign(account.pk, "aggressive")
    cap = 7 if limit == "open_orders" else Decimal("93.50")
    profile = profiles.RiskProfile.objects.get(name="aggressive")
    setattr(profile, limit, cap)
    profile.orders_per_minute = 1000
    profile.save()
    market = market_make(fee_rate_ppm=0)
    outcomes = list(market.outcomes.order_by("index"))
    monkeypatch.setattr(picture, "books_read", lambda ids: {i: book_make(i) for i in ids})

    def trade(worker: int) -> None:
        try:
            for number in range(6):
                wanted = placement(outcomes[0], price="0.40", size="10", level=number)
                placements_review(desk(account), [wanted], now=AT)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(trade, range(8)))
    after: Portfolio = portfolio_get(account.pk, {}, now=AT)
    assert RiskVerdict.objects.count() + sum(RiskVerdict.objects.values_list("repeats", flat=True)) == 48
    if limit == "open_orders":
        assert len(after.open_orders) == 7
        return
    facts = picture.market_facts_ahead([market.pk])
    risks = [exposure.risked_order(order, facts[market.pk]) for order in after.open_orders]
    used = exposure.account_exposure([], risks, facts)
    # 23 orders of $4.00 and one cut to $1.50 would be 3.75 shares, below the minimum of 5: it is refused.
    assert used == Usd(micro("92"))
    assert {o.side for o in after.open_orders} == {Side.BUY}


def test_the_neg_risk_group_is_loaded_for_what_is_held(account: Account) -> None:
    event_outcome = outcome_make(neg_risk=True, fee_rate_ppm=0)
    review(account, placement(event_outcome, price="0.50", size="40"))
    sibling = market_make(event=event_outcome.market.event, neg_risk=True, fee_rate_ppm=0).outcomes.get(index=0)
    review(account, placement(sibling, price="0.50", size="40"))
    row = RiskVerdict.objects.order_by("-id")[0]
    assert next(c for c in row.checks if c["rule"] == "event_exposure")["value"] == 40_000_000


@pytest.mark.django_db(transaction=True)
def test_a_form_sent_twice_at_once_places_one_order_and_answers_twice(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = market_make(fee_rate_ppm=0)
    monkeypatch.setattr(picture, "books_read", lambda ids: {i: book_make(i) for i in ids})
    wanted = placement(market.outcomes.get(index=0), price="0.40", size="10", origin=MANUAL)
    together = Barrier(2)
    monkeypatch.setattr(gate, "_stored", _waits_once(gate._stored, together))

    def press(_: int) -> gate.ManualResult:
        try:
            return gate.review_manual(account.pk, wanted, by="ann", clock=lambda: AT)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(press, range(2))
    assert (first.order_id, first.verdict.pk) == (second.order_id, second.verdict.pk)
    assert Order.objects.count() == RiskVerdict.objects.count() == 1


def _waits_once(read: Any, together: Barrier) -> Any:
    """Let both threads find nothing on file before either goes on."""
    seen = local()

    def waiting(account_id: int, key: str) -> RiskVerdict | None:
        found = read(account_id, key)
        if not hasattr(seen, "before"):
            seen.before = True
            together.wait(10)
        return found

    return waiting
