"""What may still be asked of the venues, and what waits to be sent: two panels of the data page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest

from orders.domain.rate_figures import BucketFigure, WindowFigure
from orders.selectors import rate_budget
from polybot.dashboard import numbers
from polybot.dashboard.tables import Column, Table
from polybot.dashboard.views.scope import account_ids

SHARED = {"all": "every request", "clob": "every request of the order API"}
LATE_S = 15.0  # an order or cancel that waits longer has met something: look soon
LOAD_LIMIT_S = 30.0  # the trader says its load every 10 s


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowLine:
    venue: str
    what: str
    figure: WindowFigure

    @property
    def spent(self) -> bool:
        return self.figure.left_for_orders == 0 or self.figure.left_for_cancels == 0

    @property
    def counted_at(self) -> datetime | None:
        return _moment(self.figure.counted_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketLine:
    """One kind of one signing key."""

    venue: str
    signer: str
    accounts: str
    kind: str
    figure: BucketFigure

    @property
    def left(self) -> str:
        whole = int(self.figure.left // 1)
        return numbers.count(whole) if whole >= 0 else f"{numbers.MINUS}{numbers.count(-whole)}"

    @property
    def spent(self) -> bool:
        return self.figure.left < 1 or self.figure.paused_ms > 0

    @property
    def pause(self) -> str:
        return numbers.age(self.figure.paused_ms / 1_000) if self.figure.paused_ms else ""

    @property
    def counted_at(self) -> datetime | None:
        return _moment(self.figure.counted_ms)


def _column(key: str, label: str, value: Callable[[Any], Any], css: str = "", title: str = "") -> Column:
    return Column(key=key, label=label, value=value, css=css, title=title)


WINDOW_COLUMNS = (
    _column("what", "Counts", lambda w: w.what),
    _column("seconds", "In s", lambda w: w.figure.seconds, "r"),
    _column("used", "Used", lambda w: w.figure.used, "r"),
    _column("orders", "Left for orders", lambda w: w.figure.left_for_orders, "r"),
    _column("cancels", "Left for cancels", lambda w: w.figure.left_for_cancels, "r"),
    _column("reserve", "Kept for cancels", lambda w: w.figure.reserve, "r p2", "what orders can never take"),
    _column("allows", "Venue allows", lambda w: w.figure.requests, "r p2"),
    _column("counted", "Last count", lambda w: w.counted_at, "r p2"),
)
BUCKET_COLUMNS = (
    _column("signer", "Signing key", lambda b: b.signer),
    _column("accounts", "Accounts", lambda b: b.accounts, "p2"),
    _column("kind", "For", lambda b: b.kind),
    _column("left", "Left", lambda b: int(b.figure.left // 1), "r"),
    _column("burst", "At most", lambda b: b.figure.burst, "r"),
    _column("rate", "Back per s", lambda b: b.figure.per_s, "r"),
    _column("tier", "Tier", lambda b: b.figure.tier),
    _column("counted", "Last count", lambda b: b.counted_at, "r p2"),
)


def budget_tables(request: HttpRequest) -> tuple[list[Table], dict[str, Any]]:
    """Return the tables that can be downloaded, and what the panels show."""
    ids = account_ids(request)
    found = rate_budget.rate_figures_get(ids)
    windows = [
        WindowLine(venue=f.venue, what=SHARED.get(w.name, ", ".join(w.routes)), figure=w)
        for f in found
        for w in f.windows
    ]
    buckets = [
        BucketLine(venue=f.venue, signer=key.signer, accounts=", ".join(key.accounts), kind=kind, figure=figure)
        for f in found
        for key in f.keys
        for kind, figure in (("orders", key.order), ("cancels", key.cancel))
    ]
    tables = [
        Table(request, WINDOW_COLUMNS, windows, name="rw", rows_per_page=100),
        Table(request, BUCKET_COLUMNS, buckets, name="rk", rows_per_page=100),
    ]
    waiting = rate_budget.waiting_get(ids)
    return tables, {
        "rates": found,
        "windows": tables[0],
        "buckets": tables[1],
        "rates_read": min((f.read_at for f in found if f.read_at), default=None),
        "rates_problem": next((f.problem for f in found if f.problem), ""),
        "waiting": waiting,
        "late_s": LATE_S,
        "senders": rate_budget.sender_load_get(),
        "load_limit_s": LOAD_LIMIT_S,
    }


def _moment(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1_000, tz=UTC)
