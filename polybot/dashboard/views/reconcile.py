"""Our records against the venue's: how each account stands, what differs and why, what explains it, who else traded."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from orders.selectors import reconciling
from polybot.dashboard.frame import desk_of
from polybot.dashboard.tables import Column, Table
from polybot.dashboard.views.scope import account_ids


def difference_words(row: Any) -> str:
    """Return a difference in words: "cash differs", "missing fill: trade 7e21…"."""
    kind = row.kind.replace("_", " ")
    return kind if row.subject in kind else f"{kind}: {row.subject}"


STANDING_COLUMNS = (
    Column(key="account", label="Account", value=lambda s: s.account.name),
    Column(key="environment", label="Money", value=lambda s: s.account.environment, css="p2"),
    Column(key="clean", label="Last equal", value=lambda s: s.account.reconciled_at),
    Column(key="ours", label="Our cash $", value=lambda s: s.last.cash_ours if s.last else None, css="r p2"),
    Column(key="theirs", label="Theirs $", value=lambda s: s.last.cash_theirs if s.last else None, css="r p2"),
    Column(key="difference", label="Difference $", value=lambda s: s.difference, css="r"),
    Column(key="ends", label="Open", value=lambda s: s.open_ends, css="r", title="differences that nobody dealt with"),
    Column(key="foreign", label="Foreign", value=lambda s: s.foreign, css="r", title="orders not made by this desk"),
    Column(key="stream", label="Stream", value=lambda s: s.stream.connections if s.stream else None, css="p2"),
    Column(key="owner", label="Traded by", value=lambda s: s.owner, shown=False),
)
DIFFERENCE_COLUMNS = (
    Column(key="when", label="When", value=lambda d: d.run.started_at, order="run__started_at"),
    Column(key="what", label="What", value=difference_words, order="kind"),
    Column(key="ours", label="Ours", value=lambda d: d.ours),
    Column(key="theirs", label="Theirs", value=lambda d: d.theirs),
    Column(key="cause", label="Likely cause", value=lambda d: d.cause, css="p2"),
    Column(key="repair", label="Done", value=lambda d: d.repair or ("closed" if d.closed_at else "open")),
    Column(key="by", label="By", value=lambda d: d.closed_by, shown=False),
)
RUN_COLUMNS = (
    Column(key="started", label="Started", value=lambda r: r.started_at, order="started_at"),
    Column(key="result", label="Result", value=lambda r: r.error or ("equal" if r.clean else "differs")),
    Column(key="quiet", label="Quiet", value=lambda r: r.quiescent, css="p2", title="nothing was in flight for 30 s"),
    Column(key="items", label="Items", value=lambda r: len(r.open_items), css="r p2", title="open items that explain"),
    Column(key="orders", label="Orders", value=lambda r: r.orders_compared, order="orders_compared", css="r"),
    Column(key="fills", label="Trades", value=lambda r: r.fills_compared, order="fills_compared", css="r"),
    Column(key="ours", label="Our cash $", value=lambda r: r.cash_ours, order="cash_ours", css="r p2"),
    Column(key="theirs", label="Theirs $", value=lambda r: r.cash_theirs, order="cash_theirs", css="r p2"),
)
FOREIGN_COLUMNS = (
    Column(key="seen", label="First seen", value=lambda o: o.first_seen_at, order="first_seen_at"),
    Column(key="order", label="Order", value=lambda o: o.venue_order_id, order="venue_order_id"),
    Column(
        key="what",
        label="What",
        value=lambda o: f"{o.facts.get('side')} {o.facts.get('size') or o.facts.get('matched')}",
    ),
    Column(key="price", label="Price ¢", value=lambda o: o.facts.get("price"), css="r"),
    Column(key="state", label="State", value=lambda o: o.state, order="state"),
    Column(key="known", label="Acknowledged", value=lambda o: o.acknowledged_by, order="acknowledged_at"),
    Column(key="because", label="Because", value=lambda o: o.facts.get("acknowledged_because", ""), shown=False),
)


def reconcile(request: HttpRequest) -> HttpResponse:
    desk = desk_of(request)
    if desk.account is None:
        return render(request, "dashboard/no_account.html")
    mine = [desk.account.id]
    standings = Table(request, STANDING_COLUMNS, reconciling.standings(account_ids(request)), name="st")
    differences = Table(
        request,
        DIFFERENCE_COLUMNS,
        reconciling.difference_rows(mine),
        name="di",
        default="-when",
        rows_per_page=25,
        transform=lambda page: [{"row": row, "what": difference_words(row)} for row in page],
    )
    runs = Table(request, RUN_COLUMNS, reconciling.run_rows(mine), name="ru", default="-started", rows_per_page=15)
    foreign = Table(
        request,
        FOREIGN_COLUMNS,
        reconciling.foreign_rows(mine),
        name="fo",
        default="-seen",
        rows_per_page=25,
        transform=_strangers,
    )
    for table, name in ((standings, "accounts"), (differences, "differences"), (runs, "runs"), (foreign, "foreign")):
        if table.wants_csv:
            return table.csv_response(f"{desk.account.name}-reconcile-{name}")
    here = next((s for s in reconciling.standings(mine)), None)
    context = {
        "standings": standings,
        "differences": differences,
        "runs": runs,
        "foreign": foreign,
        "here": here,
        "last_run": here.last if here else None,
        "items": here.last.open_items if here and here.last else [],
    }
    return render(request, "dashboard/reconcile.html", context)


def _strangers(page: list[Any]) -> list[dict[str, object]]:
    """Return what is shown of each: one known by its trade alone has no size of its own."""
    return [
        {
            "row": row,
            "side": row.facts.get("side", ""),
            "size": row.facts.get("size") or row.facts.get("matched", ""),
            "price": row.facts.get("price"),
            "because": row.facts.get("acknowledged_because", ""),
        }
        for row in page
    ]
