"""The report of a backtest: what it says, that it is JSON and small, and that its parts agree."""

from __future__ import annotations

import json
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from backtests.domain import report as reports
from backtests.domain.decimation import decimated
from backtests.domain.replay import replay_exact
from backtests.domain.report import LARGEST, report_of
from backtests.domain.request import Fees, Latency
from backtests.domain.result import FORECAST, Funnel, Holding
from markets.domain.tape import Fidelity, Tape
from markets.domain.units import ONE, micro_from_text
from tests.backtests.domain.test_mids import book, tape_of
from tests.backtests.fast_worlds import world_make
from tests.backtests.reports import CAPITAL, START, fill_row, large_make, request_make, result_make

SECOND = 10**9


@pytest.fixture(scope="module")
def large() -> dict[str, Any]:
    result, tapes = large_make()
    bands = {"neutral": result, "optimistic": replace(result, cash=result.cash + 5 * ONE, rebates=5 * ONE)}
    return report_of(request_make(capital=result.capital), result, bands=bands, tapes=tapes)


def micro(text: str) -> int:
    return micro_from_text(text, field="test")


def test_ten_thousand_fills_stay_small_and_are_plain_json(large: dict[str, Any]) -> None:
    text = json.dumps(large, allow_nan=False)
    assert len(text) <= LARGEST
    assert json.loads(text) == large
    assert large["left_out"] == []
    assert len(large["equity"]["t"]) <= 500 and large["equity"]["of"] == 10_001
    assert large["trades"]["total"] == 10_000 and len(large["trades"]["rows"]) == 200


def test_its_sums_agree_with_each_other(large: dict[str, Any]) -> None:
    profit = micro(large["figures"]["profit"])
    split = {name: micro(text) for name, text in large["split"].items()}
    assert split.pop("total") == profit == sum(split.values())
    assert sum(micro(row["profit"]) for row in large["markets"]) == profit
    assert sum(micro(row["profit"]) for row in large["hours"]) == profit
    assert sum(micro(row["profit"]) for row in large["months"]) == profit
    assert sum(micro(row["profit"]) for row in large["categories"]) == profit
    assert sum(row["fills"] for row in large["markets"]) == sum(row["fills"] for row in large["hours"]) == 10_000
    # Every market has two tags, so tags count each twice.
    assert sum(row["fills"] for row in large["tags"]) == 20_000


def test_bands_stand_side_by_side_from_careful_to_hopeful(large: dict[str, Any]) -> None:
    assert list(large["bands"]["figures"]) == ["pessimistic", "neutral", "optimistic"]
    assert large["bands"]["main"] == "pessimistic" and set(large["bands"]["curves"]) == {"neutral", "optimistic"}
    low, high = (micro(large["bands"]["figures"][name]["profit"]) for name in ("pessimistic", "optimistic"))
    assert high - low == 5 * ONE


def test_many_markets_with_long_names_are_cut_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = large_make(fills=3_000, markets=150, days=400)
    long = tuple(replace(m, question="why " * 100, tags=tuple(f"tag {i} " + "x" * 90 for i in range(30)))
                 for m in result.markets)  # fmt: skip
    request = request_make(params={f"list {i}": ["slug"] * 500 for i in range(100)}, capital=result.capital)
    report = report_of(request, replace(result, markets=long), bands={}, tapes=())
    assert len(json.dumps(report)) <= LARGEST
    monkeypatch.setattr(reports, "LARGEST", 90_000)
    report = report_of(request, replace(result, markets=long), bands={}, tapes=())
    assert len(json.dumps(report)) <= 90_000
    assert {words.split(" ", 1)[1] for words in report["left_out"]} >= {"price pictures", "markets"}


def hand_made(**request: Any) -> tuple[dict[str, Any], Tape]:
    """One maker purchase and one taker sale in a market whose book moves from 40/44 to 50/54 a minute later."""
    minute = 60 * SECOND
    tape = tape_of([*book(START, 40, 44), *book(START + minute, 50, 54)])
    fills = [
        fill_row(30, price=40, size=100, mid=42),
        fill_row(55, buy=False, price=40, size=50, mid=42, taker=True, fee=600_000),
    ]
    held = Holding(market=0, outcome=0, size=50 * ONE, cost=20 * ONE, realized=0, fees=0, mark=500_000)
    worth = CAPITAL + 5 * ONE - 600_000
    result = result_make(fills, holdings=(held,), equity=[(60, worth)], end_ns=START + 2 * minute)
    return report_of(request_make(**request), result, bands={}, tapes=(tape,)), tape


def test_markouts_are_signed_weighted_and_unknown_beyond_the_tape() -> None:
    report, _ = hand_made()
    found = {(row["role"], row["horizon_s"]): row for row in report["markout"]}
    # A purchase at 40 ¢: 42 after 1 s and 10 s; 52 is not on record, the tape ends at 60 s exactly.
    assert found["maker", 1]["per_share"] == 20_000
    assert found["maker", 10]["per_share"] == 20_000
    assert found["maker", 60] == {"role": "maker", "horizon_s": 60, "fills": 1, "known": 0, "per_share": None}
    # A sale at 40 ¢ with the middle at 42 loses 2 ¢; weighted with the purchase of twice the size: +0.67 ¢.
    assert found["taker", 1]["per_share"] == -20_000
    assert found["all", 1]["per_share"] == pytest.approx((100 * 20_000 - 50 * 20_000) / 150)


def test_the_trades_table_shows_the_markout_after_a_minute_where_known() -> None:
    report, _ = hand_made()
    bought, sold = report["trades"]["rows"]
    assert bought[:7] == [30.0, 0, 0, "buy", "0.4", "100", "0"]
    assert bought[7] is None and sold[9] == "taker"


def test_calibration_by_hand() -> None:
    tape = tape_of([*book(START, 40, 44), (START + 100 * SECOND, 5, 0, 0, 100, 0, 0), (START + 100 * SECOND, 5, 1, 0, 0, 0, 1)])  # fmt: skip  # noqa: E501
    fills = [fill_row(1, price=40, size=10, mid=42), fill_row(2, price=58, size=10, mid=58, outcome=1)]
    settled = [
        (START + 100 * SECOND, 0, 0, 10 * ONE, ONE, 10 * ONE, 0),
        (START + 100 * SECOND, 0, 1, 10 * ONE, 0, 0, 0),
    ]
    stated = np.array([(START, 700_000, 420_000, 0, 0)], FORECAST)
    result = result_make(fills, settlements=settled, end_ns=START + 101 * SECOND, forecasts=stated)
    found = report_of(request_make(), result, bands={}, tapes=(tape,))["calibration"]
    assert [(one["low"], one["count"], one["came_true"]) for one in found["bins"]] == [(0.4, 1, 1.0), (0.5, 1, 0.0)]
    assert found["bought"] == {"brier": pytest.approx((0.58**2 + 0.58**2) / 2), "cases": 2, "outcomes": 2}
    # Held over nearly the whole recording: yes at 42 ¢ that paid a dollar, no at 58 ¢ that paid nothing.
    assert found["held"]["brier"] == pytest.approx(0.58**2)
    assert found["forecast"]["brier"] == pytest.approx(0.3**2)
    assert found["against"]["brier"] == pytest.approx(0.58**2)


def test_the_last_middle_before_the_settlement_comes_from_the_tape() -> None:
    tape = tape_of([*book(START, 40, 44), *book(START + 50 * SECOND, 88, 92),
                    (START + 100 * SECOND, 5, 0, 0, 100, 0, 0), (START + 100 * SECOND, 5, 1, 0, 0, 0, 1)])  # fmt: skip
    settled = [(START + 100 * SECOND, 0, 0, 100 * ONE, ONE, 100 * ONE, 0)]
    result = result_make([fill_row(1, price=42, size=100, mid=42)], settlements=settled, end_ns=START + 101 * SECOND)
    split = report_of(request_make(), result, bands={}, tapes=(tape,))["split"]
    assert (split["move"], split["settlement"], split["total"]) == ("48", "10", "58")


def test_the_verdict_says_what_it_made_and_why_it_is_weak() -> None:
    report, _ = hand_made(fees=Fees.NONE, latency=Latency(order_ms=0))
    verdict = report["verdict"]
    assert verdict["text"].startswith("Made +$4.40 (+0.44 %) on $1,000 in 1 day with 2 fills in 1 market, after $0.60")
    assert verdict["trust"] == "Do not trust it yet"
    assert verdict["because"] == [
        "only 0 positions were closed, fewer than 30", "no fees were charged", "1 day is few",
        "orders were assumed to arrive at once",
    ]  # fmt: skip


def test_a_band_on_the_other_side_of_zero_is_grave() -> None:
    good, bad = result_make(rebates=ONE), result_make([fill_row(0, price=50, size=10, taker=True, fee=ONE)])
    report = report_of(request_make(), bad, bands={"optimistic": good}, tapes=())
    assert "place assumed in the queue" in report["verdict"]["text"]


def test_the_chance_of_skill_is_the_probabilistic_sharpe_ratio() -> None:
    day = 86_400
    equity = [(day * (i + 1) - 60, CAPITAL + micros) for i, micros in enumerate((2 * ONE, ONE, 4 * ONE, 3 * ONE))]
    returns = np.array([2 / 1000, -1 / 1002, 3 / 1001, -1 / 1004])
    ratio = returns.mean() / returns.std(ddof=1)
    away = (returns - returns.mean()) / returns.std()
    skewness, kurtosis = (away**3).mean(), (away**4).mean()
    z = ratio * (3 / (1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2)) ** 0.5
    report = report_of(request_make(), result_make(equity=equity, rebates=3 * ONE), bands={}, tapes=())
    assert report["skill"]["probability"] == pytest.approx(NormalDist().cdf(z), abs=1e-6)
    report = report_of(request_make(), result_make(equity=equity[:1], rebates=2 * ONE), bands={}, tapes=())
    assert report["skill"] == {"probability": None, "reason": "less than two days of data", "days": 1}


def test_a_run_without_a_trade_says_nothing() -> None:
    report = report_of(request_make(), result_make(equity=[(60, CAPITAL)]), bands={}, tapes=())
    assert report["verdict"]["trust"] == "It says nothing"
    assert report["luck"] is None and report["prices"] == [] and report["trades"]["rows"] == []
    json.dumps(report, allow_nan=False)


def test_fidelity_names_gaps_inferred_trades_crossed_books_and_problems() -> None:
    tape = tape_of(book(START, 46, 44) + book(START + 100 * SECOND, 46, 44))
    fills = [fill_row(1, price=45, size=10, mid=45, inferred=True)]
    result = result_make(
        fills, end_ns=START + 100 * SECOND, gaps=((0, START + 10 * SECOND, START + 20 * SECOND), (0, START + 15 * SECOND, START + 30 * SECOND)),  # noqa: E501
        problems=("the book of number-0 was crossed",), fidelity=(Fidelity.BOOK,), stopped="the strategy raised",
    )  # fmt: skip
    report = report_of(request_make(), result, bands={}, tapes=(tape,))
    # 80 for a book, of which 80 % of the time is recorded; less 10 inferred and 10 crossed
    assert report["fidelity"]["score"] == 64 - 10 - 10
    assert any("80.00 % of the markets' time" in reason for reason in report["fidelity"]["reasons"])
    assert report["fidelity"]["is_low"] is True
    assert report["problems"] == ["the book of number-0 was crossed", "the strategy raised"]


def test_a_traded_market_without_a_tape_is_told() -> None:
    report = report_of(request_make(), result_make([fill_row(1, price=45, size=10)]), bands={}, tapes=())
    assert any("no recording was given for 1 traded markets" in reason for reason in report["fidelity"]["reasons"])


def test_the_funnel_keeps_the_most_frequent_reasons() -> None:
    funnel = Funnel(ticks=10, refused={f"rule {i}": i for i in range(30)}, errors=3, first_error="x" * 900)
    report = report_of(request_make(), result_make(funnel=funnel), bands={}, tapes=())
    assert report["funnel"]["refused"][0] == ["rule 29", 29] and len(report["funnel"]["refused"]) == 20
    assert len(report["funnel"]["first_error"]) == 500


@pytest.mark.parametrize("seed", range(5))
def test_fewer_points_keep_every_extreme(seed: int) -> None:
    chance = np.random.default_rng(seed)
    values = chance.normal(0, 1, 40_000).cumsum()
    rows = decimated(values, limit=500, keep=(123,))
    assert len(rows) <= 500 and 123 in rows and rows[0] == 0 and rows[-1] == len(values) - 1
    assert values[rows].max() == values.max() and values[rows].min() == values.min()
    assert (np.diff(rows) > 0).all()
    assert decimated(values[:500], limit=500).tolist() == list(range(500))
    with pytest.raises(ValueError, match="cannot hold"):
        decimated(values, limit=3)


@pytest.mark.parametrize("seed", range(6))
def test_replayed_worlds_balance_whatever_happened_in_them(seed: int) -> None:
    tapes, request, limits = world_make(seed)
    result = replay_exact(tapes, request, limits=limits)
    report = report_of(request, result, bands={}, tapes=tapes)
    split = {name: micro(text) for name, text in report["split"].items()}
    last = result.equity[-1]
    assert split.pop("total") == sum(split.values()) == int(last["cash"] + last["positions"]) - result.capital
    assert len(json.dumps(report, allow_nan=False)) <= LARGEST
