"""Risk, release, alerts and audit: what limits the desk, what stopped it, who was told, what was written down."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from alerts.domain.events import Severity
from alerts.selectors import screens as alert_pages
from orders.selectors import portfolio as portfolios
from orders.selectors import screens as order_pages
from polybot.dashboard import words
from polybot.dashboard.caps import caps_of
from polybot.dashboard.frame import desk_of
from polybot.dashboard.rows import event_lines
from polybot.dashboard.tables import Column, Table
from polybot.dashboard.views.reconcile import difference_words
from polybot.dashboard.views.scope import account_scope
from risk.selectors import screens as risk_pages
from risk.selectors.halts import lift_is_grave

LIMIT_NAMES = (
    ("account_exposure", "Whole account, worst case", "$"),
    ("event_exposure", "One event", "$"),
    ("market_exposure", "One market", "$"),
    ("strategy_exposure", "One strategy", "$"),
    ("order_size", "One order, at most", "$"),
    ("order_minimum", "One order, at least", "$"),
    ("open_orders", "Open orders", ""),
    ("open_positions", "Open positions", ""),
    ("daily_loss", "Loss in a day", "$"),
    ("drawdown_stop_bps", "Drawdown that stops entries", "bps"),
    ("drawdown_kill_bps", "Drawdown that kills", "bps"),
    ("slippage_bps", "Slippage", "bps"),
    ("orders_per_minute", "Orders a minute", ""),
    ("minimum_seconds_to_close", "Least time before a market closes", "s"),
)

HALT_COLUMNS = (
    Column(key="since", label="Since", value=lambda h: h.created_at, order="created_at"),
    Column(key="kind", label="Kind", value=lambda h: h.kind, order="kind"),
    Column(key="where", label="Where", value=lambda h: h.account_id or "all accounts", order="account_id"),
    Column(key="why", label="Why", value=lambda h: h.reason, order="reason"),
    Column(key="by", label="By", value=lambda h: h.by, order="by"),
    Column(key="lifted", label="Lifted", value=lambda h: h.lifted_at, order="lifted_at"),
    Column(key="lifter", label="Lifted by", value=lambda h: h.lifted_by, order="lifted_by", css="p2"),
)
EVENT_COLUMNS = (
    Column(key="time", label="Time", value=lambda e: e.row.at, order="id"),
    Column(key="kind", label="Kind", value=lambda e: e.row.kind, order="kind"),
    Column(key="what", label="What", value=lambda e: e.row.message),
    Column(key="subject", label="Subject", value=lambda e: e.row.subject_label, order="subject_label", css="p2"),
    Column(key="by", label="By", value=lambda e: e.row.actor, order="actor"),
    Column(key="stream", label="Stream", value=lambda e: e.row.stream, order="stream", css="p2"),
    Column(key="number", label="No.", value=lambda e: e.row.seq, css="r p2"),
)
DELIVERY_COLUMNS = (
    Column(key="due", label="Time", value=lambda d: d.event.at, order="id"),
    Column(key="event", label="Event", value=lambda d: d.event.message),
    Column(key="channel", label="Channel", value=lambda d: str(d.channel), order="channel__label"),
    Column(key="rule", label="Rule", value=lambda d: d.rule.name if d.rule else "", order="rule__name", css="p2"),
    Column(key="state", label="State", value=lambda d: d.state, order="state"),
    Column(key="tries", label="Tries", value=lambda d: d.attempts, order="attempts", css="r"),
    Column(key="error", label="Last problem", value=lambda d: d.last_error, css="p2"),
)
DELIVERY_SHAPES = {"pending": "open", "sent": "ok", "failed": "bad", "suppressed": "paused"}


def risk(request: HttpRequest) -> HttpResponse:
    desk = desk_of(request)
    if desk.account is None:
        return render(request, "dashboard/no_account.html")
    account = desk.account
    profile = risk_pages.profile_of(account.id)
    halts = Table(
        request,
        HALT_COLUMNS,
        risk_pages.halt_rows(account_id=account.id),
        name="ha",
        default="-since",
        rows_per_page=20,
    )
    if halts.wants_csv:
        return halts.csv_response(f"{account.name}-halts")
    profiles = risk_pages.profile_rows()
    context = {
        "caps": caps_of(portfolios.portfolio_get(account.id, now=desk.now)),
        "profile": profile,
        "profiles": profiles,
        "limits": [
            {"label": label, "unit": unit, "values": [getattr(p, name) for p in profiles], "name": name}
            for name, label, unit in LIMIT_NAMES
        ],
        "origin_limits": [row for row in risk_pages.origin_limit_rows() if row.origin_kind == "strategy"],
        "halts": halts,
        "active": list(risk_pages.halt_rows(account_id=account.id, active=True)),
        "runs": order_pages.reconcile_runs(account.id, limit=8),
        "differences": [
            {"row": row, "what": difference_words(row)} for row in order_pages.discrepancies(account.id, limit=12)
        ],
        "ledger": order_pages.ledger_sums(account.id),
        "refusals": [
            {"rule": words.sentence(rule or "other"), "name": rule, "count": count}
            for rule, count in risk_pages.refusals_by_rule(account.id, since=desk.now.replace(hour=0, minute=0))
        ],
    }
    return render(request, "dashboard/risk.html", context)


def release(request: HttpRequest) -> HttpResponse:
    """Everything that stops this account, and how a person ends it."""
    desk = desk_of(request)
    if desk.account is None:
        return render(request, "dashboard/no_account.html")
    halts = [h for h in risk_pages.halt_rows(account_id=desk.account.id, active=True) if h.kind != "kill"]
    context = {
        "switch": order_pages.kill_switch(),
        "open_everywhere": order_pages.open_order_count(),
        "halts": halts,
        "grave": {h.pk for h in halts if lift_is_grave(h.pk)},
    }
    return render(request, "dashboard/release.html", context)


def alerts(request: HttpRequest) -> HttpResponse:
    desk = desk_of(request)
    scope = account_scope(request)
    severity = request.GET.get("severity", "")
    severity = severity if severity in list(Severity) else ""
    events = Table(
        request,
        EVENT_COLUMNS,
        alert_pages.event_rows(account_ids=scope, severity=severity).exclude(severity=Severity.INFO)
        if not severity
        else alert_pages.event_rows(account_ids=scope, severity=severity),
        name="ev",
        default="-time",
        rows_per_page=25,
        transform=event_lines,
    )
    deliveries = Table(
        request,
        DELIVERY_COLUMNS,
        alert_pages.delivery_rows(account_ids=scope),
        name="de",
        default="-due",
        rows_per_page=25,
    )
    for table, name in ((events, "events"), (deliveries, "deliveries")):
        if table.wants_csv:
            return table.csv_response(name)
    context = {
        "events": events,
        "deliveries": deliveries,
        "delivery_shapes": DELIVERY_SHAPES,
        "rules": alert_pages.rule_rows(),
        "channels": alert_pages.channel_rows(),
        "severity": severity,
        "severities": [
            {"label": s.value, "href": events.link(page="").split("?")[0] + f"?severity={s.value}", "on": severity == s}
            for s in Severity
        ],
        "now": desk.now,
    }
    return render(request, "dashboard/alerts.html", context)


def audit(request: HttpRequest) -> HttpResponse:
    scope = account_scope(request)
    text = request.GET.get("q", "").strip()[:100]
    kind = request.GET.get("kind", "")[:80]
    stream = request.GET.get("stream", "")[:80]
    rows = alert_pages.event_rows(account_ids=scope, kind=kind, text=text, stream=stream)
    table = Table(request, EVENT_COLUMNS, rows, default="-time", transform=event_lines)
    if table.wants_csv:
        return table.csv_response("audit")
    kinds = [name for name in alert_pages.kinds() if scope is None or name != "auth"]
    context: dict[str, Any] = {
        "table": table,
        "text": text,
        "kind": kind,
        "stream": stream,
        "streams": alert_pages.stream_rows() if scope is None else [],
        "chips": [
            {"label": name, "href": table.link(kind="" if kind == name else name, page=""), "on": kind == name}
            for name in kinds
        ],
    }
    return render(request, "dashboard/audit.html", context)


def event(request: HttpRequest, event_id: int) -> HttpResponse:
    row = alert_pages.event_rows(account_ids=account_scope(request)).filter(pk=event_id).first()
    if row is None:
        raise Http404("no such event")
    deliveries = alert_pages.delivery_rows(account_ids=account_scope(request)).filter(event_id=row.pk)
    context = {
        "row": row,
        "line": event_lines([row])[0],
        "payload": sorted((key, value) for key, value in row.payload.items()),
        "deliveries": [(d, DELIVERY_SHAPES[d.state]) for d in deliveries],
    }
    return render(request, "dashboard/event.html", context)
