"""Stores and removes tapes. How they lie on the disk is told in `markets.selectors.archive.tapes`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from markets.domain.tape import COLUMNS, INFERRED, Kind, Tape, TapeError, tape_check
from markets.selectors.archive.files import ArchiveError, columns_digest, columns_size
from markets.selectors.archive.manifest import (
    DAY_NS,
    FORMAT,
    VERSION,
    TapeInfo,
    day_start_ns,
    facts_as_json,
    facts_of_the_day,
    facts_text,
    info_from_manifest,
    key_check,
)
from markets.selectors.archive.tapes import archive_folder, manifest_get, manifest_read
from markets.services.archive.writing import columns_write, replacing


def tape_save(
    tape: Tape,
    *,
    market: str,
    day: str,
    sources: Mapping[str, int] | None = None,
    payouts: Sequence[int] = (),
    notes: Sequence[str] = (),
    extra: Mapping[str, str] | None = None,
    durable: bool = True,
) -> TapeInfo:
    """Store a tape in the place of whatever the archive held of this market and day.

    `sources` remembers how many bytes of which raw files are in it; `payouts` is what a share of each outcome paid,
    if that is known from elsewhere than the rows. Facts are stored as of the day: open, and without payouts, which
    would tell a strategy the end. Raises ArchiveError for rows that no replay can use, rows of another day, or a key
    that belongs to another market.
    """
    tape = replace(tape, facts=facts_of_the_day(tape.facts))
    start_ns = day_start_ns(day)
    key_check(market)
    try:
        tape_check(tape)
    except TapeError as error:
        raise ArchiveError(f"{market} on {day}: {error}") from None
    if len(tape) and not start_ns <= tape.start_ns <= tape.end_ns < start_ns + DAY_NS:
        raise ArchiveError(f"{market} on {day}: has rows of another day")
    folder = archive_folder() / day
    old = manifest_read(folder / f"{market}.json")
    if old and old.get("facts", {}).get("condition_id", tape.facts.condition_id) != tape.facts.condition_id:
        raise ArchiveError(f"{market} is another market already ({old['facts']['condition_id']:.20}); rename this one")
    digest = columns_digest(tape.columns, COLUMNS, about=facts_text(tape.facts, tape.step))
    file = f"{market}.{digest[:16]}.tape"
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "market": market,
        "day": day,
        "file": file,
        "digest": digest,
        "rows": len(tape),
        "counts": _counts(tape),
        "inferred": int(np.count_nonzero(tape.columns["flags"] & INFERRED)),
        "start_ns": tape.start_ns,
        "end_ns": tape.end_ns,
        "step": tape.step,
        "fidelity": str(tape.fidelity),
        "source": tape.source,
        "notes": list(notes),
        "gaps": [list(gap) for gap in tape.gaps],
        "payouts": list(payouts or _payouts(tape)),
        "extra": dict(extra or {}),
        "size_bytes": columns_size(len(tape), COLUMNS),
        "facts": facts_as_json(tape.facts),
        "sources": dict(sources or {}),
    }
    columns_write(folder / file, tape.columns, COLUMNS, durable=durable)
    with replacing(folder / f"{market}.json", durable=durable) as handle:
        os.write(handle, json.dumps(manifest, indent=1).encode())
    if old and old.get("file") not in (None, file):
        with suppress(OSError):
            (folder / str(old["file"])).unlink()
    return info_from_manifest(manifest)


def tape_delete(market: str, day: str) -> int:
    """Remove a tape; returns how many bytes that freed. Raises ArchiveError when there is none."""
    manifest = manifest_get(market, day)
    folder = archive_folder() / day
    (folder / f"{market}.json").unlink(missing_ok=True)
    (folder / Path(str(manifest.get("file", ""))).name).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()  # only if it is empty
    return int(manifest.get("size_bytes", 0))


def _payouts(tape: Tape) -> list[int]:
    """Return what the tape's own RESOLVED rows say, an outcome each; nothing if one is missing."""
    columns = tape.columns
    rows = np.flatnonzero(columns["kind"] == Kind.RESOLVED)
    found = {int(columns["outcome"][row]): int(columns["ticks"][row]) * tape.step for row in rows}
    every = range(len(tape.facts.outcomes))
    return [found[index] for index in every] if all(index in found for index in every) else []


def _counts(tape: Tape) -> dict[str, int]:
    counts = np.bincount(tape.columns["kind"], minlength=len(Kind)) if len(tape) else [0] * len(Kind)
    return {kind.name.lower(): int(counts[kind]) for kind in Kind if counts[kind]}
