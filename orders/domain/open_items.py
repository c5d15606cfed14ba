"""What may make a venue's balance differ from our ledger while something is under way, and how far.

While nothing is, both must be equal to the millionth. Otherwise every open item names the range that it can add
to the venue's figure over ours; a difference outside the sum of the ranges is not explained by them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

USD = "usd"


class ItemKind(StrEnum):
    PROVISIONAL_FILL = "provisional_fill"  # counted here, not on the chain yet
    RETRYING_FILL = "retrying_fill"  # the venue settles it again
    RECENT_FILL = "recent_fill"  # settled a moment ago: balances may be a moment older
    UNKNOWN_ORDER = "unknown_order"  # what it traded, if it exists, is not known
    ORDER_UNDER_WAY = "order_under_way"
    CHAIN_ACTION = "chain_action"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenItem:
    """`low` to `high` millionths of `asset` that the venue may show beyond our figure because of this."""

    kind: ItemKind
    subject: str
    asset: str  # "usd" or "outcome:<id>"
    low: int
    high: int
    in_flight: bool = True  # False: over for a moment only, so it explains but needs no waiting for


def either_way(kind: ItemKind, subject: str, asset: str, change: int, *, in_flight: bool = True) -> OpenItem:
    """Return the item of a change that we have booked and the venue may not show yet."""
    return OpenItem(
        kind=kind, subject=subject, asset=asset, low=min(0, -change), high=max(0, -change), in_flight=in_flight
    )


def explains(items: Iterable[OpenItem], *, asset: str, difference: int) -> bool:
    """Whether the venue's figure of `asset` may exceed ours by `difference` for the open items' sake alone."""
    if not difference:
        return True
    low = high = 0
    for item in items:
        if item.asset == asset:
            low, high = low + item.low, high + item.high
    return low <= difference <= high


def cash_cause(difference: int, *, foreign: int, recent: Sequence[tuple[str, int]]) -> str:
    """Return the best explanation of an unexplained cash difference (theirs minus ours), in words.

    `foreign` is the cash that orders of others moved; `recent` names booked facts with their change of cash.
    """
    if foreign and (difference > 0) == (foreign > 0):  # its fees are not known to the millionth
        return "an order that this desk did not make has traded"
    for label, change in recent:
        if difference == -change:
            return f"the venue does not show {label}"
        if difference == change:
            return f"the venue shows {label} twice"
    if difference > 0:
        return "more than was booked: a deposit, a rebate or reward, or a payout that is not booked"
    return "less than was booked: a withdrawal, a fee, or a transaction outside this desk"
