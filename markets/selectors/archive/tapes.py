"""The archive of recorded events: a folder per day, in it a file of columns and a manifest per market.

    <ARCHIVE_DIR>/2026-07-11/polymarket.some-slug.json                the manifest; it names the file that holds
    <ARCHIVE_DIR>/2026-07-11/polymarket.some-slug.<digest>.tape       the columns

A tape is replaced by writing the new columns under their own name, then the manifest, then removing the old columns:
readers hold one state or the other, and who has the old one mapped keeps it. MarketFacts inside a tape carry ids of
the tape's own (market 1, outcomes 1 and 2); replays number them afresh.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings

from markets.domain.tape import COLUMNS, Tape
from markets.selectors.archive.files import ArchiveError, columns_digest, columns_map
from markets.selectors.archive.manifest import (
    TapeInfo,
    day_check,
    facts_from_json,
    facts_text,
    info_from_manifest,
    key_check,
)

_lock = threading.Lock()
_listed: dict[str, tuple[tuple[int, int, int], TapeInfo]] = {}  # what a manifest said, by its path and stamp
_verified: dict[str, tuple[tuple[int, int, int], str]] = {}  # digests that were found right, by file and stamp


def archive_folder() -> Path:
    """Return where the archive is: ARCHIVE_DIR."""
    return Path(settings.ARCHIVE_DIR)


def tapes_list(market: str = "") -> list[TapeInfo]:
    """Return what the archive holds (of one market), by market and day. Damaged manifests are in `tapes_damaged`."""
    return _scan(market)[0]


def tapes_damaged() -> list[str]:
    """Return a line for every manifest that cannot be read, with its reason."""
    return _scan("")[1]


def tape_info(market: str, day: str) -> TapeInfo:
    """Return what is known of one tape. Raises ArchiveError when there is none."""
    return info_from_manifest(manifest_get(market, day))


def tape_sources(market: str, day: str) -> dict[str, int]:
    """Return how many bytes of each raw file are in the tape already; nothing if there is no tape."""
    try:
        return dict(manifest_get(market, day).get("sources", {}))
    except ArchiveError:
        return {}


def tape_open(market: str, day: str, *, verify: bool = True) -> Tape:
    """Return the tape of a market and day, mapped into memory.

    The first opening of a file in a process reads all of it to compare its SHA-256, unless `verify` is False.
    Raises ArchiveError for a tape that is missing, damaged or written by a later version.
    """
    try:
        return _open(market, day, verify=verify)
    except ArchiveError:
        return _open(market, day, verify=verify)  # once more: it may have been replaced between manifest and columns


def _open(market: str, day: str, *, verify: bool) -> Tape:
    manifest = manifest_get(market, day)
    try:
        info = info_from_manifest(manifest)
        facts = facts_from_json(manifest["facts"])
    except ArchiveError as error:
        raise ArchiveError(f"{market} on {day}: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveError(f"{market} on {day}: the market's facts are damaged ({error}); import it again") from None
    path = archive_folder() / day / Path(str(manifest["file"])).name
    columns = columns_map(path, info.rows, COLUMNS)
    if verify:
        stat = path.stat()
        about = facts_text(facts, info.step)
        stamp = (stat.st_mtime_ns, stat.st_size, hash(about))
        if _verified.get(str(path)) != (stamp, info.digest):
            if columns_digest(columns, COLUMNS, about=about) != info.digest:
                raise ArchiveError(f"{path} has another SHA-256 than its manifest says: it is damaged; import it again")
            with _lock:
                _verified[str(path)] = (stamp, info.digest)
    return Tape(
        facts=facts,
        step=info.step,
        fidelity=info.fidelity,
        columns=columns,
        source=info.source,
        digest=info.digest,
        gaps=info.gaps,
    )


def manifest_get(market: str, day: str) -> dict[str, Any]:
    """Return the manifest of a tape. Raises ArchiveError when there is none that can be read."""
    key_check(market)
    path = archive_folder() / day_check(day) / f"{market}.json"
    found = manifest_read(path)
    if found is None:
        days = sorted({info.day for info in tapes_list(market)})
        if days:
            raise ArchiveError(f"nothing is recorded of {market} on {day}; there is {_few(days)}")
        raise ArchiveError(f"nothing is recorded of {market}; `manage.py data` lists what there is")
    if not found:
        raise ArchiveError(f"{path} is damaged; import the day again")
    return found


def _few(days: list[str]) -> str:
    return ", ".join(days) if len(days) <= 5 else f"{days[0]} to {days[-1]} ({len(days)} days)"


def manifest_read(path: Path) -> dict[str, Any] | None:
    """Return a manifest; None if there is none, an empty one if it is damaged."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _scan(market: str) -> tuple[list[TapeInfo], list[str]]:
    found: list[TapeInfo] = []
    damaged: list[str] = []
    seen: set[str] = set()
    for entry in _manifests(market):
        try:
            stat = entry.stat()
        except FileNotFoundError:
            continue
        seen.add(entry.path)
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        known = _listed.get(entry.path)
        if known is None or known[0] != stamp:
            try:
                known = (stamp, info_from_manifest(manifest_read(Path(entry.path)) or {}))
            except ArchiveError as error:
                damaged.append(f"{entry.path}: {error}")
                continue
            with _lock:
                _listed[entry.path] = known
        found.append(known[1])
    if not market:
        root = f"{archive_folder()}{os.sep}"
        with _lock:
            for path in [p for p in _listed if p.startswith(root) and p not in seen]:
                del _listed[path]
    return sorted(found, key=lambda info: (info.market, info.day)), damaged


def _manifests(market: str) -> Iterator[os.DirEntry[str]]:
    try:
        days = [entry for entry in os.scandir(archive_folder()) if len(entry.name) == 10 and entry.is_dir()]
    except OSError:
        return
    for day in days:
        with suppress(FileNotFoundError), os.scandir(day.path) as entries:
            for entry in entries:
                if entry.name == f"{market}.json" if market else entry.name.endswith(".json"):
                    yield entry
