"""The market list: search, filters and sorting by address, live quotes for what is on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from markets.domain.instruments import MarketState
from markets.selectors import catalogue
from markets.selectors import screens as market_pages
from orders.selectors import screens as order_pages
from polybot.dashboard import words
from polybot.dashboard.frame import desk_of
from polybot.dashboard.numbers import micro
from polybot.dashboard.places import Place, place_of
from polybot.dashboard.tables import Column, Table

STATES = (MarketState.OPEN, MarketState.PAUSED, MarketState.CLOSED, MarketState.RESOLVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketLine:
    """A market with the quote of its first outcome."""

    row: Any
    place: Place
    outcome: Any
    word: str
    shape: str
    bid: Any
    ask: Any
    fresh: bool
    watched: bool
    confirmed_ms: int
    held: Any


COLUMNS = (
    Column(key="market", label="Market", value=lambda m: m.place.full, order="question"),
    Column(key="state", label="State", value=lambda m: m.word, order="state"),
    Column(key="bid", label="Bid ¢", value=lambda m: m.bid * 100 if m.bid is not None else None, css="r"),
    Column(key="ask", label="Ask ¢", value=lambda m: m.ask * 100 if m.ask is not None else None, css="r"),
    Column(key="age", label="Book age", css="r"),
    Column(key="held", label="We hold sh", value=lambda m: m.held, css="r"),
    Column(key="volume", label="Volume 24 h $", value=lambda m: m.row.volume_24h, order="volume_24h", css="r"),
    Column(key="liquidity", label="Liquidity $", value=lambda m: m.row.liquidity, order="liquidity", css="r p2"),
    Column(key="category", label="Category", value=lambda m: m.row.category, order="category", css="p2"),
    Column(key="closes", label="Closes", value=lambda m: m.row.closes_at, order="closes_at", css="p2"),
)


def markets(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("q", "").strip()[:100]
    state = request.GET.get("state", MarketState.OPEN.value)
    category = request.GET.get("category", "")
    found = catalogue.market_list(text=text, category=category)
    counts = market_pages.market_counts(found)
    rows = found.filter(state=state) if state in STATES else found
    account = desk_of(request).account

    def lines(page: list[Any]) -> list[MarketLine]:
        return _lines(page, account_id=account.id if account else None)

    table = Table(request, COLUMNS, rows, default="-volume", transform=lines)
    if table.wants_csv:
        return table.csv_response("markets")
    context = {
        "table": table,
        "text": text,
        "state": state if state in STATES else "all",
        "category": category,
        "chips": [
            {"label": word, "count": counts.get(word, 0), "href": table.link(state=word, page=""), "on": state == word}
            for word in STATES
            if counts.get(word)
        ]
        + [
            {
                "label": "all",
                "count": sum(counts.values()),
                "href": table.link(state="all", page=""),
                "on": state not in STATES,
            }
        ],
        "categories": [
            {
                "label": name,
                "count": number,
                "href": table.link(category="" if category == name else name, page=""),
                "on": category == name,
            }
            for name, number in market_pages.categories()
        ],
        "total": market_pages.catalogue_totals(),
    }
    return render(request, "dashboard/markets.html", context)


def _lines(rows: Sequence[Any], *, account_id: int | None) -> list[MarketLine]:
    first = {row.pk: next(iter(row.outcomes.all()), None) for row in rows}
    ids = [outcome.pk for outcome in first.values() if outcome]
    marks = market_pages.marks(ids)
    held: dict[int, Any] = {}
    if account_id is not None:
        outcomes = {o.pk: row.pk for row in rows for o in row.outcomes.all()}
        for position in order_pages.position_rows(account_id, outcome_ids=outcomes):
            held.setdefault(outcomes[position.outcome_id], []).append(position)
    return [_line(row, first[row.pk], marks, held.get(row.pk)) for row in rows]


def _line(row: Any, outcome: Any, marks: Any, held: Any) -> MarketLine:
    word, shape = words.MARKET_STATES[row.state]
    mark = marks.get(outcome.pk) if outcome else None
    return MarketLine(
        row=row,
        place=place_of(row),
        outcome=outcome,
        word=word,
        shape=shape,
        bid=micro(mark.bid) if mark else None,
        ask=micro(mark.ask) if mark else None,
        fresh=bool(mark and mark.fresh),
        watched=mark is not None,
        confirmed_ms=mark.at_ms if mark else 0,
        held=" ".join(f"{p.size:.0f} {p.outcome.label.upper()}" for p in held) if held else None,
    )
