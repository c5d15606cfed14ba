"""Makes tapes of what our recorder wrote, and removes what is past its time.

Each raw file is read from where the last run ended, member by member, and its rows are put behind the day's tapes.
How far a file is in the archive stands in `<ARCHIVE_DIR>/recorded.json` once all its markets are, and in every tape;
so a run that died half-way is repeated without a row being stored twice. Between two files of which the second does
not say that it follows the first, nothing is known: that is a gap.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from django.conf import settings

from markets.domain.instruments import MarketFacts
from markets.domain.tape import Fidelity, Kind
from markets.selectors.archive.files import ArchiveError
from markets.selectors.archive.manifest import day_of, market_key
from markets.selectors.archive.tapes import archive_folder, tape_open, tape_sources, tapes_list
from markets.services.archive.drafts import Draft, Spool
from markets.services.archive.frames import FrameReader, MarketTokens
from markets.services.archive.importers.raw_frames import facts_of
from markets.services.archive.invented import Known, unknown_to_all
from markets.services.archive.lines import line_ns, line_read
from markets.services.archive.raw_files import header_of, members
from markets.services.archive.report import ImportReport, silent
from markets.services.archive.store import tape_delete
from markets.services.archive.writing import replacing

SOURCE = "recorded by this desk"
_HOUR = timedelta(hours=1)
_QUIET_S = 120  # a file that nobody wrote to for so long is not being written, once its hour is over


@dataclass(slots=True)
class Compacted:
    """What a run did."""

    files: int = 0
    bytes_read: int = 0
    tapes: set[tuple[str, str]] = field(default_factory=set)
    report: ImportReport = field(default_factory=ImportReport)
    problems: list[str] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)  # whose the archive's keys are

    def key(self, exchange: str, slug: str, condition_id: str) -> str:
        """Return a market's key; where another market has it already, its condition id is added."""
        key = market_key(exchange, slug, condition_id)
        if self.owners.setdefault(key, condition_id) == condition_id:
            return key
        key = market_key(exchange, f"{slug}-{condition_id[2:12]}", condition_id)
        self.owners.setdefault(key, condition_id)
        return key


def recordings_compact(
    *,
    now: datetime,
    running: bool = False,
    known: Known = unknown_to_all,
    until: Callable[[], bool] = lambda: False,
    progress: Callable[[str], None] = silent,
) -> Compacted:
    """Put what was recorded since the last run into the archive; `running` also takes the hour that is being written.

    `until` is asked after each file whether to leave the rest to the next run. Must not run twice at a time.
    """
    done = Compacted(report=ImportReport(kind="recorded", progress=progress))
    done.owners = {info.market: info.condition_id for info in tapes_list()}
    ledger = _ledger()
    for path in raw_files():
        entry = ledger.get(path.name, {"bytes": 0, "last_ns": 0})
        try:
            size = path.stat().st_size
            if size <= entry["bytes"] or not (running or _is_finished(path, now)):
                continue
            _compact(path, entry, ledger, known, done)
        except (OSError, zlib.error, ArchiveError) as error:
            done.problems.append(f"{path.name}: {error}")
            continue
        if until():
            break
    return done


def recordings_prune(*, now: datetime) -> dict[str, int]:
    """Delete raw files that the archive has and that are too old or too many, then our own days that are too old."""
    ledger = _ledger()
    held = [(path, path.stat()) for path in raw_files()]
    total = sum(stat.st_size for _, stat in held)
    oldest = now.timestamp() - settings.RECORD_KEEP_DAYS * 86_400
    removed = {"raw files": 0, "raw bytes": 0, "tapes": 0, "tape bytes": 0}
    for path, stat in held:
        has_all = ledger.get(path.name, {}).get("bytes", -1) >= stat.st_size and _is_finished(path, now)
        if has_all and (stat.st_mtime < oldest or total > settings.RECORD_KEEP_BYTES):
            path.unlink(missing_ok=True)
            total -= stat.st_size
            removed["raw files"] += 1
            removed["raw bytes"] += stat.st_size
    there = {path.name for path in raw_files()}
    if gone := [name for name in ledger if name not in there]:
        latest = max(ledger)  # what the next file must follow
        _ledger_write({name: entry for name, entry in ledger.items() if name not in gone or name == latest})
    last_day = (now - timedelta(days=settings.ARCHIVE_KEEP_DAYS)).date().isoformat()
    for info in tapes_list():
        if info.source == SOURCE and info.day < last_day:
            removed["tape bytes"] += tape_delete(info.market, info.day)
            removed["tapes"] += 1
    return removed


def raw_files() -> list[Path]:
    """Return our recorder's files, oldest first; their names begin with their time."""
    folder = settings.RECORD_DIR
    return sorted(Path(folder).glob("*Z_recording*.jsonl.gz"), key=_order) if folder else []


def _order(path: Path) -> tuple[str, int]:
    stamp, _, rest = path.name.partition("_recording")
    number = rest.removesuffix(".jsonl.gz").lstrip("_")
    return stamp, int(number) if number.isdecimal() else 1


def _is_finished(path: Path, now: datetime) -> bool:
    try:
        began = datetime.strptime(path.name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        began = datetime.fromtimestamp(0, tz=UTC)
    hour = began.replace(minute=0, second=0)
    return now >= hour + _HOUR and now.timestamp() - path.stat().st_mtime >= _QUIET_S


def _compact(
    path: Path, entry: dict[str, Any], ledger: dict[str, dict[str, Any]], known: Known, done: Compacted
) -> None:
    start = int(entry["bytes"])
    end, damage = _complete_until(path, start)
    header = header_of(path) if end else {}
    before = max((name for name in ledger if name < path.name), default="")
    breaks_off = 0 if start or not before or header.get("follows") == before else ledger[before]["last_ns"]
    for span in _parts(path, header, (start, end), done):
        opening = bool(entry.get("opening"))
        last_ns, opening = _part(path, header, span, breaks_off=breaks_off, opening=opening, known=known, done=done)
        entry = {"bytes": span[1], "last_ns": max(int(entry["last_ns"]), last_ns), "opening": opening}
        breaks_off = 0
    if damage:  # nothing behind it can be read, now or later
        done.problems.append(f"{path.name}: damaged from byte {end:,} on ({damage}); the rest is lost")
        entry = {**entry, "bytes": path.stat().st_size}
    ledger[path.name] = entry
    _ledger_write(ledger)
    done.files += 1
    done.bytes_read += end - start


def _complete_until(path: Path, start: int) -> tuple[int, str]:
    """Return where the last complete member ends, and what is wrong behind it, if anything is."""
    end = start
    try:
        for place, _ in members(path, start):
            end = place
    except zlib.error as error:
        return end, str(error)
    return end, ""


def _parts(path: Path, header: dict[str, Any], span: tuple[int, int], done: Compacted) -> list[tuple[int, int]]:
    """Cut what is to be read where an earlier run stopped with some of the markets stored."""
    start, end = span
    cuts = {start, end}
    days = {day_of(_began_ns(header)), day_of(_began_ns(header) + 3_600 * 10**9)} if header else set()
    exchange = str(header.get("exchange") or "polymarket")
    for market in header.get("markets") or ():
        key = done.key(exchange, str(market.get("slug") or ""), str(market.get("condition_id")))
        cuts |= {at for day in days if start < (at := tape_sources(key, day).get(path.name, 0)) < end}
    ordered = sorted(cuts)
    return list(pairwise(ordered))


def _began_ns(header: dict[str, Any]) -> int:
    try:
        return int(datetime.fromisoformat(str(header["startedAt"])).timestamp()) * 10**9
    except (KeyError, ValueError):
        return 0


def _part(
    path: Path,
    header: dict[str, Any],
    span: tuple[int, int],
    *,
    breaks_off: int,
    opening: bool,
    known: Known,
    done: Compacted,
) -> tuple[int, bool]:
    """Put one stretch of a file into the archive; returns the time of its last line, and whether that opens a book."""
    tokens = MarketTokens()
    for market in header.get("markets") or ():
        tokens.tokens[str(market.get("condition_id"))] = [str(token) for token in market.get("token_ids") or ()]
    for text in _lines(path, span):
        tokens.hear(line_read(text).text.encode() if text[:1] == b"{" else b"")
    facts = known(list(tokens.tokens))
    said = {str(market.get("condition_id")): market for market in header.get("markets") or ()}
    exchange = str(header.get("exchange") or "polymarket")
    with Spool() as spool:
        reader = FrameReader(done.report)

        def make(condition_id: str, heard: Sequence[str]) -> Draft:
            found: MarketFacts = facts_of(condition_id, heard, said.get(condition_id), facts.get(condition_id))
            draft = Draft(
                spool, market=done.key(exchange, found.slug, condition_id), facts=found,
                fidelity=Fidelity.BOOK_AND_TRADES, source=SOURCE,
            )  # fmt: skip
            draft.opens_days = False  # the recorder begins every hour with whole books
            return draft

        for condition_id, heard in tokens.tokens.items():
            reader.follow(condition_id, heard, make)
        _go_on(reader.drafts.values(), header, breaks_off)
        ended = _replay(path, span, reader, done.report, opening=opening)
        for draft in reader.drafts.values():
            if draft.last_ns:
                for info in draft.extend({path.name: span[1]}):
                    done.tapes.add((info.market, info.day))
            else:
                draft.drop()
    return ended


def _go_on(drafts: Iterable[Draft], header: dict[str, Any], breaks_off: int) -> None:
    """Take up the tapes that go on; where the file before ended with a loss, begin a gap there."""
    for draft in drafts:
        try:
            tape = tape_open(draft.market, day_of(breaks_off or _began_ns(header)))
        except ArchiveError:
            continue  # nothing is there, or it is damaged: then storing tells
        draft.go_on(tape)
        if breaks_off and not (tape.columns["kind"] == Kind.RESOLVED).any():
            draft.gap(range(len(tape.facts.outcomes)), at_ns=max(breaks_off, tape.end_ns))


def _replay(
    path: Path, span: tuple[int, int], reader: FrameReader, report: ImportReport, *, opening: bool
) -> tuple[int, bool]:
    heard = bool(span[0]) and not opening  # a stretch that begins inside a file goes on with what is there
    last_ns = 0
    for number, text in enumerate(_lines(path, span)):
        report.row(str(path.name))
        where = f"{path.name}+{span[0]}:{number}"
        try:
            line = line_read(text)
            at_ns = line_ns(line)
        except ValueError as error:
            report.refuse(where, error)
            continue
        last_ns = max(last_ns, at_ns)
        if line.is_gap:
            reader.gap(line.tokens, at_ns=at_ns)
            continue
        if not line.is_frame:
            report.ignored += 1
            continue
        if line.opening and heard:  # frames were lost, and the recorder began again with the books
            reader.gap_everywhere(at_ns=reader.last_ns or at_ns, goes_on=True)
        heard, opening = not line.opening, line.opening
        reader.frame(line.text.encode(), at_ns, where)
    return last_ns, opening


def _lines(path: Path, span: tuple[int, int]) -> Iterable[bytes]:
    for at, text in members(path, span[0], span[1]):
        lines = text.splitlines()
        yield from lines[1:] if not span[0] and lines and b'"polybot-recording"' in lines[0] else lines
        if at >= span[1]:
            return


def _ledger() -> dict[str, dict[str, Any]]:
    try:
        found = json.loads((archive_folder() / "recorded.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _ledger_write(ledger: dict[str, dict[str, Any]]) -> None:
    with replacing(archive_folder() / "recorded.json", durable=True) as handle:
        os.write(handle, json.dumps(ledger, indent=1, sort_keys=True).encode())
