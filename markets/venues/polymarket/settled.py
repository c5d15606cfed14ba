"""Settled prices of a market's tokens, from the order book service."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from markets.domain.units import ONE, micro_from_text
from markets.venues.base import ParseError


class Gets(Protocol):
    def get(self, path: str, /) -> bytes: ...


def settled_prices(http: Gets, condition_id: str) -> dict[str, int]:
    """Return millionths of a dollar by token once the market is closed and the two prices make a dollar; else nothing.

    A winner has price 1 and says so; a half is believed only as half and half, without a winner.
    """
    try:
        market: Any = msgspec.json.decode(http.get(f"/markets/{quote(condition_id, safe='')}"), strict=True)
        tokens = [(str(t["token_id"]), _price(t["price"]), t["winner"]) for t in market["tokens"]]
        closed = market["closed"]
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise ParseError("tokens", f"is not what it was: {error}", source="rest.market") from None
    if closed is not True or len(tokens) != 2:
        return {}
    prices, winners = sorted(price for _, price, _ in tokens), [price for _, price, winner in tokens if winner is True]
    if (prices, winners) in (([0, ONE], [ONE]), ([ONE // 2, ONE // 2], [])):
        return {token: price for token, price, _ in tokens}
    return {}


def _price(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"{value!r:.40} is no price")
    return micro_from_text(str(value), field="price")
