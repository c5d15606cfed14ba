"""Strategies: the list, one strategy with its switch, parameters and versions, and one decision in full."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from markets.selectors import screens as market_pages
from orders.domain.equity import day_start
from orders.domain.intents import OriginKind
from orders.selectors import screens as order_pages
from polybot.dashboard import words
from polybot.dashboard.frame import desk_of
from polybot.dashboard.funnel import funnel_get
from polybot.dashboard.parameters import changes_by_version, inputs_of
from polybot.dashboard.places import place_of
from polybot.dashboard.rows import order_lines, strategy_lines
from polybot.dashboard.tables import Column, Table
from polybot.dashboard.views.lists import STRATEGY_COLUMNS, open_table
from polybot.dashboard.views.scope import account_ids
from polybot.dashboard.views.traces import decision_lines
from risk.selectors import screens as risk_pages
from strategies.domain.parameters import difference
from strategies.library import registry
from strategies.selectors import screens as strategy_pages

LIST_COLUMNS = (
    STRATEGY_COLUMNS[0],
    Column(key="class", label="Class", value=lambda s: s.title, css="p2"),
    *STRATEGY_COLUMNS[1:3],
    *STRATEGY_COLUMNS[3:],
    Column(key="version", label="Version", value=lambda s: s.row.version, css="r p2"),
)
DECISION_COLUMNS = (
    Column(key="time", label="Time", value=lambda d: d.row.at, order="id"),
    Column(key="woken", label="Woken by", value=lambda d: d.row.trigger, order="trigger"),
    Column(key="result", label="Result", value=lambda d: d.text, order="outcome"),
    Column(key="wanted", label="Wants", value=lambda d: d.wanted, css="r"),
    Column(key="gate", label="Deciding gate: value", value=lambda d: d.reason),
    Column(key="took", label="Took µs", value=lambda d: d.row.took_us, order="took_us", css="r p3"),
    Column(key="version", label="Version", value=lambda d: d.row.version, order="version", css="r p3"),
)


def strategies(request: HttpRequest) -> HttpResponse:
    desk = desk_of(request)
    if desk.account is None:
        return render(request, "dashboard/no_account.html")
    rows = list(strategy_pages.strategy_rows(desk.account.id))
    titles = dict(registry.strategy_choices())
    since = day_start(desk.now)
    table = open_table(
        request,
        LIST_COLUMNS,
        strategy_lines(rows, titles, strategy_pages.decision_counts(desk.account.id, since=since)),
        default="strategy",
    )
    if table.wants_csv:
        return table.csv_response(f"{desk.account.name}-strategies")
    context = {
        "table": table,
        "running": desk.stop.running,
        "classes": [registry.strategy_get(name) for name, _ in registry.strategy_choices()],
        "typed": request.session.pop("strategy_typed", {}),
        "errors": request.session.pop("strategy_errors", {}),
    }
    return render(request, "dashboard/strategies.html", context)


def strategy(request: HttpRequest, strategy_id: int) -> HttpResponse:
    row = strategy_pages.strategy_get(strategy_id, account_ids=account_ids(request))
    if row is None:
        raise Http404("no such strategy")
    desk_of(request).show(row.account_id)
    desk = desk_of(request)
    origin = (OriginKind.STRATEGY.value, row.pk)
    known = registry.strategy_get(row.strategy_class) if row.strategy_class in registry.STRATEGIES else None
    versions = strategy_pages.version_rows(row.pk)
    text = request.GET.get("q", "").strip()[:100]
    decisions = Table(
        request,
        DECISION_COLUMNS,
        strategy_pages.decision_rows(strategy_id=row.pk, text=text),
        name="de",
        default="-time",
        rows_per_page=25,
        transform=decision_lines,
    )
    if decisions.wants_csv:
        return decisions.csv_response(f"{row.name}-decisions")
    since = day_start(desk.now)
    failed = request.session.pop(f"parameters_{row.pk}", None) or {}
    word, shape = words.STRATEGY_STATES[row.state]
    open_orders = order_pages.order_rows(row.account_id, states=order_pages.OPEN_STATES, origin=origin)
    context: dict[str, Any] = {
        "row": row,
        "known": known,
        "word": word,
        "shape": shape,
        "switches": switches(row, known=known is not None, orders=open_orders.count(), on_stop=_on_stop(desk, row)),
        "groups": inputs_of(
            known.params,
            row.parameters,
            typed=failed.get("typed"),
            errors=failed.get("errors"),
            changed=changes_by_version(known.params, versions),
        )
        if known
        else [],
        "errors": failed.get("errors") or {},
        "versions": _versions(known, versions),
        "runs": strategy_pages.run_rows(row.pk, limit=5),
        "decisions": decisions,
        "text": text,
        "funnel": funnel_get(row.account_id, since=since, strategy_id=row.pk),
        "orders": order_lines(order_pages.order_rows(row.account_id, origin=origin)[:8]),
        "order_total": order_pages.order_rows(row.account_id, origin=origin).count(),
        "universe": _universe(row.pk),
    }
    return render(request, "dashboard/strategy.html", context)


def _on_stop(desk: Any, row: Any) -> str:
    account = next((a for a in desk.accounts if a.id == row.account_id), None)
    return account.on_stop if account else "cancel_all"


STOP_SAYS = {
    "cancel_all": "its {n} open orders are cancelled",
    "cancel_quotes": "its quotes are cancelled, one-shot orders stay",
    "leave": "its {n} open orders stay",
}


def switches(row: Any, *, known: bool, orders: int, on_stop: str) -> list[dict[str, Any]]:
    """Return every switch with its effect, and the reason where it is off."""
    says = STOP_SAYS.get(on_stop, "").format(n=orders)
    active = row.state in ("running", "observe")
    missing = "" if known else f"no strategy class is called {row.strategy_class}"
    return [
        {
            "action": "start",
            "label": "Start",
            "icon": "play",
            "why": missing or ("it runs already" if row.state == "running" else ""),
            "says": "decides and trades from its next tick",
        },
        {
            "action": "observe",
            "label": "Observe",
            "icon": "eye",
            "why": missing or ("it observes already" if row.state == "observe" else ""),
            "says": "decides and is judged, sends nothing",
        },
        {
            "action": "pause",
            "label": "Pause",
            "icon": "pause",
            "why": "" if active else "only a running strategy can be paused",
            "says": f"no more ticks; {says}",
        },
        {
            "action": "stop",
            "label": "Stop",
            "icon": "square",
            "why": "" if active or row.state in ("paused", "error") else f"it is {row.state}, nothing runs",
            "says": f"closes the run; {says}",
        },
    ]


def _versions(known: Any, versions: list[Any]) -> list[dict[str, Any]]:
    out = []
    for index, version in enumerate(versions[:12]):
        older = versions[index + 1] if index + 1 < len(versions) else None
        changes = difference(known.params, older.parameters, version.parameters) if known and older else ()
        out.append({"row": version, "changes": changes, "first": older is None, "current": index == 0})
    return out


def _universe(strategy_id: int) -> dict[str, Any]:
    rows = list(strategy_pages.universe_rows(strategy_id)[:400])
    shown = [member for member in rows if member.included][:40] + [m for m in rows if not m.included][:20]
    markets = market_pages.markets_by_id(member.market_id for member in shown)
    return {
        "included": sum(member.included for member in rows),
        "excluded": sum(not member.included for member in rows),
        "rows": [
            {"member": member, "place": place_of(markets[member.market_id])}
            for member in shown
            if member.market_id in markets
        ],
    }


def decision(request: HttpRequest, decision_id: int) -> HttpResponse:
    row = strategy_pages.decision_get(decision_id)
    if row is None or row.strategy.account_id not in account_ids(request):
        raise Http404("no such decision")
    desk_of(request).show(row.strategy.account_id)
    line = decision_lines([row])[0]
    ids = {entry.outcome_id for entry in line.trace if entry.outcome_id} | {int(key) for key in row.books}
    outcomes = market_pages.labels(ids)
    verdicts = risk_pages.verdict_rows(row.strategy.account_id, decision_id=row.pk)
    context = {
        "d": line,
        "row": row,
        "trace": [{"line": entry, "place": _place(outcomes, entry.outcome_id)} for entry in line.trace],
        "books": [
            {"place": _place(outcomes, int(key)), "seq": value, "id": int(key)} for key, value in row.books.items()
        ],
        "verdicts": [
            {
                "row": verdict,
                "words": words.VERDICTS.get(verdict.decision, (verdict.decision, "dot")),
                "place": _place(market_pages.labels([verdict.outcome_id]), verdict.outcome_id),
            }
            for verdict in verdicts[:40]
        ],
        "wanted": row.wanted,
    }
    return render(request, "dashboard/decision.html", context)


def _place(outcomes: dict[int, Any], outcome_id: int) -> Any:
    found = outcomes.get(outcome_id)
    return place_of(found.market, found) if found else None
