"""Random small worlds in which the fast mode must equal the exact one: tapes, requests and limits by seed.

`python -m tests.backtests.fast_worlds --first 0 --count 500 --messages 2000 [--compiled]` compares more of them.
"""

from __future__ import annotations

import argparse
import random
from typing import Any

from backtests.domain.fast import replay_fast
from backtests.domain.replay import replay_exact
from backtests.domain.request import BacktestRequest, Fees, Latency, Mode, QueueAssumption
from backtests.domain.result import BacktestResult
from markets.domain.instruments import FeeSchedule
from markets.domain.tape import ASK, BID, INFERRED, LAST, Fidelity, Kind, Tape
from markets.domain.units import ONE, Price, Shares, Usd
from risk.domain.limits import Limits
from tests.backtests.tapes import START_NS, TapeMaker, facts_make

MS = 10**6


class World:
    """One random market: a book around a wandering middle, written as the archive has it."""

    def __init__(self, rng: random.Random, number: int, *, messages: int) -> None:
        self.rng = rng
        self.step = rng.choice([10_000, 10_000, 1_000, 5_000])
        self.top = ONE // self.step
        self.both = rng.random() < 0.75
        self.lag = rng.choice([0, 0, 40, 400])
        group = rng.random() < 0.3
        self.maker = TapeMaker(
            facts_make(
                number,
                tick=Price(self.step),
                minimum_size=Shares(rng.choice([5, 5, 1]) * ONE),
                fee=FeeSchedule(rate_ppm=rng.choice([0, 50_000])),
                neg_risk=group,
                event_slug="one-event" if group else f"event-{number}",
                closes_at=rng.choice([None, facts_make().closes_at]),
            ),
            step=str(self.step / ONE),
        )
        self.middle = rng.randrange(self.top // 4, 3 * self.top // 4)
        self.books: list[list[dict[int, int]]] = [[{}, {}], [{}, {}]]
        self.at = float(rng.randrange(0, 400))
        self._clear()
        for _ in range(messages):
            self.at += rng.choice([0, 1, 5, 20, 120, 400, 1_500])
            self._message()
        if rng.random() < 0.4:
            self._row(Kind.RESOLVED, 0, 0, self.top if rng.random() < 0.5 else 0, 0, last=False)
            yes = self.maker.rows[-1][3]
            self._row(Kind.RESOLVED, 1, 0, self.top - yes, 0)
            self.at += 200
            self._message()

    def tape(self, fidelity: Fidelity) -> Tape:
        return self.maker.tape(fidelity)

    def _row(
        self, kind: Kind, outcome: int, side: int, tick: int, size: int, *, last: bool = True, flags: int = 0
    ) -> None:
        received = START_NS + int(self.at * MS)
        venue = received - (self.rng.randrange(0, self.lag) if self.lag else 0) * MS
        if self.rng.random() < 0.05:
            venue = 0
        row = (venue, received, size, tick, int(kind), outcome, side, flags | (LAST if last else 0))
        self.maker.rows.append(row)

    def _size(self) -> int:
        return self.rng.choice([10_000, 30_000, 1_000, 123_456]) * self.rng.randrange(1, 4_000)

    def _level(self, side: int, tick: int, size: int, *, last: bool = True) -> None:
        """Set a level of the first outcome and its mirror."""
        if not 0 < tick < self.top:
            return
        self.books[0][side][tick] = size
        self._row(Kind.LEVEL, 0, side, tick, size, last=last and not self.both)
        if self.both:
            self._row(Kind.LEVEL, 1, 1 - side, self.top - tick, size, last=last)

    def _clear(self) -> None:
        rng = self.rng
        depth = rng.choice([3, 8, 30])
        gap = rng.choice([1, 1, 2])
        new: list[dict[int, int]] = [{}, {}]
        for away in range(depth):
            if rng.random() < 0.8:
                new[BID][self.middle - gap - away] = self._size()
            if rng.random() < 0.8:
                new[ASK][self.middle + gap + away] = self._size()
        for side in (ASK, BID):
            new[side] = {tick: size for tick, size in new[side].items() if 0 < tick < self.top}
        self.books[0] = new
        for outcome in (0, 1) if self.both else (0,):
            self._row(Kind.CLEAR, outcome, 0, 0, 0, last=False)
            for side in (ASK, BID):
                for tick, size in new[side].items():
                    own = (side, tick) if outcome == 0 else (1 - side, self.top - tick)
                    self._row(Kind.LEVEL, outcome, own[0], own[1], size, last=False)
        self._end()

    def _end(self) -> None:
        row = self.maker.rows[-1]
        self.maker.rows[-1] = (*row[:7], row[7] | LAST)

    def _best(self, side: int) -> int | None:
        ticks = [tick for tick, size in self.books[0][side].items() if size]
        return (max(ticks) if side == BID else min(ticks)) if ticks else None

    def _message(self) -> None:
        rng, kind = self.rng, self.rng.random()
        self.middle += rng.choice([-1, 0, 0, 0, 0, 0, 1])
        self.middle = max(3, min(self.top - 3, self.middle))
        if kind < 0.03:
            self._clear()
        elif kind < 0.035:
            for outcome in rng.choice([(0,), (1,), (0, 1)]) if self.both else ((0, 1),)[0]:
                self._row(Kind.GAP, outcome, 0, 0, 0, last=False)
            self._end()
        elif kind < 0.30:
            self._trade()
        else:
            for _ in range(rng.choice([1, 1, 1, 3])):
                side = rng.choice([ASK, BID])
                away = rng.choice([0, 0, 1, 1, 2, 3, 6, 12]) * (1 if side == ASK else -1)
                tick = self.middle + away
                if rng.random() < 0.02:
                    tick = self.middle - away  # a crossed book now and then
                self._level(side, tick, 0 if rng.random() < 0.3 else self._size(), last=False)
            if self.maker.rows[-1][7] & LAST == 0:
                self._end()

    def _trade(self) -> None:
        rng = self.rng
        side = rng.choice([ASK, BID])
        tick = self._best(1 - side)
        if tick is None:
            return
        if rng.random() < 0.1:
            tick += rng.choice([-1, 1])
        if not 0 < tick < self.top:
            return
        size = self._size() // 4 or 1
        flags = INFERRED if rng.random() < 0.1 else 0
        before = rng.random() < 0.5
        there = self.books[0][1 - side].get(tick, 0)
        if not before and there:
            self._level(1 - side, tick, max(0, there - size))
        if self.both and rng.random() < 0.3:
            self._row(Kind.TRADE, 1, 1 - side, self.top - tick, size, flags=flags)
        else:
            self._row(Kind.TRADE, 0, side, tick, size, flags=flags)
        if before and there:
            self._level(1 - side, tick, max(0, there - size))


def tapes_make(rng: random.Random, *, messages: int) -> list[Tape]:
    count = rng.choice([1, 1, 2, 3])
    fidelity = rng.choice([Fidelity.BOOK_AND_TRADES, Fidelity.BOOK_AND_TRADES, Fidelity.TOP_OF_BOOK])
    return [World(rng, number + 1, messages=messages).tape(fidelity) for number in range(count)]


def params_make(rng: random.Random) -> dict[str, Any]:
    return {
        "half_spread": rng.choice(["0", "0.5", "1", "1.7", "3"]),
        "inventory_skew": rng.choice(["0", "0.25", "0.37", "1"]),
        "smoothing": rng.choice(["0.02", "0.1", "0.33", "1"]),
        "size": rng.choice(["5", "7.77", "20", "100"]),
        "maximum_position": rng.choice(["10", "60", "400"]),
        "levels": rng.choice([1, 1, 2, 3]),
        "level_step": rng.choice([1, 2]),
    }


def request_make(rng: random.Random) -> BacktestRequest:
    return BacktestRequest(
        strategy="touch_maker",
        params=params_make(rng),
        data=(),
        capital=Usd(rng.choice([50, 300, 1_000]) * ONE),
        mode=Mode.FAST,
        interval_ms=rng.choice([100, 333, 1_000]),
        queue=rng.choice(list(QueueAssumption)),
        latency=Latency(
            feed_ms=rng.choice([0, 0, 30, 700]),
            order_ms=rng.choice([0, 20, 150, 900]),
            answer_ms=rng.choice([0, 50, 400]),
        ),
        fees=rng.choice([Fees.NONE, Fees.MARKET]),
        start_ns=rng.choice([None, None, START_NS + 5_000 * MS]),
    )


def limits_make(rng: random.Random) -> Limits:
    tight = rng.random() < 0.5
    dollars = lambda low, high: Usd((low if tight and rng.random() < 0.4 else high) * ONE)  # noqa: E731
    return Limits(
        profile="random",
        account_exposure=dollars(40, 2_500),
        market_exposure=dollars(25, 500),
        event_exposure=dollars(30, 1_000),
        strategy_exposure=dollars(35, 1_000),
        order_size=dollars(3, 100),
        order_minimum=Usd(rng.choice([0, 1]) * ONE),
        open_orders=rng.choice([3, 30, 100]),
        open_positions=rng.choice([1, 3, 10]),
        daily_loss=dollars(1, 150),
        drawdown_stop_bps=rng.choice([20, 1_000]),
        drawdown_kill_bps=rng.choice([60, 1_500]),
        slippage_bps=150,
        orders_per_minute=rng.choice([6, 60, 100_000]),
    )


def world_make(seed: int, *, messages: int = 400) -> tuple[list[Tape], BacktestRequest, Limits]:
    rng = random.Random(seed)
    return tapes_make(rng, messages=messages), request_make(rng), limits_make(rng)


def differences(fast: BacktestResult, exact: BacktestResult) -> list[str]:
    """Return what differs between two results, one line a part."""
    found = []
    for name in ("cash", "fees", "events", "start_ns", "end_ns", "holdings", "fidelity", "markets", "capital", "gaps"):
        if getattr(fast, name) != getattr(exact, name):
            found.append(f"{name}: fast {getattr(fast, name)!r:.300}, exact {getattr(exact, name)!r:.300}")
    for name in ("orders", "fills", "settlements", "equity"):
        ours, theirs = getattr(fast, name), getattr(exact, name)
        if len(ours) != len(theirs) or (ours != theirs).any():
            row = next(
                (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs))
            )
            found.append(
                f"{name}: {len(ours)} and {len(theirs)} rows, at {row}: {ours[row : row + 1]} {theirs[row : row + 1]}"
            )
    for name in (
        "ticks",
        "unchanged",
        "decisions",
        "wanted",
        "refused",
        "shrunk",
        "gates",
        "placed",
        "canceled",
        "fills",
    ):
        if getattr(fast.funnel, name) != getattr(exact.funnel, name):
            found.append(f"funnel.{name}: fast {getattr(fast.funnel, name)}, exact {getattr(exact.funnel, name)}")
    if sum(fast.funnel.rejected.values()) != sum(exact.funnel.rejected.values()):
        found.append(f"rejected: fast {fast.funnel.rejected}, exact {exact.funnel.rejected}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--messages", type=int, default=400)
    parser.add_argument("--compiled", action="store_true", help="the compiled loop instead of its plain source")
    options = parser.parse_args()
    wrong = fills = 0
    for seed in range(options.first, options.first + options.count):
        tapes, request, limits = world_make(seed, messages=options.messages)
        exact = replay_exact(tapes, request, limits=limits)
        fast = replay_fast(tapes, request, limits=limits, oracle=not options.compiled)
        fills += len(exact.fills)
        if found := differences(fast, exact):
            wrong += 1
            print(f"seed {seed}:", *found, sep="\n  ")
    print(f"{options.count - wrong} of {options.count} worlds are equal, {fills} fills")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
