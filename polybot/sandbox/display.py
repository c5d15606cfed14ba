"""One token's displayed book in the venue's own strings, with its SHA-1 hash.

Levels are kept as the text that is hashed, so that a hash costs one join. Prices and sizes are millionths;
the venue lists bids ascending and asks descending: the best level is last.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, insort
from functools import lru_cache

from markets.domain.events import Level
from markets.domain.instruments import Side
from markets.domain.units import text_from_micro
from polybot.sandbox.messages import BookState


@lru_cache(maxsize=65_536)
def text(micro: int) -> str:
    return text_from_micro(micro)


def level_text(price: str, size: str) -> str:
    """Return a level as it stands in the hashed text."""
    return f'{{"price":"{price}","size":"{size}"}}'


def book_hash(
    *,
    market: str,
    asset_id: str,
    timestamp: str,
    bids: list[str],
    asks: list[str],
    min_order_size: str,
    tick_size: str,
    neg_risk: bool,
    last_trade_price: str,
) -> str:
    """Return the SHA-1 of the book as compact JSON with this key order and an empty hash; levels as `level_text`."""
    image = (
        f'{{"market":"{market}","asset_id":"{asset_id}","timestamp":"{timestamp}","hash":"",'
        f'"bids":[{",".join(bids)}],"asks":[{",".join(asks)}],"min_order_size":"{min_order_size}",'
        f'"tick_size":"{tick_size}","neg_risk":{"true" if neg_risk else "false"},'
        f'"last_trade_price":"{last_trade_price}"}}'
    )
    return hashlib.sha1(image.encode(), usedforsecurity=False).hexdigest()


class TokenBook:
    """The displayed book of one token of a market."""

    __slots__ = (
        "asset_id",
        "last_trade",
        "levels",
        "market",
        "min_size",
        "neg_risk",
        "prices",
        "texts",
        "tick",
        "updated_ms",
    )

    def __init__(self, *, market: str, asset_id: str, min_size: int, tick: int, neg_risk: bool) -> None:
        self.market = market
        self.asset_id = asset_id
        self.min_size = min_size
        self.tick = tick
        self.neg_risk = neg_risk
        self.last_trade: int | None = None
        self.updated_ms = 0
        self.levels: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        self.texts: dict[Side, dict[int, str]] = {Side.BUY: {}, Side.SELL: {}}
        self.prices: dict[Side, list[int]] = {Side.BUY: [], Side.SELL: []}  # ascending

    def set_level(self, side: Side, price: int, size: int) -> None:
        levels = self.levels[side]
        if size <= 0:
            if levels.pop(price, None) is not None:
                del self.texts[side][price]
                prices = self.prices[side]
                del prices[bisect_left(prices, price)]
            return
        if price not in levels:
            insort(self.prices[side], price)
        levels[price] = size
        self.texts[side][price] = level_text(text(price), text(size))

    def replace(self, bids: list[Level] | tuple[Level, ...], asks: list[Level] | tuple[Level, ...]) -> None:
        for side, new in ((Side.BUY, bids), (Side.SELL, asks)):
            self.levels[side] = {}
            self.texts[side] = {}
            self.prices[side] = []
            for price, size in new:
                self.set_level(side, price, size)

    def best(self, side: Side) -> int | None:
        prices = self.prices[side]
        return (prices[-1] if side is Side.BUY else prices[0]) if prices else None

    def worst_first(self, side: Side) -> list[int]:
        prices = self.prices[side]
        return prices if side is Side.BUY else prices[::-1]

    def hash(self) -> str:
        """Return the venue's hash of the book as of its last change."""
        bids, asks = self.texts[Side.BUY], self.texts[Side.SELL]
        return book_hash(
            market=self.market,
            asset_id=self.asset_id,
            timestamp=str(self.updated_ms),
            bids=[bids[p] for p in self.prices[Side.BUY]],
            asks=[asks[p] for p in reversed(self.prices[Side.SELL])],
            min_order_size=text(self.min_size),
            tick_size=text(self.tick),
            neg_risk=self.neg_risk,
            last_trade_price="" if self.last_trade is None else text(self.last_trade),
        )

    def state(self) -> BookState:
        def side(which: Side) -> tuple[tuple[str, str], ...]:
            levels = self.levels[which]
            return tuple((text(p), text(levels[p])) for p in self.worst_first(which))

        return BookState(
            market=self.market,
            asset_id=self.asset_id,
            timestamp_ms=self.updated_ms,
            hash=self.hash(),
            bids=side(Side.BUY),
            asks=side(Side.SELL),
            min_order_size=text(self.min_size),
            tick_size=text(self.tick),
            neg_risk=self.neg_risk,
            last_trade_price="" if self.last_trade is None else text(self.last_trade),
        )
