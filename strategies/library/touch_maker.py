"""Touch maker: joins the best prices around a slow average of the middle, leaned against what is held.

The average is exponential: each look moves it by `smoothing` of the way to the middle. A bid is never above
the best bid and an ask never below the best ask, so the strategy waits in the queue and takes nothing.
"""

from __future__ import annotations

import math
from collections.abc import MutableSequence, Sequence
from decimal import Decimal
from functools import cached_property

from strategies.domain.base import TradingParameters
from strategies.domain.parameters import Amount, Count, micro, param
from strategies.domain.quoting import QuoteFunction, QuoteStrategy, QuoteTerms


class TouchMakerParameters(TradingParameters):
    half_spread: Amount = param(
        Decimal(1), title="Half spread", help="Distance of the first quote from the average, in ticks of the market.",
        unit="ticks", ge=0, le=500, places=3, sweep=("0.5", "3", "0.5"),
    )  # fmt: skip
    inventory_skew: Amount = param(
        Decimal("0.5"), title="Inventory skew", help="Ticks by which quotes lean for each quote's size that is held.",
        unit="ticks", ge=0, le=100, places=3, sweep=("0", "1", "0.25"),
    )  # fmt: skip
    smoothing: Amount = param(
        Decimal("0.02"), title="Smoothing", help="Part of the way to the middle that the average goes at each look.",
        unit="x", ge="0.0001", le=1, places=4, sweep=("0.005", "0.3", "0.02"),
    )  # fmt: skip
    size: Amount = param(
        Decimal(10), title="Size", help="Shares of each quote; at least what the venue takes.",
        unit="shares", ge="0.01", le=100_000, places=2, sweep=("10", "50", "10"),
    )  # fmt: skip
    maximum_position: Amount = param(
        Decimal(200), title="Maximum position", help="Net shares per market (YES minus NO) at which one side stops.",
        unit="shares", ge="0.01", le=10_000_000, places=2, sweep=("50", "200", "50"),
    )  # fmt: skip
    levels: Count = param(
        1, title="Levels", help="Quotes on each side.", unit="quotes", ge=1, le=5, sweep=("1", "3", "1")
    )
    level_step: Count = param(
        1, title="Step between levels", help="Distance from one level to the next.", unit="ticks", ge=1, le=100
    )
    maximum_book_age_s: Count = param(
        15, title="Maximum book age", help="Older books are not quoted.", unit="s", ge=1, le=86_400
    )
    stop_before_close_min: Count = param(
        30, title="Stop before close", help="Minutes before trading ends at which quotes are withdrawn.",
        unit="min", ge=0, le=100_000,
    )  # fmt: skip

    @cached_property
    def terms(self) -> QuoteTerms:
        size = micro(self.size)
        return QuoteTerms(
            numbers=(
                float(self.half_spread),
                float(self.inventory_skew),
                float(self.smoothing),
                float(size),
                float(micro(self.maximum_position)),
                float(self.levels),
                float(self.level_step),
            ),
            memory=(-1.0, 0.0),  # the average in ticks, negative while unknown, and the tick it is counted in
            levels=self.levels,
            size=size,
            book_age_ms=self.maximum_book_age_s * 1_000,
            stop_ms=self.stop_before_close_min * 60_000,
        )


def touch_quotes(  # noqa: PLR0917 - numba calls it by position
    memory: MutableSequence[float],
    numbers: Sequence[float],
    bid: int,
    ask: int,
    tick: int,
    net: float,
    out: MutableSequence[int],
) -> None:
    """The whole strategy. See QuoteFunction; `net` counts in the same unit as the size and the maximum."""
    half, skew, smoothing, size, maximum = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    levels, step = int(numbers[5]), int(numbers[6])
    middle = (bid + ask) * 0.5
    average = memory[0]
    if average < 0.0:
        average = middle
    else:
        if memory[1] != tick:  # the market's tick changed: count the average in the new one
            average = average * memory[1] / tick
        average = average + smoothing * (middle - average)
    memory[0] = average
    memory[1] = tick
    lean = skew * net / size
    lower = min(bid, math.floor(average - half - lean))
    upper = max(ask, math.ceil(average + half - lean))
    for level in range(levels):
        out[level] = max(0, lower - level * step) if net < maximum else 0
        out[levels + level] = upper + level * step if net > -maximum else 0


class TouchMaker(QuoteStrategy):
    name = "touch_maker"
    title = "Touch maker"
    description = (
        "Rests at or behind the best prices around a slow average of the middle, leans against what it holds, "
        "and buys the other outcome instead of selling short. Fast backtests run it compiled."
    )
    params = TouchMakerParameters

    @property
    def quote(self) -> QuoteFunction:
        return touch_quotes

    def terms(self, params: TouchMakerParameters) -> QuoteTerms:
        return params.terms
