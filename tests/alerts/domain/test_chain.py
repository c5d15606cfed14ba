"""The hash chain: what is hashed, and which changes it shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from alerts.domain import chain


def links(count: int) -> list[chain.Link]:
    made: list[chain.Link] = []
    previous = chain.GENESIS
    for seq in range(1, count + 1):
        content = {"message": f"event {seq}"}
        this = chain.chained_hash(previous, seq, content)
        made.append(chain.Link(seq=seq, previous_hash=previous, hash=this, content=content))
        previous = this
    return made


def test_the_hash_covers_previous_hash_number_and_content() -> None:
    # sha256("0"*64 + "1" + '{"a":1}'), worked out with coreutils' sha256sum.
    assert (
        chain.chained_hash(chain.GENESIS, 1, {"a": 1})
        == "801f4bfa50a3c002f995a351316002967147f7b2fc712baa73e4ce05414917ad"
    )


def test_an_untouched_chain_has_no_break() -> None:
    assert chain.first_break(links(5)) is None


def test_a_changed_row_is_named() -> None:
    rows = links(5)
    rows[2] = replace(rows[2], content={"message": "something else"})
    assert chain.first_break(rows) == chain.Break(seq=3, problem="row 3 was changed after it was written")


def test_a_removed_row_is_named() -> None:
    rows = links(5)
    del rows[1]
    assert chain.first_break(rows) == chain.Break(seq=2, problem="row 2 is missing, the next one is 3")


def test_a_row_rewritten_with_a_matching_hash_breaks_the_next_one() -> None:
    rows = links(5)
    content = {"message": "forged"}
    forged = chain.chained_hash(rows[1].previous_hash, 2, content)
    rows[1] = replace(rows[1], content=content, hash=forged)
    assert chain.first_break(rows) == chain.Break(seq=3, problem="row 3 does not follow from row 2")


def test_times_are_hashed_in_utc_with_six_decimals() -> None:
    at = datetime(2026, 11, 20, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    assert chain.time_text(at) == "2026-11-20T10:00:00.000005Z"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("0.500000"), "0.500000"),
        (Decimal("1E+3"), "1000"),
        (0.1, "0.1"),
        (float("nan"), "nan"),
        ({"b": {3, 1, 2}}, {"b": [1, 2, 3]}),
        ((1, None, True), [1, None, True]),
        ("a\x00b\ud800", "a\ufffdb?"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00.000000Z"),
    ],
)
def test_payloads_become_json_that_the_database_returns_unchanged(value: object, expected: object) -> None:
    assert chain.clean_json(value) == expected


def test_texts_are_cut_not_refused() -> None:
    assert chain.clean_text("x" * 600, limit=500) == "x" * 500
