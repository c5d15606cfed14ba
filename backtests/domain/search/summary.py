"""What a finished search says: the best, how it looked elsewhere in time, and how likely it is to be luck.

A trial is its parameters, its profit per equal part of the time (bins, millionths) and its objective. Walk-forward is
read from the bins: on each fold the parameters that were best in training are followed into the test that comes after
it. Runs are not started anew at a fold's border, so positions may be carried over it; the holdout is a run of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backtests.domain.deflated import deflated_sharpe, overfitting
from backtests.domain.ratios import Undefined, moments
from backtests.domain.search.folds import FoldError, Span, walk_forward
from backtests.domain.search.heatmap import HeatMap, heat_maps
from backtests.domain.search.judging import judged
from backtests.domain.search.space import Assignment, Space

TOP = 20
BLOCKS = 16  # of the overfitting test


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    number: int
    assignment: Assignment
    objective: float | None  # None: undefined for these parameters
    bins: tuple[int, ...]

    @property
    def profit(self) -> int:
        return sum(self.bins)


def ranked(trials: Sequence[Tried]) -> list[Tried]:
    """Return the trials, best first; those without an objective come last, ties by their number."""
    return sorted(trials, key=lambda t: (t.objective is None, -(t.objective or 0.0), t.number))


def summary_of(
    space: Space, trials: Sequence[Tried], *, objective: str, folds: int, holdout: Tried | None, failed: int
) -> dict[str, Any]:
    """Return the summary as plain values, amounts in millionths. Raises Undefined without a single finished trial."""
    if not trials:
        raise Undefined("no trial was finished")
    order = ranked(trials)
    best = order[0]
    return {
        "objective": objective,
        "axes": [{"path": a.path, "title": a.title, "unit": a.unit, "values": list(a.values)} for a in space.axes],
        "points": space.size,
        "tried": len(trials),
        "failed": failed,
        "best": _line(best),
        "top": [_line(trial) for trial in order[:TOP]],
        "heat_maps": [_map(found) for found in _maps(space, trials)],
        "deflated_sharpe": _deflated(best, trials),
        "overfitting": _overfitting(trials),
        "walk_forward": _walk_forward(trials, objective=objective, folds=folds),
        "holdout": None if holdout is None else _line(holdout),
    }


def _line(trial: Tried) -> dict[str, Any]:
    return {
        "number": trial.number,
        "assignment": list(trial.assignment),
        "objective": trial.objective,
        "profit": trial.profit,
    }


def _maps(space: Space, trials: Sequence[Tried]) -> tuple[HeatMap, ...]:
    return heat_maps(space, [(t.assignment, t.objective) for t in trials if t.objective is not None])


def _map(found: HeatMap) -> dict[str, Any]:
    return {
        "rows": found.rows.path,
        "columns": found.columns.path,
        "cells": [
            {"row": row, "column": column, "best": cell.best, "middle": cell.middle, "trials": cell.trials}
            for (row, column), cell in sorted(found.cells.items())
        ],
    }


def _deflated(best: Tried, trials: Sequence[Tried]) -> dict[str, Any]:
    """Return the probability that the best one's Sharpe ratio per bin is above zero, knowing how many were tried."""
    try:
        returns = np.asarray(best.bins, np.float64)
        skewness, kurtosis = moments(returns)
        ratios = [ratio for trial in trials if (ratio := _ratio(trial.bins)) is not None]
        ratio = _ratio(best.bins)
        if ratio is None:
            raise Undefined("no variance: every part of the time earned the same")
        value = deflated_sharpe(
            ratio,
            trials=len(ratios),
            variance=float(np.var(ratios, ddof=1)) if len(ratios) > 1 else 0.0,
            count=len(returns),
            skewness=skewness,
            kurtosis=kurtosis,
        )
    except Undefined as error:
        return {"value": None, "reason": str(error)}
    return {"value": value, "reason": ""}


def _ratio(bins: Sequence[int]) -> float | None:
    values = np.asarray(bins, np.float64)
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return float(values.mean()) / spread if spread > 0 else None


def _overfitting(trials: Sequence[Tried]) -> dict[str, Any]:
    try:
        table = np.array([trial.bins for trial in trials], np.float64).T
        found = overfitting(table, blocks=BLOCKS)
    except Undefined as error:
        return {"probability": None, "reason": str(error)}
    return {"probability": found.probability, "splits": found.splits, "reason": ""}


def _walk_forward(trials: Sequence[Tried], *, objective: str, folds: int) -> dict[str, Any] | None:
    if not folds:
        return None
    count = len(trials[0].bins)
    try:
        made = walk_forward(Span(0, count), folds=folds)
    except FoldError as error:
        return {"folds": [], "profit": None, "reason": str(error)}
    rows: list[dict[str, Any]] = []
    for fold in made:
        values = [(trial, _judged(objective, trial.bins[fold.train.start_ns : fold.train.end_ns])) for trial in trials]
        defined = [(trial, value) for trial, value in values if value is not None]
        if not defined:
            return {"folds": rows, "profit": None, "reason": "a training span gives no objective for any trial"}
        chosen, value = max(defined, key=lambda pair: (pair[1], -pair[0].number))
        tested = chosen.bins[fold.test.start_ns : fold.test.end_ns]
        rows.append(
            {
                "train": [fold.train.start_ns, fold.train.end_ns],
                "test": [fold.test.start_ns, fold.test.end_ns],
                "number": chosen.number,
                "assignment": list(chosen.assignment),
                "objective": value,
                "profit": sum(tested),
            }
        )
    return {"folds": rows, "bins": count, "profit": sum(row["profit"] for row in rows), "reason": ""}


def _judged(objective: str, bins: Sequence[int]) -> float | None:
    try:
        value = judged(objective, bins)
    except Undefined:
        return None
    return value if math.isfinite(value) else None
