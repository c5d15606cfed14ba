"""The life of a transaction outside the book, effectively once.

    PREVIEW → WANTED → SIGNED → SENDING → PENDING → CONFIRMED | FAILED
                                   ↓ ↑        ↓
                                  UNKNOWN ←───┘

The signed bytes and, for a transaction of the key's own account, its hash are committed in the step that makes it
SENDING: before the first byte leaves. The bytes carry a nonce, of which the chain lets at most one thing happen:
sending the same bytes again is harmless, signing others while an outcome is unknown is not. UNKNOWN ends by a
receipt, the relayer's word, or what the chain shows; never by time alone. Pure.
"""

from __future__ import annotations

from enum import StrEnum


class ChainState(StrEnum):
    PREVIEW = "preview"
    WANTED = "wanted"
    SIGNED = "signed"
    SENDING = "sending"
    UNKNOWN = "unknown"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    CANCELED = "canceled"


_S = ChainState
TRANSITIONS: frozenset[tuple[ChainState, ChainState]] = frozenset(
    {
        (_S.PREVIEW, _S.WANTED),
        (_S.PREVIEW, _S.CANCELED),
        (_S.WANTED, _S.SIGNED),
        (_S.WANTED, _S.CANCELED),
        (_S.WANTED, _S.FAILED),  # the contract would refuse it: nothing was signed
        (_S.SIGNED, _S.SENDING),
        (_S.SENDING, _S.SIGNED),  # no byte left, or the other side looked away
        (_S.SENDING, _S.WANTED),  # its nonce was taken before its first attempt: it must be signed anew
        (_S.SENDING, _S.PENDING),
        (_S.SENDING, _S.UNKNOWN),
        (_S.SENDING, _S.FAILED),  # certainly refused
        (_S.SIGNED, _S.FAILED),  # its deadline passed before it was ever sent
        (_S.UNKNOWN, _S.SENDING),  # the same bytes again
        (_S.UNKNOWN, _S.PENDING),
        (_S.UNKNOWN, _S.CONFIRMED),
        (_S.UNKNOWN, _S.FAILED),
        (_S.PENDING, _S.UNKNOWN),  # forgotten by the other side: a reorganisation, a restart
        (_S.PENDING, _S.CONFIRMED),
        (_S.PENDING, _S.FAILED),
    }
)
ENDED = frozenset({_S.CONFIRMED, _S.FAILED, _S.CANCELED})
OPEN = frozenset({_S.WANTED, _S.SIGNED, _S.SENDING, _S.UNKNOWN, _S.PENDING})  # holds money or shares
UNDERWAY = frozenset({_S.SIGNED, _S.SENDING, _S.UNKNOWN, _S.PENDING})  # holds its account's next nonce
NEVER_SENT = frozenset({_S.PREVIEW, _S.WANTED})  # may be called off


class ChainStateError(RuntimeError):
    """A step that is not in the table."""


def check_step(before: ChainState, after: ChainState) -> None:
    if (before, after) not in TRANSITIONS:
        raise ChainStateError(f"a transaction that is {before} cannot become {after}")


def shown_effect(before: dict[str, int], now: dict[str, int], moves: dict[str, int]) -> bool | None:
    """Return whether balances on the chain show that `moves` happened since `before`: True, False, or None.

    All by exactly their amounts is yes; none at all is no; anything else proves nothing, because trades settle too.
    """
    changes = {token: now[token] - before[token] for token in moves if token in before and token in now}
    if len(changes) != len(moves) or not moves:
        return None
    if changes == moves:
        return True
    return False if not any(changes.values()) else None
