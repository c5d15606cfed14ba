"""Our records against the venue's: a pure comparison that says what differs and what would repair it.

The venue is right about what traded and what rests; we are right about what we wanted.
The same comparison serves the simulated venue and a real one. Millionths everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from markets.domain.units import text_from_micro
from orders.domain.lifecycle import OPEN, RESTING, TERMINAL, OrderState

S = OrderState


class DiscrepancyKind(StrEnum):
    MISSING_FILL = "missing_fill"  # the venue traded, we did not book it
    EXTRA_FILL = "extra_fill"  # we booked what the venue does not know
    FILL_DIFFERS = "fill_differs"
    STATE_DIFFERS = "state_differs"
    LOST_ORDER = "lost_order"  # we think it left; the venue never had it
    UNKNOWN_ORDER = "unknown_order"  # the venue has it, we do not
    POSITION_DIFFERS = "position_differs"
    CASH_DIFFERS = "cash_differs"
    LEDGER_DIFFERS = "ledger_differs"  # our own books disagree with each other


class Repair(StrEnum):
    BOOK_FILL = "book_fill"
    ATTACH_STATE = "attach_state"
    RECORD = "record"  # nothing can be done by itself; a person looks


@dataclass(frozen=True, slots=True, kw_only=True)
class OurOrder:
    order_id: int
    venue_order_id: str
    state: OrderState
    filled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TheirOrder:
    """The venue's word. `state` is what our order must be; it rests while LIVE."""

    venue_order_id: str
    state: OrderState
    filled: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeLeg:
    trade_id: str
    venue_order_id: str
    role: str
    price: int
    size: int
    fee: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """One side's records of one account."""

    cash: int
    positions: Mapping[int, int]
    trades: Sequence[TradeLeg]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    kind: DiscrepancyKind
    subject: str
    ours: str = ""
    theirs: str = ""
    repair: Repair = Repair.RECORD
    order_id: int | None = None
    trade: TradeLeg | None = None
    their_order: TheirOrder | None = None


def compare_trades(ours: Sequence[TradeLeg], theirs: Sequence[TradeLeg]) -> list[Difference]:
    """Return fills only one side knows, and fills both know differently. Keyed as I7 demands."""
    mine = {_key(t): t for t in ours}
    venue = {_key(t): t for t in theirs}
    found = [
        Difference(
            kind=DiscrepancyKind.MISSING_FILL,
            subject=f"trade {trade.trade_id}",
            theirs=_trade_text(trade),
            repair=Repair.BOOK_FILL,
            trade=trade,
        )
        for key, trade in venue.items()
        if key not in mine
    ]
    for key, trade in mine.items():
        other = venue.get(key)
        if other is None:
            found.append(
                Difference(kind=DiscrepancyKind.EXTRA_FILL, subject=f"trade {trade.trade_id}", ours=_trade_text(trade))
            )
        elif (other.price, other.size, other.fee) != (trade.price, trade.size, trade.fee):
            found.append(
                Difference(
                    kind=DiscrepancyKind.FILL_DIFFERS,
                    subject=f"trade {trade.trade_id}",
                    ours=_trade_text(trade),
                    theirs=_trade_text(other),
                )
            )
    return found


def compare_orders(ours: Sequence[OurOrder], theirs: Sequence[TheirOrder]) -> list[Difference]:
    """Return what differs between our open orders and the venue's orders."""
    venue = {order.venue_order_id: order for order in theirs}
    mine = {order.venue_order_id for order in ours}
    found: list[Difference] = []
    for order in ours:
        other = venue.get(order.venue_order_id)
        if other is None:
            # RESERVED and SIGNED were never sent; SENDING is still on its way while its lease lasts.
            if order.state in RESTING or order.state in (S.UNKNOWN, S.QUARANTINED):
                found.append(_lost(order))
            continue
        if _agrees(order, other):
            continue
        found.append(
            Difference(
                kind=DiscrepancyKind.STATE_DIFFERS,
                subject=f"order {order.order_id}",
                ours=f"{order.state}, filled {text_from_micro(order.filled)}",
                theirs=f"{other.state}, filled {text_from_micro(other.filled)}",
                repair=Repair.ATTACH_STATE,
                order_id=order.order_id,
                their_order=other,
            )
        )
    found += [
        Difference(
            kind=DiscrepancyKind.UNKNOWN_ORDER,
            subject=f"venue order {other.venue_order_id}",
            theirs=f"{other.state}, filled {text_from_micro(other.filled)}",
            their_order=other,
        )
        for other in theirs
        if other.venue_order_id not in mine
    ]
    return found


def compare_books(ours: Books, theirs: Books) -> list[Difference]:
    """Return differing cash and positions."""
    found: list[Difference] = []
    for outcome_id in sorted({*ours.positions, *theirs.positions}):
        held, known = ours.positions.get(outcome_id, 0), theirs.positions.get(outcome_id, 0)
        if held != known:
            found.append(
                Difference(
                    kind=DiscrepancyKind.POSITION_DIFFERS,
                    subject=f"outcome {outcome_id}",
                    ours=text_from_micro(held),
                    theirs=text_from_micro(known),
                )
            )
    if ours.cash != theirs.cash:
        found.append(
            Difference(
                kind=DiscrepancyKind.CASH_DIFFERS,
                subject="cash",
                ours=text_from_micro(ours.cash),
                theirs=text_from_micro(theirs.cash),
            )
        )
    return found


def _key(trade: TradeLeg) -> tuple[str, str, str]:
    return trade.trade_id, trade.venue_order_id, trade.role


def _trade_text(trade: TradeLeg) -> str:
    fee = f", fee {text_from_micro(trade.fee)}" if trade.fee else ""
    return f"{text_from_micro(trade.size)} at {text_from_micro(trade.price)}{fee}"


def _agrees(ours: OurOrder, theirs: TheirOrder) -> bool:
    if ours.state in TERMINAL:
        return theirs.state in TERMINAL
    return ours.state in OPEN and ours.state is theirs.state


def _lost(order: OurOrder) -> Difference:
    return Difference(
        kind=DiscrepancyKind.LOST_ORDER,
        subject=f"order {order.order_id}",
        ours=str(order.state),
        theirs="never received",
        repair=Repair.ATTACH_STATE,
        order_id=order.order_id,
    )
