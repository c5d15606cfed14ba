"""From quotes wanted to orders changed: the diff that makes a repeated tick place nothing.

Quotes and resting orders meet in slots: (outcome, side, level) of one origin. A slot
keeps its order while price and size still agree; otherwise the order is stale and a
placement replaces it. No placement may trade with an order of our own account: BUY
against SELL of one outcome, or BUY against BUY of the two outcomes of one market,
which the venue matches by minting a pair. Such a placement is dropped and recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from markets.domain.instruments import Side
from markets.domain.units import ONE, text_from_micro
from orders.domain.intents import INTENT_LEVEL, OpenOrder, Origin, Placement, Quote
from orders.domain.lifecycle import OrderState
from orders.domain.urgency import quote_placement

# What became of these is not known; until it is, nothing replaces them (I5).
_UNSETTLED = frozenset({OrderState.UNKNOWN, OrderState.QUARANTINED})


class Slot(NamedTuple):
    outcome_id: int
    side: Side
    level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A wanted order that is not placed, and why."""

    outcome_id: int
    side: Side
    price: int
    level: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What to place and what to cancel. Unpacks as `placements, stale_order_ids`."""

    placements: tuple[Placement, ...]
    stale_order_ids: tuple[int, ...]
    dropped: tuple[Dropped, ...] = ()
    kept: int = 0  # resting orders that already are what is wanted

    def __iter__(self) -> Iterator[tuple[Placement, ...] | tuple[int, ...]]:
        yield self.placements
        yield self.stale_order_ids


def plan_changes(
    wanted: Sequence[Quote],
    open_orders: Sequence[OpenOrder],
    *,
    origin: Origin,
    market_of: Mapping[int, int],
    now: datetime,
    new_key: Callable[[datetime], str],
) -> Changes:
    """Return the placements and cancels that turn what rests into what is wanted.

    `open_orders` are all open orders of the account: those of `origin` are compared,
    all of them guard against trading with ourselves. `market_of` maps outcome to market.
    """
    ours = [o for o in open_orders if _is_quote_of(o, origin)]
    resting = {Slot(o.outcome_id, o.side, o.level): o for o in ours if not o.cancel_requested and not _unsettled(o)}
    blocked = {(o.outcome_id, o.side) for o in ours if _unsettled(o)}
    slots: dict[Slot, Quote] = {}
    for quote in wanted:  # a slot wanted twice: the last word counts
        slots[Slot(quote.outcome_id, quote.side, quote.level)] = quote

    placements: list[Placement] = []
    dropped: list[Dropped] = []
    kept: set[int] = set()
    for slot, quote in slots.items():
        order = resting.get(slot)
        if order is not None and _is_still_wanted(order, quote):
            kept.add(order.order_id)
            continue
        if (slot.outcome_id, slot.side) in blocked:
            dropped.append(_drop(quote, "an earlier order of this side is in an unknown state"))
            continue
        placements.append(
            quote_placement(
                quote,
                key=new_key(now),
                market_id=market_of[quote.outcome_id],
                origin=origin,
                now=now,
                replaces_order_id=order.order_id if order else None,
            )
        )
    # An unsettled order is asked to cancel once too; it keeps its reservation until evidence comes.
    stale = tuple(
        o.order_id
        for o in ours
        if not o.cancel_requested and o.order_id not in kept and (not _unsettled(o) or _slot(o) not in slots)
    )
    allowed, crossing = drop_self_trades(placements, open_orders)
    return Changes(placements=allowed, stale_order_ids=stale, dropped=(*dropped, *crossing), kept=len(kept))


def drop_self_trades(
    placements: Sequence[Placement], open_orders: Sequence[OpenOrder]
) -> tuple[tuple[Placement, ...], tuple[Dropped, ...]]:
    """Split `placements` into those that cannot meet an own order and those that could.

    Earlier placements come first: when two new ones cross, the later is dropped. An order
    whose cancel is under way still counts, because it can trade until the venue confirms.
    """
    allowed: list[Placement] = []
    dropped: list[Dropped] = []
    for placement in placements:
        others: list[OpenOrder | Placement] = [*open_orders, *allowed]
        other = next((o for o in others if _may_trade(placement, o)), None)
        if other is None:
            allowed.append(placement)
            continue
        whose = f"own order {other.order_id}" if isinstance(other, OpenOrder) else "another wanted order"
        dropped.append(
            Dropped(
                outcome_id=placement.outcome_id,
                side=placement.side,
                price=placement.price,
                level=placement.level,
                reason=f"would trade with {whose} ({other.side} at {text_from_micro(other.price)})",
            )
        )
    return tuple(allowed), tuple(dropped)


def _may_trade(placement: Placement, other: OpenOrder | Placement) -> bool:
    if placement.market_id != other.market_id:
        return False
    if isinstance(other, OpenOrder) and other.remaining <= 0:
        return False
    if placement.outcome_id == other.outcome_id:
        if placement.side is other.side:
            return False
        bid, ask = (placement, other) if placement.side is Side.BUY else (other, placement)
        return bid.price >= ask.price
    if placement.side is not other.side:
        return False  # BUY one, SELL the other: both want the same direction
    total = placement.price + other.price
    return total >= ONE if placement.side is Side.BUY else total <= ONE


def _is_quote_of(order: OpenOrder, origin: Origin) -> bool:
    same = order.origin.kind is origin.kind and order.origin.id == origin.id
    return same and order.level != INTENT_LEVEL and order.order_type.rests


def _is_still_wanted(order: OpenOrder, quote: Quote) -> bool:
    # A partly filled order answers both "10 in all" and "the 6 that are left".
    return order.price == quote.price and quote.size in (order.size, order.remaining)


def _unsettled(order: OpenOrder) -> bool:
    return order.state in _UNSETTLED


def _slot(order: OpenOrder) -> Slot:
    return Slot(order.outcome_id, order.side, order.level)


def _drop(quote: Quote, reason: str) -> Dropped:
    return Dropped(outcome_id=quote.outcome_id, side=quote.side, price=quote.price, level=quote.level, reason=reason)
