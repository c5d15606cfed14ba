"""The cockpit: what the account is worth and why, whether it can trade, and what it is doing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from alerts.selectors import screens as alert_pages
from markets.domain.units import decimal_from_micro
from markets.selectors import screens as market_pages
from orders.domain.equity import day_start
from orders.selectors import portfolio as portfolios
from orders.selectors import screens as order_pages
from orders.selectors.pages import DayProfit, day_profit
from polybot.dashboard import numbers, pictures
from polybot.dashboard.caps import caps_of
from polybot.dashboard.frame import desk_of
from polybot.dashboard.funnel import funnel_get
from polybot.dashboard.holdings import holdings_of, total
from polybot.dashboard.rows import event_lines, order_lines, strategy_lines
from polybot.dashboard.views.lists import ORDER_COLUMNS_SHORT, POSITION_COLUMNS_SHORT, STRATEGY_COLUMNS, open_table
from strategies.library import registry
from strategies.selectors import screens as strategy_pages

RANGES = {"today": "Today", "7d": "7 d", "30d": "30 d", "all": "All"}
# Steps that every order takes many times an hour; the orders page and the audit have them.
ROUTINE = ("order.approved", "order.submitted", "order.live", "order.cancel_requested", "order.canceled")
_DAYS = {"7d": 7, "30d": 30}


def cockpit(request: HttpRequest) -> HttpResponse:
    desk = desk_of(request)
    if desk.account is None:
        return render(request, "dashboard/no_account.html")
    now, account = desk.now, desk.account
    portfolio = portfolios.portfolio_get(account.id, now=now)
    position_rows = list(order_pages.position_rows(account.id))
    marks = market_pages.marks(row.outcome_id for row in position_rows)
    holdings = holdings_of(position_rows, marks)
    equity = decimal_from_micro(portfolio.equity)
    causes = day_profit(account.id, now=now)
    orders = order_pages.open_orders(account.id)
    strategies = list(strategy_pages.strategy_rows(account.id))
    counts, last_error = alert_pages.error_hours(account_ids=[account.id], now=now)
    titles = dict(registry.strategy_choices())
    tables = {
        "positions": open_table(request, POSITION_COLUMNS_SHORT, holdings, name="po", default="-value"),
        "orders": open_table(
            request, ORDER_COLUMNS_SHORT, order_lines(orders, order_pages.queues(orders)), name="or", default="age"
        ),
        "strategies": open_table(
            request,
            STRATEGY_COLUMNS,
            strategy_lines(strategies, titles, strategy_pages.decision_counts(account.id, since=day_start(now))),
            name="st",
            default="strategy",
        ),
    }
    for name, table in tables.items():
        if table.wants_csv:
            return table.csv_response(f"{account.name}-{name}")
    chosen = request.GET.get("range", "today")
    chosen = chosen if chosen in RANGES else "today"
    context: dict[str, Any] = {
        "equity": equity,
        "cash": decimal_from_micro(portfolio.cash),
        "free": decimal_from_micro(portfolio.cash - portfolio.reserved_cash),
        "reserved": decimal_from_micro(portfolio.reserved_cash),
        "bids": sum(1 for order in orders if order.side == "buy"),
        "positions_value": total(holdings, "value"),
        "unmarked": portfolio.unmarked,
        "profit": total(holdings, "profit"),
        "peak": decimal_from_micro(portfolio.peak_equity),
        "drawdown": _share(portfolio.peak_equity - portfolio.equity, portfolio.peak_equity),
        "today": causes.total,
        "today_share": _share_of(causes.total, equity - causes.total),
        "causes": _causes(causes),
        "since": day_start(now),
        "ranges": RANGES,
        "range": chosen,
        "chart": equity_chart(account, chosen, now=now, equity=equity),
        "caps": caps_of(portfolio),
        "funnel": funnel_get(account.id, since=day_start(now)),
        "holdings": holdings,
        "orders": orders,
        "orders_worth": desk.stop.worth,
        "strategies": strategies,
        "running": desk.stop.running,
        "error_counts": counts,
        "errors": sum(counts),
        "errors_now": counts[-1],
        "error_picture": pictures.beats(counts),
        "last_error": last_error,
        "events": event_lines(alert_pages.event_rows(account_ids=[account.id]).exclude(kind__in=ROUTINE)[:12]),
        "tables": tables,
    }
    return render(request, "dashboard/cockpit.html", context)


def _share(part: int, whole: int) -> Decimal:
    return Decimal(max(0, part)) * 100 / whole if whole > 0 else Decimal(0)


def _share_of(part: Decimal, whole: Decimal) -> Decimal | None:
    return part * 100 / whole if whole > 0 else None


def _causes(causes: DayProfit) -> list[dict[str, Any]]:
    parts = [
        ("Trading", causes.trading, "sells against their average cost"),
        ("Settlement", causes.settlement, "payouts against their average cost"),
        ("Open positions", causes.open_positions, "what is still held moved in value"),
        ("Fees", causes.fees, "taker fees paid"),
        ("Rebates", causes.rebates, "rebates and rewards received"),
    ]
    largest = max((abs(float(value)) for _, value, _ in parts), default=0.0)
    return [
        {"label": label, "value": value, "title": title, "picture": pictures.split_bar(float(value), largest)}
        for label, value, title in parts
    ]


def with_gaps(series: Sequence[tuple[datetime, Decimal]]) -> list[tuple[float, float | None]]:
    """Return the points with a hole wherever the desk stored nothing for far longer than usual: it was off."""
    steps = sorted((b[0] - a[0]).total_seconds() for a, b in pairwise(series))
    widest = max(300.0, 4 * steps[len(steps) // 2]) if steps else 300.0
    points: list[tuple[float, float | None]] = []
    for at, value in series:
        moment = at.timestamp()
        if points and moment - points[-1][0] > widest:
            points.append(((moment + points[-1][0]) / 2, None))
        points.append((moment, float(value)))
    return points


def equity_chart(account: Any, chosen: str, *, now: datetime, equity: Decimal) -> str:
    """Return the picture of equity over the chosen range, ending with the value now."""
    since = None if chosen == "all" else day_start(now) if chosen == "today" else now - timedelta(days=_DAYS[chosen])
    series = [*order_pages.equity_series(account.id, since=since), (now, equity)]
    if len(series) < 3:
        return ""
    points = with_gaps(series)
    first, last = series[0], series[-1]
    start = float(first[1])
    span = points[-1][0] - points[0][0]
    says = (
        f"Equity from {numbers.money(first[1])} at {first[0].strftime('%d %b %H:%M')} UTC"
        f" to {numbers.money(last[1])} at {last[0].strftime('%H:%M')} UTC"
    )
    return pictures.chart(
        [pictures.Line(points=points, fill_to=start)],
        says=says,
        axis=pictures.Axis(prefix="$", places=2, least=1.0),
        x_form=pictures.time_form(span),
        reference=start,
        tag=float(last[1]),
    )
