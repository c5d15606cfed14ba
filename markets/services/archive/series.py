"""Stores series of prices. How they lie on the disk is told in `markets.selectors.archive.series`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

import numpy as np

from markets.selectors.archive.files import ArchiveError, Column, columns_digest
from markets.selectors.archive.series import FORMAT, SERIES_COLUMNS, VERSION, SeriesInfo, series_info, series_path
from markets.services.archive.writing import columns_write, replacing

_LONGEST_NS = 60 * 10**9  # a longer silence of a feed that ticks every second is a gap


def series_save(
    columns: Mapping[str, Column], *, name: str, day: str, source: str, notes: Sequence[str] = ()
) -> SeriesInfo:
    """Store a day of a series in the place of what was there. Raises ArchiveError for rows out of order."""
    at = columns["at_ns"]
    if not len(at):
        raise ArchiveError(f"series {name} of {day} has no rows")
    if (np.diff(at) < 0).any():
        raise ArchiveError(f"series {name} of {day} is not in the order of its time")
    silent = np.flatnonzero(np.diff(at) > _LONGEST_NS)
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "digest": columns_digest(columns, SERIES_COLUMNS),
        "rows": len(at),
        "start_ns": int(at[0]),
        "end_ns": int(at[-1]),
        "source": source,
        "gaps": [[int(at[row]), int(at[row + 1])] for row in silent],
        "notes": list(notes),
    }
    columns_write(series_path(name, day, "columns"), columns, SERIES_COLUMNS, durable=False)
    with replacing(series_path(name, day, "json"), durable=False) as handle:
        os.write(handle, json.dumps(manifest, indent=1).encode())
    return series_info(name, day)
