"""The CLOB's compact market object, read strictly."""

from __future__ import annotations

import json

import pytest

from markets.domain.instruments import FeeSchedule
from markets.venues.base import ParseError
from markets.venues.polymarket.clob_facts import read_facts
from markets.venues.polymarket.fees import FREE

BODY = {
    "c": "0xAb", "t": [{"t": "1", "o": "Yes"}, {"t": "2", "o": "No"}], "mts": 0.01, "mos": 5, "nr": True, "ao": True,
    "fd": {"r": 0.04, "e": 1, "to": True}, "mbf": 0, "tbf": 1000, "sd": 0, "r": None,
}  # fmt: skip


def read(**changes: object) -> object:
    body = {name: value for name, value in (BODY | changes).items() if value is not ...}
    return read_facts(json.dumps(body).encode(), "0xab")


def test_the_facts_are_exact() -> None:
    facts = read()
    assert (facts.tick, facts.minimum_size, facts.neg_risk, facts.accepting) == (10_000, 5_000_000, True, True)
    assert (facts.fee, facts.token_ids, facts.drifted) == (FeeSchedule(rate_ppm=40_000), ("1", "2"), ())


def test_absent_fee_means_free_and_absent_neg_risk_no() -> None:
    facts = read(fd=..., nr=...)
    assert facts.fee == FREE and facts.neg_risk is False


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"c": "0xff"}, "c"),
        ({"ao": "true"}, "ao"),
        ({"ao": ...}, "ao"),
        ({"mts": 0}, "mts"),
        ({"mts": -0.01}, "mts"),
        ({"mts": True}, "mts"),
        ({"mos": None}, "mos"),
        ({"fd": 3}, "fd"),
        ({"fd": {"r": 2, "e": 1}}, "fd.r"),
        ({"fd": {"r": 0.1, "e": 9}}, "fd.e"),
        ({"t": 5}, "t"),
        ({"t": [{"o": "Yes"}]}, "t"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(ParseError) as error:
        read(**changes)
    assert error.value.field == field


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"c":', b'{"mts": NaN}'])
def test_no_object_no_facts(body: bytes) -> None:
    with pytest.raises(ParseError):
        read_facts(body, "0xab")


def test_a_new_field_is_told_and_stops_nothing_here() -> None:
    (found,) = read(zz=1).drifted
    assert (found.source, found.difference.field, found.condition_id) == ("rest.clob_market", "zz", "0xab")
