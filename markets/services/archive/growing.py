"""A tape that grows: rows that were recorded later go behind those that are there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from markets.domain.tape import COLUMNS, Tape
from markets.selectors.archive.files import ArchiveError, Column
from markets.selectors.archive.manifest import TapeInfo
from markets.selectors.archive.tapes import tape_info, tape_open, tape_sources
from markets.services.archive.store import tape_save


def tape_extend(
    tape: Tape, *, market: str, day: str, sources: Mapping[str, int], notes: tuple[str, ...] = ()
) -> TapeInfo:
    """Store `tape` behind what the archive holds of this market and day; `sources` are added to the ones there.

    Facts stay those of the day's first rows. Raises ArchiveError when the new rows begin before the old ones end.
    """
    try:
        old, info = tape_open(market, day), tape_info(market, day)
    except ArchiveError:
        if tape_sources(market, day):
            raise  # it is there and damaged: nothing may be stored over it unseen
        return tape_save(tape, market=market, day=day, sources=sources, notes=notes)
    if len(old) and len(tape) and tape.start_ns < old.end_ns:
        raise ArchiveError(f"{market} on {day}: new rows begin before the recorded ones end; compact files in order")
    if old.facts.condition_id != tape.facts.condition_id:
        raise ArchiveError(f"{market} on {day} is another market already ({old.facts.condition_id:.20})")
    step = math.gcd(old.step, tape.step)
    columns: dict[str, Column] = {
        name: np.concatenate([_in_steps(old, step)[name], _in_steps(tape, step)[name]]) for name in COLUMNS
    }
    return tape_save(
        replace(old, columns=columns, step=step, gaps=(*old.gaps, *tape.gaps)),
        market=market,
        day=day,
        sources={**tape_sources(market, day), **sources},
        notes=tuple(dict.fromkeys((*info.notes, *notes))),
        payouts=info.payouts,
        extra=info.extra,
    )


def _in_steps(tape: Tape, step: int) -> dict[str, Column]:
    columns = dict(tape.columns)
    if tape.step != step:
        columns["ticks"] = columns["ticks"] * (tape.step // step)
    return columns
