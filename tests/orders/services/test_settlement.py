from datetime import timedelta
from decimal import Decimal

import pytest

from markets.models import Market, Outcome
from orders.models import Account, Fill, LedgerTransaction, Order, Position
from orders.services.fills import FillError, fill_void
from orders.services.invariants import check_invariants
from orders.services.paper import paper_sync
from orders.services.reconciliation import reconcile
from orders.services.settlement import SettlementError, resolution_apply, resolutions_apply
from tests.factories.markets import outcome_make
from tests.factories.orders import AT, account_make, paper_order, paper_trade, sent_order

pytestmark = pytest.mark.django_db


def hold(account: Account, outcome: Outcome, size: str, price: str) -> None:
    order = sent_order(account, outcome, price=price, size=size)
    paper_order(order, state="filled", filled=size)
    paper_trade(order, size)
    paper_sync(order.venue_order_id or "", now=AT)


def resolve(outcome: Outcome, *payouts: str) -> Market:
    Market.objects.filter(pk=outcome.market_id).update(state="resolved", resolved_at=AT)
    for row, payout in zip(outcome.market.outcomes.order_by("index"), payouts, strict=True):
        Outcome.objects.filter(pk=row.pk).update(payout=Decimal(payout))
    return Market.objects.get(pk=outcome.market_id)


@pytest.mark.parametrize(
    ("payouts", "cash", "profit"),
    [(("1", "0"), "106", "6"), (("0", "1"), "96", "-4"), (("0.5", "0.5"), "101", "1")],
    ids=["won", "lost", "void"],
)
def test_a_resolution_pays_the_shares_held(payouts: tuple[str, str], cash: str, profit: str) -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    hold(account, outcome, "10", "0.40")
    market = resolve(outcome, *payouts)
    assert resolution_apply(market.pk, now=AT) == 1
    held = Position.objects.get()
    assert (held.size, held.cost, held.realized) == (0, 0, Decimal(profit))
    assert Account.objects.get(pk=account.pk).cash == Decimal(cash)
    assert LedgerTransaction.objects.get(kind="redeem").realized == Decimal(profit)
    assert check_invariants() == []
    assert reconcile(account.pk, AT).clean


def test_a_pair_of_both_outcomes_pays_one_dollar() -> None:
    account, yes = account_make("100"), outcome_make(fee_rate_ppm=0)
    hold(account, yes, "10", "0.40")
    hold(account, yes.market.outcomes.get(index=1), "10", "0.55")
    resolution_apply(resolve(yes, "0", "1").pk, now=AT)
    assert Account.objects.get(pk=account.pk).cash == Decimal("100.5")


def test_each_account_is_paid_once_however_often_it_is_asked() -> None:
    outcome = outcome_make(fee_rate_ppm=0)
    accounts = [account_make("100"), account_make("100")]
    for account in accounts:
        hold(account, outcome, "10", "0.40")
    market = resolve(outcome, "1", "0")
    assert resolutions_apply(AT) == 2
    assert resolutions_apply(AT) == 0
    assert resolution_apply(market.pk, now=AT) == 0
    assert set(Account.objects.values_list("cash", flat=True)) == {Decimal(106)}


def test_open_orders_are_cancelled_first_and_the_payout_waits_for_their_end() -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    hold(account, outcome, "10", "0.40")
    order = sent_order(account, outcome, price="0.30", size="10")
    paper_order(order)
    paper_sync(order.venue_order_id or "", now=AT)
    market = resolve(outcome, "1", "0")
    assert resolution_apply(market.pk, now=AT) == 0
    assert Order.objects.get(pk=order.pk).cancel_reason == "the market is resolved"
    paper_order(order, state="canceled")
    paper_sync(order.venue_order_id or "", now=AT)
    assert resolution_apply(market.pk, now=AT + timedelta(seconds=30)) == 1
    assert check_invariants() == []


def test_nothing_is_paid_without_complete_payouts() -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    hold(account, outcome, "10", "0.40")
    Market.objects.filter(pk=outcome.market_id).update(state="resolved")
    with pytest.raises(SettlementError, match=r"no complete payouts \(Yes \?, No \?\)"):
        resolution_apply(outcome.market_id, now=AT)
    resolve(outcome, "1", "1")
    with pytest.raises(SettlementError):
        resolution_apply(outcome.market_id, now=AT)
    assert Position.objects.get().size == 10


def test_a_market_without_proof_does_not_hold_up_the_others() -> None:
    account, sure, unsure = account_make("100"), outcome_make(fee_rate_ppm=0), outcome_make(fee_rate_ppm=0)
    hold(account, unsure, "10", "0.40")
    hold(account, sure, "10", "0.40")
    Market.objects.filter(pk=unsure.market_id).update(state="resolved")
    resolve(sure, "1", "0")
    assert resolutions_apply(AT) == 1
    assert Position.objects.get(outcome=unsure).size == 10


def test_a_fill_of_a_market_that_has_paid_can_no_longer_be_undone() -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    hold(account, outcome, "10", "0.40")
    resolution_apply(resolve(outcome, "1", "0").pk, now=AT)
    with pytest.raises(FillError, match="has paid out"):
        fill_void(Fill.objects.get().pk, reason="drill", now=AT)
    assert check_invariants() == []
