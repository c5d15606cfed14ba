"""Neg-risk groups: every market of one event that exactly one answer wins, each at its place at the adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markets.domain.instruments import MarketState
from markets.models import Event, Market


class GroupUnknown(ValueError):
    """The catalogue does not know a group completely; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """`places` maps each place to (market id, Yes outcome, No outcome); they are 0, 1, … without a gap."""

    group_id: str
    fee_bips: int
    places: Mapping[int, tuple[int, int, int]]


def group_of(market_id: int) -> Group:
    """Return the whole group of a market. Raises GroupUnknown where anything about it is not proven.

    A conversion pays a share of every other question of the group, so one that we do not list would be booked wrongly.
    """
    market = Market.objects.select_related("event").filter(pk=market_id).first()
    if market is None:
        raise GroupUnknown(f"there is no market {market_id}")
    event: Event = market.event
    if not market.neg_risk or not market.group_id:
        raise GroupUnknown(f"{market.question}: not a market of a group")
    rows = list(Market.objects.filter(event=event).prefetch_related("outcomes").order_by("pk"))
    found: dict[int, tuple[int, int, int]] = {}
    for row in rows:
        yes_no = sorted(row.outcomes.all(), key=lambda outcome: outcome.index)
        if row.group_id != market.group_id or row.group_index is None or [o.index for o in yes_no] != [0, 1]:
            raise GroupUnknown(f"{row.question}: its place in the group is not proven")
        if row.state in (MarketState.CLOSED, MarketState.RESOLVED):
            raise GroupUnknown(f"{row.question} is {row.state}: the group is being decided")
        found[row.group_index] = (row.pk, yes_no[0].pk, yes_no[1].pk)
    if sorted(found) != list(range(event.group_size)):
        raise GroupUnknown(f"{event.title}: {len(found)} of the {event.group_size} questions of the group are known")
    return Group(group_id=market.group_id, fee_bips=event.group_fee_bips, places=found)
