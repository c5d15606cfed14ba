"""What a strategy earned, from its own fills: cash, what it still holds at today's price, and today's part.

Dollars and shares are millionths. Shares carried over midnight count for today once they
are sold; a share without a price counts at cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from markets.domain.units import notional_down
from orders.domain.equity import day_start, mark_price
from orders.selectors.marks import marks_read
from orders.selectors.origins import OriginTrades, origin_trades


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeResult:
    outcome_id: int
    bought: int
    sold: int
    held: int
    average_cost: int | None
    mark: int | None
    profit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """`profit` is all that was ever earned or lost, fees included; `today` the part since midnight UTC."""

    profit: int
    today: int
    fees: int
    turnover: int
    unmarked: int  # held outcomes that count at cost for want of a price
    outcomes: tuple[OutcomeResult, ...]


def performance_get(account_id: int, strategy_ids: Iterable[int], *, now: datetime) -> dict[int, Performance]:
    """Return the results of some strategies of one account: one query, one look at the books."""
    ids = list(strategy_ids)
    trades = origin_trades(account_id, [("strategy", pk) for pk in ids], since=day_start(now))
    held = {t.outcome_id for rows in trades.values() for t in rows if t.payout is None and t.bought > t.sold}
    marks = {pk: price for pk, mark in marks_read(sorted(held)).items() if (price := mark_price(mark)) is not None}
    return {pk: performance_of(trades["strategy", pk], marks) for pk in ids}


def performance_of(trades: Iterable[OriginTrades], marks: Mapping[int, int]) -> Performance:
    results, profit, today, fees, turnover, unmarked = [], 0, 0, 0, 0, 0
    for one in trades:
        held = max(0, one.bought - one.sold)
        price = one.payout if one.payout is not None else marks.get(one.outcome_id)
        value = _cost(one, held) if price is None else notional_down(price, held)
        unmarked += bool(held) and price is None
        gained = one.sold_proceeds - one.bought_cost - one.fees + value
        added = one.day_bought - one.day_sold
        worth = notional_down(price, added) if added > 0 and price is not None else _cost(one, added)
        profit += gained
        today += one.day_sold_proceeds - one.day_bought_cost - one.day_fees + worth
        fees += one.fees
        turnover += one.bought_cost + one.sold_proceeds
        results.append(
            OutcomeResult(
                outcome_id=one.outcome_id,
                bought=one.bought,
                sold=one.sold,
                held=0 if one.payout is not None else held,
                average_cost=one.bought_cost * 1_000_000 // one.bought if one.bought else None,
                mark=price,
                profit=gained,
            )
        )
    return Performance(
        profit=profit, today=today, fees=fees, turnover=turnover, unmarked=unmarked, outcomes=tuple(results)
    )


def _cost(one: OriginTrades, size: int) -> int:
    """Return what `size` of the shares cost on average; negative for a negative size."""
    return one.bought_cost * size // one.bought if one.bought else 0
