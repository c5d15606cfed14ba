"""Replacing one open order: new terms, what the gate says to them now, and then the button."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from markets.domain.units import Price, Shares, micro_from_decimal
from markets.selectors import catalogue
from markets.selectors import screens as market_pages
from orders.domain.intents import OpenOrder, OriginKind
from orders.domain.replacing import replace_obstacle, replacement_of
from orders.selectors.pages import order_story
from orders.selectors.plans import plan_replacing
from orders.selectors.portfolio import open_order_list
from polybot.dashboard import numbers
from polybot.dashboard.frame import desk_of
from polybot.dashboard.rows import order_line
from polybot.dashboard.ticket import PREVIEW_KEY, TermsForm, manual_origin, placement_preview
from polybot.dashboard.views.scope import account_ids


def replace(request: HttpRequest, order_id: int) -> HttpResponse:
    story = order_story(order_id, account_ids=account_ids(request))
    if story is None:
        raise Http404("no such order")
    row, desk = story.order, desk_of(request)
    desk.show(row.account_id)
    old = next((order for order in open_order_list(row.account_id) if order.order_id == order_id), None)
    obstacle, plan_id = replace_obstacle(order_id, old), plan_replacing(order_id)
    form, preview = None, None
    if "price" in request.GET or "size" in request.GET:
        form = TermsForm(request.GET, market=row.market)
        if form.is_valid() and old is not None and not obstacle:
            preview = _preview(request, form, row, old)
    line = order_line(row)
    start = {"price": _plain(row.price * 100), "size": _plain(line.remaining)}
    context: dict[str, Any] = {
        "row": row,
        "o": line,
        "form": form,
        "typed": {name: (request.GET.get(name, "")[:30] if form else value) for name, value in start.items()},
        "preview": preview,
        "same": bool(preview) and form is not None and _is_same(form, row, line.remaining),
        "obstacle": obstacle,
        "plan_id": plan_id,
        "by_strategy": row.origin_kind == OriginKind.STRATEGY,
        "expires": row.order_type == "gtd",
    }
    return render(request, "dashboard/replace.html", context)


def _preview(request: HttpRequest, form: TermsForm, row: Any, old: OpenOrder) -> Any:
    now = desk_of(request).now
    placement = replacement_of(
        old,
        price=Price(micro_from_decimal(form.cleaned_data["price"])),
        size=Shares(micro_from_decimal(form.cleaned_data["size"])),
        key=PREVIEW_KEY,
        origin=manual_origin(request.user),
        now=now,
    )
    return placement_preview(
        placement,
        account_id=row.account_id,
        facts=catalogue.facts_from_row(row.market),
        book=market_pages.books([row.outcome_id]).get(row.outcome_id),
        now=now,
        ended=[old],
    )


def _is_same(form: TermsForm, row: Any, remaining: Any) -> bool:
    return bool(form.cleaned_data["price"] == row.price and form.cleaned_data["size"] == remaining)


def _plain(value: Any) -> str:
    number = numbers.as_decimal(value)
    return "" if number is None else format(number.normalize(), "f")
