from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from markets.domain.tape import ASK, BID, COLUMNS, LAST, Fidelity, Kind
from markets.services.archive import (
    ArchiveError,
    market_key,
    tape_delete,
    tape_info,
    tape_open,
    tape_save,
    tapes_damaged,
    tapes_list,
)
from markets.services.archive import writing as writing_module
from tests.markets.services.archive.tapes import DAY, FACTS, ROWS, START_NS, tape_of

KEY = "polymarket.rain"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return settings.ARCHIVE_DIR


def files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / DAY).iterdir())


def test_a_tape_comes_back_as_it_was_saved_and_cannot_be_changed(folder: Path) -> None:
    tape = tape_of(gaps=((START_NS + 10**9, START_NS + 2 * 10**9),))
    info = tape_save(tape, market=KEY, day=DAY, notes=("a note",))
    found = tape_open(KEY, DAY)
    assert found.facts == FACTS and found.step == 10_000 and found.fidelity is Fidelity.BOOK_AND_TRADES
    assert found.digest == info.digest and found.gaps == tape.gaps and found.source == "a test"
    for name, dtype in COLUMNS.items():
        assert found.columns[name].dtype == dtype
        np.testing.assert_array_equal(found.columns[name], tape.columns[name])
        with pytest.raises(ValueError, match="read-only"):
            found.columns[name][0] = 1
    assert [oct(path.stat().st_mode & 0o777) for path in files(folder)] == ["0o444", "0o444"]
    assert all(found.columns[name].ctypes.data % 64 == 0 for name in COLUMNS)


def test_the_list_says_what_a_tape_holds() -> None:
    tape_save(tape_of(gaps=((START_NS + 10**9, START_NS + 2 * 10**9),)), market=KEY, day=DAY)
    (info,) = tapes_list()
    assert (info.market, info.day, info.rows, info.trades, info.step) == (KEY, DAY, 5, 1, 10_000)
    assert info.question == "Will it rain?" and info.outcomes == ("Yes", "No") and info.tags == ("weather",)
    assert info.category == "weather" and not info.resolved and info.closes_at == FACTS.closes_at
    assert info.coverage == pytest.approx(5 / 86_400)  # six seconds, one of them a gap
    assert info.counts == {"level": 3, "trade": 1, "clear": 1} and info.inferred == 0
    assert info == tape_info(KEY, DAY) and tapes_list("polymarket.other") == []


def test_saving_again_replaces_and_leaves_nothing_behind(folder: Path) -> None:
    tape_save(tape_of(ROWS[:3]), market=KEY, day=DAY)
    before = tape_open(KEY, DAY)
    tape_save(tape_of(), market=KEY, day=DAY)
    assert len(tape_open(KEY, DAY)) == 5 and len(before.columns["kind"]) == 3  # whoever reads goes on reading
    assert before.columns["size"][1] == 100 * 10**6
    assert len(files(folder)) == 2
    tape_save(tape_of(), market=KEY, day=DAY)
    assert len(files(folder)) == 2


def test_the_digest_covers_rows_step_and_facts() -> None:
    digests = {
        tape_save(tape, market=KEY, day=DAY).digest
        for tape in (
            tape_of(),
            tape_of(),
            tape_of(step=5_000),
            tape_of(ROWS[:3]),
            tape_of(facts=replace(FACTS, tags=())),
        )
    }
    assert len(digests) == 4


def test_an_empty_tape_is_a_day_on_which_nothing_happened() -> None:
    assert tape_save(tape_of(()), market=KEY, day=DAY).rows == 0
    assert len(tape_open(KEY, DAY)) == 0


def test_what_is_missing_is_named_with_what_there_is() -> None:
    with pytest.raises(ArchiveError, match=r"nothing is recorded of polymarket\.rain; `manage\.py data`"):
        tape_open(KEY, DAY)
    tape_save(tape_of(), market=KEY, day=DAY)
    with pytest.raises(ArchiveError, match=r"on 2026-07-12; there is 2026-07-11"):
        tape_open(KEY, "2026-07-12")


@pytest.mark.parametrize("market", ["../../etc/passwd", "", "polymarket/rain", "a..b", "Rain", "x" * 200])
def test_a_name_that_is_no_name_is_refused(market: str) -> None:
    with pytest.raises(ArchiveError, match="is no name"):
        tape_open(market, DAY)
    with pytest.raises(ArchiveError, match="is no name"):
        tape_save(tape_of(), market=market, day=DAY)


@pytest.mark.parametrize("day", ["2026-7-1", "yesterday", "2026-02-30", "../x", "20260711"])
def test_a_day_that_is_no_day_is_refused(day: str) -> None:
    with pytest.raises(ArchiveError, match="is no day"):
        tape_open(KEY, day)


def test_a_truncated_file_is_damaged(folder: Path) -> None:
    tape_save(tape_of(), market=KEY, day=DAY)
    (path,) = folder.glob("*/*.tape")
    path.chmod(0o644)
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(ArchiveError, match=r"bytes instead of .* damaged; import it again"):
        tape_open(KEY, DAY)


def test_one_changed_bit_is_found_once_it_is_read_for_the_first_time(folder: Path) -> None:
    tape_save(tape_of(), market=KEY, day=DAY)
    tape_open(KEY, DAY)
    (path,) = folder.glob("*/*.tape")
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match="another SHA-256"):
        tape_open(KEY, DAY)
    assert len(tape_open(KEY, DAY, verify=False)) == 5


def test_columns_without_their_file_and_files_of_other_formats(folder: Path) -> None:
    tape_save(tape_of(), market=KEY, day=DAY)
    (path,) = folder.glob("*/*.tape")
    data = path.read_bytes()
    path.unlink()
    with pytest.raises(ArchiveError, match="is missing although its manifest is there"):
        tape_open(KEY, DAY)
    path.write_bytes(b"X" * len(data))
    with pytest.raises(ArchiveError, match="not as a file of 5 rows"):
        tape_open(KEY, DAY)


def test_changed_facts_are_found_too(folder: Path) -> None:
    tape_save(tape_of(), market=KEY, day=DAY)
    path = folder / DAY / f"{KEY}.json"
    path.chmod(0o644)
    path.write_text(path.read_text().replace('"tick": 10000', '"tick": 1000'))
    with pytest.raises(ArchiveError, match="another SHA-256"):
        tape_open(KEY, DAY)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"format": "x"}', "no manifest of a tape"),
        ('{"format": "polybot-tape", "version": 9}', "format version is 9, this code reads 1"),
        ('{"format": "polybot-tape", "version": 1}', "its manifest is damaged"),
    ],
)
def test_damaged_manifests_are_told_and_do_not_hide_the_others(folder: Path, text: str, words: str) -> None:
    tape_save(tape_of(), market=KEY, day=DAY)
    (folder / DAY / "polymarket.bad.json").write_text(text)
    with pytest.raises(ArchiveError, match=words):
        tape_open("polymarket.bad", DAY)
    assert [info.market for info in tapes_list()] == [KEY]
    (line,) = tapes_damaged()
    assert "polymarket.bad.json" in line


def test_rows_that_no_replay_can_use_are_not_stored() -> None:
    for rows, words in (
        ([(0, Kind.LEVEL, 0, BID, 101, 1, LAST)], "row 0: price outside 0 to 1"),
        ([(5, Kind.LEVEL, 0, BID, 1, 1, LAST), (4, Kind.LEVEL, 0, ASK, 2, 1, LAST)], "row 1: received before"),
        ([(86_400, Kind.LEVEL, 0, BID, 1, 1, LAST)], "rows of another day"),
    ):
        with pytest.raises(ArchiveError, match=words):
            tape_save(tape_of(rows), market=KEY, day=DAY)
    assert tapes_list() == []


def test_a_key_belongs_to_one_market() -> None:
    tape_save(tape_of(), market=KEY, day=DAY)
    with pytest.raises(ArchiveError, match="is another market already"):
        tape_save(tape_of(facts=replace(FACTS, condition_id="0xother")), market=KEY, day=DAY)


def test_a_full_disk_leaves_what_was_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tape_save(tape_of(ROWS[:3]), market=KEY, day=DAY)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing_module.os, "replace", full)
    with pytest.raises(ArchiveError, match="No space left on device"):
        tape_save(tape_of(), market=KEY, day=DAY)
    monkeypatch.undo()
    assert len(tape_open(KEY, DAY)) == 3 and len(files(folder)) == 2


def test_a_deleted_tape_is_gone(folder: Path) -> None:
    freed = tape_save(tape_of(), market=KEY, day=DAY).size_bytes
    assert tape_delete(KEY, DAY) == freed and not (folder / DAY).exists()
    with pytest.raises(ArchiveError, match="nothing is recorded"):
        tape_delete(KEY, DAY)


def test_keys_are_readable_and_fit_a_file_name() -> None:
    assert market_key("polymarket", "Will BTC hit $100k?", "0x1") == "polymarket.will-btc-hit-100k"
    assert market_key("sandbox", "", "0xABCDEF" + "0" * 60) == "sandbox.0xabcdef0000000000"
    assert len(market_key("polymarket", "x" * 500, "0x1")) < 150


def test_manifests_are_plain_json(folder: Path) -> None:
    tape_save(tape_of(), market=KEY, day=DAY, sources={"a.jsonl.gz": 17})
    found = json.loads((folder / DAY / f"{KEY}.json").read_text())
    assert found["format"] == "polybot-tape" and found["sources"] == {"a.jsonl.gz": 17}
    assert found["facts"]["closes_at"] == "2026-07-12T00:00:00+00:00"
