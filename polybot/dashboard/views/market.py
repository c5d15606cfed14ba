"""One market: the question and its fate, prices, the live ladder, our orders and decisions, the ticket."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from markets.domain.instruments import MarketState, Side
from markets.selectors import catalogue
from markets.selectors import screens as market_pages
from markets.selectors.watch import watch_reasons
from orders.domain.keys import new_key
from orders.selectors import screens as order_pages
from polybot.dashboard import numbers, pictures, words
from polybot.dashboard.frame import desk_of
from polybot.dashboard.holdings import holdings_of
from polybot.dashboard.ladder import BOOK_LIMIT_S, ladder_of
from polybot.dashboard.numbers import micro
from polybot.dashboard.places import place_of
from polybot.dashboard.rows import order_lines
from polybot.dashboard.ticket import TicketForm, preview_of, start_values
from polybot.dashboard.views.lists import ORDER_COLUMNS_HERE, open_table
from polybot.dashboard.views.traces import decision_lines
from strategies.selectors import screens as strategy_pages

RANGES = {
    "15m": ("15 m", timedelta(minutes=15)),
    "3h": ("3 h", timedelta(hours=3)),
    "24h": ("24 h", timedelta(hours=24)),
    "30d": ("30 d", timedelta(days=30)),
}


def market(request: HttpRequest, market_id: int) -> HttpResponse:
    row = market_pages.market_get(market_id)
    if row is None:
        raise Http404("no such market")
    desk = desk_of(request)
    now = desk.now
    outcomes = list(row.outcomes.all())
    outcome = _chosen(outcomes, request.GET.get("outcome", ""))
    ids = [o.pk for o in outcomes]
    account_id = desk.account.id if desk.account else None
    orders = order_pages.open_orders(account_id, outcome_ids=ids) if account_id else []
    queues = order_pages.queues(orders)
    positions = list(order_pages.position_rows(account_id, outcome_ids=ids)) if account_id else []
    group = market_pages.group_of(row)
    group_ids = [o.pk for member in group for o in member.outcomes.all()]
    marks = market_pages.marks({*ids, *group_ids})
    books = market_pages.books(ids)
    fills = list(order_pages.fill_rows(account_id, outcome_ids=[outcome.pk])[:100]) if account_id else []
    chosen = request.GET.get("range", "3h")
    chosen = chosen if chosen in RANGES else "3h"
    series = market_pages.price_series(outcome.pk, since=now - RANGES[chosen][1], now=now)
    table = open_table(request, ORDER_COLUMNS_HERE, order_lines(orders, queues), name="or", default="age")
    if table.wants_csv:
        return table.csv_response(f"market-{market_id}-orders")
    tape = market_pages.tape(outcome.pk, count=14)
    first = outcomes[0]
    context: dict[str, Any] = {
        "market": row,
        "place": place_of(row),
        "outcomes": outcomes,
        "outcome": outcome,
        "first": first,
        "mid": micro(marks[first.pk].mid) if first.pk in marks else None,
        "first_fresh": bool(first.pk in marks and marks[first.pk].fresh),
        "change": _change(first.pk, marks, now=now),
        "timeline": timeline(row, outcomes, now=now),
        "ladder": ladder_of(
            outcome.pk, books.get(outcome.pk), [o for o in orders if o.outcome_id == outcome.pk], queues, row
        ),
        "book_limit": BOOK_LIMIT_S,
        "quotes": [
            {"outcome": o, "bid": micro(marks[o.pk].bid), "ask": micro(marks[o.pk].ask)}
            if o.pk in marks
            else {"outcome": o, "bid": None, "ask": None}
            for o in outcomes
        ],
        "ranges": {key: label for key, (label, _) in RANGES.items()},
        "range": chosen,
        "chart": price_chart(series, fills, outcome=outcome, now=now, span=RANGES[chosen][1]),
        "fills": fills,
        "tape": [
            {
                "at": datetime.fromtimestamp(print_.venue_ms / 1000, tz=UTC),
                "side": print_.side,
                "price": micro(print_.price),
                "size": micro(print_.size),
                "dollars": micro(print_.price * print_.size // 1_000_000),
            }
            for print_ in tape
        ],
        "group": _group(group, marks, account_id) if len(group) > 1 else [],
        "group_sums": _sums(group, marks) if len(group) > 1 else None,
        "holdings": holdings_of(positions, marks),
        "orders": orders,
        "table": table,
        "decisions": decision_lines(strategy_pages.decisions_on_outcomes(account_id, ids)) if account_id else [],
        "watching": strategy_pages.strategies_watching(row.pk, account_id=account_id) if account_id else [],
        "reasons": sorted({reason.partition(":")[0] for reason in watch_reasons(outcome.pk)}),
        "state": words.MARKET_STATES[row.state],
        "fee_percent": numbers.shares(Decimal(row.fee_rate_ppm) / 10_000),
        "mode_places_nothing": settings.POLYBOT_MODE == "monitor",
    }
    if desk.account is not None:
        context |= _ticket(request, row, outcome, books, account_id=desk.account.id, now=now)
    return render(request, "dashboard/market.html", context)


TICKET_FIELDS = ("side", "outcome", "price", "size", "order_type", "minutes", "slices", "post_only", "range")


@require_POST
def order_preview(request: HttpRequest, market_id: int) -> HttpResponse:
    """Show the typed ticket with the gate's answer: the fields travel in the address, the form's token does not."""
    fields = {name: request.POST[name] for name in TICKET_FIELDS if request.POST.get(name)}
    return HttpResponseRedirect(f"{reverse('desk:market', args=[market_id])}?{urlencode(fields)}#ticket")


def _chosen(outcomes: list[Any], asked: str) -> Any:
    return next((o for o in outcomes if str(o.pk) == asked), outcomes[0])


def _change(outcome_id: int, marks: Any, *, now: datetime) -> Decimal | None:
    """The move of the mid over the last day, as far back as samples go."""
    mark = marks.get(outcome_id)
    if mark is None or mark.mid is None:
        return None
    day = market_pages.price_series(outcome_id, since=now - timedelta(hours=24), now=now)
    return micro(mark.mid) - Decimal(str(round(day[0].price, 6))) if day else None  # type: ignore[operator]


def timeline(row: Any, outcomes: list[Any], *, now: datetime) -> list[dict[str, Any]]:
    """Return the steps from opening to payout, with where the market stands."""
    paid = [o for o in outcomes if o.payout is not None and o.payout > 0]
    trading_over = row.state in (MarketState.CLOSED, MarketState.RESOLVED)
    resolved = row.state == MarketState.RESOLVED
    closes = row.closes_at
    if closes is None:
        when = "no closing time"
    elif closes > now:
        when = f"closes in {numbers.age((closes - now).total_seconds())}"
    else:
        when = f"was due {numbers.age((now - closes).total_seconds())} ago"
    winner = ", ".join(f"{o.label} pays {numbers.cents(o.payout)} ¢" for o in paid)
    steps = [
        {"label": "Open", "detail": "listed", "at": row.opened_at, "state": "done"},
        {
            "label": "Paused" if row.state == MarketState.PAUSED else "Trading",
            "detail": "over" if trading_over else when,
            "at": None,
            "state": "done" if trading_over else "now",
        },
        {
            "label": "Closed",
            "detail": row.resolution_status if trading_over and not resolved else "no more orders",
            "at": closes,
            "state": "done" if resolved else "now" if trading_over else "",
        },
        {
            "label": "Resolved",
            "detail": winner or ("payouts are final" if resolved else "payouts not final"),
            "at": row.resolved_at,
            "state": "now" if resolved else "",
        },
    ]
    return steps


def price_chart(series: Any, fills: Any, *, outcome: Any, now: datetime, span: timedelta) -> str:
    """Return the picture of the mid in cents with our fills on it; longer gaps stay gaps."""
    if len(series) < 2:
        return ""
    widest = max(150.0, span.total_seconds() / 60)
    points: list[tuple[float, float | None]] = []
    for point in series:
        at = point.at.timestamp()
        if points and at - points[-1][0] > widest:
            points.append(((at + points[-1][0]) / 2, None))
        points.append((at, point.price * 100))
    start, end = points[0][0], points[-1][0]
    marks = [
        pictures.Mark(
            x=fill.venue_at.timestamp(),
            y=float(fill.price) * 100,
            bought=fill.side == Side.BUY,
            title=f"{fill.side} {numbers.shares(fill.size)} at {numbers.cents(fill.price, extra=1)} ¢",
        )
        for fill in fills
        if start <= fill.venue_at.timestamp() <= end
    ]
    places = numbers.places_of_tick(outcome.market.tick) + 1
    values = [y for _, y in points if y is not None]
    says = (
        f"{outcome.label} price, {min(values):.1f} to {max(values):.1f} cents, now {values[-1]:.{places}f};"
        f" {sum(m.bought for m in marks)} buys and {sum(not m.bought for m in marks)} sells of ours"
    )
    return pictures.chart(
        [pictures.Line(points=points, step=True)],
        says=says,
        axis=pictures.Axis(unit=" ¢", places=2, tag_places=places, least=4 * float(outcome.market.tick) * 100),
        x_form=pictures.time_form(end - start),
        marks=marks,
        tag=values[-1],
        wanted_ticks=5,
    )


def _group(group: list[Any], marks: Any, account_id: int | None) -> list[dict[str, Any]]:
    ids = {o.pk: member.pk for member in group for o in member.outcomes.all()}
    positions = order_pages.position_rows(account_id, outcome_ids=ids) if account_id else []
    held: dict[int, list[Any]] = {}
    for holding in holdings_of(positions, marks):
        held.setdefault(holding.market.pk, []).append(holding)
    lines = []
    for member in group:
        first = next(iter(member.outcomes.all()), None)
        mark = marks.get(first.pk) if first else None
        mine = held.get(member.pk, [])
        lines.append(
            {
                "row": member,
                "outcome": first,
                "label": member.group_label or member.question,
                "bid": micro(mark.bid) if mark else None,
                "ask": micro(mark.ask) if mark else None,
                "held": mine,
                "profit": sum((h.profit for h in mine), Decimal(0)) if mine else None,
            }
        )
    return lines


def _sums(group: list[Any], marks: Any) -> dict[str, Any] | None:
    """Return what one share of every outcome costs and brings, when all of them have a price."""
    bids, asks = [], []
    for member in group:
        first = next(iter(member.outcomes.all()), None)
        mark = marks.get(first.pk) if first else None
        bids.append(micro(mark.bid) if mark else None)
        asks.append(micro(mark.ask) if mark else None)
    return {
        "bid": None if None in bids else sum(bids),  # type: ignore[arg-type]
        "ask": None if None in asks else sum(asks),  # type: ignore[arg-type]
    }


def _ticket(
    request: HttpRequest, row: Any, outcome: Any, books: Any, *, account_id: int, now: datetime
) -> dict[str, Any]:
    """Return the ticket: as typed with the gate's preview, or with its starting values."""
    facts = catalogue.facts_from_row(row)
    key = new_key(now=now, bits=secrets.SystemRandom())
    if "size" in request.GET and "price" in request.GET:
        form = TicketForm(request.GET, market=row)
        preview = None
        if form.is_valid():
            book = books.get(form.cleaned_data["outcome"])
            preview = preview_of(form, account_id=account_id, facts=facts, book=book, user=request.user, now=now)
        return {"form": form, "ticket": form.data, "preview": preview, "key": key}
    side = "sell" if request.GET.get("side") == "sell" else "buy"
    values = start_values(row, outcome.pk, books.get(outcome.pk), side)
    return {"form": None, "ticket": values, "preview": None, "key": key}
