"""What the model's traders do again and again: restart lost work, look for evidence, cancel, follow a kill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders.domain.exactly_once import Stage
from orders.domain.lifecycle import TERMINAL, OrderState
from orders.domain.submission import Step

if TYPE_CHECKING:
    from tests.orders.model.world import World

S = OrderState
SWEEP = 6_000
FAULTS_UNTIL = 420_000


class Repairs:
    def __init__(self, world: World) -> None:
        self.world = world
        self.desk = world.desk
        self.venue = world.venue
        self.kill_done = False
        self._empty_since: int | None = None
        self._empty_reads = 0

    def start(self) -> None:
        for trader in range(len(self.world.traders)):
            self.world.later(self.world.luck.of(f"start {trader}").randint(0, SWEEP), self._turn(trader, 0))

    def _turn(self, trader: int, turn: int):  # type: ignore[no-untyped-def]
        def sweep() -> None:
            world = self.world
            if world.now >= world.traders[trader].up_at:
                self.sweep(trader, turn)
            pause = SWEEP + world.luck.of(f"sweep {trader} {turn}").randint(0, 1_000)
            world.later(pause, self._turn(trader, turn + 1))

        return sweep

    def sweep(self, trader: int, turn: int) -> None:
        """Each trader repairs the accounts it owns; the first thing an owner does is a full read."""
        world, desk = self.world, self.desk
        mine = {account for account in world.accounts if desk.own(account, trader, world.now)}
        for number, key in enumerate(list(desk.rows)):
            if desk.intents[key].account in mine:
                if desk.rows[key].state not in TERMINAL:
                    self.repair(trader, key, f"{trader} {turn} {key}")
                if (turn + number) % 5 == 0:
                    self.book_visible_trades(key)
        for account in mine:
            desk.reconciled_at[account] = world.now
        if desk.killed_at is not None and trader == 0:
            self.follow_kill(turn)

    def repair(self, trader: int, key: str, name: str) -> None:
        row = self.desk.rows[key]
        if row.state in (S.RESERVED, S.SIGNED):
            self.desk.abandon(key, self.world.now)
            if self.desk.rows[key].state in (S.RESERVED, S.SIGNED):
                self.world.task(trader, key)
        elif row.state is S.SENDING:
            self.desk.expire_lease(key, self.world.now)
        elif row.state in (S.UNKNOWN, S.QUARANTINED):
            self.resolve(trader, key, name)
        elif row.state in (S.LIVE, S.MATCHED):
            if key in self.world.dropped:
                self.desk.request_cancel(key)
            self.watch(trader, key, name)

    def book_visible_trades(self, key: str) -> None:
        """The resync of trades over REST, which heals what the stream lost."""
        for trade in self.venue.read(self.desk.rows[key].order_hash, self.world.now)[1]:
            if not self.desk.knows(trade.trade_id, trade.order_hash, trade.stage):
                self.desk.trade(trade.trade_id, trade.order_hash, trade.size, trade.fee, trade.stage)

    def resolve(self, trader: int, key: str, name: str) -> None:
        world, desk = self.world, self.desk
        wanted = key not in world.dropped
        step = desk.step(key, world.now, wanted=wanted)
        if step is Step.READ:
            self.read(key)
            if desk.rows[key].state not in (S.UNKNOWN, S.QUARANTINED):
                return
            step = desk.step(key, world.now, wanted=wanted)
        if step is Step.REPOST:
            ages = world.ages(desk.intents[key].account)
            claimed = desk.claim(key, world.now, trader=trader, ages=ages, wanted=wanted)
            if claimed is not None:
                again = desk.protocol.order_hash(key, claimed.attempt, world.luck.of(f"salt {name}").bits())
                world.send_after_pause(trader, key, again, claimed.attempt)
        elif step is Step.CANCEL:
            self.cancel(trader, key, name)
        elif step is Step.QUARANTINE:
            desk.quarantine(key, world.now)
        elif step is Step.RELEASE:
            desk.release(key, world.now, explained=True)

    def read(self, key: str) -> None:
        order, trades = self.venue.read(self.desk.rows[key].order_hash, self.world.now)
        for trade in trades:
            self.desk.trade(trade.trade_id, trade.order_hash, trade.size, trade.fee, trade.stage)
        if order is not None:
            self.desk.attach(key, S.LIVE)
        elif not trades:
            self.desk.empty_read(key, self.world.now)

    def watch(self, trader: int, key: str, name: str) -> None:
        """Cancel what is no longer wanted; close a row whose order has ended, once all its trades are known."""
        row = self.desk.rows[key]
        if row.cancel_requested and self.desk.protocol.may_cancel(row, now_ms=self.world.now):
            self.cancel(trader, key, name)
        order = next((o for o in self.venue.orders if o.order_hash == row.order_hash), None)
        if order is None or order.is_open or order.visible_at > self.world.now:
            return
        standing = sum(trade.size for trade in order.trades if trade.stage is not Stage.FAILED)
        self.desk.ended_at_venue(key, matched=standing)

    def cancel(self, trader: int, key: str, name: str) -> None:
        self.desk.request_cancel(key)
        world = self.world
        order_hash = self.desk.rows[key].order_hash
        faulty = world.now <= FAULTS_UNTIL

        def arrive() -> None:
            canceled = self.venue.cancel(order_hash)
            if not (faulty and world.luck.fault(f"cancel unanswered:{name}", chance=0.2)):
                world.worker(trader, 100, lambda: self.desk.cancel_answer(key, canceled=canceled))

        if not (faulty and world.luck.fault(f"cancel lost:{name}", chance=0.1)):
            world.later(world.luck.of(f"cancel {name}").randint(10, 2_000), arrive)

    def follow_kill(self, turn: int) -> None:
        """Cancel all, again and again, until the reads stay empty and nothing can arrive any more."""
        if self.kill_done:
            return
        now = self.world.now
        if any(order.visible_at <= now for order in self.venue.open_now()):
            self._empty_since, self._empty_reads = None, 0
            if now > FAULTS_UNTIL or not self.world.luck.fault(f"cancel all lost:{turn}", chance=0.2):
                for order in self.venue.open_now():
                    self.venue.cancel(order.order_hash)
        else:
            self._empty_since = self._empty_since if self._empty_since is not None else now
            self._empty_reads += 1
        self.kill_done = self.desk.protocol.kill_is_complete(
            empty_since_ms=self._empty_since,
            empty_reads=self._empty_reads,
            now_ms=now,
            unresolved=sum(row.state not in TERMINAL for row in self.desk.rows.values()),
        )
