"""What the account holds now, and what it held."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from markets.selectors import screens as market_pages
from orders.selectors import screens as order_pages
from polybot.dashboard.frame import desk_of
from polybot.dashboard.holdings import holdings_of, total
from polybot.dashboard.places import place_of
from polybot.dashboard.tables import Column, Table
from polybot.dashboard.views.lists import POSITION_COLUMNS, open_table

CLOSED_COLUMNS = (
    Column(key="market", label="Market", value=lambda p: p["place"].full, order="outcome__market__question"),
    Column(key="outcome", label="Outcome", value=lambda p: p["row"].outcome.label, order="outcome__label"),
    Column(key="paid", label="Paid out ¢", value=lambda p: p["row"].outcome.payout, order="outcome__payout", css="r"),
    Column(key="realized", label="Realised $", value=lambda p: p["row"].realized, order="realized", css="r"),
    Column(key="fees", label="Fees $", value=lambda p: p["row"].fees, order="fees", css="r"),
    Column(key="ended", label="Ended", value=lambda p: p["row"].updated_at, order="updated_at"),
)


def positions(request: HttpRequest) -> HttpResponse:
    desk = desk_of(request)
    if desk.account is None:
        return render(request, "dashboard/no_account.html")
    rows = list(order_pages.position_rows(desk.account.id))
    marks = market_pages.marks(row.outcome_id for row in rows)
    holdings = holdings_of(rows, marks)
    table = open_table(request, POSITION_COLUMNS, holdings, name="po", default="-value")
    closed = Table(
        request,
        CLOSED_COLUMNS,
        order_pages.closed_position_rows(desk.account.id),
        name="cl",
        default="-ended",
        rows_per_page=25,
        transform=lambda page: [{"row": p, "place": place_of(p.outcome.market, p.outcome)} for p in page],
    )
    for one in (table, closed):
        if one.wants_csv:
            return one.csv_response(f"{desk.account.name}-{'positions' if one is table else 'closed-positions'}")
    context = {
        "table": table,
        "closed": closed,
        "holdings": holdings,
        "value": total(holdings, "value"),
        "cost": total(holdings, "cost"),
        "profit": total(holdings, "profit"),
        "realized": total(holdings, "realized"),
        "unmarked": sum(not holding.is_fresh for holding in holdings),
    }
    return render(request, "dashboard/positions.html", context)
