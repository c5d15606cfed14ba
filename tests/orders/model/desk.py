"""The model's desk: durable rows, workers that may die between any two lines, and the sweeps that repair.

Everything in `Desk.rows`, `parts`, `position` and `killed` survives a crash; a worker's continuation does
not. Each method that changes rows is one committed transaction.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from markets.domain.answers import AnswerKind
from orders.domain import submission
from orders.domain.exactly_once import FINAL, Stage, TradePart
from orders.domain.lifecycle import OPEN, TERMINAL, OrderState
from orders.domain.submission import Step, Submission
from tests.orders.model.protocol import Protocol

S = OrderState


class Violation(AssertionError):
    """An invariant of the contract does not hold; the message begins with its number."""


@dataclass(slots=True)
class Send:
    """One POST whose first byte left, with what was committed at that moment."""

    key: str
    order_hash: str
    attempt: int
    at: int
    stored_hash: str
    stored_attempt: int


class Desk:
    def __init__(self, protocol: Protocol, *, limit: int) -> None:
        self.protocol = protocol
        self.limit = limit
        self.rows: dict[str, Submission] = {}
        self.slots: dict[str, str] = {}
        self.parts: dict[tuple[str, str], TradePart] = {}
        self.voids: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.position = 0
        self.entries = 0
        self.killed_at: int | None = None
        self.sends: list[Send] = []
        self.claims: list[tuple[int, str]] = []
        self.evidence: set[str] = set()  # hashes that the venue's own records have shown

    # --- transactions ---

    def reserve(self, key: str, *, slot: str, size: int, rests: bool, now: int, max_age: int) -> bool:
        """T1a: admit the order into its slot if the limit allows it. A duplicate delivery finds the row."""
        if key in self.rows or self.killed_at is not None:
            return key in self.rows
        busy = [row for name, row in self.rows.items() if self.slots[name] == slot]
        if any(self.protocol.blocks_replacement(row) for row in busy):
            return False
        if not self.protocol.may_reserve(exposure=self.exposure, size=size, limit=self.limit):
            return False
        if any(row.is_unresolved for row in busy):
            raise Violation("I5: a replacement was admitted beside an unresolved order")
        self.slots[key] = slot
        self.rows[key] = Submission(
            key=key, order_hash="", state=S.RESERVED, size=size, rests=rests, max_age_at_ms=now + max_age
        )
        return True

    def store_signed(self, key: str, order_hash: str) -> None:
        """T1b: the signed bytes, once."""
        row = self.rows[key]
        if row.state is S.RESERVED:
            self._put(replace(row, order_hash=order_hash, state=S.SIGNED))

    def claim(self, key: str, now: int) -> Submission | None:
        """T2: SENDING, ordered against a kill."""
        claimed = self.protocol.claim(self.rows[key], now_ms=now, killed=self.killed_at is not None)
        if claimed is not None:
            self._put(claimed)
            self.claims.append((now, key))
        return claimed

    def claim_again(self, key: str, now: int, *, wanted: bool) -> Submission | None:
        row = self.rows[key]
        claimed = self.protocol.claim_again(row, now_ms=now, killed=self.killed_at is not None, wanted=wanted)
        if claimed is not None:
            self._put(claimed)
            self.claims.append((now, key))
        return claimed

    def answer(self, key: str, attempt: int, alone: AnswerKind, now: int) -> None:
        """T3."""
        row = self.rows[key]
        kind = self.protocol.judged(row, alone)
        if kind in (AnswerKind.LIVE, AnswerKind.MATCHED, AnswerKind.EXISTING):
            self.evidence.add(row.order_hash)
        self._put_if(self.protocol.after_answer(row, attempt=attempt, kind=kind, now_ms=now))
        self._settle(key)

    def expire_lease(self, key: str, now: int) -> None:
        self._put_if(self.protocol.after_lease(self.rows[key], now_ms=now))

    def attach(self, key: str, state: OrderState) -> None:
        self.evidence.add(self.rows[key].order_hash)
        self._put_if(submission.after_evidence(self.rows[key], state=state))
        self._settle(key)

    def empty_read(self, key: str, started: int) -> None:
        row = self.rows[key]
        if row.state in (S.UNKNOWN, S.QUARANTINED):
            self.rows[key] = submission.after_empty_read(row, started_ms=started)

    def step(self, key: str, now: int, *, wanted: bool) -> Step:
        killed = self.killed_at is not None
        return self.protocol.next_step(self.rows[key], now_ms=now, killed=killed, wanted=wanted)

    def abandon(self, key: str, now: int) -> None:
        self._put_if(submission.abandon(self.rows[key], now_ms=now, killed=self.killed_at is not None))

    def quarantine(self, key: str, now: int) -> None:
        self._put_if(submission.quarantine(self.rows[key], now_ms=now))

    def release(self, key: str, now: int, *, explained: bool) -> None:
        self._put_if(self.protocol.release(self.rows[key], now_ms=now, explained=explained))

    def request_cancel(self, key: str) -> None:
        """Stored before the cancel is sent: from here on the bytes are never sent again."""
        row = self.rows[key]
        if not row.cancel_requested:
            self.rows[key] = replace(row, cancel_requested=True)

    def cancel_answer(self, key: str, *, canceled: bool) -> None:
        if canceled:
            self.evidence.add(self.rows[key].order_hash)
        row = self.rows[key]
        if row.state in (S.LIVE, S.UNKNOWN, S.QUARANTINED):
            self._put_if(self.protocol.after_cancel_answer(row, canceled=canceled))
        self._settle(key)

    def trade(self, trade_id: str, order_hash: str, size: int, stage: Stage) -> None:
        """Book one message about a trade, with its order's filled size, in one transaction."""
        key = next((name for name, row in self.rows.items() if row.order_hash == order_hash), None)
        if key is None:
            raise Violation(f"I4: the venue traded {order_hash}, which no row has")
        if not self.protocol.takes_fill(self.rows[key]):
            return
        before = self.parts.get((trade_id, order_hash))
        after = self.protocol.after_message(before, size=size, stage=stage)
        change = self.protocol.booked(before, after)
        self.parts[trade_id, order_hash] = after
        if change < 0:
            self.voids[trade_id, order_hash] += 1
        self.position += change
        self.entries += change
        row = replace(self.rows[key], filled=self.rows[key].filled + change)
        self.rows[key] = row
        self.evidence.add(order_hash)
        if row.state in (S.UNKNOWN, S.QUARANTINED, S.SENDING):
            self._put_if(submission.after_evidence(row, state=S.MATCHED))
        self._settle(key)

    def ended_at_venue(self, key: str, *, matched: int) -> None:
        """The order rests no more: what is not filled will not be."""
        row = self.rows[key]
        if row.state in (S.LIVE, S.MATCHED) and row.filled < row.size:
            self._put_if(self.protocol.after_end(row, matched=matched))

    def kill(self, now: int) -> None:
        self.killed_at = now

    # --- helpers ---

    @property
    def exposure(self) -> int:
        """Fills that stand, and everything that may still fill."""
        return self.protocol.counts(self.parts.values()) + sum(
            self.protocol.reserved(row) for row in self.rows.values()
        )

    @property
    def unresolved(self) -> int:
        return sum(row.is_unresolved for row in self.rows.values())

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way: orders rest or are over, and every trade has ended."""
        still = any(row.state not in TERMINAL and row.state is not S.LIVE for row in self.rows.values())
        return not still and all(part.stage in FINAL for part in self.parts.values())

    def _settle(self, key: str) -> None:
        row = self.rows[key]
        if row.filled == row.size and row.state in (S.LIVE, S.MATCHED):
            self._put(replace(row, state=S.FILLED))
        elif row.filled < row.size and row.state is S.FILLED:  # a trade failed after it had completed the order
            self.rows[key] = replace(row, state=S.CANCELED)

    def _put_if(self, row: Submission | None) -> None:
        if row is not None:
            self._put(row)

    def _put(self, row: Submission) -> None:
        before = self.rows[row.key]
        leaves = before.state in (S.UNKNOWN, S.QUARANTINED) and row.state not in (S.UNKNOWN, S.QUARANTINED)
        if leaves and row.order_hash not in self.evidence and not self._is_release(before, row):
            raise Violation(f"I5: {row.key} left {before.state} for {row.state} without evidence")
        if before.state in (S.UNKNOWN, S.QUARANTINED) and row.order_hash != before.order_hash:
            raise Violation(f"I1: {row.key} changed its bytes while it may exist")
        if row.state in OPEN and self.protocol.reserved(row) != row.size - row.filled:
            raise Violation(f"I5: {row.key} is {row.state} and reserves less than it may cost")
        self.rows[row.key] = row

    @staticmethod
    def _is_release(before: Submission, row: Submission) -> bool:
        return before.state is S.QUARANTINED and row.state is S.CANCELED and before.empty_reads >= 3
