"""Captures of 2025: books, the trades between them, and lines that are none."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from markets.domain.tape import ASK, BID, INFERRED, Fidelity, Kind, Tape
from markets.services.archive import ArchiveError, tape_open, tapes_list
from markets.services.archive.importers.flat_csv import trade_between
from markets.services.archive.importing import data_import
from markets.services.archive.report import ImportReport

DAY = "2025-06-25"
START_MS = 1_750_809_600_000  # its midnight
YES, NO = "111", "222"
KEY = "polymarket.mlb-a-b-2025-06-25"
COLUMNS = "market_slug,asset_id,market_id,event_type,price,side,size,hash,timestamp"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return tmp_path


def book(at_ms: int, token: str, bids: dict[str, str], asks: dict[str, str]) -> list[str]:
    levels = [("bid", p, s) for p, s in bids.items()] + [("ask", p, s) for p, s in asks.items()]
    return [f"mlb-a-b-2025-06-25,{token},,book,{p},{side},{s},h{at_ms},{START_MS + at_ms}" for side, p, s in levels]


def change(at_ms: int, token: str, side: str, price: str, size: str) -> list[str]:
    return [f"mlb-a-b-2025-06-25,{token},,price_change,{price},{side},{size},h{at_ms},{START_MS + at_ms}"]


def load(folder: Path, *lines: list[str], columns: str = COLUMNS, name: str = "x.csv.gz", **words: Any) -> ImportReport:
    text = "\n".join([columns, *(line for part in lines for line in part), ""])
    (folder / name).write_bytes(gzip.compress(text.encode()))
    (report,) = data_import([folder / name], **words)
    return report


def rows(tape: Tape, kind: Kind) -> list[tuple[int, ...]]:
    some = tape.columns["kind"] == kind
    ticks = tape.columns["ticks"][some] * tape.step
    parts = (tape.columns["outcome"][some], tape.columns["side"][some], ticks, tape.columns["size"][some])
    return list(zip(*(part.tolist() for part in parts), strict=True))


def test_books_and_changes_become_rows(folder: Path) -> None:
    report = load(
        folder,
        book(1_000, YES, {"0.52": "10", "0.51": "20"}, {"0.54": "5.5"}),
        book(1_000, NO, {"0.46": "5.5"}, {"0.48": "10"}),
        change(2_000, YES, "BUY", "0.53", "7.25"),
    )
    assert (report.read, report.kept, sum(report.refused.values())) == (6, 6, 0)
    (info,) = tapes_list()
    assert (info.market, info.day, info.fidelity) == (KEY, DAY, Fidelity.BOOK)
    assert info.category == "sports" and info.outcomes == ("token 111", "token 222") and info.trades == 0
    tape = tape_open(KEY, DAY)
    assert tape.step == 10_000 and tape.facts.tick == 10_000
    assert rows(tape, Kind.LEVEL)[-1] == (0, BID, 530_000, 7_250_000)
    assert tape.columns["received_ns"][-1] == (START_MS + 2_000) * 10**6
    assert tape.columns["flags"].tolist().count(1) == 3, "three messages"


def test_a_book_after_a_book_tells_the_trade_once(folder: Path) -> None:
    load(
        folder,
        book(0, YES, {"0.52": "10", "0.51": "20"}, {"0.54": "5"}),
        book(0, NO, {"0.46": "5"}, {"0.48": "10", "0.49": "20"}),
        change(500, YES, "bid", "0.52", "9"),  # a cancel: no trade
        book(900, YES, {"0.51": "15"}, {"0.52": "2", "0.54": "5"}),  # sold 9 at 0.52 and 5 at 0.51; 2 were left over
        book(900, NO, {"0.46": "5", "0.48": "2"}, {"0.49": "15"}),
    )
    tape = tape_open(KEY, DAY)
    assert rows(tape, Kind.TRADE) == [(0, ASK, 520_000, 9_000_000), (0, ASK, 510_000, 5_000_000)]
    trades = tape.columns["kind"] == Kind.TRADE
    assert (tape.columns["flags"][trades] & INFERRED).all() and tapes_list()[0].inferred == 2
    assert not tape.gaps


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (({54: 5}, {52: 9}), ({54: 5}, {52: 9}), (ASK, [])),
        (({54: 5}, {52: 9}), ({54: 2}, {52: 9}), (BID, [(54, 3)])),
        (({54: 5, 55: 4}, {52: 9}), ({55: 1}, {52: 9, 54: 3}), (BID, [(54, 5), (55, 3)])),
        (({54: 5}, {52: 9}), ({54: 2}, {52: 1}), None),  # both sides fell
        (({54: 5}, {52: 9}), ({54: 4, 60: 1, 61: 1, 62: 1, 63: 1}, {52: 9}), None),  # too much else changed
        (({54: 5}, {52: 9, 51: 4}), ({54: 5}, {52: 9}), (ASK, [])),  # a cancel below the touch
        (({54: 5}, {52: 9}), ({}, {52: 9}), (ASK, [])),  # an empty side proves nothing
    ],
)
def test_what_one_trade_explains(old: Any, new: Any, told: Any) -> None:
    assert trade_between(old, new) == told


def test_a_restart_of_the_recorder_is_a_gap_and_no_trade(folder: Path) -> None:
    load(
        folder,
        book(0, YES, {"0.52": "10"}, {"0.54": "5"}),
        book(90_000, YES, {"0.52": "4"}, {"0.54": "5"}),
        book(95_000, YES, {"0.30": "4", "0.31": "1"}, {"0.35": "5", "0.36": "1"}),
    )
    tape = tape_open(KEY, DAY)
    assert rows(tape, Kind.TRADE) == [] and len(rows(tape, Kind.GAP)) == 2
    assert [((a // 10**6) - START_MS, (b // 10**6) - START_MS) for a, b in tape.gaps] == [(0, 95_000)]


def test_both_dialects_metadata_and_finer_prices(folder: Path) -> None:
    (folder / "y_market-metadata.csv").write_text(
        "market_slug,market_id,asset_id,outcome_name,executed_at_timestamp,game_start_timestamp\n"
        f"mlb-a-b-2025-06-25,7,{NO},Reds,{START_MS + 3_000},\nmlb-a-b-2025-06-25,7,{YES},Red Sox,{START_MS + 3_000},\n"
    )
    columns = "market_slug,market_id,asset_id,outcome_name,event_type,price,side,size,hash,timestamp,extra"
    lines = [
        f"mlb-a-b-2025-06-25,7,{YES},,book,0.96,BUY,3.0,h1,{START_MS + 1_000},",
        f"mlb-a-b-2025-06-25,7,{YES},,price_change,0.965,BUY,2.0,h2,{START_MS + 2_000},",
        f"mlb-a-b-2025-06-25,7,{YES},,book,0.96,BUY,1.0,h3,{START_MS + 4_000},",
    ]
    report = load(folder, lines, columns=columns, name="y_polymarket-market-events.csv.gz")
    assert "columns extra are not known and were not read" in " ".join(report.notes)
    tape = tape_open(KEY, DAY)
    assert [outcome.label for outcome in tape.facts.outcomes] == ["Reds", "Red Sox"]
    assert tape.facts.tick == 10_000 and rows(tape, Kind.TICK) == [(0, 0, 1_000, 0), (1, 0, 1_000, 0)]
    assert tape.step == 1_000 and len(tape.gaps) == 1, "the metadata names a restart"


def test_lines_that_are_none_are_refused_with_their_place(folder: Path) -> None:
    report = load(
        folder,
        book(0, YES, {"0.52": "10"}, {"0.54": "5"}),
        ["mlb-a-b-2025-06-25,111,,book,0.5"],
        change(1, YES, "BUY", "1.5", "1"),
        change(2, YES, "HOLD", "0.5", "1"),
        change(3, YES, "BUY", "0.5", "-1"),
        change(4, "seven", "BUY", "0.5", "1"),
        change(5, YES, "BUY", "0.5", "1"),
        change(5, YES, "BUY", "0.5", "1"),
        change(6, NO, "BUY", "0.5", "1"),
        change(7, "333", "BUY", "0.5", "1"),
        [f"mlb-a-b-2025-06-25,111,,trade,0.5,BUY,1,h,{START_MS}", "mlb-a-b-2025-06-25,111,,book,0.5,BUY,1,h,soon"],
    )
    assert report.kept == 4 and sum(report.refused.values()) == 9
    words = " | ".join(report.refused)
    for part in ("5 fields instead of 9", "not between 0 and 1", "'HOLD' is unknown", "is no token", "a third token"):
        assert part in words
    assert (
        "the same line twice" in words and "'trade' is unknown" in words and report.examples[0].startswith("x.csv.gz:4")
    )


def test_midnight_begins_a_tape_with_the_books_as_they_stood(folder: Path) -> None:
    load(
        folder,
        book(86_390_000, YES, {"0.52": "10"}, {"0.54": "5"}),
        change(86_395_000, YES, "BUY", "0.53", "7"),
        change(86_401_000, YES, "BUY", "0.52", "0"),
    )
    first, second = tapes_list()
    assert (first.day, second.day) == (DAY, "2025-06-26") and first.rows == 4
    tape = tape_open(KEY, "2025-06-26")
    assert [Kind(k) for k in tape.columns["kind"]] == [Kind.CLEAR, Kind.LEVEL, Kind.LEVEL, Kind.LEVEL, Kind.LEVEL]
    assert tape.start_ns == (START_MS + 86_400_000) * 10**6 and rows(tape, Kind.LEVEL)[-1][3] == 0


def test_crossed_books_and_times_that_step_back_are_told(folder: Path) -> None:
    report = load(
        folder,
        book(1_000, YES, {"0.55": "10"}, {"0.54": "5"}),
        change(500, YES, "BUY", "0.50", "1"),
    )
    notes = " ".join(report.notes)
    assert "2 of 2 messages leave a book crossed" in notes and "1 rows are stamped earlier" in notes
    assert (np.diff(tape_open(KEY, DAY).columns["received_ns"]) >= 0).all()


def test_a_file_that_was_cut_short_gives_what_it_has(folder: Path) -> None:
    whole = gzip.compress("\n".join([COLUMNS, *book(0, YES, {"0.52": "10"}, {"0.54": "5"}) * 400]).encode())
    (folder / "cut.csv.gz").write_bytes(whole[:-20])
    (report,) = data_import([folder / "cut.csv.gz"])
    assert any("damaged from here on" in reason for reason in report.refused)


def test_what_another_file_said_is_not_silently_replaced(folder: Path) -> None:
    load(folder, book(0, YES, {"0.52": "10"}, {"0.54": "5"}))
    digest = tapes_list()[0].digest
    assert load(folder, book(0, YES, {"0.52": "10"}, {"0.54": "5"})).tapes[0].digest == digest
    report = load(folder, book(0, YES, {"0.52": "1"}, {"0.54": "5"}), name="other.csv.gz")
    assert "is there from x.csv.gz" in report.not_saved[0] and tapes_list()[0].digest == digest
    load(folder, book(0, YES, {"0.52": "1"}, {"0.54": "5"}), name="other.csv.gz", replace_others=True)
    assert tapes_list()[0].digest != digest


def test_markets_are_chosen_and_unknown_files_are_named(folder: Path) -> None:
    report = load(folder, book(0, YES, {"0.52": "10"}, {"0.54": "5"}), markets=["nba-*"])
    assert report.tapes == [] and "was not chosen" in " ".join(report.notes)
    (folder / "letter.json").write_text('{"dear": "reader"}')
    with pytest.raises(ArchiveError, match=r"no file is of a known kind \(letter.json\)"):
        data_import([folder / "letter.json"])
    with pytest.raises(ArchiveError, match="does not exist"):
        data_import([folder / "nowhere"])
    with pytest.raises(ArchiveError, match="is not of kind flat"):
        data_import([folder / "letter.json"], kind="flat")
    with pytest.raises(ArchiveError, match="is no kind"):
        data_import([folder / "letter.json"], kind="poetry")
