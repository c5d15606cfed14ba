"""One seed's world: who does what when, what the network loses, and what must hold throughout.

Virtual milliseconds. The seed decides everything; a run is repeated exactly by its seed.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from markets.domain.answers import AnswerKind
from orders.domain.exactly_once import FINAL, Stage
from orders.domain.lifecycle import TERMINAL, OrderState
from orders.domain.submission import Step
from tests.orders.model.desk import Desk, Send, Violation
from tests.orders.model.protocol import Protocol
from tests.orders.model.venue import Venue

S = OrderState
INTENTS = 12
SLOTS = 4
LIMIT = 14
ORDERS_UNTIL = 240_000
FAULTS_UNTIL = 420_000
END = 3_600_000
LATEST_ARRIVAL = 300_000
TIMEOUT = 15_000
SWEEP = 5_000


@dataclass(slots=True)
class Report:
    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    settled_at: int = 0


class World:
    def __init__(self, seed: int, protocol: Protocol) -> None:
        self.rng = random.Random(seed)
        self.now = 0
        self.report = Report(seed)
        self.desk = Desk(protocol, limit=LIMIT)
        self.venue = Venue(self.rng, forgets=self.rng.random() < 0.5, tell=self._tell)
        self.epoch = 0  # counts crashes: a continuation of an earlier epoch is dead
        self.intents: dict[str, tuple[str, int, bool]] = {}
        self.dropped: set[str] = set()  # no longer wanted by their strategy
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self._empty_since: int | None = None
        self._empty_reads = 0
        self._kill_done = False

    # --- time ---

    def later(self, delay: int, act: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._queue, (self.now + max(0, delay), self._number, act))

    def worker(self, delay: int, act: Callable[[], None]) -> None:
        """Continue a worker's work, unless its process dies before."""
        epoch = self.epoch
        self.later(delay, lambda: act() if epoch == self.epoch else None)

    def run(self) -> Report:
        rng = self.rng
        for number in range(INTENTS):
            key = f"k{number}"
            self.intents[key] = (f"slot{rng.randrange(SLOTS)}", rng.randint(1, 5), rng.random() < 0.75)
            at = rng.randint(0, ORDERS_UNTIL)
            for _ in range(rng.choice((1, 1, 2, 3))):  # the broker delivers a task more than once
                self.later(at + rng.randint(0, 3_000), lambda key=key: self.task(key))  # type: ignore[misc]
            if rng.random() < 0.5:
                self.later(at + rng.randint(1_000, 90_000), lambda key=key: self.change_mind(key))  # type: ignore[misc]
        for _ in range(rng.randint(0, 5)):
            self.later(rng.randint(0, FAULTS_UNTIL), self.crash)
        if not self.venue.forgets and rng.random() < 0.6:
            self.later(rng.randint(0, FAULTS_UNTIL), lambda: self.desk.kill(self.now))
        self.later(SWEEP, self.sweep)
        self.later(rng.randint(1_000, 20_000), self.market)
        while self._queue and not self.is_over():
            self.now, _, act = heapq.heappop(self._queue)
            if self.now > END:
                break
            act()
            self.check_now()
        self.check_end()
        self.report.accepted = len(self.venue.orders)
        self.report.settled_at = self.now
        return self.report

    def is_over(self) -> bool:
        if self.now < FAULTS_UNTIL + LATEST_ARRIVAL + 60_000 or not self.desk.is_settled:
            return False
        trades = [trade for order in self.venue.orders for trade in order.trades]
        told = all(trade.stage in FINAL and self._is_booked(trade) for trade in trades)
        return told and (self.desk.killed_at is None or self._kill_done)

    def _is_booked(self, trade: object) -> bool:
        part = self.desk.parts.get((trade.trade_id, trade.order_hash))  # type: ignore[attr-defined]
        return part is not None and part.stage is trade.stage  # type: ignore[attr-defined]

    # --- the desk's processes ---

    def crash(self) -> None:
        self.report.faults["crash"] += 1
        self.epoch += 1

    def change_mind(self, key: str) -> None:
        self.dropped.add(key)
        row = self.desk.rows.get(key)
        if row is not None and row.state in (S.LIVE, S.MATCHED):
            self.desk.request_cancel(key)

    def task(self, key: str) -> None:
        """The submission task: reserve, sign, store, claim, send. A pause is between any two of them."""
        slot, size, rests = self.intents[key]
        if not self.desk.reserve(key, slot=slot, size=size, rests=rests, now=self.now, max_age=60_000):
            return
        order_hash = self.desk.protocol.order_hash(key, self.desk.rows[key].attempt, self.rng.getrandbits(60))
        if not self.desk.protocol.persists_before_sending:
            self.transmit(key, order_hash, 0)
        self.worker(self.pause(), lambda: self._store_and_claim(key, order_hash))

    def _store_and_claim(self, key: str, order_hash: str) -> None:
        self.desk.store_signed(key, order_hash)
        self.worker(self.pause(), lambda: self._claim(key))

    def _claim(self, key: str) -> None:
        claimed = self.desk.claim(key, self.now)
        if claimed is not None:
            self.worker(self.pause(), lambda: self._send(key, claimed.order_hash, claimed.attempt))

    def _send(self, key: str, order_hash: str, attempt: int) -> None:
        if self.desk.protocol.may_send(self.desk.rows[key], attempt=attempt, now_ms=self.now):
            self.transmit(key, order_hash, attempt)

    def pause(self) -> int:
        """Between two lines of a worker: nothing, a moment, or a process stopped for minutes."""
        chance = self.rng.random()
        if self.now > FAULTS_UNTIL or chance < 0.7:
            return self.rng.randint(0, 50)
        if chance < 0.93:
            return self.rng.randint(50, 12_000)
        self.report.faults["stopped"] += 1
        return self.rng.randint(20_000, 900_000)

    # --- the wire ---

    def transmit(self, key: str, order_hash: str, attempt: int) -> None:
        """The first byte leaves. What arrives, when, and what comes back is up to the network."""
        row = self.desk.rows[key]
        self.desk.sends.append(Send(key, order_hash, attempt, self.now, row.order_hash, row.attempt))
        size, rests = self.intents[key][1:]

        def arrive() -> AnswerKind:
            return self.venue.post(key=key, order_hash=order_hash, size=size, rests=rests, now=self.now)

        def reply(kind: AnswerKind, delay: int) -> None:
            self.worker(delay, lambda: self.desk.answer(key, attempt, kind, self.now))

        chance = self.rng.random() if self.now < FAULTS_UNTIL else 0.0
        if chance < 0.5:
            self.later(20, lambda: reply(arrive(), self.rng.randint(10, 3_000)))
        elif chance < 0.58:
            self._fault("lost_before", lambda: reply(AnswerKind.UNKNOWN, TIMEOUT))
        elif chance < 0.68:
            self._fault("lost_after", lambda: (arrive(), reply(AnswerKind.UNKNOWN, TIMEOUT)))
        elif chance < 0.80:
            self._fault("late", lambda: reply(AnswerKind.UNKNOWN, TIMEOUT))
            in_time = max(0, (row.last_claim_ms or self.now) + TIMEOUT - self.now)
            latest = in_time if self.venue.forgets else LATEST_ARRIVAL
            self.later(self.rng.randint(0, latest), lambda: arrive() and None)
        elif chance < 0.86:
            self._fault("refused", lambda: reply(AnswerKind.REJECTED, 200))
        elif chance < 0.92:
            self._fault("busy", lambda: reply(AnswerKind.NOT_PROCESSED, 200))
        elif chance < 0.97:
            self._fault("failing", lambda: (self.rng.random() < 0.5 and arrive(), reply(AnswerKind.UNKNOWN, 500)))
        else:
            self._fault("not_sent", lambda: reply(AnswerKind.NOT_SENT, 10))

    def _fault(self, name: str, act: Callable[[], object]) -> None:
        self.report.faults[name] += 1
        act()

    def _tell(self, delay: int, message: tuple[str, str, int, Stage]) -> None:
        self.later(delay, lambda: self.desk.trade(*message))

    # --- repair ---

    def sweep(self) -> None:
        """Every few seconds: restart lost work, end leases, look for evidence, follow the kill."""
        for key in list(self.desk.rows):
            self.repair(key)
        if self.desk.killed_at is not None:
            self.follow_kill()
        self.later(SWEEP + self.rng.randint(0, 1_000), self.sweep)

    def repair(self, key: str) -> None:
        row = self.desk.rows[key]
        if row.state in (S.RESERVED, S.SIGNED):
            self.desk.abandon(key, self.now)
            if self.desk.rows[key].state in (S.RESERVED, S.SIGNED):
                self.task(key)
        elif row.state is S.SENDING:
            self.desk.expire_lease(key, self.now)
        elif row.state in (S.UNKNOWN, S.QUARANTINED):
            self.resolve(key)
        elif row.state in (S.LIVE, S.MATCHED):
            if key in self.dropped:
                self.desk.request_cancel(key)
            self.watch(key)
        self.book_visible_trades(key)

    def resolve(self, key: str) -> None:
        wanted = key not in self.dropped
        step = self.desk.step(key, self.now, wanted=wanted)
        if step is Step.READ:
            self.read(key)
            if self.desk.rows[key].state not in (S.UNKNOWN, S.QUARANTINED):
                return
            step = self.desk.step(key, self.now, wanted=wanted)
        if step is Step.REPOST:
            claimed = self.desk.claim_again(key, self.now, wanted=wanted)
            if claimed is not None:
                again = self.desk.protocol.order_hash(key, claimed.attempt, self.rng.getrandbits(60))
                self.worker(self.pause(), lambda: self._send(key, again, claimed.attempt))
        elif step is Step.CANCEL:
            self.cancel(key)
        elif step is Step.QUARANTINE:
            self.desk.quarantine(key, self.now)
        elif step is Step.RELEASE:
            self.desk.release(key, self.now, explained=True)

    def read(self, key: str) -> None:
        order, trades = self.venue.read(self.desk.rows[key].order_hash, self.now)
        for trade in trades:
            self.desk.trade(trade.trade_id, trade.order_hash, trade.size, trade.stage)
        if order is not None:
            self.desk.attach(key, S.LIVE)
        elif not trades:
            self.desk.empty_read(key, self.now)

    def book_visible_trades(self, key: str) -> None:
        """The resync of trades over REST, which heals what the stream lost."""
        if self.rng.random() < 0.2:
            for trade in self.venue.read(self.desk.rows[key].order_hash, self.now)[1]:
                self.desk.trade(trade.trade_id, trade.order_hash, trade.size, trade.stage)

    def watch(self, key: str) -> None:
        """Cancel what is no longer wanted; close a row whose order has ended, once all its trades are known."""
        row = self.desk.rows[key]
        if row.cancel_requested and self.desk.protocol.may_cancel(row, now_ms=self.now):
            self.cancel(key)
        order = next((o for o in self.venue.orders if o.order_hash == row.order_hash), None)
        if order is None or order.is_open or order.visible_at > self.now:
            return
        standing = sum(trade.size for trade in order.trades if trade.stage is not Stage.FAILED)
        self.desk.ended_at_venue(key, matched=standing)

    def cancel(self, key: str) -> None:
        self.desk.request_cancel(key)
        order_hash = self.desk.rows[key].order_hash

        def arrive() -> None:
            canceled = self.venue.cancel(order_hash)
            if self.now > FAULTS_UNTIL or self.rng.random() < 0.8:
                self.worker(100, lambda: self.desk.cancel_answer(key, canceled=canceled))

        if self.now > FAULTS_UNTIL or self.rng.random() < 0.9:
            self.later(self.rng.randint(10, 2_000), arrive)

    def follow_kill(self) -> None:
        """Cancel all, again and again, until the reads stay empty and nothing can arrive any more."""
        if self._kill_done:
            return
        open_orders = [order for order in self.venue.open_now() if order.visible_at <= self.now]
        if not open_orders:
            self._empty_since = self._empty_since if self._empty_since is not None else self.now
            self._empty_reads += 1
        else:
            self._empty_since, self._empty_reads = None, 0
            if self.now > FAULTS_UNTIL or self.rng.random() < 0.8:
                for order in self.venue.open_now():
                    self.venue.cancel(order.order_hash)
        self._kill_done = self.desk.protocol.kill_is_complete(
            empty_since_ms=self._empty_since,
            empty_reads=self._empty_reads,
            now_ms=self.now,
            unresolved=sum(row.state not in TERMINAL for row in self.desk.rows.values()),
        )

    # --- the market ---

    def market(self) -> None:
        for order in self.venue.open_now():
            if self.rng.random() < 0.15:
                self.venue.fill(order, self.now, self.rng.randint(1, order.size - order.filled))
        for order in self.venue.orders:
            for trade in order.trades:
                if trade.stage not in FINAL and self.rng.random() < 0.4:
                    trade.stage = self.rng.choice((Stage.MINED, Stage.CONFIRMED, Stage.CONFIRMED, Stage.FAILED))
                    self.venue.announce(trade)
        self.later(self.rng.randint(5_000, 30_000), self.market)

    # --- what must hold ---

    def check_now(self) -> None:
        if self.venue.exposure > LIMIT:
            raise Violation(f"I12: the venue holds {self.venue.exposure} of a limit of {LIMIT}")
        for key, hashes in self.venue.accepted.items():
            if len(hashes) > 1:
                raise Violation(f"I3: the venue accepted {key} {len(hashes)} times")
        while self.desk.sends:
            sent = self.desk.sends.pop()
            if sent.stored_hash != sent.order_hash or sent.stored_attempt < max(1, sent.attempt):
                raise Violation(f"I2: {sent.key} left before its bytes were stored")
        if self._kill_done and self.venue.open_now():
            raise Violation("I13: an order is open at the venue after the kill was declared complete")
        while self.desk.claims:
            at, key = self.desk.claims.pop()
            if self.desk.killed_at is not None and at >= self.desk.killed_at:
                raise Violation(f"I13: {key} was claimed after the kill")

    def check_end(self) -> None:
        desk, venue = self.desk, self.venue
        if not self.is_over():
            stuck = {row.key: str(row.state) for row in desk.rows.values() if row.state not in TERMINAL}
            raise Violation(f"I20: nothing settles any more: {stuck}")
        by_hash = {row.order_hash: row for row in desk.rows.values()}
        for order in venue.orders:
            row = by_hash.get(order.order_hash)
            if row is None:
                raise Violation(f"I4: the venue has {order.order_hash}, which no row has")
            standing = sum(trade.size for trade in order.trades if trade.stage is not Stage.FAILED)
            if row.filled != standing:
                raise Violation(f"I7: {row.key} books {row.filled}, the venue {standing}")
            if order.is_open and row.state in TERMINAL:
                raise Violation(f"I4: {row.key} is {row.state} and still open at the venue")
        trades = [trade for order in venue.orders for trade in order.trades]
        position = sum(trade.size for trade in trades if trade.stage is Stage.CONFIRMED)
        if desk.position != position or desk.position != desk.entries:
            raise Violation(f"I8: the position is {desk.position}, the venue's {position}")
        if any(count > 1 for count in desk.voids.values()):
            raise Violation("I7: a failed trade was taken back twice")


def check(seed: int, protocol: Protocol | None = None) -> Report:
    """Run one seed. Raises Violation."""
    return World(seed, protocol or Protocol()).run()
