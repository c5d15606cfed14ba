"""What happens to a transaction outside the book once it is signed, in words that every route shares.

A route is the relayer (proxy, Safe, deposit wallet) or the chain itself (the key's own account). Both share the
property that makes sending again harmless: bytes carry a nonce, and of one nonce at most one thing ever happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SubmitKind(StrEnum):
    ACCEPTED = "accepted"  # it has it
    EXISTING = "existing"  # it had it before
    BUSY = "busy"  # it looked away: the same bytes may go later
    NONCE_USED = "nonce_used"  # something with this nonce has happened: ours or another
    REFUSED = "refused"  # certainly nothing happened, nor will it
    NOT_SENT = "not_sent"  # no byte left us
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The answer to one submission. `reference` is what the relayer calls it, `hash` the chain's name for it."""

    kind: SubmitKind
    reference: str = ""
    hash: str = ""
    said: str = ""


class Stage(StrEnum):
    ABSENT = "absent"  # not known there
    PENDING = "pending"
    CONFIRMED = "confirmed"  # done, and deep enough
    FAILED = "failed"  # done, and it changed nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    stage: Stage
    hash: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayFacts:
    """What the relayer says before a batch can be signed."""

    nonce: int
    relay: str = ""  # of a proxy's call only
    deadline_s: int = 0  # of a deposit wallet's batch only


@dataclass(frozen=True, slots=True, kw_only=True)
class GasFacts:
    """What a transaction of the key's own account pays at most."""

    nonce: int
    gas: int
    max_fee: int
    priority_fee: int
