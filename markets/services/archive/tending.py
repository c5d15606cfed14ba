"""The regular work on our own recordings: into the archive, results behind them, and what is too old away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from markets.domain.tape import COLUMNS, LAST, Kind, Tape
from markets.domain.units import ONE
from markets.selectors.archive.manifest import TapeInfo, day_of
from markets.selectors.archive.tapes import tape_open, tapes_list
from markets.selectors.catalogue import facts_by_condition
from markets.selectors.recording import results_known
from markets.services.archive.growing import tape_extend
from markets.services.archive.recorded import SOURCE, Compacted, recordings_compact, recordings_prune
from markets.services.archive.report import silent
from markets.services.locks import alone

_LOOK_BACK = timedelta(days=30)  # a market that resolves later than this after its last tape gets no result
_S = 10**9


def recordings_tend(
    *,
    now: datetime,
    running: bool = False,
    until: Callable[[], bool] = lambda: False,
    progress: Callable[[str], None] = silent,
) -> Compacted | None:
    """Take in what was recorded, add results of markets that ended, delete what is past its time.

    `running` also takes the hour that is being written. Returns None while another run is at it.
    """
    with alone("recordings") as free:
        if not free:
            return None
        done = recordings_compact(now=now, running=running, known=facts_by_condition, until=until, progress=progress)
        for info in results_append(now=now):
            done.tapes.add((info.market, info.day))
        recordings_prune(now=now)
        return done


def results_append(*, now: datetime) -> list[TapeInfo]:
    """Put the results of recorded markets behind their tapes, on the day on which the market was resolved."""
    first = (now - _LOOK_BACK).date().isoformat()
    tapes: dict[str, list[TapeInfo]] = defaultdict(list)
    for info in tapes_list():
        if info.source == SOURCE and info.day >= first:
            tapes[info.condition_id].append(info)
    ended = {infos[0].condition_id for infos in tapes.values() if any(info.resolved for info in infos)}
    known = results_known(tapes.keys() - ended)
    return [_append(tapes[condition][-1], at, payouts) for condition, (at, payouts) in known.items()]


def _append(latest: TapeInfo, resolved_at: datetime, payouts: tuple[int, ...]) -> TapeInfo:
    at = max(int(resolved_at.timestamp()) * _S, latest.end_ns)
    old = tape_open(latest.market, latest.day)
    columns = {name: np.zeros(len(payouts), dtype) for name, dtype in COLUMNS.items()}
    columns["venue_ns"][:] = columns["received_ns"][:] = at
    columns["kind"][:], columns["flags"][:] = Kind.RESOLVED, LAST
    columns["outcome"][:] = range(len(payouts))
    step = int(np.gcd.reduce([old.step, ONE, *payouts]))
    columns["ticks"][:] = [payout // step for payout in payouts]
    end = Tape(
        facts=replace(old.facts), step=step, fidelity=old.fidelity, columns=columns, source=SOURCE,
    )  # fmt: skip
    return tape_extend(end, market=latest.market, day=day_of(at), sources={}, notes=("the result is the catalogue's",))
