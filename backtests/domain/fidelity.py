"""How much of the market the data show, as a score from 0 to 100 with its reasons. A judgement, and an open one.

The score begins with what was recorded, weighted by what was traded in each market: book and trades 100, a book whose
trades were inferred 80, top of book 45, prices only 20. It is multiplied by the share of the time that was recorded
and loses points for fills that hang on inferred trades (10 if all do) and crossed books (10 if a tenth of the moments).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtests.domain.mids import UNKNOWN
from backtests.domain.pnl_split import worth
from backtests.domain.recorded import Recorded
from backtests.domain.result import BacktestResult
from markets.domain.tape import Fidelity

BASE = {Fidelity.BOOK_AND_TRADES: 100, Fidelity.BOOK: 80, Fidelity.TOP_OF_BOOK: 45, Fidelity.PRICES: 20}
LOW = 50  # below this a result is called low fidelity
_WORDS = {
    Fidelity.BOOK_AND_TRADES: "full order books and trades",
    Fidelity.BOOK: "full order books, trades inferred from them",
    Fidelity.TOP_OF_BOOK: "best bid and ask only",
    Fidelity.PRICES: "prices without a book",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataScore:
    score: int
    reasons: tuple[str, ...]
    coverage: float  # share of the markets' time that was recorded
    inferred: float  # share of fills caused by inferred trades

    @property
    def is_low(self) -> bool:
        return self.score < LOW


def data_score(result: BacktestResult, recorded: Recorded) -> DataScore:
    """Return the score of the data under `result`, each reason with its figure."""
    fills = result.fills
    weights = np.ones(len(result.markets))
    if len(fills):
        weights = np.zeros(len(result.markets))
        np.add.at(weights, fills["market"], worth(fills["price"], fills["size"]) / 1e6)
        weights = weights if weights.sum() > 0 else np.ones(len(result.markets))
    bases = np.array([BASE[fidelity] for fidelity in result.fidelity], np.float64)
    score = float((bases * weights).sum() / weights.sum()) if len(bases) else 0.0
    reasons = [
        f"{_WORDS[kind]}: {count} of {len(result.fidelity)} markets"
        for kind in BASE
        if (count := sum(fidelity is kind for fidelity in result.fidelity))
    ]
    coverage = coverage_of(result)
    score *= coverage
    reasons.append(f"{coverage:.2%} of the markets' time is recorded".replace("%", " %"))
    inferred = float((fills["inferred"] == 1).mean()) if len(fills) else 0.0
    if inferred:
        score -= 10 * inferred
        reasons.append(f"{inferred:.0%} of the fills hang on trades that were inferred".replace("%", " %"))
    score -= _crossed(recorded, reasons)
    if result.problems:
        reasons.append("there are notes on the data, told below")
    unknown = int((fills["mid"] == UNKNOWN).sum())
    if unknown:
        reasons.append(f"the middle was unknown at {unknown} of {len(fills)} fills")
    if recorded.missing:
        reasons.append(f"no recording was given for {len(recorded.missing)} traded markets: no markout there")
    return DataScore(score=max(0, min(100, round(score))), reasons=tuple(reasons), coverage=coverage, inferred=inferred)


def coverage_of(result: BacktestResult) -> float:
    """Return the share of the span, over all markets, that lies outside their gaps."""
    span = (result.end_ns - result.start_ns) * len(result.markets)
    if span <= 0:
        return 1.0
    lost = 0
    for market in range(len(result.markets)):
        reached = result.start_ns
        for start, end in sorted((a, b) for number, a, b in result.gaps if number == market):
            first, last = max(start, reached), min(end, result.end_ns)
            lost += max(0, last - first)
            reached = max(reached, last)
    return 1.0 - lost / span


def _crossed(recorded: Recorded, reasons: list[str]) -> float:
    """Return the points that crossed books cost."""
    looked = sum(int((grid.mid != UNKNOWN).sum()) for grid in recorded.grids.values())
    crossed = sum(int(grid.crossed.sum()) for grid in recorded.grids.values())
    if not crossed:
        return 0.0
    share = crossed / looked
    reasons.append(f"bid and ask cross or touch at {crossed} of {looked} sampled moments")
    return min(10.0, 100 * share)
