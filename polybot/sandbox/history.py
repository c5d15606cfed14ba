"""A point of price history each minute, and the dollars resting in each open market. Times are Unix milliseconds."""

from __future__ import annotations

from markets.domain.instruments import Side
from markets.domain.units import ONE
from polybot.sandbox.core import Core

MINUTE_MS = 60_000
KEPT = 2_880


def prices(core: Core, token_id: str, *, start_ms: int, end_ms: int, bucket_ms: int) -> list[tuple[int, int]]:
    """Return (bucket start, the token's last price in it), oldest first."""
    market = core.catalogue.by_token.get(token_id)
    if market is None:
        return []
    step = max(bucket_ms, MINUTE_MS)
    buckets: dict[int, int] = {}
    for at, price in core.history.get(market.condition_id, []):
        if start_ms <= at <= end_ms:
            buckets[at - at % step] = price if market.index_of(token_id) == 0 else ONE - price
    return sorted(buckets.items())


def note(core: Core) -> None:
    for market in core.catalogue.open_markets():
        book = core.books[market.token_ids[0]]
        market.liquidity = sum(p * s // ONE for p, s in book.levels[Side.BUY].items()) + sum(
            (ONE - p) * s // ONE for p, s in book.levels[Side.SELL].items()
        )
        points = core.history.setdefault(market.condition_id, [])
        points.append((core.now - core.now % MINUTE_MS, market.outcome_prices[0]))
        del points[:-KEPT]
