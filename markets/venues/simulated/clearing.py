"""What a match does to cash and shares, to the millionth, with nothing created or lost.

`cash` is the change of a party's dollars, `shares` of its own outcome's shares. Fees come on top. Rounding:
the maker's dollars are rounded down and the taker takes what is left, so both sides always add up.
"""

from __future__ import annotations

from dataclasses import dataclass

from markets.domain.instruments import Side
from markets.domain.units import ONE
from markets.venues.simulated.matching import MatchKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing:
    taker_cash: int
    taker_shares: int
    maker_cash: int
    maker_shares: int
    collateral: int  # dollars locked behind new pairs, negative when pairs are merged


def clear(kind: MatchKind, *, taker_side: Side, maker_price: int, size: int) -> Clearing:
    """Return both parties' changes; `maker_price` is the price of the maker's own outcome."""
    money = maker_price * size // ONE
    if kind is MatchKind.MINT:
        return Clearing(
            taker_cash=money - size, taker_shares=size, maker_cash=-money, maker_shares=size, collateral=size
        )
    if kind is MatchKind.MERGE:
        return Clearing(
            taker_cash=size - money, taker_shares=-size, maker_cash=money, maker_shares=-size, collateral=-size
        )
    sign = 1 if taker_side is Side.BUY else -1
    return Clearing(
        taker_cash=-sign * money,
        taker_shares=sign * size,
        maker_cash=sign * money,
        maker_shares=-sign * size,
        collateral=0,
    )
