"""The demo exchange's life: which events are listed, when something happens, how events end and are replaced.

Seeded: with the same seed and no users the same things happen in the same order, however finely time is cut,
because every action has its own moment on a virtual clock. What happens in a market is `house`'s, what the
house believes is `opinion`'s.
"""

from __future__ import annotations

import random
from typing import Any

from markets.domain.instruments import MarketState
from markets.domain.units import ONE
from polybot.sandbox.announce import Announcer
from polybot.sandbox.catalogue import Market
from polybot.sandbox.core import Core
from polybot.sandbox.engines import LiveEngine
from polybot.sandbox.execution import Execution
from polybot.sandbox.house import FINE_TICK, House
from polybot.sandbox.invention import ALL_SLOTS, SLOTS, activity, invent, lifetime_ms
from polybot.sandbox.opinion import Living, market_state, restore_market
from polybot.sandbox.resolution import Resolution, winner_payouts

KEEP_CLOSED = 150  # closed events that stay in the catalogue
NAMING_MS = 4_000  # from the end of trading to the winner
BACKLOG_MS = 2_000  # what life lags behind more than this is dropped
ACTIONS_PER_STEP = 2_000
LONGEST_AGE_MS = 30 * 86_400_000  # how long ago a first event may have been listed


class Life:
    def __init__(
        self,
        core: Core,
        announcer: Announcer,
        execution: Execution,
        resolution: Resolution,
        *,
        rate: float,
        protocol_v2: bool = False,
        fair_game: bool = False,
    ) -> None:
        self._core = core
        self._announcer = announcer
        self._resolution = resolution
        self.rate = rate
        self._fair_game = fair_game
        self._slots = len(ALL_SLOTS) if protocol_v2 else len(SLOTS)
        self.epoch_ms = core.now
        self._rng = random.Random(f"{core.seed}:life")
        self._house = House(core, execution, self._rng)
        self._living: dict[int, Living] = {}  # by slot
        self._closed: list[dict[str, Any]] = []  # oldest first
        self._next_ms = float(core.now)
        self._burst_until = 0.0
        self._burst_at = (0, 0)
        self._next_burst = float(core.now) + 15_000
        self._choices: list[tuple[int, int]] = []  # (slot, market)
        self._weights: list[float] = []
        self._runs = 0

    # Start and save ---------------------------------------------------------------------------------

    def start(self, saved: dict[str, Any] | None) -> None:
        """List the events: those of the saved state, or a first set with their ages spread out."""
        core = self._core
        if saved:
            self.epoch_ms = saved["epoch_ms"]
            self._runs = saved["runs"] + 1
            self._rng.seed(f"{core.seed}:life:{self._runs}")
            for entry in saved["closed"]:
                if entry["slot"] < self._slots:
                    self._relist_closed(entry)
            for entry in saved["living"]:
                if entry["slot"] < self._slots:
                    self._relist(entry)
        for slot in range(self._slots):
            if slot not in self._living:
                age = random.Random(f"{core.seed}:{slot}:age").random() * 0.8
                spent = int(lifetime_ms(core.seed, slot, 0) * age) if not saved else 0
                generation = 0 if not saved else self._next_generation(slot)
                self._list(slot, generation, core.now - min(spent, LONGEST_AGE_MS), open_=False)
        self._reweigh()

    def open_books(self) -> None:
        for living in self._living.values():
            for index, market in enumerate(living.markets):
                self._house.open_book(market, living.fair(index))

    def saved(self) -> dict[str, Any]:
        """Return what a restart needs to go on with the same catalogue."""
        return {
            "epoch_ms": self.epoch_ms,
            "runs": self._runs,
            "closed": self._closed,
            "living": [
                {
                    "slot": living.slot,
                    "generation": living.generation,
                    "created_ms": living.event.created_ms,
                    "z": [round(z, 4) for z in living.z],
                    "winners": living.winners,
                    "markets": [market_state(market) for market in living.markets],
                }
                for living in self._living.values()
            ],
        }

    def watched(self) -> None:
        """Life goes on whether or not anybody looks."""

    def status(self) -> dict[str, object]:
        return {"kind": "life", "rate": self.rate, "epoch_ms": self.epoch_ms, "runs": self._runs}

    # Time -------------------------------------------------------------------------------------------

    def step(self) -> None:
        core = self._core
        now = float(core.now)
        if now - self._next_ms > BACKLOG_MS:
            self._next_ms = now - BACKLOG_MS / 10
        if self.rate > 0:
            actions = 0
            while self._next_ms <= now and actions < ACTIONS_PER_STEP:
                actions += 1
                self._act()
        self._end_events()

    def _act(self) -> None:
        """Let one thing happen somewhere and set the moment of the next."""
        rng, at = self._rng, self._next_ms
        if at >= self._next_burst:
            self._begin_burst(at)
        bursting = at < self._burst_until
        if bursting and rng.random() < 0.7:
            slot, index = self._burst_at
        else:
            slot, index = rng.choices(self._choices, self._weights)[0]
        living = self._living.get(slot)
        before = self._core.counts["messages"]
        if living is not None and index < len(living.markets) and living.markets[index].state is MarketState.OPEN:
            market = living.markets[index]
            undecided = living.winners is None
            living.drift(index, at, rng, self._core.seed)
            if undecided and living.winners is not None:
                self._core.dirty = True  # a restart must not decide otherwise
            do = self._house.take if rng.random() < (0.3 if bursting else 0.12) else self._house.requote
            do(market, living.fair(index))
            self._check_tick(market)
        sent = max(1, self._core.counts["messages"] - before)
        pace = self.rate * (4.0 if bursting else 0.85)
        self._next_ms += sent * rng.expovariate(1.0) * 1000.0 / pace

    def _begin_burst(self, at: float) -> None:
        rng = self._rng
        self._next_burst = at + rng.uniform(20_000, 60_000)
        self._burst_until = at + rng.uniform(1_000, 3_000)
        self._burst_at = slot, index = rng.choices(self._choices, self._weights)[0]
        living = self._living.get(slot)
        if living is not None and index < len(living.z):
            living.jump(index, rng)

    def _check_tick(self, market: Market) -> None:
        """Make the tick finer once the price has passed 0.96 or 0.04."""
        if market.tick <= FINE_TICK or market.best_bid is None or market.best_ask is None:
            return
        middle = (market.best_bid + market.best_ask) // 2
        if middle > 960_000 or middle < 40_000:
            self._announcer.tick(market, FINE_TICK)

    # Beginnings and ends ----------------------------------------------------------------------------

    def _end_events(self) -> None:
        core = self._core
        for living in list(self._living.values()):
            settled = all(market.state is MarketState.RESOLVED for market in living.markets)
            if settled:  # somebody decided every market before its time
                self._finish(living)
                continue
            if core.now < living.event.end_ms:
                continue
            if living.naming_ms is None:
                living.draw(core.seed)
                core.dirty = True
                for market in living.markets:
                    self._resolution.close(market)
                living.naming_ms = core.now + NAMING_MS
            elif core.now >= living.naming_ms:
                self._finish(living)

    def _finish(self, living: Living) -> None:
        core = self._core
        winners = living.draw(core.seed)
        if living.exclusive and any(market.payouts == (ONE, 0) for market in living.markets):
            winners = [False] * len(winners)  # the winner was named before its time
        for market, won in zip(living.markets, winners, strict=True):
            if market.state is not MarketState.RESOLVED:
                self._resolution.resolve(market, winner_payouts(0 if won else 1))
        self._closed.append(
            {
                "slot": living.slot,
                "generation": living.generation,
                "created_ms": living.event.created_ms,
                "closed_ms": core.now,
                "markets": [market_state(market) for market in living.markets],
            }
        )
        if len(self._closed) > KEEP_CLOSED:
            old = self._closed.pop(0)
            event = core.catalogue.events.get(10_000 + old["generation"] * 100 + old["slot"])
            if event is not None:
                core.forget_event(event)
        del self._living[living.slot]
        self._list(living.slot, living.generation + 1, core.now, open_=True)
        self._reweigh()
        core.dirty = True

    def _next_generation(self, slot: int) -> int:
        return max((e["generation"] for e in self._closed if e["slot"] == slot), default=-1) + 1

    def _list(self, slot: int, generation: int, created_ms: int, *, open_: bool) -> Living:
        core = self._core
        invention = invent(core.seed, slot, generation, created_ms)
        living = Living.begin(slot, generation, invention, core.now, fair_game=self._fair_game)
        core.list_event(invention.event, invention.markets, [LiveEngine() for _ in invention.markets])
        self._living[slot] = living
        if open_:
            for index, market in enumerate(living.markets):
                self._announcer.new_market(market)
                self._house.open_book(market, living.fair(index))
        return living

    def _relist(self, entry: dict[str, Any]) -> None:
        living = self._list(entry["slot"], entry["generation"], entry["created_ms"], open_=False)
        living.z = list(entry["z"])
        living.winners = entry["winners"]
        for market, state in zip(living.markets, entry["markets"], strict=True):
            restore_market(self._core, market, state)

    def _relist_closed(self, entry: dict[str, Any]) -> None:
        core = self._core
        invention = invent(core.seed, entry["slot"], entry["generation"], entry["created_ms"])
        core.list_event(invention.event, invention.markets, [LiveEngine() for _ in invention.markets])
        invention.event.closed_ms = invention.event.updated_ms = entry["closed_ms"]
        for market, state in zip(invention.markets, entry["markets"], strict=True):
            restore_market(core, market, state)
            self._resolution.await_redemption(market)
        self._closed.append(entry)

    def _reweigh(self) -> None:
        """Share attention out: busy events more, and within an event the first markets more."""
        self._choices, self._weights = [], []
        for living in self._living.values():
            for index in range(len(living.markets)):
                self._choices.append((living.slot, index))
                self._weights.append(activity(living.weight, index))
