"""A stored backtest report as its page shows it: figures in words, tables, pictures. Reads the JSON only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.http import HttpRequest

from polybot.dashboard import numbers
from polybot.dashboard import report_pictures as pictures
from polybot.dashboard.report_figures import Figure, figures_all, figures_first
from polybot.dashboard.tables import Column, Table

TRADE_ROWS = 50
QUEUE_NAMES = {"pessimistic": "Pessimistic", "neutral": "Neutral", "optimistic": "Optimistic"}
SPLIT_NAMES = (
    ("spread", "Spread earned"),
    ("slippage", "Slippage paid"),
    ("move", "Price moves held"),
    ("settlement", "Settlement"),
    ("fees", "Fees"),
    ("rebates", "Rebates"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    at: str  # UTC
    question: str
    outcome: str
    side: str
    price: Decimal
    size: Decimal
    fee: Decimal
    markout: Decimal | None  # dollars a share
    realized: Decimal
    role: str
    inferred: bool
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    """One market, tag or category."""

    name: str
    detail: str
    profit: Decimal
    fills: int
    traded: Decimal
    fees: Decimal
    spread: Decimal
    slippage: Decimal
    move: Decimal
    settlement: Decimal


def report_shown(report: Mapping[str, Any], request: HttpRequest | None, *, pictures_shown: int = 1) -> dict[str, Any]:
    """Return what the report's template needs. Without a request (the export) tables have no links, trades no pages."""
    asked = request or HttpRequest()
    prices = _prices(report, asked, pictures_shown)
    return {
        "report": report,
        "export": request is None,
        "verdict": _verdict(report["verdict"]),
        "ring": pictures.ring(report["fidelity"]["score"]),
        "first": figures_first(report["figures"]),
        "figures": figures_all(report["figures"]),
        "equity": pictures.equity_picture(report),
        "drawdown": pictures.drawdown_picture(report),
        "allocation": pictures.allocation_picture(report),
        "bands": _bands(report["bands"]),
        "split": _split(report["split"]),
        "calibration": _calibration(report["calibration"]),
        "markout": _markout(report["markout"]),
        "luck": _luck(report["luck"]),
        "skill": _skill(report["skill"]),
        "prices": prices,
        "price_choices": _choices(report),
        "months": _months(report["months"]),
        "month_sum": _month_sum(report),
        "calendar": pictures.calendar(report["days"]),
        "closed_hist": pictures.histogram_picture(
            report["distribution"]["closed"], unit="$", says="Closed positions by net profit"
        ),
        "daily_hist": pictures.histogram_picture(
            report["distribution"]["daily"], unit="%", says="Days by their return"
        ),
        "hours": _hours(report["hours"]),
        "markets": _parts(asked, report, "markets", "bm"),
        "tags": _parts(asked, report, "tags", "bt"),
        "categories": _parts(asked, report, "categories", "bc"),
        "trades": _trades(asked, report, all_rows=request is None),
        "funnel": report["funnel"],
    }


def _verdict(verdict: Mapping[str, Any]) -> dict[str, Any]:
    amount = Decimal(verdict["amount"])
    return {
        **verdict,
        "rest": _unbroken(verdict["rest"]),
        "because": [_unbroken(words) for words in verdict["because"]],
        "amount": amount,
        "says": numbers.signed(amount, unit="$") if amount else "",
        "tone": numbers.tone(amount),
    }


def _unbroken(words: str) -> str:
    """Keep a percent sign on the line of its number."""
    return words.replace(" %", "\u00a0%")


def _bands(bands: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per queue assumption, the most careful first: the database keeps no order of keys."""
    order = list(QUEUE_NAMES)
    found = sorted(bands["figures"].items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order))
    return [
        {
            "name": QUEUE_NAMES.get(name, name),
            "is_main": name == bands["main"],
            "profit": Decimal(figures["profit"]),
            "figures": [
                Figure.of(figures, key)
                for key in ("profit", "sharpe", "max_drawdown", "fills", "fill_ratio", "win_rate", "fees")
            ],
        }
        for name, figures in found
    ]


def _split(split: Mapping[str, str]) -> list[tuple[str, Decimal, Any]]:
    """Return (name, amount, bar) per piece, the whole last."""
    rows = [(label, Decimal(split[key])) for key, label in SPLIT_NAMES]
    rows.append(("Net profit", Decimal(split["total"])))
    drawn = pictures.waterfall([float(amount) for _, amount in rows])
    return [(label, amount, bar) for (label, amount), bar in zip(rows, drawn, strict=True)]


def _calibration(found: Mapping[str, Any]) -> dict[str, Any]:
    scores = []
    for key, label in (
        ("forecast", "Our fair values"),
        ("against", "The market, same decisions"),
        ("bought", "The market, when we bought"),
        ("held", "The market, while we held"),
    ):
        score = found[key]
        if score["brier"] is not None:
            scores.append((label, f"{score['brier']:.4f}", score["cases"], score["outcomes"]))
    better = None
    if found["forecast"]["brier"] is not None and found["against"]["brier"] is not None:
        better = Decimal(str(round(found["against"]["brier"] - found["forecast"]["brier"], 4)))
    return {
        "picture": pictures.calibration_picture(found["bins"]) if found["bins"] else "",
        "bins": found["bins"],
        "scores": scores,
        "better": better,
        "outcomes": found["bought"]["outcomes"],
        "stated": found["forecast"]["brier"] is not None,
    }


def _markout(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per role with a cell per horizon, in cents a share."""
    roles: dict[str, dict[str, Any]] = {}
    for row in rows:
        entry = roles.setdefault(row["role"], {"role": row["role"], "fills": row["fills"], "cells": []})
        cents = None if row["per_share"] is None else Decimal(str(round(row["per_share"] / 10_000, 3)))
        entry["cells"].append({"horizon": row["horizon_s"], "cents": cents, "known": row["known"]})
    return [entry for entry in roles.values() if entry["fills"]]


def _luck(luck: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if luck is None:
        return None
    return {
        **luck,
        "profit": [Decimal(text) for text in luck["profit"]],
        "drawdown": [Decimal(text) for text in luck["drawdown"]],
        "losing": f"{luck['losing'] * 100:.0f} %",
        "picture": pictures.histogram_picture(
            luck["histogram"], unit="$", says="Profit of redrawn sequences of closed positions"
        ),
    }


def _skill(skill: Mapping[str, Any]) -> str:
    """Return the chance that the true Sharpe ratio is above zero, or why there is none."""
    if skill["probability"] is None:
        return f"unknown: {skill['reason']}"
    return f"{skill['probability'] * 100:.0f} % from {skill['days']} days"


def _name(report: Mapping[str, Any], market: int, outcome: int | None = None) -> tuple[str, str]:
    question, labels = report["outcomes"].get(str(market), (f"market {market + 1}", []))
    if outcome is None:
        return question, ""
    return question, labels[outcome] if outcome < len(labels) else f"outcome {outcome + 1}"


def _choices(report: Mapping[str, Any]) -> list[tuple[int, str]]:
    return [
        (i, " · ".join(_name(report, price["market"], price["outcome"]))) for i, price in enumerate(report["prices"])
    ]


def _prices(report: Mapping[str, Any], request: HttpRequest, shown: int) -> list[dict[str, Any]]:
    """Return the price pictures: the asked one, or the first ones."""
    prices = report["prices"]
    asked = request.GET.get("price", "0")
    first = int(asked) if asked.isdecimal() and int(asked) < len(prices) else 0
    found = []
    for number in range(first, min(len(prices), first + shown)):
        price = prices[number]
        question, outcome = _name(report, price["market"], price["outcome"])
        found.append(
            {
                "number": number,
                "question": question,
                "outcome": outcome,
                "picture": pictures.price_picture(report["start"], price, f"{question}, {outcome}"),
                "held": pictures.held_picture(report["start"], price),
                "fills": len(price["fills"]["t"]),
                "fills_of": price["fills"]["of"],
                "orders": len(price["orders"]["from"]),
                "orders_of": price["orders"]["of"],
            }
        )
    return found


def _months(months: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            **month,
            "profit": Decimal(month["profit"]),
            "fees": Decimal(month["fees"]),
            "percent": Decimal(str(round(month["share"] * 100, 2))),
            "fall": f"{month['drawdown'] * 100:.1f}",
        }
        for month in months
    ]


def _month_sum(report: Mapping[str, Any]) -> dict[str, Any]:
    figures = report["figures"]
    return {
        "days": figures["days"],
        "profit": Decimal(figures["profit"]),
        "percent": Decimal(str(round(figures["total_return"] * 100, 2))),
        "fees": Decimal(figures["fees"]),
        "fills": figures["fills"],
        "fall": f"{(figures['max_drawdown'] or 0) * 100:.1f}",
    }


def _hours(hours: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values = [float(row["profit"]) for row in hours]
    titles = [f"{row['name']} to {int(row['name']) + 1:02d} h: {pictures.signed(v)} $, {row['fills']:,} fills"
              for row, v in zip(hours, values, strict=True)]  # fmt: skip
    best, worst = values.index(max(values)), values.index(min(values))
    return {
        "picture": pictures.bars(values, titles, says="Profit by hour of the day, UTC"),
        "best": (hours[best]["name"], Decimal(hours[best]["profit"])),
        "worst": (hours[worst]["name"], Decimal(hours[worst]["profit"])),
    }


_PART_COLUMNS = (
    Column(key="name", label="Market", value=lambda r: r.name, css="t"),
    Column(key="profit", label="Profit $", value=lambda r: r.profit, css="r"),
    Column(key="fills", label="Fills", value=lambda r: r.fills, css="r"),
    Column(key="traded", label="Traded $", value=lambda r: r.traded, css="r"),
    Column(key="spread", label="Spread $", value=lambda r: r.spread, css="r p2"),
    Column(key="slippage", label="Slippage $", value=lambda r: r.slippage, css="r p2"),
    Column(key="move", label="Moves $", value=lambda r: r.move, css="r p2"),
    Column(key="settlement", label="Settled $", value=lambda r: r.settlement, css="r p2"),
    Column(key="fees", label="Fees $", value=lambda r: r.fees, css="r p2"),
)
_HEADS = {"markets": "Market", "tags": "Tag", "categories": "Category"}


def _parts(request: HttpRequest, report: Mapping[str, Any], kind: str, name: str) -> Table:
    rows = []
    for row in report[kind]:
        title = _name(report, row["market"])[0] if kind == "markets" else row["name"]
        split = {key: Decimal(row["split"][key]) for key in ("spread", "slippage", "move", "settlement")}
        money = {key: Decimal(row[key]) for key in ("profit", "traded", "fees")}
        rows.append(
            PartRow(name=title, detail=row.get("fidelity", ""), fills=row["fills"], **money, **split)
        )  # fmt: skip
    first = Column(key="name", label=_HEADS[kind], value=lambda r: r.name, css="t")
    return Table(request, (first, *_PART_COLUMNS[1:]), rows, name=name, default="-profit", rows_per_page=20)


_TRADE_COLUMNS = (
    Column(key="time", label="Time UTC", value=lambda r: r.number),
    Column(key="outcome", label="Outcome", value=lambda r: f"{r.question} {r.outcome}", css="t"),
    Column(key="side", label="Side", value=lambda r: r.side),
    Column(key="price", label="¢", value=lambda r: r.price, css="r"),
    Column(key="size", label="Size sh", value=lambda r: r.size, css="r"),
    Column(key="fee", label="Fee $", value=lambda r: r.fee, css="r"),
    Column(key="markout", label="Markout 1 m ¢", value=lambda r: r.markout, css="r",
           title="middle of the book a minute later against the fill"),
    Column(key="realized", label="Realised $", value=lambda r: r.realized, css="r", title="of a sale, without its fee"),
    Column(key="role", label="Role", value=lambda r: r.role, css="p2"),
)  # fmt: skip


def _trades(request: HttpRequest, report: Mapping[str, Any], *, all_rows: bool) -> Table:
    rows = []
    for number, row in enumerate(report["trades"]["rows"]):
        at, market, outcome, side, price, size, fee, markout, realized, role, inferred = row
        question, label = _name(report, market, outcome)
        rows.append(
            Trade(
                at=pictures.moment(report["start"] + at), question=question, outcome=label, side=side,
                price=Decimal(price), size=Decimal(size), fee=Decimal(fee),
                markout=None if markout is None else Decimal(markout), realized=Decimal(realized), role=role,
                inferred=bool(inferred), number=number,
            )
        )  # fmt: skip
    shown = max(1, len(rows)) if all_rows else TRADE_ROWS
    return Table(request, _TRADE_COLUMNS, rows, name="tr", default="time", rows_per_page=shown)
