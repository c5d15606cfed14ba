"""Why it did not trade: the funnel, the gate's verdicts and the strategies' decisions behind it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from markets.selectors import screens as market_pages
from orders.domain.equity import day_start
from orders.domain.intents import OriginKind
from polybot.dashboard import words
from polybot.dashboard.frame import desk_of
from polybot.dashboard.funnel import funnel_get
from polybot.dashboard.places import place_of
from polybot.dashboard.tables import Column, Table
from polybot.dashboard.ticket import check_lines
from polybot.dashboard.views.scope import account_ids
from polybot.dashboard.views.strategies import DECISION_COLUMNS
from polybot.dashboard.views.traces import decision_lines
from risk.selectors import screens as risk_pages
from strategies.selectors import screens as strategy_pages


def _place(outcomes: dict[int, Any], outcome_id: int) -> Any:
    found = outcomes.get(outcome_id)
    return place_of(found.market, found) if found else None


def _href(request: HttpRequest, **changes: object) -> str:
    query = {key: request.GET[key] for key in ("hours", "strategy", "gate", "decision") if request.GET.get(key)}
    query |= {key: str(value) for key, value in changes.items()}
    return "?" + urlencode({key: value for key, value in query.items() if value not in ("", "0")})


def verdict(request: HttpRequest, verdict_id: int) -> HttpResponse:
    row = risk_pages.verdict_get(verdict_id)
    if row is None or row.account_id not in account_ids(request):
        raise Http404("no such verdict")
    desk_of(request).show(row.account_id)
    context = {
        "row": row,
        "words": words.VERDICTS.get(row.decision, (row.decision, "dot")),
        "checks": check_lines(row.checks),
        "place": _place(market_pages.labels([row.outcome_id]), row.outcome_id),
    }
    return render(request, "dashboard/verdict.html", context)


def why(request: HttpRequest) -> HttpResponse:
    desk = desk_of(request)
    if desk.account is None:
        return render(request, "dashboard/no_account.html")
    account = desk.account
    hours = {"1": 1, "24": 24, "168": 168}.get(request.GET.get("hours", ""), 0)
    since = desk.now - timedelta(hours=hours) if hours else day_start(desk.now)
    chosen = request.GET.get("strategy", "")
    rows = list(strategy_pages.strategy_rows(account.id))
    strategy_id = int(chosen) if chosen.isdecimal() and any(str(s.pk) == chosen for s in rows) else None
    gate = request.GET.get("gate", "")[:60]
    origin = (OriginKind.STRATEGY.value, strategy_id) if strategy_id else None
    verdicts = Table(
        request,
        VERDICT_COLUMNS,
        risk_pages.verdict_rows(account.id, since=since, origin=origin, rule=gate, decision=_decision(request)),
        name="ve",
        default="-time",
        transform=_verdict_lines,
    )
    decisions = Table(
        request,
        (Column(key="strategy", label="Strategy", value=lambda d: d.row.strategy.name), *DECISION_COLUMNS),
        strategy_pages.decision_rows(account_id=account.id, strategy_id=strategy_id),
        name="de",
        default="-time",
        rows_per_page=15,
        transform=decision_lines,
    )
    for table, name in ((verdicts, "verdicts"), (decisions, "decisions")):
        if table.wants_csv:
            return table.csv_response(f"{account.name}-{name}")
    counts = risk_pages.verdict_counts(account.id, since=since, origin=origin)
    context = {
        "funnel": funnel_get(account.id, since=since, strategy_id=strategy_id),
        "strategies": rows,
        "strategy_id": strategy_id,
        "gate": gate,
        "verdicts": verdicts,
        "decisions": decisions,
        "hours": hours,
        "decision": _decision(request),
        "links": _links(request, rows, hours=hours, strategy_id=strategy_id, counts=counts),
    }
    return render(request, "dashboard/why.html", context)


def _links(
    request: HttpRequest, rows: list[Any], *, hours: int, strategy_id: int | None, counts: dict[str, int]
) -> dict[str, Any]:
    chosen = _decision(request)
    return {
        "hours": [
            {"label": label, "href": _href(request, hours=value), "on": hours == value}
            for value, label in ((1, "1 h"), (0, "Today"), (24, "24 h"), (168, "7 d"))
        ],
        "all": _href(request, strategy=""),
        "strategies": [
            {"label": row.name, "href": _href(request, strategy=row.pk), "on": row.pk == strategy_id} for row in rows
        ],
        "decisions": [
            {
                "label": name,
                "count": counts.get(name, 0),
                "href": _href(request, decision="" if chosen == name else name),
                "on": chosen == name,
            }
            for name in words.VERDICTS
            if counts.get(name) or chosen == name
        ],
        "no_gate": _href(request, gate=""),
    }


def _decision(request: HttpRequest) -> str:
    asked = request.GET.get("decision", "")
    return asked if asked in words.VERDICTS else ""


VERDICT_COLUMNS = (
    Column(key="time", label="Time", value=lambda v: v["row"].at, order="id"),
    Column(key="market", label="Market", value=lambda v: v["place"].full if v["place"] else ""),
    Column(key="side", label="Side", value=lambda v: v["row"].side, order="side"),
    Column(key="price", label="Price ¢", value=lambda v: v["row"].price * 100, order="price", css="r"),
    Column(key="asked", label="Asked sh", value=lambda v: v["row"].asked_size, order="asked_size", css="r"),
    Column(key="allowed", label="Allowed sh", value=lambda v: v["row"].allowed_size, order="allowed_size", css="r"),
    Column(key="verdict", label="Verdict", value=lambda v: v["words"][0], order="decision"),
    Column(key="rule", label="Deciding rule", value=lambda v: v["row"].rule, order="rule"),
    Column(key="why", label="Why", value=lambda v: v["row"].message, css="p2"),
    Column(key="origin", label="Origin", value=lambda v: v["row"].origin_label, order="origin_label", css="p3"),
)


def _verdict_lines(rows: list[Any]) -> list[dict[str, Any]]:
    outcomes = market_pages.labels(row.outcome_id for row in rows)
    return [
        {
            "row": row,
            "words": words.VERDICTS.get(row.decision, (row.decision, "dot")),
            "place": _place(outcomes, row.outcome_id),
            "rule": words.sentence(row.rule) if row.rule else "",
        }
        for row in rows
    ]
