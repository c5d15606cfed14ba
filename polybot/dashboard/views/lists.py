"""The columns of the lists that several pages show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.http import HttpRequest

from polybot.dashboard.tables import Column, Table

POSITION_COLUMNS = (
    Column(key="market", label="Market", value=lambda h: h.place.full, css=""),
    Column(key="outcome", label="Outcome", value=lambda h: h.outcome),
    Column(key="size", label="Size sh", value=lambda h: h.size, css="r"),
    Column(key="available", label="Available sh", value=lambda h: h.confirmed - h.reserved, css="r p2"),
    Column(key="cost", label="Cost ¢", value=lambda h: h.average * 100 if h.average else None, css="r"),
    Column(key="mark", label="Mark ¢", value=lambda h: h.mark * 100 if h.mark is not None else None, css="r"),
    Column(key="age", label="Age", value=lambda h: h.marked_at, css="r"),
    Column(key="value", label="Value $", value=lambda h: h.value, css="r"),
    Column(key="profit", label="P&L $", value=lambda h: h.profit, css="r"),
    Column(key="realized", label="Realised $", value=lambda h: h.realized, css="r p2"),
    Column(key="closes", label="Closes", value=lambda h: h.market.closes_at, css="p2"),
)
_SHORT = {"market", "outcome", "size", "cost", "mark", "age", "value", "profit", "closes"}
POSITION_COLUMNS_SHORT = tuple(column for column in POSITION_COLUMNS if column.key in _SHORT)

ORDER_COLUMNS_SHORT = (
    Column(key="market", label="Market", value=lambda o: o.place.full),
    Column(key="side", label="Side", value=lambda o: o.row.side),
    Column(key="price", label="Price ¢", value=lambda o: o.row.price * 100, css="r"),
    Column(key="size", label="Size sh", value=lambda o: o.row.size, css="r"),
    Column(key="filled", label="Filled sh", value=lambda o: o.row.filled_size, css="r"),
    Column(
        key="queue",
        label="Queue ≈ sh",
        value=lambda o: o.queue,
        css="r",
        title="shares ahead of us at this price, estimated from the book since we joined",
    ),
    Column(key="age", label="Age", value=lambda o: -o.row.created_at.timestamp(), css="r", csv=False),
    Column(key="placed", label="Placed", value=lambda o: o.row.created_at, shown=False),
    Column(key="strategy", label="Origin", value=lambda o: o.row.origin_label, css="p2"),
)
# On a market's own page the market is known and the column narrow.
ORDER_COLUMNS_HERE = (
    Column(key="market", label="Outcome", value=lambda o: o.row.outcome.label),
    *(
        replace(column, css="r p2") if column.key == "filled" else column
        for column in ORDER_COLUMNS_SHORT
        if column.key not in ("market", "placed", "strategy")
    ),
    Column(key="placed", label="Placed", value=lambda o: o.row.created_at, shown=False),
)
STRATEGY_COLUMNS = (
    Column(key="strategy", label="Strategy", value=lambda s: s.row.name),
    Column(key="state", label="State", value=lambda s: s.word),
    Column(key="decisions", label="Decisions today", value=lambda s: s.decisions, css="r p2"),
    Column(key="last", label="Last decision", value=lambda s: s.row.last_outcome),
    Column(key="age", label="Age", value=lambda s: s.row.ticked_at, css="r"),
)


def open_table(
    request: HttpRequest, columns: Sequence[Column], rows: Sequence[Any], *, name: str = "", default: str = ""
) -> Table:
    """Return a table of rows that are all in memory already."""
    return Table(request, columns, rows, name=name, default=default, rows_per_page=200)
