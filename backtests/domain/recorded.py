"""What the tapes say around a finished replay: the middle after each fill, before each end, and over the whole span.

Every outcome's tape is walked once, however many questions there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtests.domain.mids import UNKNOWN, Ints, market_middles
from backtests.domain.result import BacktestResult
from markets.domain.instruments import MarketFacts
from markets.domain.tape import Kind, Tape

HORIZONS_S = (1, 10, 60, 300)
GRID = 1_000  # moments at which each traded outcome is looked at, evenly spaced

Key = tuple[int, int]  # market and outcome, as positions in the result


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """One outcome's middle at evenly spaced moments; `held` is our position then, in millionths of a share."""

    at_ns: Ints
    mid: Ints
    crossed: npt.NDArray[np.bool_]
    held: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    after: Ints  # one row per fill, one column per horizon: the middle then, -1 unknown
    before_end: dict[Key, int]  # the last middle before a settlement
    payouts: dict[Key, int]  # of what resolved, in millionths per share
    grids: dict[Key, Grid]  # of the outcomes that were traded
    missing: tuple[str, ...]  # slugs of traded markets without a tape


def tapes_by_market(result: BacktestResult, tapes: Sequence[Tape]) -> list[list[Tape]]:
    """Return each market's tapes: several days of one market are several tapes."""
    groups: dict[tuple[str, str], list[Tape]] = {}
    for tape in tapes:
        groups.setdefault(_identity(tape.facts), []).append(tape)
    return [groups.get(_identity(facts), []) for facts in result.markets]


def recorded_of(result: BacktestResult, tapes: Sequence[Tape]) -> Recorded:
    """Return what `tapes` say about `result`. Traded markets without a tape are named, their figures are unknown."""
    fills = result.fills
    after = np.full((len(fills), len(HORIZONS_S)), UNKNOWN, np.int64)
    groups = tapes_by_market(result, tapes)
    payouts = _payouts(result, groups)
    ends = {(int(r["market"]), int(r["outcome"])): int(r["at_ns"]) for r in result.settlements}
    before_end: dict[Key, int] = {}
    grids: dict[Key, Grid] = {}
    missing: list[str] = []
    horizons = np.array(HORIZONS_S, np.int64) * 10**9
    keys = fills["market"].astype(np.int64) * 256 + fills["outcome"]
    for code in np.unique(keys):
        key = divmod(int(code), 256)
        rows = np.flatnonzero(keys == code)
        own = [tape for tape in groups[key[0]] if len(tape)]
        if not own:
            missing.append(result.markets[key[0]].slug)
            continue
        first = max(result.start_ns, min(tape.start_ns for tape in own))
        last = max(first, min(result.end_ns, max(tape.end_ns for tape in own)))
        grid = np.linspace(first, last, GRID).astype(np.int64)
        end = ends.get(key)
        asked = (
            (fills["at_ns"][rows][:, None] + horizons).ravel(),
            grid,
            # A millisecond before: the last message may come with the resolution itself.
            np.array([] if end is None else [end - 1_000_000], np.int64),
        )
        moments, back = np.unique(np.concatenate(asked), return_inverse=True)
        answer = market_middles(own, key[1], moments)
        mid, crossed = answer.mid[back], answer.crossed[back]
        split = len(asked[0])
        after[rows] = mid[:split].reshape(len(rows), len(HORIZONS_S))
        grids[key] = Grid(
            at_ns=grid,
            mid=mid[split : split + GRID],
            crossed=crossed[split : split + GRID],
            held=_held(result, key, rows, grid),
        )
        if end is not None and mid[-1] != UNKNOWN:
            before_end[key] = int(mid[-1])
    return Recorded(
        after=after, before_end=before_end, payouts=payouts, grids=grids, missing=tuple(dict.fromkeys(missing))
    )


def _identity(facts: MarketFacts) -> tuple[str, str]:
    return facts.venue, facts.condition_id or facts.slug


def _payouts(result: BacktestResult, groups: list[list[Tape]]) -> dict[Key, int]:
    found: dict[Key, int] = {}
    for market, tapes in enumerate(groups):
        for tape in tapes:
            for row in np.flatnonzero(tape.columns["kind"] == Kind.RESOLVED):
                found[market, int(tape.columns["outcome"][row])] = int(tape.columns["ticks"][row]) * tape.step
    for row in result.settlements:
        found[int(row["market"]), int(row["outcome"])] = int(row["payout"])
    return found


def _held(result: BacktestResult, key: Key, rows: Ints, grid: Ints) -> Ints:
    """Return the position after everything up to each moment."""
    fills, ends = result.fills[rows], result.settlements
    mine = ends[(ends["market"] == key[0]) & (ends["outcome"] == key[1])]
    at = np.concatenate((fills["at_ns"], mine["at_ns"]))
    change = np.concatenate((np.where(fills["side"] == 1, fills["size"], -fills["size"]), -mine["size"]))
    order = np.argsort(at, kind="stable")
    total = np.concatenate(([0], np.cumsum(change[order])))
    held: Ints = total[np.searchsorted(at[order], grid, side="right")]
    return held
