"""The states of an order and every step between them (contract.md, invariants I5 and I6).

A step that is not in `TRANSITIONS` does not happen. UNKNOWN keeps its reservation:
only evidence, or a person, ends it.
"""

from __future__ import annotations

from enum import StrEnum


class Environment(StrEnum):
    """No sum, limit, report, colour or foreign key spans environments."""

    PAPER = "paper"
    SANDBOX = "sandbox"
    LIVE = "live"


class TradingState(StrEnum):
    ACTIVE = "active"
    REDUCE_ONLY = "reduce_only"
    HALTED = "halted"


class OrderState(StrEnum):
    NEW = "new"
    DENIED = "denied"  # refused before anything was reserved
    RESERVED = "reserved"  # approved; cash or shares set aside
    SIGNED = "signed"  # live path only: signed bytes are stored
    ABANDONED = "abandoned"  # never sent: too old, killed, or no longer wanted
    SENDING = "sending"  # may have left us; a lease says who is sending
    LIVE = "live"  # resting at the venue
    MATCHED = "matched"  # matched on arrival; fills are settling
    DELAYED = "delayed"  # the venue holds it before matching
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    QUARANTINED = "quarantined"


S = OrderState
TRANSITIONS: frozenset[tuple[OrderState, OrderState]] = frozenset(
    {
        (S.NEW, S.DENIED),
        (S.NEW, S.RESERVED),
        (S.RESERVED, S.SIGNED),
        (S.RESERVED, S.SENDING),  # paper has nothing to sign
        (S.RESERVED, S.ABANDONED),
        (S.SIGNED, S.SENDING),
        (S.SIGNED, S.ABANDONED),
        (S.SENDING, S.SIGNED),  # the venue said it did not process it
        (S.SENDING, S.LIVE),
        (S.SENDING, S.MATCHED),
        (S.SENDING, S.DELAYED),
        (S.SENDING, S.REJECTED),
        (S.SENDING, S.UNKNOWN),
        (S.SENDING, S.CANCELED),  # FAK remainder, FOK not filled
        (S.SENDING, S.FILLED),
        (S.DELAYED, S.LIVE),
        (S.DELAYED, S.MATCHED),
        (S.DELAYED, S.FILLED),
        (S.DELAYED, S.REJECTED),
        (S.DELAYED, S.CANCELED),
        (S.DELAYED, S.UNKNOWN),
        (S.LIVE, S.MATCHED),
        (S.LIVE, S.FILLED),
        (S.LIVE, S.CANCELED),
        (S.LIVE, S.EXPIRED),
        (S.LIVE, S.UNKNOWN),
        (S.MATCHED, S.FILLED),
        (S.MATCHED, S.LIVE),  # the matched part failed to settle; the rest still rests
        (S.MATCHED, S.CANCELED),
        (S.MATCHED, S.EXPIRED),
        (S.UNKNOWN, S.LIVE),
        (S.UNKNOWN, S.MATCHED),
        (S.UNKNOWN, S.DELAYED),
        (S.UNKNOWN, S.FILLED),
        (S.UNKNOWN, S.CANCELED),
        (S.UNKNOWN, S.EXPIRED),
        (S.UNKNOWN, S.REJECTED),
        (S.UNKNOWN, S.QUARANTINED),
        (S.QUARANTINED, S.LIVE),
        (S.QUARANTINED, S.MATCHED),
        (S.QUARANTINED, S.FILLED),
        (S.QUARANTINED, S.CANCELED),
        (S.QUARANTINED, S.EXPIRED),
    }
)
TERMINAL: frozenset[OrderState] = frozenset({S.DENIED, S.ABANDONED, S.REJECTED, S.FILLED, S.CANCELED, S.EXPIRED})
RESTING: frozenset[OrderState] = frozenset({S.LIVE, S.MATCHED, S.DELAYED})
OPEN: frozenset[OrderState] = frozenset(set(OrderState) - TERMINAL)  # may still cost money


class TransitionError(ValueError):
    """A step that the table does not list."""


def check_transition(before: OrderState, after: OrderState) -> None:
    if (before, after) not in TRANSITIONS:
        raise TransitionError(f"an order cannot go from {before} to {after}")


class ApiStatus(StrEnum):
    """The eight words the API and the pages use beside the exact state."""

    PENDING = "pending"
    OPEN = "open"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


def api_status(state: OrderState, *, filled: int) -> ApiStatus:
    """Return the public word for `state`; `filled` is the filled size in millionths."""
    if state in (S.NEW, S.RESERVED, S.SIGNED, S.SENDING):
        return ApiStatus.PENDING
    if state in RESTING:
        return ApiStatus.PARTIAL if filled else ApiStatus.OPEN
    return {
        S.FILLED: ApiStatus.FILLED,
        S.CANCELED: ApiStatus.CANCELLED,
        S.ABANDONED: ApiStatus.CANCELLED,
        S.EXPIRED: ApiStatus.EXPIRED,
        S.REJECTED: ApiStatus.REJECTED,
        S.DENIED: ApiStatus.REJECTED,
        S.UNKNOWN: ApiStatus.UNKNOWN,
        S.QUARANTINED: ApiStatus.UNKNOWN,
    }[state]


# Two audited exceptions to "the end is the end" (I6): a fill that was in flight when the order
# ended, and a fill that failed to settle after it had completed the order.
LATE_FILL: frozenset[tuple[OrderState, OrderState]] = frozenset(
    {(S.CANCELED, S.FILLED), (S.EXPIRED, S.FILLED), (S.REJECTED, S.FILLED), (S.ABANDONED, S.FILLED)}
)
VOID: frozenset[tuple[OrderState, OrderState]] = frozenset({(S.FILLED, S.CANCELED)})
