"""Every kind of order with every kind of wallet, from the row to the venue and back into the books."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from markets.domain.instruments import Side
from markets.models import Outcome
from orders.models import Account, Order
from orders.services import keyholder
from orders.services.execution import order_submit, orders_submit
from orders.services.invariants import check_invariants
from orders.services.submission.stages import running_clock
from orders.services.submission.tend import tend
from tests.live_desk import LiveDesk
from tests.orders.services.submission.conftest import Line
from tests.orders.services.submission.test_unknown import takeable

pytestmark = pytest.mark.django_db
WALLETS = ("eoa", "proxy", "safe", "deposit_beacon", "deposit_uups")


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def price_text(micro: int) -> str:
    return f"{micro / 1e6:.4f}".rstrip("0")


@pytest.mark.parametrize("wallet", WALLETS)
def test_resting_kinds_rest_and_a_fill_or_kill_fills(desk: LiveDesk, wallet: str) -> None:
    account, outcome, now = desk.account(wallet), takeable(desk), timezone.now()
    ask = desk.book(outcome)[1][0][0]
    resting = [
        desk.order(account, outcome, price="0.02", size="60", now=now),
        desk.order(account, outcome, price="0.03", size="60", now=now, post_only=True),
        desk.order(account, outcome, price="0.04", size="60", order_type="gtd", now=now),
    ]
    taking = desk.order(account, outcome, Side.BUY, price_text(ask), "10", "fok", now=now)
    assert orders_submit([order.pk for order in (*resting, taking)], now) == 4
    assert [fresh(order).state for order in resting] == ["live"] * 3
    later = timezone.now() + timedelta(seconds=3)  # its answer came a moment after `now`: longer on a slow machine
    tend(later, running_clock(later))
    done = fresh(taking)
    assert (done.state, done.filled_size >= done.size) == ("filled", True)
    assert check_invariants() == []


def test_a_fill_and_kill_that_finds_nothing_is_refused_and_costs_nothing(
    desk: LiveDesk, account: Account, outcome: Outcome
) -> None:
    order = desk.order(account, outcome, Side.BUY, "0.01", "200", "fak")
    order_submit(order.pk, timezone.now())
    assert fresh(order).state == "rejected"
    assert Account.objects.get(pk=account.pk).reserved_cash == 0


def test_a_post_only_order_that_would_trade_is_refused(desk: LiveDesk, account: Account) -> None:
    outcome = takeable(desk)
    ask = desk.book(outcome)[1][0][0]
    order = desk.order(account, outcome, Side.BUY, price_text(ask), "10", post_only=True)
    order_submit(order.pk, timezone.now())
    assert (fresh(order).state, fresh(order).state_reason.split(":")[0]) == ("rejected", "crosses")


def test_a_batch_is_one_request_in_which_every_order_keeps_its_own_row_and_answer(
    desk: LiveDesk, account: Account, outcome: Outcome
) -> None:
    Account.objects.filter(pk=account.pk).update(batch_orders=True)
    line: Line = keyholder.gateway(account.pk)  # type: ignore[assignment]
    ask = desk.book(takeable(desk))[1][0][0]
    good = [desk.order(account, outcome, price=f"0.0{n}", size="30") for n in (2, 3)]
    bad = desk.order(account, takeable(desk), Side.BUY, price_text(ask), "10", post_only=True)
    orders_submit([order.pk for order in (*good, bad)], timezone.now())
    assert (len(line.batches), line.sends) == (1, [])
    assert [fresh(order).state for order in (*good, bad)] == ["live", "live", "rejected"]
    assert len({fresh(order).venue_order_id for order in (*good, bad)}) == 3
