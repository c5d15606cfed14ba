"""MarketSnapshot: what every watched market looked like, ten minutes apart."""

from __future__ import annotations

from datetime import UTC, datetime

from markets.domain.units import decimal_from_micro
from markets.domain.views import BookStatus, BookView
from markets.models import MarketSnapshot, Outcome
from markets.selectors.watch import watched_ids
from markets.tickstore import Tickstore, get_tickstore

SLOT_S = 600
_AT_ONCE = 500
_OLDEST_MS = 60_000  # a feed that died leaves its last books behind
_TRUSTED = (BookStatus.LIVE, BookStatus.POLLED)


def snapshots_record(*, now: datetime, store: Tickstore | None = None) -> int:
    """Store one row for each watched outcome with a trusted book; returns how many this slot then has.

    The first picture taken in a slot stays: a repeated or late run adds only what was missing.
    Raises TickstoreUnavailable when Redis does not answer; nothing is stored then.
    """
    store = store or get_tickstore()
    at = slot_start(now)
    now_ms = int(now.timestamp() * 1000)
    watched = sorted(watched_ids(now=now))
    for start in range(0, len(watched), _AT_ONCE):
        books = store.books_get(watched[start : start + _AT_ONCE])
        views = {i: v for i, v in books.items() if v.status in _TRUSTED and v.age_ms(now_ms) <= _OLDEST_MS}
        outcomes = Outcome.objects.filter(pk__in=views).select_related("market")
        rows = [_row(outcome, views[outcome.pk], at) for outcome in outcomes]
        MarketSnapshot.objects.bulk_create(rows, ignore_conflicts=True)
    return MarketSnapshot.objects.filter(at=at).count()


def slot_start(now: datetime) -> datetime:
    seconds = int(now.timestamp())
    return datetime.fromtimestamp(seconds - seconds % SLOT_S, tz=UTC)


def _row(outcome: Outcome, view: BookView, at: datetime) -> MarketSnapshot:
    return MarketSnapshot(
        outcome=outcome,
        at=at,
        best_bid=None if view.best_bid is None else decimal_from_micro(view.best_bid),
        best_ask=None if view.best_ask is None else decimal_from_micro(view.best_ask),
        bid_depth=decimal_from_micro(sum(size for _, size in view.bids)),
        ask_depth=decimal_from_micro(sum(size for _, size in view.asks)),
        volume_24h=outcome.market.volume_24h,
        liquidity=outcome.market.liquidity,
    )
