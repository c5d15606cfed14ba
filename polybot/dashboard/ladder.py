"""The order book as a ladder: prices in the middle, the venue's sizes beside them, ours outside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from markets.domain.units import micro_from_decimal
from markets.domain.views import BookStatus, BookView
from polybot.dashboard import pictures
from polybot.dashboard.numbers import micro

ROWS = 7  # levels a side on ordinary screens; DEEP_ROWS where the screen is very wide
DEEP_ROWS = 10
BOOK_LIMIT_S = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    price: Decimal | None
    size: Decimal | None
    mine: Decimal | None
    queue: Decimal | None
    picture: str
    is_best: bool
    in_band: bool
    deep: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Asks from the highest shown down to the best, then bids from the best down."""

    outcome_id: int
    asks: tuple[Rung, ...]
    bids: tuple[Rung, ...]
    spread: Decimal | None
    mid: Decimal | None
    microprice: Decimal | None
    bid_dollars: Decimal
    ask_dollars: Decimal
    levels: int
    status: str
    confirmed_at: datetime | None
    ours: str  # JSON for the script: price in millionths → [size, queue] in shares

    @property
    def is_live(self) -> bool:
        return self.status == BookStatus.LIVE


def ladder_of(
    outcome_id: int, view: BookView | None, orders: Iterable[Any], queues: Mapping[int, Decimal], market: Any
) -> Ladder:
    """Return the ladder of one outcome with our resting orders on it."""
    ours: dict[str, dict[int, list[Any]]] = {"buy": {}, "sell": {}}
    for order in orders:
        price = micro_from_decimal(order.price)
        size, queue = ours[order.side].get(price, [Decimal(0), None])
        ahead = queues.get(order.pk)
        ours[order.side][price] = [
            size + order.size - order.filled_size,
            ahead if queue is None else min(queue, ahead if ahead is not None else queue),
        ]
    view = view or BookView(outcome_id=outcome_id, status=BookStatus.MISSING)
    shown = [*view.bids[:DEEP_ROWS], *view.asks[:DEEP_ROWS]]
    largest = max((level[1] for level in shown), default=1)
    band = _band(view, market)
    bids = tuple(_rung(i, view.bids, ours["buy"], largest, bid=True, band=band) for i in range(DEEP_ROWS))
    asks = tuple(_rung(i, view.asks, ours["sell"], largest, bid=False, band=band) for i in reversed(range(DEEP_ROWS)))
    return Ladder(
        outcome_id=outcome_id,
        asks=asks,
        bids=bids,
        spread=micro(view.spread),
        mid=micro(view.mid),
        microprice=micro(view.microprice),
        bid_dollars=_dollars(view.bids),
        ask_dollars=_dollars(view.asks),
        levels=max(len(view.bids), len(view.asks)),
        status=view.status,
        confirmed_at=datetime.fromtimestamp(view.confirmed_ms / 1000, tz=UTC) if view.confirmed_ms else None,
        ours=json.dumps(
            {
                str(price): [str(size), None if queue is None else str(queue)]
                for side in ours.values()
                for price, (size, queue) in side.items()
            }
        ),
    )


def _rung(
    index: int, levels: Any, ours: Mapping[int, list[Any]], largest: int, *, bid: bool, band: tuple[int, int] | None
) -> Rung:
    level = levels[index] if index < len(levels) else None
    mine = ours.get(level[0]) if level else None
    return Rung(
        price=micro(level[0]) if level else None,
        size=micro(level[1]) if level else None,
        mine=mine[0] if mine else None,
        queue=mine[1] if mine else None,
        picture=pictures.depth_bar(level[1] / largest if level else 0.0, bid=bid),
        is_best=index == 0,
        in_band=bool(level and band and band[0] <= level[0] <= band[1]),
        deep=index >= ROWS,
    )


def _band(view: BookView, market: Any) -> tuple[int, int] | None:
    """Prices at which resting orders earn rewards, where the market pays any."""
    if view.mid is None or not market.reward_rate_per_day:
        return None
    spread = micro_from_decimal(market.reward_maximum_spread)
    return (view.mid - spread, view.mid + spread)


def _dollars(levels: Any) -> Decimal:
    return Decimal(sum(price * size for price, size in levels)).scaleb(-12)
