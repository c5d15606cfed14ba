"""One group of seeded schedules: a desk, an account per seed, a shared virtual clock, and everything that goes wrong.

Real services, real PostgreSQL, a real exchange over loopback HTTP. Our time is virtual and runs minutes in a
second; the exchange's is real. Every seed has an account, an outcome and faults of its own; the clock, the
kill switch and the turns of the hands are shared, so a failure is repeated by its group
(`--from FIRST --seeds SIZE`).
"""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx

from markets.domain.instruments import Side
from markets.domain.units import micro_from_text
from markets.models import Block, Drift, Market, Outcome
from orders.domain.intents import Origin, OriginKind
from orders.models import Account, Order, StreamState, VenueCondition
from orders.services import faults, keyholder, ownership
from orders.services.kill import kill_release, kill_set
from orders.services.placement import ReservationError
from orders.services.submission_rows import milliseconds
from tests.faults.services import desk_jobs, side_jobs, venue_faults
from tests.faults.services.hands import BETWEEN, Hand, current
from tests.faults.services.lanes import Lane
from tests.live_desk import LiveDesk
from tests.orders.model.luck import Draws, Luck

FAULTS_FOR_S = 150  # virtual
ORDERS_FOR_S = 60
SWEEP_S = 7
RESYNC_TURNS = (0, 7, 9, 11, 13)
SIZES = ("5", "7.5", "12.34", "20")
KINDS = ("gtc", "gtc", "gtc", "gtd", "fok", "fak")


class World:
    def __init__(
        self, desk: LiveDesk, seeds: list[int], *, common: tuple[str, ...], rare: tuple[str, ...], house: Account
    ) -> None:
        self.desk, self.house, self.common, self.rare = desk, house, common, rare
        self._http = httpx.Client(timeout=10)
        self.group = Luck(seeds[0] * 7919 + 17)
        self.began = datetime.fromtimestamp(time.time(), tz=desk.now.tzinfo)
        self.now = self.began
        self.hit: Counter[str] = Counter()  # named crash points at which a worker died, and fault classes laid
        self.passed: Counter[str] = Counter()
        self.claims: list[tuple[int, str, str]] = []  # (seed, stale input, point) of claims that should not be
        self.faulty = True
        self._queue: list[tuple[datetime, int, Callable[[], None]]] = []
        self._number = 0
        self.hands = [Hand(number) for number in range(2 + len(seeds) // 2)]
        self.lanes = {seed: self._lane(seed, number) for number, seed in enumerate(seeds)}
        self.by_account = {lane.account.pk: lane for lane in self.lanes.values()}
        self.papers: dict[int, side_jobs.PaperHolder] = {}
        self.killed = False
        self._fresh_at: datetime | None = None

    # --- set-up ---

    def _lane(self, seed: int, number: int) -> Lane:
        luck = Luck(seed)
        draws = luck.of("account")
        kind = draws.choice(("eoa", "proxy", "safe", "deposit_beacon"))
        account = self.desk.account(kind, cash="400", well=False, name=f"L1 {seed} {self.began.timestamp()}")
        batch = draws.random() < 0.25
        self.desk.all_well(account, now=self.began)
        Account.objects.filter(pk=account.pk).update(batch_orders=batch)
        outcomes = self.desk.outcomes(pk__in=desk_jobs.lasting_markets(self.began))
        outcome = outcomes[(seed * 2 + draws.randint(0, 1)) % len(outcomes)]
        lane = Lane(seed, luck, Account.objects.get(pk=account.pk), outcome)
        gateway: Any = self.desk.gateway(account)
        gateway._now_ms = gateway._clob._now_ms = lambda: milliseconds(self.now)  # deadlines are virtual moments
        # Every point has its turn, whatever luck says; the rare ones wait in many lanes for their moment.
        for turn in range(2):
            lane.crashes[self.common[(seed + turn * 5) % len(self.common)]] = 1 + turn
        for turn in range(8):
            lane.crashes[self.rare[(seed + turn * 5) % len(self.rare)]] = 1
        if draws.random() < 0.3:
            start = draws.randint(0, ORDERS_FOR_S)
            lane.stale.append((start, start + draws.randint(5, 60), draws.choice(("book", "stream", "reconciled"))))
        return lane

    def plan(self) -> None:
        self._person_looks()
        for second in range(3, FAULTS_FOR_S, 3):
            self.later(second, self._person_looks)
        for lane in self.lanes.values():
            for number in range(lane.luck.of("orders").randint(2, 4)):
                self._plan_order(lane, number)
            for number in range(3):
                draws = lane.luck.of(f"told {number}")
                self.at(draws.randint(1, FAULTS_FOR_S), lane, desk_jobs.told(lane, draws, self.clock))
        for second in range(SWEEP_S, FAULTS_FOR_S, SWEEP_S):
            self.later(second, self._sweeps)
        for second in range(10, FAULTS_FOR_S, 25):
            self.later(second, self._house_trades)
        side_jobs.plan(self)
        if self.group.of("kill").random() < 0.4:
            self.later(self.group.of("kill at").randint(5, FAULTS_FOR_S), self._kill)

    def _person_looks(self) -> None:
        """Accept what drifted: a changed field stops every entry of the venue, and with it the rest of the campaign."""
        Drift.objects.filter(accepted_at=None).update(accepted_at=self.now, accepted_by="L1")
        Block.objects.filter(lifted_at=None).update(lifted_at=self.now, lifted_by="L1")

    def _sweeps(self) -> None:
        """Sweep the accounts that have something to sweep; the others' sweeps would find nothing."""
        for account_id in desk_jobs.accounts_to_sweep(self.by_account, self.now):
            lane = self.by_account[account_id]
            self.at(
                self.second + lane.luck.of(f"sweep {self.second}").random(), lane, desk_jobs.sweep(lane, self.clock)
            )
        side_jobs.sweep(self)

    def _plan_order(self, lane: Lane, number: int) -> None:
        draws = lane.luck.of(f"order {number}")
        at = draws.randint(0, ORDERS_FOR_S)
        placed: list[int] = []

        def place() -> None:
            found = self._place(lane, draws)
            if found is None:
                return
            placed.append(found.pk)
            copies = draws.choice((1, 1, 2, 3))
            self.hit["duplicate delivery"] += copies > 1
            for copy in range(copies):
                self.at(
                    self.second + 0.2 + copy * draws.random() * 4, lane, desk_jobs.submit(lane, found.pk, self.clock)
                )

        self.later(at, place)
        if draws.random() < 0.5:
            wait = draws.randint(1, 60)
            self.at(at + wait, lane, lambda: [desk_jobs.cancel(lane, pk, self.clock)() for pk in placed])

    def _place(self, lane: Lane, draws: Draws) -> Order | None:
        bids, asks = self._book(lane.outcome)
        tick = lane.outcome.market.tick
        tick = int(tick * 1_000_000) if not isinstance(tick, int) else tick
        kind = draws.choice(KINDS)
        held = desk_jobs.sellable(lane)
        side = Side.SELL if held >= 5_000_000 and draws.random() < 0.6 else Side.BUY
        crosses = kind in ("fok", "fak") or draws.random() < 0.4
        best_bid = bids[0] if bids else tick
        best_ask = asks[0] if asks else 1_000_000 - tick
        if side is Side.BUY:
            price = best_ask if crosses else max(tick, best_ask - tick if draws.random() < 0.5 else best_bid - 3 * tick)
        else:
            price = best_bid if crosses else min(1_000_000 - tick, max(tick, best_ask + 2 * tick))
        price = min(max(price, tick), 1_000_000 - tick)
        size = draws.choice(SIZES)
        if side is Side.SELL:
            size = str(min(held, 8_000_000) // 10_000 / 100)
        try:
            return self.desk.order(
                lane.account, lane.outcome, side, f"{price / 1e6:.4f}", size, kind,
                now=self.now, origin=_origin(draws), post_only=not crosses and kind == "gtc" and draws.random() < 0.3,
                **({"expires_at": self.now + timedelta(minutes=30)} if kind == "gtd" else {}),
            )  # fmt: skip
        except ReservationError:
            return None

    def control(self, call: str, body: dict[str, Any]) -> None:
        answer = self._http.post(f"{self.desk.exchange.urls['control']}/{call}", json=body)
        assert answer.status_code == 200, answer.text

    def _book(self, outcome: Outcome) -> tuple[list[int], list[int]]:
        """Return bid and ask prices in millionths, best first."""
        found = self._http.get(f"{self.desk.exchange.urls['clob']}/book", params={"token_id": outcome.token_id}).json()
        bids, asks = (
            [micro_from_text(level["price"], field="price") for level in found[side]] for side in ("bids", "asks")
        )
        return sorted(bids, reverse=True), sorted(asks)

    # --- time and turns ---

    def clock(self) -> datetime:
        return self.now

    @property
    def second(self) -> float:
        return (self.now - self.began).total_seconds()

    def later(self, second: float, act: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._queue, (self.began + timedelta(seconds=second), self._number, act))

    def at(self, second: float, lane: Lane, job: Callable[[], object]) -> None:
        """Give the job to a free hand at that moment; with all hands laid aside it waits a little."""

        def begin() -> None:
            hand = next((h for h in self.hands if h.is_free), None)
            if hand is None:
                self.later(self.second + 0.5, begin)
                return
            hand.begin(lane.seed, job)
            self._look(hand)

        self.later(second, begin)

    def _look(self, hand: Hand) -> None:
        """After a hand came back: it is done, it died, or it waits at a point."""
        if hand.laid_aside_at:
            draws = self.group.of(f"aside {self._number}")
            wait = draws.random() * 2 if draws.random() < 0.88 or not self.faulty else draws.randint(3, 40)
            self.hit["stopped"] += wait > 3

            def go_on() -> None:
                hand.go_on()
                self._look(hand)

            self.later(self.second + wait, go_on)
        elif hand.failed is not None:
            desk_jobs.accept(hand.failed)

    def run(self, until_s: float) -> None:
        until = self.began + timedelta(seconds=until_s)
        while self._queue and self._queue[0][0] <= until:
            due, _, act = heapq.heappop(self._queue)
            if due > self.now:
                self.now = due
                self._keep_fresh()
            act()
        self.now = max(self.now, until)
        self._keep_fresh()

    def _keep_fresh(self) -> None:
        """Everything I14 asks about is fresh now, except what a lane's plan keeps stale."""
        now, lanes = self.now, self.lanes.values()
        if self._fresh_at is not None and (now - self._fresh_at).total_seconds() < 4:
            return
        self._fresh_at = now
        Market.objects.filter(pk__in=[lane.outcome.market_id for lane in lanes]).update(synced_at=now, state="open")
        VenueCondition.objects.filter(environment=self.house.environment).update(
            clock_offset_ms=0, clock_at=now, blocked=False, blocked_at=now, mode=""
        )
        heard = [lane.account.pk for lane in lanes if "stream" not in self.stale(lane)]
        StreamState.objects.filter(pk__in=heard).update(last_alive_at=now, last_resync_at=now, updated_at=now)
        late = [lane.account.pk for lane in lanes if "reconciled" in self.stale(lane)]
        mine = Account.objects.filter(pk__in=[lane.account.pk for lane in lanes])
        mine.exclude(pk__in=late).update(reconciled_at=now)
        mine.filter(pk__in=late).update(reconciled_at=now - timedelta(seconds=126))

    def stale(self, lane: Lane, *, ago_s: float = 0.0) -> set[str]:
        if not self.faulty:
            return set()
        # From when the last refresh has grown too old until the next one may come.
        return {what for start, end, what in lane.stale if start + 20 <= self.second - ago_s < end + 20}

    # --- what goes wrong ---

    def point(self, name: str) -> None:
        """The hook at every fault point."""
        hand = current()
        if hand is None or hand.seed not in self.lanes:
            return
        lane = self.lanes[hand.seed]
        self.passed[name] += 1
        lane.passed[name] += 1
        if name in ("claim.committed", "unknown.claimed"):
            self._check_claim(lane, name)
        if lane.crashes.get(name) == lane.passed[name]:
            self.hit[f"crash {name}"] += 1
            hand.die(name)
        if not self.faulty:
            return
        if name in BETWEEN and lane.luck.of(f"aside {name} {lane.passed[name]}").random() < 0.25:
            hand.lay_aside(name)
        if name == "post.first_byte":
            self._lay(lane, venue_faults.POST, 0.6, f"post {lane.passed[name]}")
            self._lay(lane, venue_faults.ENGINE, 0.25, f"engine {lane.passed[name]}")
        elif name == "cancel.claimed":
            self._lay(lane, venue_faults.CANCEL, 0.4, f"cancel {lane.passed[name]}")
        elif name == "unknown.reading":
            self._lay(lane, venue_faults.READ, 0.3, f"read {lane.passed[name]}")
        elif name == "chain.committed":
            self._lay(lane, venue_faults.RELAY, 0.5, f"relay {lane.passed[name]}")

    def _check_claim(self, lane: Lane, point: str) -> None:
        """I14, asked of the tables and not of the code that was to ask them. The limits are the contract's numbers."""
        if not desk_jobs.claimed_just_now(lane, self.now):
            return
        # A book that was read right before it became stale is good for as long as its age allows.
        stale = ["book"] if "book" in self.stale(lane) & self.stale(lane, ago_s=15) else []
        heard = StreamState.objects.values_list("last_alive_at", flat=True).get(pk=lane.account.pk)
        if heard is None or (self.now - heard).total_seconds() > 15:
            stale.append("user stream")
        reconciled = Account.objects.values_list("reconciled_at", flat=True).get(pk=lane.account.pk)
        if reconciled is None or (self.now - reconciled).total_seconds() > 120:
            stale.append("reconciliation")
        if stale:
            self.claims.append((lane.seed, ", ".join(stale), point))

    def _lay(self, lane: Lane, kinds: dict[str, dict[str, Any]], chance: float, name: str) -> None:
        draws = lane.luck.fault(name, chance=chance)
        if draws is None:
            return
        # In turn over the seeds, so that each class has its turn; rarely what halts the account.
        names = [kind for kind in kinds if kind not in venue_faults.RARE or draws.random() < 0.3]
        kind = names[(lane.seed + draws.randint(0, len(names) - 1)) % len(names)]
        self.hit[kind] += 1
        if kinds is venue_faults.POST:
            rule = venue_faults.post_rule(kind, draws)
        elif kinds is venue_faults.CANCEL:
            rule = venue_faults.cancel_rule(kind)
        elif kinds is venue_faults.READ:
            rule = venue_faults.read_rule(kind)
        elif kinds is venue_faults.RELAY:
            rule = venue_faults.relay_rule(kind, is_relayed=lane.account.wallet_kind != "eoa")
        else:
            rule = venue_faults.engine_rule(kind)
        self.control("faults", rule)

    def _kill(self) -> None:
        self.killed = True
        self.hit["kill"] += 1
        kill_set("drill", "L1", self.now)

    def _house_trades(self) -> None:
        """Somebody trades with what rests, a part at a time."""
        for lane in self.lanes.values():
            draws = lane.luck.of(f"house {self.second}")
            for order in self.desk.gateway(lane.account).open_orders()[:2]:
                if draws.random() < 0.5 or order.size is None:
                    continue
                size = f"{max(5_000_000, order.size // 2 // 10_000 * 10_000) / 1e6:.2f}"
                other = lane.outcome.market.outcomes.exclude(pk=lane.outcome.pk).get()
                mine, price = (
                    (other, 1_000_000 - order.price) if order.side is Side.BUY else (lane.outcome, order.price)
                )
                self.desk.post_foreign(self.house, mine, Side.BUY, f"{price / 1e6:.4f}", size, "fak")

    # --- the end ---

    def settle(self) -> None:
        """Faults stop. Wait in real time for what is still under way at the exchange, then sweep until it is quiet."""
        self.run(FAULTS_FOR_S + 45)  # hands that were laid aside finish
        self.faulty = False
        self.desk.exchange.control("faults", method="DELETE")
        # A rule that waits was laid into a request: what may still take effect does so within this time.
        time.sleep(venue_faults.MOST_LATE_MS / 1000 + 2.2)
        second = FAULTS_FOR_S + 50.0
        side_jobs.finish(self)
        for turn in range(80):
            self.later(second, self._sweeps)
            # An order that is listed no more counts as over after three looks from a minute on.
            if turn in RESYNC_TURNS or turn % 10 == 9:
                for lane in self.lanes.values():
                    self.at(second, lane, desk_jobs.resync(lane, self.clock))
            self.run(second + 4)
            if turn >= RESYNC_TURNS[-1] and not self._under_way():
                break
            second += 11.0 if turn < 20 else 31.0
        self.run(second + 40)

    def _under_way(self) -> bool:
        return desk_jobs.under_way(self.by_account) or bool(side_jobs.under_way(self.by_account))

    def close(self) -> None:
        for hand in self.hands:
            hand.end()
        if self.killed:
            kill_release("drill over", "L1", self.now)
        self._http.close()
        ownership.release()
        for lane in self.lanes.values():
            keyholder.forget(lane.account.pk)


def _origin(draws: Draws) -> Origin:
    """A person's orders stand for themselves; a strategy's newer one takes the place of an older one."""
    if draws.random() < 0.6:
        return Origin(kind=OriginKind.MANUAL, id=draws.randint(1, 3), label="a person")
    return Origin(kind=OriginKind.STRATEGY, id=draws.randint(1, 2), label="maker")


def install(world: World) -> Callable[[], None]:
    """Hook the world into the fault points and the conditions; return what undoes it."""
    remove_hook = faults.hook_install(world.point)
    undo = desk_jobs.patch_books(world)

    def remove() -> None:
        remove_hook()
        undo()

    return remove


__all__ = ["FAULTS_FOR_S", "Lane", "World", "install", "milliseconds"]
