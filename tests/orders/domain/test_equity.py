from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from orders.domain.equity import day_start, mark_price, value_positions
from tests.factories.orders import micro, position


@dataclass
class Mark:
    bid: int | None
    mid: int | None
    fresh: bool = True


def test_positions_count_at_the_middle_then_the_bid_then_cost() -> None:
    held = [
        position("10", "4", outcome_id=1),
        position("10", "4", outcome_id=2),
        position("10", "4", outcome_id=3),
        position("10", "4", outcome_id=4),
    ]
    marks = {
        1: Mark(bid=micro("0.48"), mid=micro("0.50")),
        2: Mark(bid=micro("0.48"), mid=None),
        3: Mark(bid=micro("0.99"), mid=micro("0.99"), fresh=False),
    }
    value = value_positions(held, marks)
    assert value.positions_value == micro("17.8")  # 5 + 4.8 + 4 + 4
    assert (value.unrealized, value.unmarked) == (micro("1.8"), 2)
    assert value_positions(held[:2], marks).unmarked == 0


def test_a_stale_mark_is_no_mark() -> None:
    assert mark_price(Mark(bid=1, mid=2, fresh=False)) is None
    assert mark_price(None) is None


def test_the_day_begins_at_midnight_utc_wherever_the_clock_stands() -> None:
    tokyo = datetime(2026, 11, 21, 3, 0, tzinfo=timezone(timedelta(hours=9)))
    assert day_start(tokyo) == datetime(2026, 11, 20, tzinfo=UTC)
