"""Execution plans, one by one and in a list, and what a flatten would do."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from markets.domain.units import decimal_from_micro
from markets.selectors import screens as market_pages
from orders.domain.intents import Origin, OriginKind
from orders.selectors import plans as plan_pages
from polybot.dashboard.frame import desk_of
from polybot.dashboard.places import place_of
from polybot.dashboard.rows import order_lines
from polybot.dashboard.views.scope import account_ids
from risk.selectors import flattening
from strategies.selectors import screens as strategy_pages

KINDS = {
    "chase": "Three-step chase",
    "twap": "Slices over time",
    "basket": "Basket",
    "unwind": "Undoing a basket",
    "exit": "Exit",
    "flatten": "Flatten",
    "replace": "Replacement",
}
STATES = {
    "active": ("working", "open"),
    "unwinding": ("being undone", "warn"),
    "done": ("done", "ok"),
    "canceled": ("canceled", "paused"),
    "expired": ("expired", "paused"),
    "failed": ("failed", "bad"),
}
SHOWN = 10  # on the orders page


def plan(request: HttpRequest, plan_id: int) -> HttpResponse:
    story = plan_pages.plan_story(plan_id, account_ids=account_ids(request))
    if story is None:
        raise Http404("no such plan")
    desk_of(request).show(story.row.account_id)
    row = story.row
    context = {
        "p": plan_line(row),
        "row": row,
        "legs": [{"row": leg, "place": place_of(leg.market, leg.outcome), "left": leg.size - leg.ordered}
                 for leg in story.legs],
        "orders": order_lines(story.children),
        "buys": any(leg.side == "buy" for leg in story.legs),
        "origin_href": _origin_href(row),
        "undone_by": list(row.children.order_by("pk").values_list("pk", flat=True)),
    }  # fmt: skip
    return render(request, "dashboard/plan.html", context)


def plan_line(row: Any) -> dict[str, Any]:
    """Return a plan as lists and heads show it."""
    word, shape = STATES[row.state]
    legs = list(row.legs.all())
    return {
        "row": row,
        "kind": KINDS[row.kind],
        "word": word,
        "shape": shape,
        "works": row.state in plan_pages.WORKING,
        "legs": len(legs),
        "place": place_of(legs[0].market, legs[0].outcome) if legs else None,
        "side": legs[0].side if legs else "",
        "size": sum(leg.size for leg in legs),
        "filled": sum(leg.filled for leg in legs),
        "orders": len(row.orders.all()),
    }


def plan_lines(account_id: int) -> list[dict[str, Any]]:
    """Return the plans that work, then the newest others, as the orders page shows them."""
    rows = list(plan_pages.plan_rows([account_id])[:SHOWN])
    working = [row for row in plan_pages.plan_rows([account_id], working=True) if row not in rows]
    return [plan_line(row) for row in sorted([*working, *rows], key=lambda row: row.state not in plan_pages.WORKING)]


def _origin_href(row: Any) -> str:
    return reverse("desk:strategy", args=[row.origin_id]) if row.origin_kind == OriginKind.STRATEGY else ""


def flatten(request: HttpRequest) -> HttpResponse:
    """Show what a flatten would sell now, at which floor, and what it cannot sell and why."""
    desk = desk_of(request)
    if desk.account is None:
        return render(request, "dashboard/no_account.html")
    strategy = flatten_strategy(request, request.GET.get("strategy", ""))
    asked = request.GET.get("slippage", "").strip()
    slippage = int(asked) if asked.isdecimal() and len(asked) < 6 else None
    origin = None if strategy is None else strategy_origin(strategy)
    preview = flattening.flatten_preview(desk.account.id, strategy=origin, slippage_bps=slippage, now=desk.now)
    outcomes = market_pages.labels([holding.outcome_id for holding in preview.holdings])
    lines = [
        {
            "place": place_of(outcomes[h.outcome_id].market, outcomes[h.outcome_id]),
            "tick": outcomes[h.outcome_id].market.tick,
            "held": decimal_from_micro(h.held),
            "size": decimal_from_micro(h.size),
            "bid": None if h.bid is None else decimal_from_micro(h.bid),
            "floor": None if h.floor is None else decimal_from_micro(h.floor),
            "proceeds": decimal_from_micro(h.proceeds),
            "reason": h.reason,
            "note": h.note,
        }
        for h in preview.holdings
    ]
    context = {
        "strategy": strategy,
        "preview": preview,
        "lines": lines,
        "proceeds": decimal_from_micro(preview.proceeds),
        "others": list(strategy_pages.strategy_rows(desk.account.id)),
    }
    return render(request, "dashboard/flatten.html", context)


def flatten_strategy(request: HttpRequest, number: str) -> Any | None:
    """Return the strategy that was named; None for the whole account."""
    if not number.isdecimal() or len(number) > 18:
        return None
    row = strategy_pages.strategy_get(int(number), account_ids=[desk_of(request).account.id])
    if row is None:
        raise Http404("no such strategy on this account")
    return row


def strategy_origin(row: Any) -> Origin:
    return Origin(kind=OriginKind.STRATEGY, id=row.pk, label=row.name, run_id=0)
