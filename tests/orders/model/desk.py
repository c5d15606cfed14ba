"""The model's desk: durable rows, workers that may die between any two lines, and the sweeps that repair.

Everything here survives a crash; a worker's continuation does not. Each method that changes rows is one
committed transaction. Millionths and virtual milliseconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from markets.domain.answers import AnswerKind
from orders.domain import submission
from orders.domain.exactly_once import FINAL, Stage
from orders.domain.lifecycle import OPEN, TERMINAL, OrderState
from orders.domain.submission import Step, Submission
from tests.orders.model.books import Books, Leg
from tests.orders.model.protocol import Ages, Protocol
from tests.orders.model.venue import Intent

S = OrderState
OWNER_LEASE = 20_000


class Violation(AssertionError):
    """An invariant of the contract does not hold; the message begins with its number."""


@dataclass(slots=True)
class Send:
    """One POST whose first byte left, with what was committed at that moment."""

    key: str
    order_hash: str
    attempt: int
    stored_hash: str
    stored_attempt: int


@dataclass(slots=True)
class Claim:
    """One commit of SENDING: when, by which trader, and how old everything was that must be fresh."""

    key: str
    at: int
    trader: int
    ages: Ages


@dataclass(slots=True)
class Owner:
    trader: int
    until: int


class Desk:
    def __init__(self, protocol: Protocol, *, limit: int, shares: int) -> None:
        self.protocol = protocol
        self.limit = limit
        self.rows: dict[str, Submission] = {}
        self._by_hash: dict[str, str] = {}
        self.intents: dict[str, Intent] = {}
        self.books = Books(shares=shares)
        self.owners: dict[int, Owner] = {}  # which trader trades an account
        self.reconciled_at: dict[int, int | None] = defaultdict(lambda: None)
        self.killed_at: int | None = None
        self.sends: list[Send] = []
        self.claims: list[Claim] = []
        self.evidence: set[str] = set()  # hashes that the venue's own records have shown

    # --- who trades an account ---

    def own(self, account: int, trader: int, now: int) -> bool:
        """Take or renew the account's lease. A new owner must reconcile before it sends (start-up)."""
        owner = self.owners.get(account)
        if owner is not None and owner.trader != trader and now < owner.until:
            return False
        if owner is None or owner.trader != trader or now >= owner.until:
            self.reconciled_at[account] = None
        self.owners[account] = Owner(trader, now + OWNER_LEASE)
        return True

    def owns(self, account: int, trader: int, now: int) -> bool:
        owner = self.owners.get(account)
        return owner is not None and owner.trader == trader and now < owner.until

    # --- transactions ---

    def reserve(self, intent: Intent, *, now: int, max_age: int) -> bool:
        """T1a: admit the order into its slot if every limit allows it. A duplicate delivery finds the row."""
        if intent.key in self.rows or self.killed_at is not None:
            return intent.key in self.rows
        busy = [row for name, row in self.rows.items() if self.intents[name].slot == intent.slot]
        if any(self.protocol.blocks_replacement(row) for row in busy) or not self._fits(intent):
            return False
        if any(row.is_unresolved for row in busy):
            raise Violation("I5: a replacement was admitted beside an unresolved order")
        self.intents[intent.key] = intent
        self.rows[intent.key] = Submission(
            key=intent.key,
            order_hash="",
            state=S.RESERVED,
            size=intent.size,
            rests=intent.rests,
            max_age_at_ms=now + max_age,
        )
        return True

    def _fits(self, intent: Intent) -> bool:
        if intent.sells:
            held = self.books.position(intent.account, intent.token)
            promised = sum(self.protocol.reserved(row) for row in self._rows_of(intent.account, intent.token, True))
            return self.protocol.may_sell(replace(held, reserved=promised), size=intent.size)  # type: ignore[arg-type]
        return self.protocol.may_reserve(exposure=self.exposure(intent.account), size=intent.size, limit=self.limit)

    def store_signed(self, key: str, order_hash: str) -> None:
        """T1b: the signed bytes, once."""
        row = self.rows[key]
        if row.state is S.RESERVED:
            self._by_hash[order_hash] = key
            self._put(replace(row, order_hash=order_hash, state=S.SIGNED))

    def claim(self, key: str, now: int, *, trader: int, ages: Ages, wanted: bool | None = None) -> Submission | None:
        """T2: SENDING, ordered against a kill. With `wanted`, one more attempt of an unknown order."""
        row, intent = self.rows[key], self.intents[key]
        if not self.protocol.owns(owns=self.owns(intent.account, trader, now)):
            return None
        if not self.protocol.is_fresh(ages, sells=intent.sells, rests=intent.rests):
            return None
        killed = self.killed_at is not None
        if wanted is None:
            claimed = self.protocol.claim(row, now_ms=now, killed=killed)
        else:
            claimed = self.protocol.claim_again(row, now_ms=now, killed=killed, wanted=wanted)
        if claimed is not None:
            self._put(claimed)
            self.claims.append(Claim(key, now, trader, ages))
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

    def trade(self, trade_id: str, order_hash: str, size: int, fee: int, stage: Stage) -> None:
        """Book one message about a trade, with its order's filled size, in one transaction."""
        key = self._by_hash.get(order_hash)
        if key is None or self.rows[key].order_hash != order_hash:
            raise Violation(f"I4: the venue traded {order_hash}, which no row has")
        if not self.protocol.takes_fill(self.rows[key]):
            return
        leg: Leg = (trade_id, order_hash)
        known = self.books.fills.get(leg)
        before = known.part if known is not None else None
        after = self.protocol.after_message(before, size=size, stage=stage)
        change = self.protocol.booked(before, after)
        if not change and before == after:
            return
        self.books.take(leg, self.intents[key], after, change=change, fee=self.protocol.fee(fee))
        row = self.rows[key]
        if change:
            self.rows[key] = row = replace(row, filled=row.filled + change)
        self.evidence.add(order_hash)
        if row.state in (S.UNKNOWN, S.QUARANTINED, S.SENDING):
            self._put_if(submission.after_evidence(row, state=S.MATCHED))
        self._settle(key)

    def knows(self, trade_id: str, order_hash: str, stage: Stage) -> bool:
        known = self.books.fills.get((trade_id, order_hash))
        return known is not None and known.part.stage is stage

    def ended_at_venue(self, key: str, *, matched: int) -> None:
        """The order rests no more: what is not filled will not be."""
        row = self.rows[key]
        if row.state in (S.LIVE, S.MATCHED) and row.filled < row.size:
            self._put_if(self.protocol.after_end(row, matched=matched))

    def kill(self, now: int) -> None:
        self.killed_at = now

    # --- sums ---

    def exposure(self, account: int) -> int:
        """Shares it may come to hold: standing buys and open ones, less sales that have settled."""
        parts = [(each.part, each.intent) for each in self.books.fills.values() if each.intent.account == account]
        bought = self.protocol.counts([part for part, intent in parts if not intent.sells])
        sold = self.protocol.sold([part for part, intent in parts if intent.sells])
        open_buys = sum(self.protocol.reserved(row) for row in self._rows_of(account, None, False))
        return bought - sold + open_buys

    def _rows_of(self, account: int, token: int | None, sells: bool) -> Iterable[Submission]:
        for key, row in self.rows.items():
            intent = self.intents[key]
            fits = intent.sells is sells and token in (None, intent.token)
            if fits and self.protocol.same_account(intent.account, account):
                yield row

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way: orders rest or are over, and every trade has ended."""
        still = any(row.state not in TERMINAL and row.state is not S.LIVE for row in self.rows.values())
        return not still and all(each.part.stage in FINAL for each in self.books.fills.values())

    # --- one row ---

    def _settle(self, key: str) -> None:
        row = self.rows[key]
        if row.filled == row.size and row.state in (S.LIVE, S.MATCHED):
            self._put(replace(row, state=S.FILLED))
        elif row.filled < row.size and row.state is S.FILLED:  # a trade failed after it had completed the order
            self.rows[key] = replace(row, state=S.CANCELED)

    def _put_if(self, row: Submission | None) -> None:
        if row is not None:
            self._put(row)

    def adopt(self, intent: Intent, row: Submission) -> None:
        """Take a row as it is: the beginning of a replay."""
        self.intents[row.key], self.rows[row.key], self._by_hash[row.order_hash] = intent, row, row.key

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
