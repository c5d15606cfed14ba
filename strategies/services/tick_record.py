"""What every tick saw and wanted, so that a backtest can be held against it.

The record says when a strategy was ticked and what it knew: of each book the receive time of its last event, of our
orders how much was known to be filled. With the feed's recording that is enough to build the same view again. Books,
orders and positions are written when they changed since this process last wrote the strategy; amounts are millionths.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings

from markets.services.records import Record
from strategies.domain.cycle import CycleResult
from strategies.domain.view import MarketView
from strategies.services.prepared import Prepared

TICKS = Record(settings.DECISION_RECORD_DIR, "ticks")

_lock = threading.Lock()
_last: dict[int, tuple[int, dict[str, Any]]] = {}  # strategy -> (run, what was written last)


def tick_note(
    item: Prepared, view: MarketView, *, trigger: str, digest: str, result: CycleResult | None, problem: str = ""
) -> None:
    """Write one tick. `digest` is the hash of what was wanted; `result` what came of it, None without a gate."""
    if not TICKS.is_on:
        return
    line: dict[str, Any] = {
        "k": "tick",
        "strategy": item.id,
        "run": item.run_id,
        "version": item.origin.version,
        "account": item.account_id,
        "pid": os.getpid(),
        "at": _micros(view.now),
        "why": trigger,
        "hash": digest,
    }
    if problem:
        line["problem"] = problem
    known = {
        "books": {str(i): [b.seen_ns, b.seq, b.status.value, b.confirmed_ms] for i, b in view.books.items()},
        "orders": [[o.order_id, o.key, int(o.filled), int(o.cancel_requested)] for o in view.open_orders],
        "positions": {str(i): [int(p.size), int(p.confirmed), int(p.reserved)] for i, p in view.positions.items()},
    }
    line |= _changed(item, known)
    if result is not None:
        line |= _came_to(result)
    TICKS.write(line, at=view.now)


def _changed(item: Prepared, known: dict[str, Any]) -> dict[str, Any]:
    """Return what differs from this process's last line of the strategy; everything, marked `whole`, at first."""
    with _lock:
        run_id, before = _last.get(item.id, (0, {}))
        _last[item.id] = (item.run_id, known)
    if run_id != item.run_id or TICKS.lost:
        return {"whole": True, **known}
    out = {name: value for name, value in known.items() if name != "books" and value != before[name]}
    books = {key: value for key, value in known["books"].items() if before["books"].get(key) != value}
    gone = [key for key in before["books"] if key not in known["books"]]
    if books:
        out["books"] = books
    if gone:
        out["gone"] = gone
    return out


def _came_to(result: CycleResult) -> Mapping[str, Any]:
    out: dict[str, Any] = {}
    made: Sequence[Any] = [
        [
            order_id,
            verdict.placement.key,
            verdict.placement.outcome_id,
            verdict.placement.side.value,
            int(verdict.placement.price),
            int(verdict.allowed_size),
            verdict.placement.order_type.value,
        ]
        for verdict, order_id in zip(result.verdicts, result.created, strict=True)
        if order_id is not None
    ]
    if made:
        out["made"] = made
    if result.plan.stale_order_ids:
        out["cancels"] = list(result.plan.stale_order_ids)
    if result.refused:
        out["refused"] = [[v.rule, v.placement.outcome_id, v.placement.side.value] for v in result.refused]
    if result.plan_ids:
        out["plans"] = list(result.plan_ids)
    return out


def _micros(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000 + at.microsecond
