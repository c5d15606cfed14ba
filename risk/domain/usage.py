"""What one strategy holds and has lost, worked out from its own fills.

Positions belong to the account; a strategy's share of them is what its fills bought and did
not sell, and never more than the account still holds. Dollars and shares are millionths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from markets.domain.units import Usd, notional_down
from orders.domain.ledger import Position
from risk.domain.context import OriginUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class Traded:
    """One strategy's fills of one outcome, all of them and those since midnight UTC. Voided ones left out."""

    outcome_id: int
    bought: int
    bought_cost: int  # dollars paid, without fees
    sold: int
    day_bought: int = 0
    day_bought_cost: int = 0
    day_sold: int = 0
    day_sold_proceeds: int = 0
    day_fees: int = 0
    payout: int | None = None  # dollars a share, once the market is resolved


def usage_of(
    traded: Iterable[Traded], *, positions: Mapping[int, Position], open_buys: int, marks: Mapping[int, int]
) -> OriginUsage:
    """Return exposure and today's loss. `marks` are prices by outcome; without one, shares count at cost.

    Exposure is the cost of what is held plus what open buys have set aside. The day's loss covers
    what was traded since midnight, at today's price; shares carried over count once they are sold.
    """
    exposure, day_profit = open_buys, 0
    for outcome in traded:
        position = positions.get(outcome.outcome_id)
        if outcome.payout is None and position is not None:
            held = min(max(0, outcome.bought - outcome.sold), position.size)
            exposure += _cost_of(outcome, held)
        day_profit += _day_profit(outcome, mark=marks.get(outcome.outcome_id))
    return OriginUsage(exposure=Usd(exposure), day_loss=Usd(max(0, -day_profit)))


def _day_profit(outcome: Traded, *, mark: int | None) -> int:
    """Return today's cash, plus the value of the shares that today added, or less the cost of those it used up."""
    cash = outcome.day_sold_proceeds - outcome.day_bought_cost - outcome.day_fees
    added = outcome.day_bought - outcome.day_sold
    price = outcome.payout if outcome.payout is not None else mark
    if added > 0 and price is not None:
        return cash + notional_down(price, added)
    return cash + _cost_of(outcome, added)


def _cost_of(outcome: Traded, size: int) -> int:
    """Return what `size` of the shares cost on average, rounded against us; negative for a negative size."""
    if not outcome.bought:
        return 0
    return -(-outcome.bought_cost * size // outcome.bought)
