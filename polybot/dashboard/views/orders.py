"""The order list and the story of one order: decision, verdict, order, fills, ledger."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from alerts.selectors import screens as alert_pages
from markets.selectors.refusals import refusal_explain
from orders.domain.equity import day_start
from orders.domain.intents import OriginKind
from orders.selectors import screens as order_pages
from orders.selectors.pages import order_story
from polybot.dashboard import numbers, words
from polybot.dashboard.frame import desk_of
from polybot.dashboard.rows import event_lines, order_line, order_lines
from polybot.dashboard.tables import Column, Table
from polybot.dashboard.ticket import check_lines
from polybot.dashboard.views.plans import plan_lines
from polybot.dashboard.views.scope import account_ids, account_scope
from polybot.dashboard.views.traces import decision_lines
from risk.selectors import screens as risk_pages
from strategies.selectors import screens as strategy_pages

COLUMNS = (
    Column(key="market", label="Market", value=lambda o: o.place.full, order="market__question"),
    Column(key="side", label="Side", value=lambda o: o.row.side, order="side"),
    Column(key="price", label="Price ¢", value=lambda o: o.row.price * 100, order="price", css="r"),
    Column(key="size", label="Size sh", value=lambda o: o.row.size, order="size", css="r"),
    Column(key="filled", label="Filled sh", value=lambda o: o.row.filled_size, order="filled_size", css="r"),
    Column(key="state", label="State", value=lambda o: o.word, order="state"),
    Column(key="type", label="Type", value=lambda o: o.kind, order="order_type", css="p2"),
    Column(key="fee", label="Fee $", value=lambda o: o.fee, order="fee_paid", css="r"),
    Column(key="origin", label="Origin", value=lambda o: o.row.origin_label, order="origin_label"),
    Column(key="placed", label="Placed", value=lambda o: o.row.created_at, order="created_at"),
    Column(key="age", label="Age", css="r"),
)


def orders(request: HttpRequest) -> HttpResponse:
    desk = desk_of(request)
    if desk.account is None:
        return render(request, "dashboard/no_account.html")
    account = desk.account
    text = request.GET.get("q", "").strip()[:100]
    chosen = request.GET.get("state", "")
    chosen = chosen if chosen in order_pages.ORDER_FILTERS else ""
    everything = request.GET.get("when") == "all"
    since = None if everything else day_start(desk.now)
    origin = _origin(request.GET.get("strategy", ""))
    rows = order_pages.order_rows(
        account.id, states=order_pages.ORDER_FILTERS.get(chosen, ()), text=text, since=since, origin=origin
    )
    table = Table(request, COLUMNS, rows, default="-placed", transform=order_lines)
    if table.wants_csv:
        return table.csv_response(f"{account.name}-orders")
    counts = order_pages.order_counts(account.id, since=since)
    refused = risk_pages.verdict_counts(account.id, since=since or desk.now - timedelta(days=365 * 30)).get(
        "refused", 0
    )
    unknown = order_pages.order_rows(account.id, states=order_pages.ORDER_FILTERS["unknown"])
    context = {
        "table": table,
        "plans": plan_lines(account.id) if not (text or chosen) else [],
        "text": text,
        "chosen": chosen,
        "everything": everything,
        "strategy": request.GET.get("strategy", ""),
        "today_href": table.link(when="" if everything else "all", page=""),
        "chips": [
            {
                "label": name,
                "count": counts[name],
                "href": table.link(state="" if chosen == name else name, page=""),
                "on": chosen == name,
            }
            for name in order_pages.ORDER_FILTERS
            if counts[name] or chosen == name
        ],
        "refused": refused,
        "unknown": order_lines(unknown[:5]),
        "unknown_held": sum((row.reserved for row in unknown if row.side == "buy"), Decimal(0)),
        "any_orders": bool(table.total) or order_pages.order_rows(account.id).exists(),
    }
    return render(request, "dashboard/orders.html", context)


def _origin(asked: str) -> tuple[str, int] | None:
    return (OriginKind.STRATEGY.value, int(asked)) if asked.isdecimal() and len(asked) < 19 else None


def order(request: HttpRequest, order_id: int) -> HttpResponse:
    story = order_story(order_id, account_ids=account_ids(request))
    if story is None:
        raise Http404("no such order")
    desk_of(request).show(story.order.account_id)
    row, fills, ledger = story.order, story.fills, story.facts
    verdict = risk_pages.verdict_get(row.verdict_id) if row.verdict_id else risk_pages.verdict_of_order(row.pk)
    decision = strategy_pages.decision_get(row.decision_id) if row.decision_id else None
    line = order_line(row, order_pages.queues([row]).get(row.pk))
    events = list(
        alert_pages.event_rows(account_ids=account_scope(request), subject=("order", str(row.pk))).order_by("id")[:60]
    )
    position = next(iter(order_pages.position_rows(row.account_id, outcome_ids=[row.outcome_id])), None)
    context: dict[str, Any] = {
        "o": line,
        "row": row,
        "fills": fills,
        "fees": story.fees,
        "average": story.average_price,
        "realized": story.realized,
        "verdict": verdict,
        "verdict_words": words.VERDICTS.get(verdict.decision, (verdict.decision, "dot")) if verdict else None,
        "checks": check_lines(verdict.checks) if verdict else [],
        "decision": decision_lines([decision])[0] if decision else None,
        "trace": _trace_here(decision, row.outcome_id),
        "book_seq": (decision.books.get(str(row.outcome_id)) if decision else None),
        "ledger": [_booked(transaction) for transaction in ledger],
        "ledger_sum": sum(
            (entry.amount for t in ledger for entry in t.entries.all() if entry.asset == "usd"), Decimal(0)
        ),
        "steps": _steps(row),
        "events": event_lines(events),
        "position": position,
        "chain": _chain(row, decision, verdict, fills, ledger),
        "origin_href": line.origin_href,
        "explained": refusal_explain(row.state_reason) if row.state_reason else None,
    }
    return render(request, "dashboard/order.html", context)


def _trace_here(decision: Any, outcome_id: int) -> list[Any]:
    if decision is None:
        return []
    lines = decision_lines([decision])[0].trace
    return [line for line in lines if line.outcome_id in (0, outcome_id)]


def _steps(row: Any) -> list[dict[str, Any]]:
    """The moments the row itself keeps."""
    known = [
        ("created", row.created_at, f"{numbers.money(row.price * row.size)} to be held" if row.side == "buy" else ""),
        ("sent", row.sent_at, f"attempt {row.attempts}" if row.attempts else ""),
        ("acknowledged", row.acknowledged_at, ""),
        ("cancel asked", row.cancel_requested_at, row.cancel_reason),
        ("ended", row.ended_at, row.state_reason),
    ]
    return [{"label": label, "at": at, "note": note} for label, at, note in known if at is not None]


def _booked(transaction: Any) -> dict[str, Any]:
    entries = list(transaction.entries.all())
    own = [entry for entry in entries if entry.book == "own"]
    return {
        "row": transaction,
        "cash": sum((entry.amount for entry in own if entry.asset == "usd"), Decimal(0)),
        "shares": sum((entry.amount for entry in own if entry.asset != "usd"), Decimal(0)),
        "fees": sum((entry.amount for entry in entries if entry.book == "fees"), Decimal(0)),
        "sums": {
            asset: sum((entry.amount for entry in entries if entry.asset == asset), Decimal(0))
            for asset in {entry.asset for entry in entries}
        },
    }


def _chain(row: Any, decision: Any, verdict: Any, fills: list[Any], ledger: list[Any]) -> list[dict[str, Any]]:
    """The story in order, with the time between its steps."""
    steps: list[dict[str, Any]] = []

    def add(label: str, at: datetime | None, text: str) -> None:
        steps.append({"label": label, "at": at, "text": text})

    if decision is not None:
        add("Decision", decision.at, f"woken by {decision.trigger}")
    else:
        add("Placed by hand" if row.origin_kind == OriginKind.MANUAL else "Origin", row.created_at, row.origin_label)
    if verdict is not None:
        text = f"{verdict.decision} {numbers.shares(verdict.allowed_size)} of {numbers.shares(verdict.asked_size)} sh"
        add("Verdict", verdict.at, text)
    add("Order", row.acknowledged_at or row.sent_at or row.created_at, words.ORDER_STATES[row.state][0])
    if fills:
        filled = numbers.shares(sum((fill.size for fill in fills), Decimal(0)))
        role = " and ".join(sorted({fill.role for fill in fills}))
        add("Fills", fills[0].venue_at, f"{filled} sh in {len(fills)}, {role}")
    if ledger:
        add("Ledger", ledger[-1].at, "sums to 0")
    for before, after in pairwise(steps):
        if before["at"] and after["at"]:
            before["gap"] = _gap((after["at"] - before["at"]).total_seconds())
    return steps


def _gap(seconds: float) -> str:
    if abs(seconds) < 1:
        return f"{'+' if seconds >= 0 else numbers.MINUS}{abs(seconds) * 1000:.0f} ms"
    return f"+{numbers.age(seconds)}" if seconds >= 0 else f"{numbers.MINUS}{numbers.age(-seconds)}"
