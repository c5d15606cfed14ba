"""Series of prices of things that are no market: the feed that crypto markets settle by. A file per series and day.

    <ARCHIVE_DIR>/series/btcusd/2026-07-24.json      the manifest
    <ARCHIVE_DIR>/series/btcusd/2026-07-24.columns   rows in the order of the feed's own time

A value is exact: `micro` millionths of a dollar and `rest` units of 1e-18 dollar below that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from markets.selectors.archive.files import ArchiveError, Column, columns_digest, columns_map
from markets.selectors.archive.manifest import day_check, day_of
from markets.selectors.archive.tapes import archive_folder

FORMAT, VERSION = "polybot-series", 1
REST = 10**12  # units of `rest` in a millionth of a dollar
_NAME = re.compile(r"[a-z0-9]{1,40}")

SERIES_COLUMNS: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "at_ns": np.dtype("<i8"),  # the feed's own time
        "server_ns": np.dtype("<i8"),
        "received_ns": np.dtype("<i8"),
        "micro": np.dtype("<i8"),
        "rest": np.dtype("<i8"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesInfo:
    name: str
    day: str
    digest: str
    rows: int
    start_ns: int
    end_ns: int
    source: str
    gaps: tuple[tuple[int, int], ...]
    notes: tuple[str, ...]


def series_path(name: str, day: str, suffix: str) -> Path:
    """Return where a series has its manifest or columns. Raises ArchiveError for a name that is none."""
    if not _NAME.fullmatch(name):
        raise ArchiveError(f"{name!r:.60} is no name of a series")
    return archive_folder() / "series" / name / f"{day_check(day)}.{suffix}"


def series_list() -> list[SeriesInfo]:
    """Return what there is, by name and day."""
    found = sorted((archive_folder() / "series").glob("*/????-??-??.json"))
    return [series_info(path.parent.name, path.stem) for path in found]


def series_info(name: str, day: str) -> SeriesInfo:
    """Return a series' manifest. Raises ArchiveError when it is missing or damaged."""
    path = series_path(name, day, "json")
    try:
        found = json.loads(path.read_bytes())
        if found["format"] != FORMAT or found["version"] != VERSION:
            raise ArchiveError(f"{path} has version {found['version']!r}; this code reads {VERSION}")
        return SeriesInfo(
            name=name, day=day, digest=found["digest"], rows=found["rows"], start_ns=found["start_ns"],
            end_ns=found["end_ns"], source=found["source"], notes=tuple(found["notes"]),
            gaps=tuple((int(a), int(b)) for a, b in found["gaps"]),
        )  # fmt: skip
    except FileNotFoundError:
        raise ArchiveError(f"there is no series {name} of {day}; import it with `manage.py import_data`") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArchiveError(f"{path} is damaged ({error}); import it again") from None


def series_open(name: str, day: str) -> dict[str, Column]:
    """Return the columns of a day, mapped read-only and checked. Raises ArchiveError."""
    info = series_info(name, day)
    columns = columns_map(series_path(name, day, "columns"), info.rows, SERIES_COLUMNS)
    if columns_digest(columns, SERIES_COLUMNS) != info.digest:
        raise ArchiveError(f"series {name} of {day} has another SHA-256 than its manifest says; import it again")
    return columns


def series_value_at(name: str, at_ns: int) -> int | None:
    """Return the value (1e-18 dollars) that the feed stamped exactly so; None where it has no such tick."""
    try:
        columns = _opened(name, day_of(at_ns), series_info(name, day_of(at_ns)).digest)
    except ArchiveError:
        return None
    row = int(np.searchsorted(columns["at_ns"], at_ns))
    if row == len(columns["at_ns"]) or columns["at_ns"][row] != at_ns:
        return None
    return int(columns["micro"][row]) * REST + int(columns["rest"][row])


@lru_cache(maxsize=8)
def _opened(name: str, day: str, digest: str) -> dict[str, Column]:
    """Return a day that was checked once; another digest is another day."""
    return series_open(name, day)
