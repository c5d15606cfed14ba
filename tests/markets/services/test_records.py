"""Records keep whole lines of several writers, lose lines openly, and never stop who writes."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from markets.services.records import LEAST_FREE, LOOK_EVERY_S, Record, records_prune

NOW = datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_go_to_the_file_of_their_day(tmp_path: Path) -> None:
    record = Record(tmp_path, "ticks")
    assert record.write({"k": "tick", "n": 1}, {"k": "tick", "n": 2}, at=NOW)
    assert record.write({"k": "tick", "n": 3}, at=NOW + timedelta(seconds=2))
    assert [line["n"] for line in lines(tmp_path / "ticks/2026-11-20.jsonl")] == [1, 2]
    assert [line["n"] for line in lines(tmp_path / "ticks/2026-11-21.jsonl")] == [3]
    assert (tmp_path / "ticks/2026-11-20.jsonl").stat().st_mode & 0o777 == 0o600


def test_without_a_folder_nothing_is_recorded() -> None:
    record = Record(None, "ticks")
    assert not record.is_on and not record.write({"k": "tick"}, at=NOW)


def test_several_writers_leave_whole_lines(tmp_path: Path) -> None:
    def work(number: int) -> None:
        record = Record(tmp_path, "ticks")
        for count in range(200):
            record.write({"who": number, "n": count, "pad": "x" * 100}, at=NOW)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = lines(tmp_path / "ticks/2026-11-20.jsonl")
    assert len(found) == 800
    for number in range(4):
        assert [line["n"] for line in found if line["who"] == number] == list(range(200))


def test_a_full_disk_loses_lines_and_tells_how_many(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    free, clock = [LEAST_FREE], [0.0]
    record = Record(tmp_path, "ticks", free=lambda path: free[0], monotonic=lambda: clock[0])
    assert record.write({"n": 1}, at=NOW)
    free[0], clock[0] = LEAST_FREE - 1, LOOK_EVERY_S
    assert not record.write({"n": 2}, {"n": 3}, at=NOW) and not record.write({"n": 4}, at=NOW)
    assert len(caplog.records) == 1
    free[0], clock[0] = LEAST_FREE, 2 * LOOK_EVERY_S
    assert record.write({"n": 5}, at=NOW)
    found = lines(tmp_path / "ticks/2026-11-20.jsonl")
    assert [line.get("n", line.get("lost")) for line in found] == [1, 3, 5]


def test_a_folder_that_cannot_be_written_loses_lines(tmp_path: Path) -> None:
    (tmp_path / "ticks").write_text("a file where the folder should be")
    record = Record(tmp_path, "ticks")
    assert not record.write({"n": 1}, at=NOW)
    assert record.lost == 1


def test_old_days_go_first_and_today_stays(tmp_path: Path) -> None:
    for name in ("ticks", "venue"):
        (tmp_path / name).mkdir()
        for day in ("2026-11-01", "2026-11-18", "2026-11-19", "2026-11-20"):
            (tmp_path / name / f"{day}.jsonl").write_bytes(b"x" * 100)
    assert records_prune(tmp_path, now=NOW, days=7, most_bytes=10_000) == 2
    assert records_prune(tmp_path, now=NOW, days=7, most_bytes=350) == 3
    assert sorted(p.stem for p in tmp_path.glob("*/*.jsonl")) == ["2026-11-19", "2026-11-20", "2026-11-20"]
    assert records_prune(tmp_path, now=NOW, days=0, most_bytes=0) == 1
    assert {p.stem for p in tmp_path.glob("*/*.jsonl")} == {"2026-11-20"}
    assert records_prune(tmp_path / "none", now=NOW, days=7, most_bytes=0) == 0
