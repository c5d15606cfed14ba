"""Gamma's objects are read strictly: what is wrong is named, what is not ours is skipped with a reason."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.domain.instruments import Category, FeeSchedule, MarketState
from markets.venues.base import MarketRecord, ParseError
from markets.venues.polymarket import gamma
from tests.fakes.catalogue import gamma_json

DATA = Path(__file__).resolve().parents[5] / "shared" / "data"


def test_a_market_is_read_whole() -> None:
    market = gamma.market_from_json(gamma_json())
    assert (market.state, market.tick, market.minimum_size) == (MarketState.OPEN, 10_000, 5_000_000)
    assert [(o.label, o.token_id, o.payout) for o in market.outcomes] == [("Yes", "71", None), ("No", "72", None)]
    assert market.fee == FeeSchedule(rate_ppm=50_000, exponent=1, rebate_ppm=150_000)
    assert (market.volume, market.liquidity) == (Decimal("10.5"), Decimal("3.25"))
    assert market.closes_at is not None and market.closes_at.isoformat() == "2026-12-01T12:00:00+00:00"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, MarketState.OPEN),
        ({"acceptingOrders": False}, MarketState.PAUSED),
        ({"active": False}, MarketState.PAUSED),
        ({"archived": True}, MarketState.PAUSED),
        ({"closed": True}, MarketState.CLOSED),
        ({"closed": True, "outcomePrices": '["0.999", "0.001"]'}, MarketState.CLOSED),
        ({"closed": True, "outcomePrices": '["1", "0"]'}, MarketState.RESOLVED),
        ({"closed": True, "outcomePrices": '["1", "0"]', "umaResolutionStatus": "disputed"}, MarketState.CLOSED),
        ({"closed": True, "outcomePrices": '["1", "0"]', "umaResolutionStatus": "proposed"}, MarketState.CLOSED),
        ({"closed": True, "outcomePrices": '["1", "1"]'}, MarketState.CLOSED),
        ({"closed": True, "outcomePrices": '["0", "0"]'}, MarketState.CLOSED),
        ({"closed": True, "outcomePrices": '["0.5", "0.5"]'}, MarketState.CLOSED),
        ({"closed": True, "outcomePrices": '["0.5", "0.5"]', "umaResolutionStatus": "resolved"}, MarketState.RESOLVED),
        ({"closed": False, "outcomePrices": '["1", "0"]', "umaResolutionStatus": "resolved"}, MarketState.OPEN),
    ],
)
def test_resolution_needs_strict_evidence(changes: dict[str, Any], state: MarketState) -> None:
    market = gamma.market_from_json(gamma_json(**changes))
    assert market.state is state
    payouts = {o.payout for o in market.outcomes}
    assert (payouts == {None}) == (state is not MarketState.RESOLVED)


CONDITION = f"0x01{'ab' * 18}{'00' * 8}{'12345678'}00"
POSITIONS = [str(int(CONDITION, 16)), str(int(CONDITION, 16) | 1)]


def position_market(**changes: Any) -> MarketRecord:
    told = {"version": "v2", "conditionId": CONDITION, "clobTokenIds": "[]", "positionIds": json.dumps(POSITIONS)}
    return gamma.market_from_json(gamma_json(**{**told, "resolutionStatus": "active", **changes}))


def test_a_market_of_the_newer_protocol_trades_under_its_position_ids() -> None:
    for condition in (CONDITION, CONDITION[:-2]):  # both forms are listed
        market = position_market(conditionId=condition)
        assert [o.token_id for o in market.outcomes] == POSITIONS
        assert market.state is MarketState.OPEN


@pytest.mark.parametrize(
    "changes",
    [
        {"positionIds": json.dumps(POSITIONS[::-1])},
        {"positionIds": json.dumps([POSITIONS[0], str(int(POSITIONS[1]) + 1)])},
        {"positionIds": json.dumps([str(7 << 60), str(7 << 60 | 1)])},
        {"conditionId": "0x" + "34" * 32},
    ],
)
def test_position_ids_of_another_condition_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ParseError) as caught:
        position_market(**changes)
    assert caught.value.field == "positionIds"


@pytest.mark.parametrize(
    ("word", "state"),
    [("active", MarketState.CLOSED), ("inactive", MarketState.CLOSED), ("resolved", MarketState.RESOLVED)],
)
def test_the_newer_protocol_says_itself_whether_it_is_resolved(word: str, state: MarketState) -> None:
    market = position_market(closed=True, outcomePrices='["1", "0"]', resolutionStatus=word)
    assert market.state is state


GROUP = "0x" + "cd" * 31 + "00"


@pytest.mark.parametrize(
    ("question", "place"),
    [(GROUP, 0), (GROUP[:-2] + "0A", 10), ("0x" + "ce" * 31 + "01", None), ("", None), (GROUP[:-1], None)],
)
def test_a_place_in_a_group_is_only_what_the_question_number_proves(question: str, place: int | None) -> None:
    market = gamma.market_from_json(gamma_json(negRisk=True, negRiskMarketID=GROUP.upper().replace("X", "x"),
                                               questionID=question))  # fmt: skip
    assert (market.group_id, market.group_index) == (GROUP, place)


def test_payouts_follow_the_final_prices() -> None:
    market = gamma.market_from_json(gamma_json(closed=True, outcomePrices='["0", "1"]'))
    assert [o.payout for o in market.outcomes] == [0, 1_000_000]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"outcomes": '["A", "B", "C"]', "clobTokenIds": '["1", "2", "3"]'}, "not binary"),
        ({"conditionId": ""}, "no condition id"),
        ({"clobTokenIds": ...}, "no tokens"),
        ({"clobTokenIds": '["", ""]'}, "no tokens"),
        ({"enableOrderBook": False}, "no order book"),
    ],
)
def test_what_is_not_ours_is_skipped_with_a_reason(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(gamma.Skipped, match=reason):
        gamma.market_from_json(gamma_json(**changes))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("orderPriceMinTickSize", 0), ("orderPriceMinTickSize", "NaN"), ("orderPriceMinTickSize", 0.03),
        ("orderPriceMinTickSize", ...), ("orderPriceMinTickSize", True), ("orderMinSize", 0), ("orderMinSize", -5),
        ("orderMinSize", "1e9"), ("volume24hr", -1), ("volume24hr", "Infinity"), ("liquidityNum", 1e30),
        ("clobTokenIds", '["71", "71"]'), ("clobTokenIds", '["x", "72"]'), ("clobTokenIds", "not json"),
        ("outcomes", 7), ("conditionId", "71"), ("conditionId", 71), ("closed", "yes"), ("active", 1),
        ("endDate", "soon"), ("endDate", "2026-13-01"), ("question", ...), ("question", "a\x00b"), ("slug", 5),
        ("umaResolutionStatus", "maybe"), ("feeSchedule", []), ("feesEnabled", "true"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(field: str, value: Any) -> None:
    with pytest.raises(ParseError) as caught:
        gamma.market_from_json(gamma_json(**{field: value}))
    assert caught.value.field == field and caught.value.source == "gamma.market"


ODD_SCHEDULES: list[dict[str, Any]] = [
    {"rate": "0.05", "exponent": 1, "rebateRate": 0},
    {"rate": 2, "exponent": 1, "rebateRate": 0},
    {"rate": 0.05, "exponent": 0.5, "rebateRate": 0},
    {"rate": 0.05},
]


@pytest.mark.parametrize("schedule", ODD_SCHEDULES)
def test_an_odd_fee_schedule_is_refused(schedule: dict[str, Any]) -> None:
    with pytest.raises(ParseError, match="feeSchedule"):
        gamma.market_from_json(gamma_json(feeSchedule=schedule))


def test_fees_nobody_speaks_of_are_unknown_and_switched_off_fees_are_zero() -> None:
    assert gamma.market_from_json(gamma_json(feesEnabled=..., feeSchedule=...)).fee is None
    assert gamma.market_from_json(gamma_json(feeSchedule=...)).fee is None
    assert gamma.market_from_json(gamma_json(feesEnabled=False)).fee == FeeSchedule(rate_ppm=0)


def test_one_bad_market_does_not_cost_its_event() -> None:
    markets = [gamma_json(), gamma_json(id="13", orderMinSize=0), gamma_json(id="14", conditionId="")]
    event = {"id": "1", "slug": "s", "title": "T", "tags": [{"slug": "crypto", "label": "Crypto"}], "markets": markets}
    body = json.dumps({"events": [event, {"id": 7}], "next_cursor": "abc"}, default=float).encode()
    page, cursor = gamma.read_events_page(body)
    assert cursor == "abc" and [e.field for e in page.refused] == ["id"]
    (found,) = page.events
    assert found.category is Category.CRYPTO
    assert ([m.venue_id for m in found.markets], [e.field for e in found.refused]) == (["12"], ["orderMinSize"])
    assert found.skipped == ("market 14: no condition id yet",)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"events": 5}', b'{"events": [], "next_cursor": 5}', b"<html>"])
def test_a_page_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        gamma.read_events_page(body)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(['["1", "0"]', "[" * 3_000, "2026-01-01", "0001-01-01T00:00:00+23:59"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(field=st.sampled_from(sorted(gamma_json())), value=values)
def test_no_value_raises_anything_untyped(field: str, value: Any) -> None:
    with suppress(ParseError, gamma.Skipped):
        gamma.market_from_json({**gamma_json(), field: value})


@pytest.mark.skipif(not DATA.exists(), reason="the shared recordings are not here")
def test_recorded_markets_are_all_understood() -> None:
    decode = msgspec.json.Decoder(float_hook=Decimal).decode
    with gzip.open(DATA / "gamma" / "gamma_markets_active_100_2025-05-07.json.gz") as listed:
        rows = decode(listed.read())
    with gzip.open(DATA / "crypto_updown" / "BTC-5m-markets-2026-07-24.jsonl.gz") as lines:
        rows += [decode(line)["raw"] for line in lines]
    states: dict[str, int] = {}
    for row in rows:
        try:
            state = str(gamma.market_from_json(row).state)
        except gamma.Skipped:
            state = "skipped"
        states[state] = states.get(state, 0) + 1
    assert states == {"open": 99, "skipped": 1, "resolved": 292}
