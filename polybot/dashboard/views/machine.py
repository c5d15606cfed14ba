"""The machine behind the desk: data and venue, processes and queues, one's own settings."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from alerts.selectors import health
from markets.selectors import screens as market_pages
from orders.selectors import screens as order_pages
from polybot.dashboard import numbers
from polybot.dashboard.frame import desk_of
from polybot.dashboard.readiness import PROCESS_LIMIT_S, TRADER_LIMIT_S
from polybot.dashboard.tables import Column, Table
from polybot.dashboard.views.budget import budget_tables
from polybot.identity.selectors import SCOPES, key_rows

SYNC_COLUMNS = (
    Column(key="started", label="Started", value=lambda s: s.started_at, order="started_at"),
    Column(key="kind", label="Kind", value=lambda s: s.kind, order="kind"),
    Column(key="events", label="Events", value=lambda s: s.events_seen, order="events_seen", css="r"),
    Column(key="markets", label="Markets", value=lambda s: s.markets_seen, order="markets_seen", css="r"),
    Column(key="rows", label="Rows written", value=lambda s: s.rows_written, order="rows_written", css="r"),
    Column(key="refused", label="Refused", value=lambda s: s.refused, order="refused", css="r"),
    Column(key="finished", label="Finished", value=lambda s: s.finished_at, order="finished_at"),
    Column(key="problem", label="Problem", value=lambda s: s.error, css="p2"),
)
ISSUE_COLUMNS = (
    Column(key="last", label="Last seen", value=lambda i: i.last_at, order="last_at"),
    Column(key="source", label="Source", value=lambda i: i.source, order="source"),
    Column(key="field", label="Field", value=lambda i: i.field, order="field"),
    Column(key="problem", label="Problem", value=lambda i: i.problem, order="problem"),
    Column(key="count", label="Times", value=lambda i: i.count, order="count", css="r"),
    Column(key="first", label="First seen", value=lambda i: i.first_at, order="first_at", css="p2"),
)
# The processes of design.md §2 and what each is for, in the order of the flow.
PROCESSES = (
    ("process:feed", "feed", "market sockets → books → Redis", PROCESS_LIMIT_S),
    ("queue:default", "worker", "sync, reconciliation, snapshots, alerts", TRADER_LIMIT_S),
    ("queue:trading", "trader", "strategy ticks, submit, cancel", TRADER_LIMIT_S),
    ("process:fills", "fills", "paper matching and booking of fills", PROCESS_LIMIT_S),
    ("queue:backtests", "backtests", "replays, one at a time, after everything else", TRADER_LIMIT_S),
)
# Bookkeeping of the processes themselves: no reader looks for it.
_HIDDEN_DETAILS = {"pid", "process", "at_ms", "started_ms", "epoch", "cursor", "venue"}


def data(request: HttpRequest) -> HttpResponse:
    now = desk_of(request).now
    syncs = Table(request, SYNC_COLUMNS, market_pages.sync_rows(), name="sy", default="-started", rows_per_page=15)
    issues = Table(request, ISSUE_COLUMNS, market_pages.issue_rows(), name="is", default="-last", rows_per_page=15)
    (windows, buckets), budget = budget_tables(request)
    for table, name in ((syncs, "syncs"), (issues, "issues"), (windows, "rate-windows"), (buckets, "rate-keys")):
        if table.wants_csv:
            return table.csv_response(name)
    status = market_pages.feed_status()
    context: dict[str, Any] = {
        "status": status,
        "figures": [(key.replace("_", " "), _figure(value)) for key, value in status.items() if _is_figure(key, value)],
        "shards": [
            {key: ("yes" if value else "no") if isinstance(value, bool) else value for key, value in shard.items()}
            for shard in status.get("shards") or []
            if isinstance(shard, dict)
        ],
        "feed": health.heartbeat_get("process:feed"),
        "limit": PROCESS_LIMIT_S,
        "totals": market_pages.catalogue_totals(),
        "watches": market_pages.watch_totals(now),
        "last_sync": market_pages.last_sync_at(),
        "syncs": syncs,
        "issues": issues,
        "hosts": sorted(django_settings.POLYMARKET.items()),
        "venue": django_settings.POLYBOT_VENUE,
    }
    return render(request, "dashboard/data.html", context | budget)


def _is_figure(key: str, value: object) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool) and key not in _HIDDEN_DETAILS


def _figure(value: Any) -> str:
    return numbers.shares(numbers.as_decimal(round(value, 2))) if isinstance(value, int | float) else str(value)


def system(request: HttpRequest) -> HttpResponse:
    desk = desk_of(request)
    beats = {beat.name: beat for beat in health.heartbeat_list()}
    known = [name for name, *_ in PROCESSES]
    lines = [
        _process((name, label, about, limit), beats.get(name), now=desk.now) for name, label, about, limit in PROCESSES
    ]
    lines += [
        _process((name, name, "", TRADER_LIMIT_S), beat, now=desk.now)
        for name, beat in beats.items()
        if name not in known
    ]
    table = Table(request, PROCESS_COLUMNS, lines, default="", rows_per_page=100)
    if table.wants_csv:
        return table.csv_response("processes")
    context = {
        "table": table,
        "alive": sum(line["alive"] for line in lines),
        "total": len(lines),
        "mode": django_settings.POLYBOT_MODE,
        "venue": django_settings.POLYBOT_VENUE,
        "data_dir": django_settings.POLYBOT_DATA,
        "ledgers": [{"account": account, "sums": order_pages.ledger_sums(account.id)} for account in desk.accounts],
    }
    return render(request, "dashboard/system.html", context)


PROCESS_COLUMNS = (
    Column(key="process", label="Process", value=lambda p: p["label"]),
    Column(key="does", label="Does", value=lambda p: p["about"], css="p2"),
    Column(key="state", label="State", value=lambda p: "alive" if p["alive"] else "silent"),
    Column(key="beat", label="Last heartbeat", value=lambda p: p["at"], css="r"),
    Column(key="pid", label="Pid", value=lambda p: p["pid"], css="r p2"),
    Column(key="says", label="Says", value=lambda p: p["says"]),
)


def _process(known: tuple[str, str, str, float], beat: Any, *, now: Any) -> dict[str, Any]:
    name, label, about, limit = known
    return {
        "name": name,
        "label": label,
        "about": about,
        "limit": limit,
        "at": beat.at if beat else None,
        "pid": beat.pid if beat else None,
        "alive": bool(beat and beat.age_s(now) <= limit),
        "says": _says(beat.details) if beat else "",
    }


def _says(details: dict[str, Any]) -> str:
    parts = [
        f"{key.replace('_', ' ')} {_figure(value)}"
        for key, value in details.items()
        if key not in _HIDDEN_DETAILS and isinstance(value, int | float | str) and not isinstance(value, bool)
    ]
    return ", ".join(parts[:10])


def settings(request: HttpRequest) -> HttpResponse:
    keys = Table(request, KEY_COLUMNS, key_rows(request.user), name="ke", default="-made", rows_per_page=50)  # type: ignore[arg-type]
    if keys.wants_csv:
        return keys.csv_response("api-keys")
    context = {
        "keys": keys,
        "scopes": [scope for scope in SCOPES if scope != "admin" or request.user.is_staff],  # type: ignore[union-attr]
        "password_errors": request.session.pop("password_errors", None) or {},
        "key_error": request.session.pop("key_error", ""),
    }
    response = render(request, "dashboard/settings.html", context)
    response["Cache-Control"] = "no-store"
    return response


KEY_COLUMNS = (
    Column(key="name", label="Name", value=lambda k: k.name, order="name"),
    Column(key="prefix", label="Begins with", value=lambda k: k.prefix, order="prefix"),
    Column(key="scopes", label="May", value=lambda k: ", ".join(k.scopes)),
    Column(key="made", label="Made", value=lambda k: k.created_at, order="created_at"),
    Column(key="used", label="Last used", value=lambda k: k.last_used_at, order="last_used_at"),
    Column(key="state", label="State", value=lambda k: "revoked" if k.revoked_at else "live", order="revoked_at"),
)
