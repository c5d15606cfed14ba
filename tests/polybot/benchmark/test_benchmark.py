"""The comparisons run, assert that both ways agree, and notice when they do not."""

from __future__ import annotations

import pytest
from django.conf import settings

from polybot.benchmark import decode, fanout, frames, publish, receive
from polybot.benchmark.report import Comparison, Wrong, table

URL = settings.TICKSTORE_URL


def test_each_comparison_runs_small() -> None:
    made = frames.frames_made(600, markets=3)
    rows = [
        *decode.compare(made, rounds=1),
        *receive.compare(messages=300, size=850, rounds=1),
        *publish.compare(made, URL, rounds=1),
        *fanout.compare(URL, sockets=3, updates=40, rounds=1),
    ]
    assert len(rows) == 6 and all(row.ours > 0 and row.theirs > 0 for row in rows)


def test_frames_are_the_same_every_time() -> None:
    assert frames.frames_made(50) == frames.frames_made(50)


def test_a_wrong_book_is_noticed() -> None:
    made = frames.frames_made(50, markets=1)
    ours, plain = decode._ours(made)[1], decode._plain_numbers(made)[1]
    next(iter(plain.values()))[0][0.123] = 1.0
    with pytest.raises(Wrong, match="side of"):
        decode._assert_equal(ours, plain)


def test_the_table_says_what_was_met() -> None:
    rows = [
        Comparison(name="fast", unit="x/s", ours=30, theirs=10, target=2),
        Comparison(name="slow", unit="x/s", ours=10, theirs=10, target=2),
        Comparison(name="even", unit="x/s", ours=11, theirs=10, target=1.2, at_most=True),
    ]
    assert [row.verdict for row in rows] == ["met", "MISSED", "met"]
    assert "3.00" in table(rows) and "<=1.2" in table(rows)
