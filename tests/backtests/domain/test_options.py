from __future__ import annotations

import json
from typing import Any

import pytest

from backtests.domain.options import data_refs, nanoseconds_of, options_of, request_load, request_make, text_of
from backtests.domain.request import BacktestRequest, Fees, Mode, QueueAssumption, RequestError, Slippage
from strategies.domain.parameters import ParameterError

DATA = [{"market": "polymarket.some-game", "day": "2025-06-25"}]
DAY_NS = 1_750_809_600 * 10**9  # 2025-06-25 00:00 UTC


def made(**values: Any) -> BacktestRequest:
    return request_make(**{"strategy": "market_making", "params": {}, "data": DATA, "options": {}, **values})


def test_people_say_dollars_and_days_and_the_request_counts_millionths_and_nanoseconds() -> None:
    request = made(
        params={"size": "12.50"},
        options={
            "capital": "250.5", "mode": "fast", "start": "2025-06-25 10:00", "end": "2025-06-25T11:30:00.25Z",
            "fees": "fixed", "fee_rate": "0.05", "slippage": "proportional", "slippage_amount": "0.001",
            "queue": "neutral", "latency": {"order_ms": 20}, "bands": False, "seed": 3, "profile": "conservative",
        },
    )  # fmt: skip
    assert (request.capital, request.fee_rate_ppm, request.slippage_amount) == (250_500_000, 50_000, 1_000)
    assert (request.start_ns, request.end_ns) == (
        DAY_NS + 36_000 * 10**9,
        DAY_NS + 41_400 * 10**9 + 250_000_000,
    )
    assert (request.mode, request.fees, request.slippage) == (Mode.FAST, Fees.FIXED, Slippage.PROPORTIONAL)
    assert (request.latency.order_ms, request.latency.answer_ms) == (20, 50)
    assert request.queue is QueueAssumption.NEUTRAL and request.params["size"] == "12.5"


def test_a_stored_request_comes_back_the_same() -> None:
    request = made(options={"start": "2025-06-25 10:00:00.123456789", "capital": "12.345678"})
    stored = json.loads(json.dumps(request.as_json(), allow_nan=False))
    assert request_load(stored) == request
    assert request_load(stored).digest == request.digest
    assert made(params=request.params, options=options_of(request)) == request
    with pytest.raises(RequestError, match="colour, which this version does not know"):
        request_load({**stored, "colour": "red"})
    with pytest.raises(RequestError, match="cannot be read"):
        request_load({**stored, "mode": "guess"})


def test_every_bad_field_is_named() -> None:
    with pytest.raises(ParameterError) as caught:
        made(
            params={"size": "many", "levels": 99, "colour": "red"},
            data=[],
            options={"capital": "0", "interval_ms": 1, "mode": "guess", "start": "yesterday", "latency": {"x": 1}},
        )
    assert set(caught.value.errors) == {
        "params.size", "params.levels", "params.colour", "data", "capital", "interval_ms", "mode", "start", "latency.x",
    }  # fmt: skip


def test_the_end_lies_after_the_start() -> None:
    with pytest.raises(ParameterError) as caught:
        made(options={"start": "2025-06-25", "end": "2025-06-25 00:00"})
    assert caught.value.errors == {"end": "the end must lie after the start"}


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e9", "-1", "0.0000001", True])
def test_capital_is_a_sane_amount(value: Any) -> None:
    with pytest.raises(ParameterError, match="capital"):
        made(options={"capital": value})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", None), ("2025-06-25", DAY_NS), ("2025-06-25 00:00:01", DAY_NS + 10**9), ("2025-06-25T00:00Z", DAY_NS),
     ("2025-06-25 00:00:00.000000001", DAY_NS + 1)],
)  # fmt: skip
def test_times(text: str, expected: int | None) -> None:
    assert nanoseconds_of(text) == expected
    assert nanoseconds_of(text_of(expected)) == expected


@pytest.mark.parametrize("text", ["2025-13-01", "2025-06-31", "25.06.2025", "2025-06-25 25:00", "2025-06-25+02:00"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="2026-07-11"):
        nanoseconds_of(text)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "at least one"),
        ([{"market": "a"}], "by its market and its day"),
        ([{"market": "a", "day": "2025-06-31"}], "is no day"),
        ([{"market": "a", "day": "2025-06-25"}] * 2, "named twice"),
        ([{"market": str(i), "day": "2025-06-25"} for i in range(501)], "more than 500"),
    ],
)
def test_recordings_are_named_once_and_properly(data: list[dict[str, str]], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        data_refs(data)
