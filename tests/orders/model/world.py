"""One seed's world: who does what when, and what the network loses. Virtual milliseconds.

The seed decides everything; a run is repeated exactly by its seed. Faults are drawn by their names
(`luck.Luck`), so a schedule can be repeated without some of them.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markets.domain.answers import AnswerKind
from orders.domain.exactly_once import FINAL, Stage
from orders.domain.ledger import LedgerError
from orders.domain.lifecycle import OrderState
from tests.orders.model import checks
from tests.orders.model.desk import Desk, Send, Violation
from tests.orders.model.luck import Draws, Luck
from tests.orders.model.protocol import Ages, Protocol
from tests.orders.model.repair import Repairs
from tests.orders.model.venue import MILLION, Intent, Oversold, Venue

S = OrderState
INTENTS = 14
ACCOUNTS = 2
TOKENS = 2
TRADERS = 2
SHARES = 6 * MILLION  # of every token, settled, at the beginning
LIMIT = 8 * MILLION  # per account
MAX_AGE = 60_000
ORDERS_UNTIL = 240_000
FAULTS_UNTIL = 420_000
END = 3_600_000
LATEST_ARRIVAL = 300_000
TIMEOUT = 15_000
OUTAGES = ("book", "stream", "facts", "clock")


@dataclass(slots=True)
class Report:
    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    happened: list[str] = field(default_factory=list)
    accepted: int = 0
    settled_at: int = 0


@dataclass(slots=True)
class Trader:
    """A trader's process. Work of an earlier epoch is dead; one that is down does nothing until `up_at`."""

    epoch: int = 0
    up_at: int = 0


class World:
    def __init__(self, seed: int, protocol: Protocol, without: Sequence[str] = ()) -> None:
        self.luck = Luck(seed, without)
        self.now = 0
        self.report = Report(seed)
        self.desk = Desk(protocol, limit=LIMIT, shares=SHARES)
        self.venue = Venue(self.luck, shares=SHARES, tell=self._tell)
        self.traders = [Trader() for _ in range(TRADERS)]
        self.intents: dict[str, Intent] = {}
        self.accounts: list[int] = list(range(ACCOUNTS))
        self.dropped: set[str] = set()  # no longer wanted by their strategy
        self.outages: list[tuple[str, int, int]] = []
        self.repairs = Repairs(self)
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0

    # --- time ---

    def later(self, delay: int, act: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._queue, (self.now + max(0, delay), self._number, act))

    def worker(self, trader: int, delay: int, act: Callable[[], None]) -> None:
        """Continue a trader's work, unless its process dies before."""
        process = self.traders[trader]
        epoch = process.epoch
        self.later(delay, lambda: act() if epoch == process.epoch else None)

    def run(self) -> Report:
        self._plan()
        self.repairs.start()
        self.later(self.luck.of("market").randint(1_000, 20_000), lambda: self.market(1))
        try:
            while self._queue and not self.is_over():
                self.now, _, act = heapq.heappop(self._queue)
                if self.now > END:
                    break
                act()
                checks.check_now(self)
            checks.check_end(self)
        except LedgerError as error:
            raise Violation(f"I8: {error}") from error
        except Oversold as error:
            raise Violation(f"I10: {error}") from error
        finally:
            self.report.happened = self.luck.happened
            self.report.faults = Counter(name.split(":")[0] for name in self.luck.happened)
        self.report.accepted = len(self.venue.orders)
        self.report.settled_at = self.now
        return self.report

    def _plan(self) -> None:
        """Lay out the schedule: what is wanted when, and the faults that come by the clock."""
        for number in range(INTENTS):
            key = f"k{number}"
            draws = self.luck.fault(f"intent:{key}")  # the shrinker may leave out a wish, too
            if draws is None:
                continue
            self.intents[key] = Intent(
                key=key,
                account=draws.randint(0, ACCOUNTS - 1),
                token=draws.randint(0, TOKENS - 1),
                sells=draws.random() < 0.4,
                size=draws.randint(1 * MILLION, 5 * MILLION),
                price=draws.randint(1, 999) * 1_000,
                rests=draws.random() < 0.75,
            )
            at = draws.randint(0, ORDERS_UNTIL)
            for copy in range(draws.choice((1, 1, 2, 3))):  # the broker delivers a task more than once
                if copy == 0 or self.luck.fault(f"repeated task:{key} {copy}"):
                    trader = draws.randint(0, TRADERS - 1)
                    self.later(at + draws.randint(0, 3_000), self._delivery(trader, key))
            if draws.random() < 0.7:
                self.later(at + draws.randint(1_000, 60_000), self._no_longer_wanted(key))
        for number in range(6):
            if draws := self.luck.fault(f"crash:{number}", chance=0.45):
                self.later(draws.randint(0, FAULTS_UNTIL), self._crash(draws))
        for number in range(4):
            if draws := self.luck.fault(f"outage:{number}", chance=0.4):
                start = draws.randint(0, ORDERS_UNTIL)
                self.outages.append((draws.choice(OUTAGES), start, start + draws.randint(2_000, 90_000)))
        if not self.venue.forgets and (draws := self.luck.fault("kill", chance=0.6)):
            self.later(draws.randint(0, FAULTS_UNTIL), lambda: self.desk.kill(self.now))

    def _delivery(self, trader: int, key: str) -> Callable[[], None]:
        return lambda: self.task(trader, key)

    def _no_longer_wanted(self, key: str) -> Callable[[], None]:
        def change_mind() -> None:
            self.dropped.add(key)
            row = self.desk.rows.get(key)
            if row is not None and row.state in (S.LIVE, S.MATCHED):
                self.desk.request_cancel(key)

        return change_mind

    def _crash(self, draws: Draws) -> Callable[[], None]:
        def crash() -> None:
            trader = self.traders[draws.randint(0, TRADERS - 1)]
            trader.epoch += 1
            trader.up_at = self.now + draws.randint(500, 30_000)

        return crash

    def is_over(self) -> bool:
        if self.now < FAULTS_UNTIL + LATEST_ARRIVAL + 60_000 or not self.desk.is_settled:
            return False
        for order in self.venue.orders:
            for trade in order.trades:
                if trade.stage not in FINAL or not self.desk.knows(trade.trade_id, trade.order_hash, trade.stage):
                    return False
        return self.desk.killed_at is None or self.repairs.kill_done

    # --- the desk's processes ---

    def ages(self, account: int) -> Ages:
        """How old everything is now, as the outages and the last clean reconciliation have it."""
        away = {name: self.now - start for name, start, end in self.outages if start <= self.now < end}
        reconciled_at = self.desk.reconciled_at[account]
        return Ages(
            book=away.get("book", 200),
            stream=away.get("stream", 200),
            reconciled=None if reconciled_at is None else self.now - reconciled_at,
            facts=away.get("facts", 200),
            clock_offset=-away.get("clock", 0),
        )

    def task(self, trader: int, key: str) -> None:
        """The submission task: reserve, sign, store, claim, send. A pause is between any two of them."""
        if self.now < self.traders[trader].up_at:
            return
        intent = self.intents[key]
        if not self.desk.reserve(intent, now=self.now, max_age=MAX_AGE):
            return
        attempt = self.desk.rows[key].attempt
        order_hash = self.desk.protocol.order_hash(key, attempt, self.luck.of(f"salt {key} {self.now}").bits())
        if not self.desk.protocol.persists_before_sending:
            self.transmit(trader, key, order_hash, 0)
        self.worker(trader, self.pause(f"sign {key}"), lambda: self._store_and_claim(trader, key, order_hash))

    def _store_and_claim(self, trader: int, key: str, order_hash: str) -> None:
        self.desk.store_signed(key, order_hash)
        self.worker(trader, self.pause(f"store {key}"), lambda: self._claim(trader, key))

    def _claim(self, trader: int, key: str) -> None:
        ages = self.ages(self.intents[key].account)
        claimed = self.desk.claim(key, self.now, trader=trader, ages=ages)
        if claimed is not None:
            self.send_after_pause(trader, key, claimed.order_hash, claimed.attempt)

    def send_after_pause(self, trader: int, key: str, order_hash: str, attempt: int) -> None:
        def send() -> None:
            if self.desk.protocol.may_send(self.desk.rows[key], attempt=attempt, now_ms=self.now):
                self.transmit(trader, key, order_hash, attempt)

        self.worker(trader, self.pause(f"claim {key}"), send)

    def pause(self, step: str) -> int:
        """Between two lines of a worker: nothing, a moment, or a process stopped for minutes."""
        draws = self.luck.of(f"pause {step} {self.now}")
        if self.now <= FAULTS_UNTIL:
            chance = draws.random()
            if chance < 0.07 and self.luck.fault(f"stopped:at {step} {self.now}"):
                return draws.randint(20_000, 900_000)
            if chance < 0.3 and self.luck.fault(f"slow:at {step} {self.now}"):
                return draws.randint(50, 12_000)
        return draws.randint(0, 50)

    # --- the wire ---

    def transmit(self, trader: int, key: str, order_hash: str, attempt: int) -> None:
        """The first byte leaves. What arrives, when, and what comes back is up to the network."""
        row = self.desk.rows[key]
        self.desk.sends.append(Send(key, order_hash, attempt, row.order_hash, row.attempt))
        draws = self.luck.of(f"wire {key} {attempt} {self.now}")

        def arrive() -> AnswerKind:
            return self.venue.post(self.intents[key], order_hash, self.now)

        def reply(kind: AnswerKind, delay: int) -> None:
            self.worker(trader, delay, lambda: self.desk.answer(key, attempt, kind, self.now))

        name = self._wire_fault(draws.random(), f"{key} {attempt}.{self.now}")
        if name is None:
            self.later(20, lambda: reply(arrive(), draws.randint(10, 3_000)))
        elif name == "lost before":
            reply(AnswerKind.UNKNOWN, TIMEOUT)
        elif name == "lost after":
            arrive()
            reply(AnswerKind.UNKNOWN, TIMEOUT)
        elif name == "late":
            reply(AnswerKind.UNKNOWN, TIMEOUT)
            in_time = max(0, (row.last_claim_ms or self.now) + TIMEOUT - self.now)
            latest = in_time if self.venue.forgets else LATEST_ARRIVAL
            self.later(draws.randint(0, latest), lambda: arrive() and None)
        elif name == "failing":
            if draws.random() < 0.5:
                arrive()
            reply(AnswerKind.UNKNOWN, 500)
        else:
            reply(_ANSWERS[name], 200)

    def _wire_fault(self, chance: float, where: str) -> str | None:
        if self.now >= FAULTS_UNTIL:
            return None
        name = next((name for name, below in _WIRE if chance < below), None)
        return name if name and self.luck.fault(f"{name}:{where}") else None

    def _tell(self, delay: int, message: tuple[str, str, int, int, Stage]) -> None:
        self.later(delay, lambda: self.desk.trade(*message))

    # --- the market ---

    def market(self, turn: int) -> None:
        draws = self.luck.of(f"market {turn}")
        for order in self.venue.open_now():
            if draws.random() < 0.25:
                self.venue.fill(order, self.now, draws.randint(1, order.size - order.filled))
        for order in self.venue.orders:
            for trade in order.trades:
                if trade.stage in FINAL or draws.random() >= 0.4:
                    continue
                stage = draws.choice((Stage.MINED, Stage.RETRYING, Stage.CONFIRMED, Stage.CONFIRMED, Stage.FAILED))
                if stage is Stage.FAILED and not self.luck.fault(f"trade failed:{trade.trade_id}"):
                    stage = Stage.CONFIRMED
                self.venue.settle(trade, stage)
        self.later(draws.randint(5_000, 30_000), lambda: self.market(turn + 1))


_WIRE = (  # in this order, each up to its share of all requests
    ("lost before", 0.08),
    ("lost after", 0.18),
    ("late", 0.34),
    ("refused", 0.39),
    ("busy", 0.44),
    ("failing", 0.48),
    ("not sent", 0.50),
)
_ANSWERS = {"refused": AnswerKind.REJECTED, "busy": AnswerKind.NOT_PROCESSED, "not sent": AnswerKind.NOT_SENT}


def check(seed: int, protocol: Protocol | None = None, without: Sequence[str] = ()) -> Report:
    """Run one seed, perhaps without some of its faults. Raises Violation."""
    return World(seed, protocol or Protocol(), without).run()
