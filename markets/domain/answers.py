"""What a venue's answer to an order means for us, in words that every venue shares.

The difference that matters is between an answer that settles something and one that proves nothing:
only REJECTED lets a reservation go, and only an answer that we know by heart is ever REJECTED.
Amounts are millionths; times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AnswerKind(StrEnum):
    LIVE = "live"  # accepted, resting
    MATCHED = "matched"  # accepted, matched on arrival
    DELAYED = "delayed"  # accepted, held before matching
    EXISTING = "existing"  # the venue already has this order: an earlier copy arrived
    REJECTED = "rejected"  # certainly refused: nothing exists there
    NOT_PROCESSED = "not_processed"  # the venue looked away: the same bytes may be sent later
    NOT_SENT = "not_sent"  # no byte left us
    UNKNOWN = "unknown"  # it may exist; only evidence settles it
    BROKEN = "broken"  # the venue names another order than the one we sent: stop everything


ACCEPTED = frozenset({AnswerKind.LIVE, AnswerKind.MATCHED, AnswerKind.DELAYED, AnswerKind.EXISTING})


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAnswer:
    """One attempt's answer, judged in the light of the attempts before it.

    `kind` is what to act on. `alone` is what this answer would mean had nothing been sent before: a refusal
    after an unknown attempt says nothing about that attempt, so its `kind` is UNKNOWN while `alone` keeps
    the refusal. `code` names the catalogue entry or the problem; `said` is the venue's text, shortened.
    """

    kind: AnswerKind
    alone: AnswerKind
    code: str
    said: str = ""
    order_id: str = ""
    making: int | None = None
    taking: int | None = None
    trade_ids: tuple[str, ...] = ()
    transaction_hashes: tuple[str, ...] = ()
    retry_after_s: float | None = None
    halts_account: bool = False  # a person must look before this account sends again
    # Fields that the venue did not send before; with a minus those that are gone, with a tilde those of another type.
    drift: tuple[str, ...] = ()

    @property
    def is_accepted(self) -> bool:
        return self.kind in ACCEPTED
