"""The middle of a recorded book against a plain walk over the rows, on random tapes and small chunks."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import numpy as np
import pytest

from backtests.domain import mids
from markets.domain.tape import ASK, BID, COLUMNS, LAST, Fidelity, Kind, Tape
from markets.domain.units import ONE
from tests.backtests.reports import facts_make

STEP = 10_000


def tape_of(rows: list[tuple[Any, ...]], **more: Any) -> Tape:
    """Rows are (time, kind, outcome, side, ticks, size, flags); the venue's time is the receive time."""
    columns = {name: np.zeros(len(rows), dtype) for name, dtype in COLUMNS.items()}
    for number, (at, kind, outcome, side, ticks, size, flags) in enumerate(rows):
        values = {"venue_ns": at, "received_ns": at, "kind": kind, "outcome": outcome, "side": side,
                  "ticks": ticks, "size": size, "flags": flags}  # fmt: skip
        for name, value in values.items():
            columns[name][number] = value
    return Tape(facts=facts_make(0), step=STEP, fidelity=Fidelity.BOOK_AND_TRADES, columns=columns, **more)


def book(at: int, bid: int, ask: int, outcome: int = 0) -> list[tuple[Any, ...]]:
    return [
        (at, Kind.CLEAR, outcome, 0, 0, 0, 0),
        (at, Kind.LEVEL, outcome, BID, bid, 5 * ONE, 0),
        (at, Kind.LEVEL, outcome, ASK, ask, 5 * ONE, LAST),
    ]


def asked(*moments: int) -> np.ndarray:
    return np.array(moments, np.int64)


def test_the_middle_is_that_of_the_last_complete_message() -> None:
    tape = tape_of([
        *book(100, 40, 44),
        (200, Kind.LEVEL, 0, BID, 42, ONE, 0),  # a message of two rows: the book is looked at after the second
        (200, Kind.LEVEL, 0, ASK, 44, 0, LAST),
        (300, Kind.LEVEL, 0, ASK, 46, ONE, LAST),
    ])  # fmt: skip
    answer = mids.market_middles([tape], 0, asked(99, 100, 199, 200, 299, 300))
    # After 200 no ask is left: the middle is unknown until 300, where it is (42 + 46) / 2.
    assert answer.mid.tolist() == [-1, 420_000, 420_000, -1, -1, 440_000]


def test_nothing_is_known_inside_a_gap_and_after_the_end() -> None:
    tape = tape_of([*book(100, 40, 44), (200, Kind.GAP, 0, 0, 0, 0, LAST), *book(300, 50, 54)], gaps=((150, 160),))
    answer = mids.market_middles([tape], 0, asked(120, 155, 180, 250, 300, 301))
    assert answer.mid.tolist() == [420_000, -1, 420_000, -1, 520_000, -1]


def test_after_the_resolution_it_is_the_payout() -> None:
    tape = tape_of([
        *book(100, 40, 44), (200, Kind.RESOLVED, 0, 0, 100, 0, 0), (200, Kind.RESOLVED, 1, 0, 0, 0, LAST),
    ])  # fmt: skip
    assert mids.market_middles([tape], 0, asked(199, 200, 10_000)).mid.tolist() == [420_000, ONE, ONE]
    assert mids.market_middles([tape], 1, asked(200, 10_000)).mid.tolist() == [0, 0]


def test_an_outcome_that_was_not_recorded_is_the_other_ones_complement() -> None:
    tape = tape_of(book(100, 40, 44))
    assert mids.market_middles([tape], 1, asked(100)).mid.tolist() == [580_000]


def test_a_price_series_is_its_own_middle() -> None:
    tape = tape_of([(100, Kind.PRICE, 0, 0, 31, 0, LAST), (200, Kind.PRICE, 0, 0, 33, 0, LAST)])
    assert mids.market_middles([tape], 0, asked(99, 100, 150, 200)).mid.tolist() == [-1, 310_000, 310_000, 330_000]


def test_a_book_holds_until_a_tape_that_follows_at_once_and_no_longer() -> None:
    day, minute = 86_400 * 10**9, 60 * 10**9
    first = tape_of([*book(day, 40, 44), (day + 9, Kind.LEVEL, 0, BID, 41, ONE, LAST)])
    # The next file goes on with changes, without a whole book.
    second = tape_of([(day + minute, Kind.LEVEL, 0, BID, 43, ONE, LAST)])
    far = tape_of([(3 * day, Kind.LEVEL, 0, BID, 43, ONE, LAST), *book(3 * day + 1, 60, 64)])
    moments = asked(day + 5, day + minute - 1, day + minute, day + 2 * minute, 3 * day, 3 * day + 1)
    answer = mids.market_middles([far, second, first], 0, moments)
    assert answer.mid.tolist() == [420_000, 425_000, 435_000, -1, -1, 620_000]


def test_a_crossed_book_is_told() -> None:
    assert mids.market_middles([tape_of(book(100, 46, 44))], 0, asked(100)).crossed.tolist() == [True]


def plain_walk(tape: Tape, outcome: int, moments: list[int]) -> list[int]:
    """The same answers by looking at one row after the other."""
    levels: dict[int, dict[int, int]] = {ASK: {}, BID: {}}
    unsure, settled, answers, now = True, None, [], -1
    rows = list(zip(*(tape.columns[name].tolist() for name in COLUMNS), strict=True))
    position = 0
    for moment in moments:
        while position < len(rows) and rows[position][1] <= moment:
            _, _, size, ticks, kind, of, side, flags = rows[position]
            if of == outcome:
                if kind == Kind.CLEAR:
                    levels, unsure = {ASK: {}, BID: {}}, False
                elif kind == Kind.GAP:
                    unsure = True
                elif kind == Kind.LEVEL:
                    levels[side].pop(ticks, None)
                    if size:
                        levels[side][ticks] = size
                elif kind == Kind.RESOLVED:
                    settled = ticks * STEP
            if flags & LAST:
                both = levels[BID] and levels[ASK]
                now = (max(levels[BID]) + min(levels[ASK])) * STEP // 2 if both and not unsure else -1
                now = now if settled is None else settled
            position += 1
        answers.append(now)
    return answers


@pytest.mark.parametrize("seed", range(12))
def test_it_equals_a_plain_walk_whatever_the_chunks(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    rows: list[tuple[Any, ...]] = []
    at = 1_000
    for _ in range(250):
        at += chance.choice((0, 1, 7, 40))
        if chance.random() < 0.04:
            rows += book(at, chance.randint(30, 50), chance.randint(51, 70), chance.randint(0, 1))
        elif chance.random() < 0.03:
            rows.append((at, Kind.GAP, chance.randint(0, 1), 0, 0, 0, LAST))
        else:
            for more in range(chance.randint(0, 2), -1, -1):
                size = chance.choice((0, 0, ONE, 3 * ONE))
                side = chance.choice((ASK, BID))
                ticks = chance.randint(30, 55) if side == BID else chance.randint(45, 70)
                kind = chance.choice((Kind.LEVEL, Kind.LEVEL, Kind.LEVEL, Kind.TRADE))
                rows.append((at, kind, chance.randint(0, 1), side, ticks, size, 0 if more else LAST))
    if seed % 3 == 0:
        rows += [(at, Kind.RESOLVED, 0, 0, 100, 0, 0), (at, Kind.RESOLVED, 1, 0, 0, 0, LAST)]
    tape = tape_of(rows)
    moments = sorted(chance.choices(range(990, at + 1), k=300))
    monkeypatch.setattr(mids, "CHUNK_ROWS", chance.choice((1, 5, 64, 10_000)))
    monkeypatch.setattr(mids, "_PAIRS", chance.choice((1, 100, 1 << 20)))
    for outcome in (0, 1):
        found = mids.market_middles([tape], outcome, np.array(moments, np.int64))
        assert found.mid.tolist() == plain_walk(tape, outcome, moments)


def test_without_venue_times_the_receive_times_count() -> None:
    tape = tape_of(book(100, 40, 44))
    silent = dataclasses.replace(tape, columns={**tape.columns, "venue_ns": np.zeros(3, np.int64)})
    assert mids.market_middles([silent], 0, asked(99, 100)).mid.tolist() == [-1, 420_000]
