"""A replay for tests of what stands around replays: it walks through the tapes, buys once, and can be told to fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backtests.domain.request import BacktestRequest
from backtests.domain.result import EQUITY, FILL, ORDER, SETTLEMENT, BacktestResult, Funnel, Holding, OrderEnd
from markets.domain.tape import BID, Tape
from markets.domain.units import ONE
from markets.services import archive
from risk.domain.limits import Limits
from tests.backtests.tapes import START_NS, YES, TapeMaker, facts_make

DAY = "2026-10-01"  # of tests.backtests.tapes.START
PRICE, SIZE, FEE = 400_000, 10 * ONE, 12_345
PNL = -FEE + (410_000 - PRICE) * 10  # marked at 41 ¢


def archived(number: int = 1, *, rows: int = 3) -> dict[str, str]:
    """Store a small tape; return how a request names it."""
    maker = TapeMaker(facts_make(number)).book(0, bids=[("0.40", "100")], asks=[("0.42", "100")])
    for step in range(rows):
        maker.book(1_000 * (step + 1), bids=[("0.40", str(100 + step))], asks=[("0.42", "100")])
    market = f"test.thing-{number}"
    archive.tape_save(maker.tape(), market=market, day=DAY)
    return {"market": market, "day": DAY}


@dataclass
class StubReplay:
    """Stands in for an engine. `steps` are the fractions told; `at` is called with each before it is told."""

    steps: Sequence[float] = (0.25, 0.5, 0.75, 1.0)
    at: Callable[[float], Any] = lambda fraction: None
    error: Exception | None = None
    stopped: str = ""
    seen: list[tuple[BacktestRequest, Limits, int]] = field(default_factory=list)

    def __call__(
        self, tapes: Sequence[Tape], request: BacktestRequest, *, limits: Limits, progress: Callable[[float], bool]
    ) -> BacktestResult:
        self.seen.append((request, limits, len(tapes)))
        for fraction in self.steps:
            self.at(fraction)
            if not progress(fraction):
                return self.result(tapes, request, stopped="stopped on request")
        if self.error is not None:
            raise self.error
        return self.result(tapes, request, stopped=self.stopped)

    def result(self, tapes: Sequence[Tape], request: BacktestRequest, *, stopped: str = "") -> BacktestResult:
        return result_make(tapes, capital=request.capital, stopped=stopped)


def result_make(tapes: Sequence[Tape], *, capital: int = 1_000 * ONE, stopped: str = "") -> BacktestResult:
    """One share lot bought at 40 ¢ and held, marked at 41 ¢."""
    at, cost = START_NS + 5, PRICE * SIZE // ONE
    order = (1, at, at, at, PRICE, SIZE, SIZE, 0, YES, BID, OrderEnd.FILLED, 0)
    fill = (at, 1, PRICE, SIZE, FEE, -cost - FEE, 0, 410_000, 0, YES, BID, 1, 0)
    cash = capital - cost - FEE
    return BacktestResult(
        markets=tuple(tape.facts for tape in tapes),
        fidelity=tuple(tape.fidelity for tape in tapes),
        capital=capital,
        start_ns=min(tape.start_ns for tape in tapes),
        end_ns=max(tape.end_ns for tape in tapes),
        orders=np.array([order], dtype=ORDER),
        fills=np.array([fill], dtype=FILL),
        equity=np.array([(at, cash, 410_000 * 10, cost, FEE, 0)], dtype=EQUITY),
        settlements=np.array([], dtype=SETTLEMENT),
        holdings=(Holding(market=0, outcome=YES, size=SIZE, cost=cost + FEE, realized=0, fees=FEE, mark=410_000),),
        cash=cash,
        fees=FEE,
        rebates=0,
        funnel=Funnel(ticks=4, decisions=1, wanted=1, placed=1, fills=1, refused={"exposure": np.int64(2)}),
        events=sum(len(tape) for tape in tapes),
        stopped=stopped,
    )
