from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from alerts.models import AuditEvent
from orders.models import Account, Discrepancy, Fill, LedgerEntry, Order, PaperOrder, Position, ReconcileRun
from orders.services.invariants import check_invariants
from orders.services.paper import paper_sync
from orders.services.reconciliation import reconcile
from tests.factories.damage import books_unlocked
from tests.factories.markets import outcome_make
from tests.factories.orders import AT, account_make, order_make, paper_order, paper_trade, sent_order

pytestmark = pytest.mark.django_db


def traded(size: str = "10", price: str = "0.50") -> tuple[Account, Order]:
    """Return an account with one filled order, booked on both sides."""
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    order = sent_order(account, outcome, price=price, size=size)
    paper_order(order, state="filled", filled=size)
    paper_trade(order, size)
    paper_sync(order.venue_order_id or "", now=AT)
    return account, order


def test_an_account_whose_books_agree_is_clean() -> None:
    account, _ = traded()
    result = reconcile(account.pk, AT)
    assert (result.clean, result.found, result.fills_compared) == (True, 0, 1)
    assert Account.objects.get(pk=account.pk).reconciled_at == AT


def test_a_fill_we_missed_is_booked_from_the_venue() -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    order = sent_order(account, outcome, price="0.50", size="10")
    paper_order(order, state="filled", filled="10")
    paper_trade(order, "10")
    result = reconcile(account.pk, AT)
    assert (result.clean, result.repaired) == (True, 2)
    assert Fill.objects.count() == 1
    assert Order.objects.get().state == "filled"
    assert sorted(Discrepancy.objects.values_list("kind", flat=True)) == ["missing_fill", "state_differs"]
    assert reconcile(account.pk, AT).found == 0


def test_an_unknown_order_takes_the_state_the_venue_reports() -> None:
    from orders.services.sweep import lease_expire

    account, outcome = account_make(), outcome_make()
    order = sent_order(account, outcome)
    lease_expire(order.pk, AT + timedelta(seconds=30))
    paper_order(order)
    assert reconcile(account.pk, AT).clean
    assert Order.objects.get().state == "live"


def test_an_unknown_order_the_venue_never_had_is_ended() -> None:
    from orders.services.sweep import lease_expire

    account, outcome = account_make(), outcome_make()
    order = sent_order(account, outcome)
    lease_expire(order.pk, AT + timedelta(seconds=30))
    assert reconcile(account.pk, AT).clean
    assert Order.objects.get().state == "rejected"
    assert Account.objects.get().reserved_cash == 0


def test_an_order_that_the_sweep_ends_at_the_same_moment_is_no_difference_that_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from orders.services import reconciliation
    from orders.services.paper import order_lost
    from orders.services.sweep import lease_expire

    order = sent_order(account_make(), outcome_make())
    lease_expire(order.pk, AT + timedelta(seconds=30))

    def sweep_was_first(order_id: int, *, now: datetime) -> bool:
        assert order_lost(order_id, now=now)
        return order_lost(order_id, now=now)

    monkeypatch.setattr(reconciliation, "order_lost", sweep_was_first)
    assert reconcile(order.account_id, AT).clean
    assert Discrepancy.objects.get().repair == "ended meanwhile: rejected"


def test_a_venue_that_goes_on_while_we_repair_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from orders.services import reconciliation

    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    order = sent_order(account, outcome, price="0.50", size="10")
    theirs = paper_order(order)
    moves = iter(["4"])

    def venue_moves(venue_order_id: str, *, now: datetime) -> int:
        booked = paper_sync(venue_order_id, now=now)
        if size := next(moves, None):
            PaperOrder.objects.filter(pk=theirs.pk).update(filled=Decimal(size))
            paper_trade(order, size)
        return booked

    monkeypatch.setattr(reconciliation, "paper_sync", venue_moves)
    assert reconcile(account.pk, AT).clean
    assert Order.objects.get().filled_size == 4


def test_an_order_only_the_venue_has_is_recorded_and_told() -> None:
    account, order = traded()
    PaperOrder.objects.create(
        venue_order_id="paper-stranger",
        account=account,
        outcome=order.outcome,
        side="buy",
        price=Decimal("0.4"),
        size=10,
        order_type="gtc",
        state="live",
        placed_at=AT,
        cursor="1-1",
    )
    assert not reconcile(account.pk, AT).clean
    assert Discrepancy.objects.get().kind == "unknown_order"
    assert AuditEvent.objects.filter(kind="reconcile.difference", severity="critical").count() == 1


def test_books_that_stay_wrong_halt_the_account_on_the_second_look() -> None:
    account, _ = traded()
    Account.objects.filter(pk=account.pk).update(cash=Decimal("94.99"))  # a cent too few
    first = reconcile(account.pk, AT)
    assert not first.clean
    assert Account.objects.get().trading_state == "active"
    kinds = set(Discrepancy.objects.values_list("kind", "ours"))
    assert ("cash_differs", "94.99") in kinds
    reconcile(account.pk, AT + timedelta(minutes=1))
    row = Account.objects.get()
    assert row.trading_state == "halted"
    assert "books differ from the venue's" in row.trading_state_reason
    assert AuditEvent.objects.filter(kind="reconcile.difference").count() == len(kinds)  # told once, not each minute


@pytest.mark.parametrize("damage", ["position", "ledger", "fill", "order", "reservation", "journal"])
def test_every_damage_to_our_own_books_is_found(damage: str) -> None:
    account, order = traded()
    order_make(account, outcome_make(fee_rate_ppm=0), price="0.50", size="10")
    assert check_invariants([account.pk]) == []
    if damage == "position":
        Position.objects.update(size=11)
    elif damage == "ledger":
        row = LedgerEntry.objects.filter(asset="usd", book="own").latest("id")
        with books_unlocked():
            LedgerEntry.objects.filter(pk=row.pk).update(amount=row.amount + 1)
    elif damage == "fill":
        with books_unlocked():
            Fill.objects.update(size=9)
    elif damage == "order":
        Order.objects.filter(pk=order.pk).update(filled_size=9)
    elif damage == "reservation":
        Account.objects.update(reserved_cash=4)
    else:
        Order.objects.create(
            client_key="018f3c1e-0000-7000-8000-000000000009",
            account=account,
            market=order.market,
            outcome=order.outcome,
            side="buy",
            price=Decimal("0.5"),
            size=1,
            order_type="gtc",
            origin_kind="manual",
            origin_id=1,
            origin_label="x",
            created_at=AT,
        )
    assert check_invariants([account.pk])


def test_a_run_is_stored_whatever_it_finds() -> None:
    account, _ = traded()
    reconcile(account.pk, AT)
    run = ReconcileRun.objects.get()
    assert (run.clean, run.fills_compared, run.finished_at) == (True, 1, AT)
