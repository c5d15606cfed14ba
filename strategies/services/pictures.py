"""One look at the market data for many strategies: what all of them need, read once, then handed out.

A view holds its own strategy's outcomes only, so nothing else can be seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from markets.domain.events import TradePrint
from markets.domain.views import BookView, Sample
from markets.tickstore import Tickstore
from orders.domain.intents import OpenOrder
from orders.domain.ledger import Position
from orders.selectors.portfolio import open_order_list, position_list
from strategies.domain.view import NOTHING, MarketView
from strategies.services.prepared import Prepared

Samples = Mapping[int, tuple[Sample, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What one account holds and has open."""

    positions: Mapping[int, Position]
    open_orders: tuple[OpenOrder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Market data and holdings at one moment, for all strategies of one tick."""

    now: datetime
    now_ms: int
    books: Mapping[int, BookView]
    samples_1s: Samples
    samples_1m: Samples
    trades: Mapping[int, tuple[TradePrint, ...]]
    holdings: Mapping[int, Holdings]  # by account id


def picture_take(items: Sequence[Prepared], tickstore: Tickstore, *, now: datetime) -> Picture:
    """Read books, histories and holdings for `items`. Raises TickstoreUnavailable when Redis does not answer."""
    seconds = _wanted(items, "samples_1s")
    minutes = _wanted(items, "samples_1m")
    trades = _wanted(items, "trades")
    return Picture(
        now=now,
        now_ms=int(now.timestamp() * 1000),
        books=tickstore.books_get({i for item in items for i in item.outcome_ids}),
        samples_1s=_samples(tickstore, seconds, 1),
        samples_1m=_samples(tickstore, minutes, 60),
        trades={i: tickstore.trades_get(i, count) for i, count in trades.items()},
        holdings={
            account_id: Holdings(positions=position_list(account_id), open_orders=open_order_list(account_id))
            for account_id in sorted({item.account_id for item in items})
        },
    )


def _wanted(items: Sequence[Prepared], need: str) -> dict[int, int]:
    """Return how many entries are needed per first outcome: the largest that anybody asked for."""
    out: dict[int, int] = {}
    for item in items:
        if count := getattr(item.needs, need):
            for outcome_id in item.first_outcome_ids:
                out[outcome_id] = max(count, out.get(outcome_id, 0))
    return out


def _samples(tickstore: Tickstore, wanted: Mapping[int, int], period_s: int) -> Samples:
    if not wanted:
        return NOTHING
    return tickstore.samples_get_many(wanted, period_s=period_s, count=max(wanted.values()))


def view_build(item: Prepared, picture: Picture) -> MarketView:
    """Return what `item` may see of the picture."""
    books, needs = picture.books, item.needs
    holdings = picture.holdings[item.account_id]
    positions, orders = holdings.positions, holdings.open_orders
    return MarketView(
        now=picture.now,
        now_ms=picture.now_ms,
        markets=item.markets,
        books={i: books[i] for i in item.outcome_ids if i in books},
        samples_1s=_cut(picture.samples_1s, item, needs.samples_1s) if needs.samples_1s else NOTHING,
        samples_1m=_cut(picture.samples_1m, item, needs.samples_1m) if needs.samples_1m else NOTHING,
        trades={i: picture.trades[i][: needs.trades] for i in item.first_outcome_ids if i in picture.trades}
        if needs.trades
        else NOTHING,
        positions={i: positions[i] for i in item.outcome_ids if i in positions} if positions else NOTHING,
        own=item.own,
        open_orders=tuple(o for o in orders if o.origin.id == item.id and o.origin.kind is item.origin.kind)
        if orders
        else (),
        params=item.params,
        state=item.memory,
    )


def _cut(samples: Samples, item: Prepared, count: int) -> Samples:
    return {i: samples[i][-count:] for i in item.first_outcome_ids if i in samples}
