"""Telling strategies what happened to them: own fills and resolutions, pulled through cursors.

The cursor is saved together with the state it led to, so every fill is told exactly once. A
resolution may be told again after a restart, which `on_resolved` must bear.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from markets.selectors.catalogue import resolved_since
from orders.selectors.origins import origin_trades
from orders.selectors.since import fills_mark, fills_since
from strategies.domain.base import OwnFill, Resolved
from strategies.services.prepared import Prepared

RESOLUTIONS_EVERY_S = 10.0


def hooks_run(items: Sequence[Prepared], *, now: datetime) -> dict[int, Exception]:
    """Bring every item's own shares and memory up to date; return the strategies whose hook raised."""
    failed: dict[int, Exception] = {}
    _fills(items, failed, now=now)
    _resolutions(items, failed, now=now)
    return failed


def _fills(items: Sequence[Prepared], failed: dict[int, Exception], *, now: datetime) -> None:
    mark = fills_mark()
    behind = [item for item in items if item.fills_mark != mark]
    if not behind:
        return
    found = fills_since([(item.id, item.fill_cursor) for item in behind])
    _own_shares([item for item in behind if item.fills_mark is None or item.id in found], now=now)
    for item in behind:
        try:
            for fill in found.get(item.id, ()):
                told = OwnFill(
                    fill_id=fill.fill_id,
                    order_id=fill.order_id,
                    outcome_id=fill.outcome_id,
                    side=fill.side,
                    price=fill.price,
                    size=fill.size,
                    fee=fill.fee,
                    at=fill.at,
                )
                item.memory = item.strategy.on_fill(item.memory, told)
                item.fill_cursor = fill.fill_id
                item.dirty = True
        except Exception as error:  # the strategy's own code: isolated by the runner
            failed[item.id] = error
            continue
        item.fills_mark = mark


def _own_shares(items: Sequence[Prepared], *, now: datetime) -> None:
    """Sum up what each item bought and has not sold: one query per account."""
    by_account: dict[int, list[Prepared]] = {}
    for item in items:
        by_account.setdefault(item.account_id, []).append(item)
    for account_id, members in by_account.items():
        sums = origin_trades(account_id, [(item.origin.kind.value, item.id) for item in members], since=now)
        for item in members:
            trades = sums[item.origin.kind.value, item.id]
            item.own = {t.outcome_id: t.bought - t.sold for t in trades if t.bought > t.sold}


def _resolutions(items: Sequence[Prepared], failed: dict[int, Exception], *, now: datetime) -> None:
    due = [
        item
        for item in items
        if item.resolutions_at is None or (now - item.resolutions_at).total_seconds() >= RESOLUTIONS_EVERY_S
    ]
    if not due:
        return
    for item in due:
        item.resolved_cursor = item.resolved_cursor or now  # a new strategy has no past to be told of
        item.resolutions_at = now
    rows = resolved_since(min(item.resolved_cursor for item in due if item.resolved_cursor))
    for item in due:
        for row in rows:
            if item.resolved_cursor is None or row.resolved_at <= item.resolved_cursor:
                continue
            told = Resolved(market_id=row.market_id, payouts=row.payouts, at=row.resolved_at)
            try:
                after = item.strategy.on_resolved(item.memory, told)
            except Exception as error:  # as above
                failed[item.id] = error
                break
            if after != item.memory:
                item.memory, item.dirty = after, True
            item.resolved_cursor = row.resolved_at
