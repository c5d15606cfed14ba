"""A strategy's budget and its loss of the day, worked out by hand."""

from __future__ import annotations

import pytest

from risk.domain.usage import Traded, usage_of
from tests.factories.risk import held, micro


def traded(**values: str | None) -> Traded:
    """Return sums as people write them: 100 bought for 40, nothing sold, nothing today."""
    sums = {"bought": "100", "bought_cost": "40", "sold": "0", **values}
    return Traded(outcome_id=1, **{name: None if text is None else micro(text) for name, text in sums.items()})


def exposure(*rows: Traded, size: str = "100", open_buys: str = "0") -> int:
    positions = {1: held(1, size, "40")} if size != "0" else {}
    return usage_of(rows, positions=positions, open_buys=micro(open_buys), marks={}).exposure


def day_loss(row: Traded, mark: str | None = None) -> int:
    marks = {} if mark is None else {1: micro(mark)}
    return usage_of([row], positions={}, open_buys=0, marks=marks).day_loss


def test_a_budget_is_the_cost_of_what_is_held_and_the_open_buys() -> None:
    assert exposure(traded()) == micro("40")
    assert exposure(traded(), open_buys="7") == micro("47")


def test_sold_shares_leave_the_budget_at_average_cost() -> None:
    assert exposure(traded(sold="25")) == micro("30")


def test_a_strategy_holds_no_more_than_its_account_does() -> None:
    assert exposure(traded(), size="10") == micro("4")
    assert exposure(traded(), size="0") == 0


def test_a_resolved_market_uses_no_budget() -> None:
    assert exposure(traded(payout="1")) == 0


def test_an_origin_that_sold_what_others_bought_holds_nothing() -> None:
    assert exposure(traded(bought="0", bought_cost="0", sold="50")) == 0
    assert exposure(traded(sold="150")) == 0, "nor less than nothing"


def test_shares_bought_today_count_at_todays_price() -> None:
    today = traded(day_bought="100", day_bought_cost="40", day_fees="1")
    assert day_loss(today, "0.30") == micro("11")  # paid 40 and 1, worth 30
    assert day_loss(today, "0.45") == 0  # a gain of 4 is no loss


def test_without_a_price_they_count_at_cost() -> None:
    assert day_loss(traded(day_bought="100", day_bought_cost="40", day_fees="1")) == micro("1")


@pytest.mark.parametrize(("payout", "loss"), [("0", "41"), ("1", "0")])
def test_a_market_that_resolved_today_counts_at_what_it_paid(payout: str, loss: str) -> None:
    today = traded(day_bought="100", day_bought_cost="40", day_fees="1", payout=payout)
    assert day_loss(today, "0.50") == micro(loss)


def test_shares_carried_over_count_when_they_are_sold() -> None:
    # 100 bought yesterday for 40; 50 sold today for 15: 15 - 20.
    assert day_loss(traded(sold="50", day_sold="50", day_sold_proceeds="15")) == micro("5")


def test_bought_and_sold_today_is_the_difference_and_the_fees() -> None:
    round_trip = traded(
        sold="100", day_bought="100", day_bought_cost="40", day_sold="100", day_sold_proceeds="38", day_fees="1"
    )
    assert day_loss(round_trip, "0.90") == micro("3")
