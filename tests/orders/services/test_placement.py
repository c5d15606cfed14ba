import pytest

from alerts.models import AuditEvent
from markets.domain.instruments import Side
from orders.models import Account, Order
from orders.services.invariants import check_invariants
from orders.services.placement import ReservationError
from tests.factories.markets import outcome_make
from tests.factories.orders import account_make, order_make

pytestmark = pytest.mark.django_db


def test_a_buy_sets_aside_its_price_and_the_worst_taker_fee() -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=40_000)
    order = order_make(account, outcome, price="0.60", size="10")
    # 10 x 0.60 = 6, fee at most 10 x 0.04 x 0.25 = 0.10, and a tenth of a cent for rounding per trade.
    assert str(order.reserved) == "6.101000"
    assert str(Account.objects.get(pk=account.pk).reserved_cash) == "6.101000"
    assert check_invariants([account.pk]) == []


def test_a_post_only_buy_sets_aside_no_fee() -> None:
    account, outcome = account_make("100"), outcome_make()
    assert str(order_make(account, outcome, price="0.60", size="10", post_only=True).reserved) == "6.000000"


def test_an_order_that_cannot_be_paid_is_refused_with_the_numbers() -> None:
    account, outcome = account_make("10"), outcome_make(fee_rate_ppm=0)
    order_make(account, outcome, price="0.60", size="10")
    with pytest.raises(ReservationError, match=r"buying 10 at 0\.6 needs \$6 with fees; \$4 is free"):
        order_make(account, outcome, price="0.60", size="10")
    assert Order.objects.count() == 1


def test_a_sell_needs_shares_that_are_held_and_free() -> None:
    account, outcome = account_make("10"), outcome_make()
    with pytest.raises(ReservationError, match="selling 5 shares needs as many free; 0 are"):
        order_make(account, outcome, side=Side.SELL, size="5")


def test_approving_the_same_key_twice_reserves_once() -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    key = "018f3c1e-0000-7000-8000-000000000001"
    first = order_make(account, outcome, key=key, price="0.50", size="10")
    assert order_make(account, outcome, key=key, price="0.50", size="10").pk == first.pk
    assert str(Account.objects.get(pk=account.pk).reserved_cash) == "5.000000"


def test_an_approval_is_in_the_journal_once() -> None:
    account, outcome = account_make(), outcome_make()
    order = order_make(account, outcome)
    kinds = list(AuditEvent.objects.filter(subject_kind="order", subject_id=order.pk).values_list("kind", flat=True))
    assert kinds == ["order.approved"]
