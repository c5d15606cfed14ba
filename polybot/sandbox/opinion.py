"""What the house believes of a living event: a random walk that ends at what will be true.

Opinions are log-odds and probabilities, floats throughout; nothing here is money. Seeded: the same event ends the
same way whenever it is drawn with the same opinions.

Opinions may be asked to be fair (`fair_game`): whatever moves one, its expected probability is what it was, so nothing
is earned by always buying what is cheap. With odds p that a step up makes p+ and a step down p-, up is drawn with
(p - p-) / (p+ - p-). Markets that move together share one draw, so this holds for the one that was moved and nearly
for its neighbours. Otherwise steps are even in log-odds, which leans a little away from certainty.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Any

from markets.domain.instruments import MarketState
from markets.domain.units import ONE
from polybot.sandbox.catalogue import Event, Market
from polybot.sandbox.core import Core
from polybot.sandbox.invention import Invention

ENDING_S = 90.0  # from here on an event leans towards its end
FURTHEST = 5.0  # log-odds that news cannot pass


@dataclass(slots=True, kw_only=True)
class Living:
    """A listed event with the house's opinion of it, in log-odds."""

    slot: int
    generation: int
    event: Event
    markets: list[Market]
    z: list[float]
    exclusive: bool
    together: bool
    weight: float
    fair_game: bool = False  # steps leave the expected probability as it is; else they are even in log-odds
    winners: list[bool] | None = None  # drawn when the end begins
    touched_ms: list[float] = field(default_factory=list)
    naming_ms: int | None = None

    @classmethod
    def begin(cls, slot: int, generation: int, invention: Invention, now_ms: int, *, fair_game: bool = False) -> Living:
        if invention.exclusive:
            z = [math.log(max(fair, 1e-4)) for fair in invention.fair]
        else:
            z = [math.log(fair / (1 - fair)) for fair in invention.fair]
        return cls(
            slot=slot,
            generation=generation,
            event=invention.event,
            markets=invention.markets,
            z=z,
            exclusive=invention.exclusive,
            together=invention.together,
            weight=invention.weight,
            fair_game=fair_game,
            touched_ms=[float(now_ms)] * len(z),
        )

    def fair(self, index: int) -> float:
        """Return the probability the house gives to outcome 0 of one market."""
        return self._fair_at(index, self.z[index])

    def _fair_at(self, index: int, z: float) -> float:
        """Return what `fair` would be with `z` in the market's place."""
        if not self.exclusive:
            return 1 / (1 + math.exp(-z))
        others = [other for i, other in enumerate(self.z) if i != index]
        top = max(z, *others)
        return math.exp(z - top) / (math.exp(z - top) + sum(math.exp(other - top) for other in others))

    def jump(self, index: int, rng: random.Random) -> None:
        """News: move one market, or all that have one cause, unless the end has begun."""
        if self.winners is None:
            if self.fair_game:
                self._step(index, rng.uniform(0.15, 0.9), rng)
                return
            shift = rng.choice((-1, 1)) * rng.uniform(0.15, 0.9)
            for i in self._moving(index):
                self.z[i] += shift

    def drift(self, index: int, at_ms: float, rng: random.Random, seed: int) -> None:
        """Move the opinion by what passed since it was last asked for; near the end, towards the truth."""
        passed = min(60.0, max(0.0, (at_ms - self.touched_ms[index]) / 1000))
        self.touched_ms[index] = at_ms
        left = (self.event.end_ms - at_ms) / 1000
        life = (self.event.end_ms - self.event.created_ms) / 1000
        if left < min(ENDING_S, life * 0.25):
            if self.winners is None:
                self.draw(seed)
            pull = min(1.0, passed / max(left * 0.4, 1.0))
            for i in self._moving(index):
                target = 5.5 if (self.winners or [])[i] else (-3.0 if self.exclusive else -5.5)
                self.z[i] += (target - self.z[i]) * pull
            return
        shock = rng.gauss(0.0, 0.006 * math.sqrt(passed) * (2.5 if life < 3_600 else 1.0))
        if self.fair_game:
            self._step(index, abs(shock), rng)
            return
        for i in self._moving(index):
            self.z[i] = min(FURTHEST, max(-FURTHEST, self.z[i] + shock))

    def _step(self, index: int, size: float, rng: random.Random) -> None:
        """Move by `size` up or down, with the odds that leave the expected probability as it is."""
        here = self.z[index]
        low, high = max(here - size, min(here, -FURTHEST)), min(here + size, max(here, FURTHEST))
        now, below, above = (self._fair_at(index, z) for z in (here, low, high))
        if not below < above:
            return
        moved = (high if rng.random() < (now - below) / (above - below) else low) - here
        for i in self._moving(index):
            self.z[i] += moved

    def draw(self, seed: int) -> list[bool]:
        """Decide how the event ends, once, by the house's opinion at this moment."""
        if self.winners is None:
            rng = random.Random(f"{seed}:{self.slot}:{self.generation}:end")
            fairs = [self.fair(i) for i in range(len(self.z))]
            if self.exclusive:
                winner = rng.choices(range(len(fairs)), fairs)[0]
                self.winners = [i == winner for i in range(len(fairs))]
            elif self.together:
                u = rng.random()
                self.winners = [u < fair for fair in fairs]
            else:
                self.winners = [rng.random() < fair for fair in fairs]
        return self.winners

    def _moving(self, index: int) -> range:
        return range(len(self.z)) if self.together else range(index, index + 1)


def market_state(market: Market) -> dict[str, Any]:
    """Return what a restart must know of a market besides its invention."""
    return {
        "tick": market.tick,
        "last": market.last_trade_price,
        "side": market.last_trade_side,
        "volume": market.volume,
        "volume_24h": market.volume_24h,
        "state": market.state.value,
        "payouts": market.payouts,
        "closed_ms": market.closed_ms,
    }


def restore_market(core: Core, market: Market, state: dict[str, Any]) -> None:
    market.tick = state["tick"]
    market.last_trade_price = state["last"]
    market.last_trade_side = state["side"]
    market.volume = state["volume"]
    market.volume_24h = state["volume_24h"]
    market.state = MarketState(state["state"])
    market.payouts = (state["payouts"][0], state["payouts"][1]) if state["payouts"] else None
    market.closed_ms = state["closed_ms"]
    for index, token_id in enumerate(market.token_ids):
        book = core.books[token_id]
        book.tick = market.tick
        if market.last_trade_price is not None:
            book.last_trade = market.last_trade_price if index == 0 else ONE - market.last_trade_price
