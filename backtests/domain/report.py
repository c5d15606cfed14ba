"""The report of a finished backtest as one JSON value: what the page, the export, the API and comparisons show.

Money and prices are plain decimal texts in dollars, curves are floats (`report_series`), times are seconds after
`start`, which is seconds since 1970, and days count from 1970. A report never grows beyond LARGEST bytes: what is left
out for that is named in `left_out`, and every fill is in the trades file.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from backtests.domain import report_series as series
from backtests.domain.assumptions import assumptions_of
from backtests.domain.breakdown import Part, by_hour, by_label, by_market, by_month
from backtests.domain.calibration import Calibration, calibration_of
from backtests.domain.curves import curve_of, days_of
from backtests.domain.deflated import probabilistic_sharpe
from backtests.domain.fidelity import data_score
from backtests.domain.markout import markouts_of
from backtests.domain.metrics import Metrics, metrics_of
from backtests.domain.mids import UNKNOWN, Floats, Ints
from backtests.domain.pnl_split import Split, splits_of, whole
from backtests.domain.ratios import YEAR_DAYS, Undefined, moments, sharpe
from backtests.domain.recorded import HORIZONS_S, recorded_of
from backtests.domain.request import BacktestRequest
from backtests.domain.resampling import Resampled, resampled
from backtests.domain.result import BacktestResult, Funnel
from backtests.domain.rounds import moves_of, rounds_of
from backtests.domain.verdict import Verdict, verdict_of
from markets.domain.tape import BID, Tape
from markets.domain.units import text_from_micro

FORMAT = 1
LARGEST = 200_000
TRADES = 200  # first fills; all of them are in the trades file
MARKETS = 100  # by the size of their profit or loss
LABELS = 40
DAYS_NAMED = 60
_MONEY = ("profit", "max_drawdown_amount", "best", "worst", "turnover", "fees", "rebates")  # exact figures
_MARKOUT_SHOWN = HORIZONS_S.index(60)


def report_of(
    request: BacktestRequest,
    result: BacktestResult,
    *,
    bands: Mapping[str, BacktestResult],
    tapes: Sequence[Tape],
) -> dict[str, Any]:
    """Return the report. `bands` are the results under other queue assumptions, `tapes` what was replayed.

    Without tapes there are no markouts, no prices and no calibration over time. Raises UnbalancedResult when the cash
    of `result` is not explained by its fills, settlements and rebates.
    """
    curve = curve_of(result)
    days = days_of(curve)
    recorded = recorded_of(result, tapes)
    metrics = metrics_of(result)
    data = data_score(result, recorded)
    splits = splits_of(result, recorded.before_end)
    parts = by_market(result, splits)
    nets = rounds_of(moves_of(result))["net"]
    luck = resampled(nets, seed=request.seed)
    all_bands = _bands(request, result, bands)
    figures = {name: metrics_of(band) for name, band in all_bands.items()}
    verdict = verdict_of(
        request, result, metrics, data=data, bands={name: band.profit for name, band in figures.items()}, luck=luck
    )
    start_ns = int(curve.at_ns[0])
    report: dict[str, Any] = {
        "format": FORMAT,
        "start": start_ns // 10**9,
        "end": int(curve.at_ns[-1]) // 10**9,
        "strategy": request.strategy,
        "params": _params(request.params),
        "verdict": _verdict(verdict),
        "fidelity": {"score": data.score, "reasons": list(data.reasons), "is_low": data.is_low},
        "figures": _figures(metrics),
        "assumptions": [list(pair) for pair in assumptions_of(request, result, tapes)],
        "data": _data(request, result, tapes),
        "problems": [words[:300] for words in (*result.problems, *([result.stopped] if result.stopped else []))][:20],
        "equity": series.equity_series(curve),
        "allocation": series.allocation_series(curve),
        "bands": {
            "main": str(request.queue),
            "figures": {name: _figures(band) for name, band in figures.items()},
            "curves": series.band_series({n: b for n, b in all_bands.items() if n != request.queue}, start_ns),
        },
        "split": _split(whole(result, splits)),
        "months": [asdict(month) | _texts(month, "profit", "fees") for month in by_month(result, curve, days)],
        "days": series.daily_series(days),
        "distribution": {
            "closed": series.histogram(nets / 1e6, places=4),
            "daily": series.histogram(100 * days.returns, places=4),
        },
        "markout": [asdict(markout) for markout in markouts_of(result.fills, recorded.after)],
        "calibration": _calibration(calibration_of(result, recorded)),
        "luck": _luck(luck),
        "skill": _skill(days.returns),
        "funnel": _funnel(result.funnel),
        "outcomes": [[facts.question[:120], [o.label[:40] for o in facts.outcomes]] for facts in result.markets],
        "markets": _markets(result, parts),
        "tags": _parts(by_label(result, parts, lambda i: result.markets[i].tags or ("no tag",))),
        "categories": _parts(by_label(result, parts, lambda i: (str(result.markets[i].category),))),
        "hours": [_part(hour) for hour in by_hour(result, curve)],
        "prices": series.price_series(result, recorded, start_ns),
        "trades": _trades(result, recorded.after, start_ns),
        "left_out": [],
    }
    return _fitted(report)


def _bands(
    request: BacktestRequest, result: BacktestResult, bands: Mapping[str, BacktestResult]
) -> dict[str, BacktestResult]:
    """Return all results by queue assumption, from the most careful to the most hopeful."""
    known = {**bands, str(request.queue): result}
    order = ("pessimistic", "neutral", "optimistic")
    return {name: known[name] for name in (*order, *sorted(set(known) - set(order))) if name in known}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return asdict(verdict) | {
        "amount": text_from_micro(verdict.amount),
        "because": list(verdict.because),
        "text": verdict.text,
    }


def _figures(metrics: Metrics) -> dict[str, Any]:
    """Return every figure by name: amounts as texts, what is undefined as null with its reason."""
    values: dict[str, Any] = {}
    for field in fields(metrics):
        value = getattr(metrics, field.name)
        if field.name in _MONEY and value is not None:
            value = text_from_micro(value)
        elif field.name == "expectancy" and value is not None:
            value = round(value / 1e6, 6)
        elif isinstance(value, float):
            value = round(value, 6)
        values[field.name] = dict(value) if field.name == "reasons" else value
    return values


def _texts(row: Any, *names: str) -> dict[str, str]:
    return {name: text_from_micro(getattr(row, name)) for name in names}


def _split(split: Split) -> dict[str, str]:
    names = ("spread", "slippage", "move", "settlement", "fees", "rebates", "total")
    return _texts(split, *names)


def _part(part: Part) -> dict[str, Any]:
    return {"name": part.name[:60], "fills": part.fills} | _texts(part, "profit", "traded", "fees")


def _parts(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Return the best and the worst, by profit, where there are very many."""
    shown = parts if len(parts) <= LABELS else (*parts[: LABELS // 2], *parts[-LABELS // 2 :])
    return [_part(part) | {"split": _split(part.split)} for part in shown]


def _markets(result: BacktestResult, parts: Sequence[Part]) -> list[dict[str, Any]]:
    order = sorted(range(len(parts)), key=lambda i: (-abs(parts[i].profit), i))
    return [
        _part(parts[i])
        | {"market": i, "split": _split(parts[i].split), "fidelity": str(result.fidelity[i])}
        for i in order[:MARKETS]
    ]  # fmt: skip


def _data(request: BacktestRequest, result: BacktestResult, tapes: Sequence[Tape]) -> dict[str, Any]:
    """Return what identifies the data: equal digests mean that the same recordings were replayed over the same span."""
    digests = sorted(tape.digest or f"unsaved {tape.facts.slug}" for tape in tapes)
    span = f"{result.start_ns} {result.end_ns}"
    return {
        "digest": hashlib.sha256("\n".join([span, *digests]).encode()).hexdigest(),
        "tapes": len(tapes),
        "markets": len(result.markets),
        "days": sorted({ref.day for ref in request.data})[:DAYS_NAMED],
        "events": result.events,
    }


def _params(params: Mapping[str, Any], prefix: str = "") -> list[list[str]]:
    """Return parameters as (path, value), at most 80, long values cut."""
    rows: list[list[str]] = []
    for name, value in params.items():
        if isinstance(value, Mapping):
            rows += _params(value, f"{prefix}{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            rows.append([f"{prefix}{name}", text[:200]])
    return rows[:80]


def _calibration(found: Calibration) -> dict[str, Any]:
    value = asdict(found)
    value["bins"] = [
        {key: list(item) if isinstance(item, tuple) else item for key, item in one.items()} for one in value["bins"]
    ]
    return value


def _luck(luck: Resampled | None) -> dict[str, Any] | None:
    if luck is None:
        return None
    return {
        "positions": luck.positions,
        "draws": luck.draws,
        "profit": [text_from_micro(amount) for amount in luck.profit],
        "drawdown": [text_from_micro(amount) for amount in luck.drawdown],
        "losing": luck.losing,
        "histogram": series.luck_series(luck),
    }


def _skill(returns: Floats) -> dict[str, Any]:
    """Return the probability that the true Sharpe ratio is above zero, were this the only try; None with its reason."""
    try:
        ratio = sharpe(returns) / math.sqrt(YEAR_DAYS)
        skewness, kurtosis = moments(returns)
        chance = probabilistic_sharpe(ratio, benchmark=0.0, count=len(returns), skewness=skewness, kurtosis=kurtosis)
    except Undefined as missing:
        return {"probability": None, "reason": str(missing), "days": len(returns)}
    return {"probability": round(chance, 6), "reason": "", "days": len(returns)}


def _funnel(funnel: Funnel) -> dict[str, Any]:
    """Return the counts, the twenty most frequent reasons of each kind, the most frequent first."""
    values = asdict(funnel)
    for name in ("refused", "shrunk", "rejected", "gates"):
        ordered = sorted(values[name].items(), key=lambda item: (-item[1], item[0]))[:20]
        values[name] = [[reason[:80], count] for reason, count in ordered]
    values["first_error"] = values["first_error"][:500]
    return values


def _trades(result: BacktestResult, after: Ints, start_ns: int) -> dict[str, Any]:
    rows = []
    for number, fill in enumerate(result.fills[:TRADES]):
        later = int(after[number, _MARKOUT_SHOWN])
        gain = later - int(fill["price"]) if fill["side"] == BID else int(fill["price"]) - later
        rows.append(
            [
                round((int(fill["at_ns"]) - start_ns) / 1e9, 3), int(fill["market"]), int(fill["outcome"]),
                "buy" if fill["side"] == BID else "sell", text_from_micro(int(fill["price"])),
                text_from_micro(int(fill["size"])), text_from_micro(int(fill["fee"])),
                None if later == UNKNOWN else text_from_micro(gain), text_from_micro(int(fill["realized"])),
                "taker" if fill["taker"] else "maker", int(fill["inferred"]),
            ]
        )  # fmt: skip
    return {"total": len(result.fills), "rows": rows}


def _fitted(report: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is least missed until the report is small enough."""
    steps: tuple[tuple[str, str, int], ...] = (
        ("prices", "price pictures", 3),
        ("markets", "markets", 40),
        ("trades", "trades", 60),
        ("tags", "tags", 20),
        ("prices", "price pictures", 1),
        ("markets", "markets", 10),
    )
    _name_only_what_is_shown(report)
    for key, words, keep in steps:
        if _size(report) <= LARGEST:
            break
        rows = report["trades"]["rows"] if key == "trades" else report[key]
        if keep < len(rows):
            report["left_out"].append(f"{len(rows) - keep} {words}")
            del rows[keep:]
        _name_only_what_is_shown(report)
    return report


def _name_only_what_is_shown(report: dict[str, Any]) -> None:
    """Turn the list of outcome names into one by market, of the markets that are mentioned."""
    shown = {row["market"] for row in report["markets"]} | {price["market"] for price in report["prices"]}
    shown |= {row[1] for row in report["trades"]["rows"]}
    names = report["outcomes"]
    items = names.items() if isinstance(names, dict) else ((str(i), name) for i, name in enumerate(names))
    report["outcomes"] = {key: name for key, name in items if int(key) in shown}


def _size(report: dict[str, Any]) -> int:
    return len(json.dumps(report))
