"""What our recorder writes becomes tapes: nothing twice, nothing silently missing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from markets.domain.tape import Kind, Tape
from markets.domain.units import ONE
from markets.feed.recorder import Recorder
from markets.selectors.archive import tape_open, tapes_list
from markets.services.archive import recorded as recorded_module
from markets.services.archive.recorded import recordings_compact, recordings_prune
from markets.services.archive.tending import recordings_tend, results_append
from tests.factories.markets import market_make
from tests.fakes.wire import book, price_change, trade

HOUR_NS = 3_600 * 10**9
NOW = datetime.now(UTC)
START = (NOW - timedelta(days=2)).replace(hour=22, minute=0, second=0, microsecond=0)
START_NS = int(START.timestamp()) * 10**9
DAY, NEXT_DAY = START.date().isoformat(), (START + timedelta(days=1)).date().isoformat()
LATER = NOW + timedelta(hours=1)  # the files were just written, and are left alone for two minutes
KEY = "sandbox.rain"
BOTH = frozenset({"0x1"})


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, settings: Any) -> Path:
    settings.ARCHIVE_DIR, settings.RECORD_DIR = tmp_path / "archive", tmp_path / "rec"
    return tmp_path


@pytest.fixture
def make(folders: Path) -> Iterator[Callable[[], Recorder]]:
    made: list[Recorder] = []

    def start() -> Recorder:
        facts = {"condition_id": "0x1", "slug": "rain", "question": "Rain?", "outcomes": ["Yes", "No"]}
        facts |= {"token_ids": ["11", "12"], "tick": "0.01", "minimum_size": "5", "category": "weather"}
        recorder = Recorder(folders / "rec", lambda _: [facts], exchange="sandbox", free=lambda _: 10**11)
        recorder.start()
        made.append(recorder)
        return recorder

    yield start
    for recorder in made:
        stop(recorder)


def stop(recorder: Recorder) -> None:
    recorder.stop()
    recorder.join(5)


def hear(recorder: Recorder, second: float, *frames: dict[str, Any]) -> None:
    ns = START_NS + int(second * 10**9)
    if recorder.wants_books(ns, BOTH):
        recorder.begin(ns, BOTH, [json.dumps(book(token)).encode() for token in ("11", "12")])
    recorder.heard(ns, [json.dumps(frame).encode() for frame in frames])


def kinds(tape: Tape) -> list[Kind]:
    return [Kind(kind) for kind in tape.columns["kind"]]


def whole(tape: Tape) -> list[tuple[int, ...]]:
    names = ("received_ns", "kind", "outcome", "side", "ticks", "size", "flags")
    return list(zip(*(tape.columns[name].tolist() for name in names), strict=True))


def test_hours_become_tapes_by_day(make: Callable[[], Recorder]) -> None:
    recorder = make()
    hear(recorder, 0, price_change("11", "0.49", "7"), trade("11", "0.52", "3"))
    hear(recorder, 1.5, price_change("11", "0.49", "0"))
    hear(recorder, 2 * 3_600 + 1, price_change("12", "0.47", "5"))  # the next day
    stop(recorder)
    done = recordings_compact(now=LATER)
    assert done.files == 2 and not done.problems and not done.report.refused
    first, second = tapes_list()
    assert (first.market, first.day, second.day) == (KEY, DAY, NEXT_DAY)
    assert first.question == "Rain?" and first.category == "weather" and first.outcomes == ("Yes", "No")
    assert first.trades == 1 and not first.gaps and not second.gaps
    tape = tape_open(KEY, DAY)
    assert [k for k in kinds(tape) if k is not Kind.LEVEL] == [Kind.CLEAR, Kind.CLEAR, Kind.TRADE]
    row = kinds(tape).index(Kind.TRADE)
    assert tape.columns["ticks"][row] * tape.step == 520_000 and tape.columns["size"][row] == 3 * ONE
    assert tape.columns["received_ns"][-1] == START_NS + 1_500_000_000
    assert kinds(tape_open(KEY, NEXT_DAY))[0] is Kind.CLEAR, "each day can be read alone"


def test_a_repeated_run_changes_nothing(make: Callable[[], Recorder], folders: Path) -> None:
    recorder = make()
    hear(recorder, 0, price_change("11", "0.49", "7"))
    stop(recorder)
    recordings_compact(now=LATER)
    before = whole(tape_open(KEY, DAY))
    assert recordings_compact(now=LATER).files == 0
    (folders / "archive" / "recorded.json").unlink()  # as if it had died before it wrote down how far it was
    assert recordings_compact(now=LATER).files == 1
    assert whole(tape_open(KEY, DAY)) == before


def test_the_running_hour_grows_and_is_left_alone_unless_asked_for(
    make: Callable[[], Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = make()
    hear(recorder, 0, price_change("11", "0.49", "7"))
    stop(recorder)
    path = recorded_module.raw_files()[0]
    rest = path.read_bytes()
    during = START + timedelta(minutes=30)
    assert recordings_compact(now=during).files == 0
    assert recordings_compact(now=during, running=True).files == 1
    assert len(tape_open(KEY, DAY)) == 11

    recorder = make()
    recorder._began_ns, recorder._known, recorder.path = START_NS, BOTH, path  # the same process goes on writing
    hear(recorder, 60, price_change("11", "0.49", "0"), trade("12", "0.5", "2"))
    stop(recorder)
    assert path.read_bytes()[: len(rest)] == rest
    with path.open("ab") as file:
        file.write(gzip.compress(b"a member that is still being written" * 9)[:30])
    recordings_compact(now=during, running=True)
    tape = tape_open(KEY, DAY)
    assert len(tape) == 13 and kinds(tape)[-1] is Kind.TRADE and not tape.gaps


def test_a_run_that_died_between_two_markets_stores_nothing_twice(
    make: Callable[[], Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = make()
    hear(recorder, 0, price_change("11", "0.49", "7"))
    stop(recorder)
    during = START + timedelta(minutes=30)
    monkeypatch.setattr(recorded_module, "_ledger_write", lambda ledger: None)  # it dies after storing the tape
    recordings_compact(now=during, running=True)
    monkeypatch.undo()
    path = recorded_module.raw_files()[0]
    recorder = make()
    recorder._began_ns, recorder._known, recorder.path = START_NS, BOTH, path
    hear(recorder, 60, trade("12", "0.5", "2"))
    stop(recorder)
    recordings_compact(now=during, running=True)
    tape = tape_open(KEY, DAY)
    assert len(tape) == 12 and sorted(set(kinds(tape))) == [Kind.LEVEL, Kind.TRADE, Kind.CLEAR]


def test_a_restart_is_a_gap_until_the_next_books(make: Callable[[], Recorder]) -> None:
    first = make()
    hear(first, 0, price_change("11", "0.49", "7"))
    stop(first)
    second = make()
    hear(second, 3_600 + 30, price_change("11", "0.48", "9"))
    stop(second)
    recordings_compact(now=LATER)
    tape = tape_open(KEY, DAY)
    assert tape.gaps == ((START_NS, START_NS + 3_630 * 10**9),)
    gap = [kind for kind in kinds(tape) if kind is not Kind.LEVEL]
    assert gap == [Kind.CLEAR, Kind.CLEAR, Kind.GAP, Kind.GAP, Kind.CLEAR, Kind.CLEAR]


def test_lost_sockets_and_lost_frames_are_gaps(make: Callable[[], Recorder]) -> None:
    recorder = make()
    hear(recorder, 0, price_change("11", "0.49", "7"))
    recorder.gap(START_NS + 10 * 10**9, {"11"}, "closed by the venue")
    hear(recorder, 20, book("11"))
    recorder._lost = True  # as after a disk that was too slow
    hear(recorder, 40, price_change("11", "0.48", "9"))
    stop(recorder)
    done = recordings_compact(now=LATER)
    assert not done.report.refused
    tape = tape_open(KEY, DAY)
    seconds = [((a - START_NS) // 10**9, (b - START_NS) // 10**9) for a, b in tape.gaps]
    assert seconds == [(10, 40)]


def test_a_frame_that_is_not_understood_leaves_its_book_unsure(make: Callable[[], Recorder]) -> None:
    recorder = make()
    hear(recorder, 0, {**price_change("11", "0.49", "7"), "timestamp": "never"})
    hear(recorder, 5, book("11"))
    stop(recorder)
    done = recordings_compact(now=LATER)
    assert sum(done.report.refused.values()) == 1
    assert tape_open(KEY, DAY).gaps == ((START_NS, START_NS + 5 * 10**9),)


def test_damage_in_a_raw_file_keeps_what_came_before(make: Callable[[], Recorder]) -> None:
    recorder = make()
    hear(recorder, 0, price_change("11", "0.49", "7"))
    stop(recorder)
    path = recorded_module.raw_files()[0]
    path.write_bytes(path.read_bytes() + b"this is no gzip member at all" * 4)
    done = recordings_compact(now=LATER)
    assert done.problems and "recording" in done.problems[0]
    assert len(tape_open(KEY, DAY)) == 11
    assert recordings_compact(now=LATER).problems == []


def test_raw_files_go_once_the_archive_has_them(make: Callable[[], Recorder], settings: Any) -> None:
    recorder = make()
    hear(recorder, 0, price_change("11", "0.49", "7"))
    stop(recorder)
    path = recorded_module.raw_files()[0]
    late = LATER + timedelta(days=settings.RECORD_KEEP_DAYS)
    assert recordings_prune(now=late)["raw files"] == 0, "what the archive has not is never deleted"
    recordings_compact(now=late)
    assert recordings_prune(now=LATER)["raw files"] == 0
    settings.RECORD_KEEP_BYTES = 1
    assert recordings_prune(now=LATER)["raw files"] == 1
    assert not path.exists() and len(tapes_list()) == 1
    old = START + timedelta(days=settings.ARCHIVE_KEEP_DAYS + 2)
    assert recordings_prune(now=old)["tapes"] == 1 and tapes_list() == []


@pytest.mark.django_db
def test_results_come_from_the_catalogue_on_their_day(make: Callable[[], Recorder]) -> None:
    market = market_make(condition_id="0x1", labels=("Yes", "No"))
    recorder = make()
    hear(recorder, 0, price_change("11", "0.49", "7"))
    stop(recorder)
    done = recordings_tend(now=LATER)
    assert done is not None and len(done.tapes) == 1
    (info,) = tapes_list()
    assert info.question == market.question and not info.resolved

    market.state, market.resolved_at = "resolved", START + timedelta(hours=3)
    market.save()
    for outcome in market.outcomes.all():
        outcome.payout = 1 - outcome.index
        outcome.save()
    assert [info.day for info in results_append(now=LATER)] == [NEXT_DAY]
    assert results_append(now=LATER) == []
    tape = tape_open(info.market, NEXT_DAY)
    assert kinds(tape) == [Kind.RESOLVED, Kind.RESOLVED] and list(tape.columns["ticks"] * tape.step) == [ONE, 0]
    assert tapes_list()[-1].payouts == (ONE, 0)
    assert all(outcome.payout is None for outcome in tape.facts.outcomes), "facts never tell the end"
