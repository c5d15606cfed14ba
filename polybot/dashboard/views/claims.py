"""Claims: what resolved markets owe, transactions outside the book with their previews, and allowances."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from markets.domain.instruments import MarketState
from markets.selectors import screens as market_pages
from orders.selectors import claims as claim_rows
from orders.selectors import converting
from orders.selectors import screens as order_pages
from orders.selectors.allowances import allowances_get
from polybot.dashboard.frame import desk_of
from polybot.dashboard.places import place_of
from polybot.dashboard.tables import Column, Table

HISTORY_COLUMNS = (
    Column(key="asked", label="Asked", value=lambda a: a.created_at, order="created_at"),
    Column(key="kind", label="Kind", value=lambda a: a.kind, order="kind"),
    Column(key="what", label="What", value=lambda a: "; ".join(a.expected["says"])),
    Column(key="state", label="State", value=lambda a: a.state, order="state"),
    Column(key="why", label="Why", value=lambda a: a.state_reason, css="p2"),
    Column(key="hash", label="Transaction", value=lambda a: a.transaction_hash or "", css="p2"),
    Column(key="by", label="By", value=lambda a: a.requested_by, order="requested_by", css="p2"),
    Column(key="ended", label="Ended", value=lambda a: a.ended_at, order="ended_at"),
)


def claims(request: HttpRequest) -> HttpResponse:
    desk = desk_of(request)
    if desk.account is None:
        return render(request, "dashboard/no_account.html")
    account = desk.account
    history = Table(
        request, HISTORY_COLUMNS, claim_rows.ended(account.id), name="ca", default="-ended", rows_per_page=25
    )
    if history.wants_csv:
        return history.csv_response(f"{account.name}-transactions")
    context = {
        "on_chain": claim_rows.settles_on_chain(account),
        "previews": _previews(claim_rows.previews(account.id)),
        "underway": claim_rows.underway(account.id),
        "claims": claim_rows.claims_get(account.id),
        "sets": claim_rows.sets_get(account.id),
        "key": secrets.token_hex(8),  # a form that is sent twice makes one preview
        "typed": {name: request.GET.get(name, "")[:40] for name in ("market", "amount", "form")},
        "chosen": request.GET.getlist("given"),
        "may_split": _may_split(account.id, request.GET.get("market", "")),
        "conversions": _conversions(account.id),
        "free": account.cash - account.reserved_cash,
        "allowances": allowances_get(account.id),
        "history": history,
    }
    return render(request, "dashboard/claims.html", context)


def _previews(actions: Iterable[Any]) -> list[dict[str, Any]]:
    """Return what waits to be agreed to, with what it would change in the desk's own words."""
    found = [(action, converting.moves_of(action)) for action in actions]
    names = market_pages.labels({outcome for _, moves in found if moves for outcome in moves.shares})
    return [
        {
            "action": action,
            "moves": moves,
            "shares": [(place_of(names[o].market, names[o]), size) for o, size in moves.shares.items()]
            if moves
            else [],
        }
        for action, moves in found
    ]


def _may_split(account_id: int, asked: str) -> list[Any]:
    """Return the open markets to choose from: the one asked for, and those with orders or shares of ours."""
    rows = [row.outcome.market for row in order_pages.position_rows(account_id)]
    rows += [row.market for row in order_pages.open_orders(account_id)]
    if asked.isascii() and asked.isdecimal() and len(asked) < 18:
        rows += filter(None, [market_pages.market_get(int(asked))])
    found = {row.pk: row for row in rows if row.state == MarketState.OPEN}
    return sorted(found.values(), key=lambda row: row.question)


def _conversions(account_id: int) -> list[dict[str, Any]]:
    """Return the groups of which No shares are free, each with its questions."""
    found = converting.convertibles_get(account_id)
    names = market_pages.labels({outcome for one in found for outcome in one.free})
    return [
        {
            "row": one,
            "title": next(names[o].market.event.title for o in one.free),
            "least": min(one.free.values()),
            "lines": [(names[o].market, place_of(names[o].market, names[o]), size) for o, size in one.free.items()],
        }
        for one in found
    ]
