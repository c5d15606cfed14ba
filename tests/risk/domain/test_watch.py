"""What the watch finds, and in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from risk.domain.watch import Cause, Response, error_rate_percent, findings
from tests.factories.risk import limits, portfolio

CAPS = {"drawdown_stop_bps": 500, "drawdown_kill_bps": 1000}


def found(equity: str, **values: object) -> list[tuple[Cause, Response]]:
    some = portfolio(equity=equity, day_start_equity="1000", peak_equity="1000")
    return [(f.cause, f.response) for f in findings(some, limits(**{**CAPS, **values}))]


@pytest.mark.parametrize(
    ("equity", "expected"),
    [
        ("1000", []),
        ("950.01", []),
        ("950", [(Cause.DRAWDOWN, Response.REDUCE_ONLY)]),
        ("900", [(Cause.DRAWDOWN, Response.KILL), (Cause.DRAWDOWN, Response.REDUCE_ONLY)]),
    ],
)
def test_drawdown_stops_and_then_kills(equity: str, expected: list[tuple[Cause, Response]]) -> None:
    assert found(equity) == expected


@pytest.mark.parametrize(("equity", "stops"), [("960.01", False), ("960", True)])
def test_the_daily_loss_stops_at_its_limit(equity: str, stops: bool) -> None:
    assert ((Cause.DAILY_LOSS, Response.REDUCE_ONLY) in found(equity, daily_loss="40")) is stops


def test_an_equity_with_unpriced_positions_stops_but_does_not_kill() -> None:
    some = portfolio(equity="900", day_start_equity="1000", peak_equity="1000")
    unpriced = findings(replace(some, unmarked=1), limits(**CAPS))
    assert [f.response for f in unpriced if f.cause is Cause.DRAWDOWN] == [Response.REDUCE_ONLY]


def test_a_limit_of_zero_is_no_limit() -> None:
    assert found("100", drawdown_stop_bps=0, drawdown_kill_bps=0, daily_loss="0") == []


@pytest.mark.parametrize(("refused", "sent", "percent"), [(0, 0, 0), (0, 40, 0), (1, 40, 3), (2, 40, 5), (3, 40, 8)])
def test_the_error_rate_is_rounded_up(refused: int, sent: int, percent: int) -> None:
    assert error_rate_percent(refused=refused, sent=sent) == percent
