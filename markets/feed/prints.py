"""Tells a public trade that is heard again from an equal trade that happened again.

The venue numbers no trades. With a transaction hash, an equal print is the same print: it counts once, whenever
it comes. Without one, equal prints (token, millisecond, side, price, size) are told apart by their order within
one subscription: the second is another trade. After a new subscription the count begins again, so what the
venue sends a second time collapses, and so do real trades equal to those heard in the same millisecond before
it. Not distinguishable, and counted as two: a frame without a hash that is delivered twice in one subscription.
"""

from __future__ import annotations

from collections import OrderedDict

from markets.domain.events import TradePrint

KEPT = 5_000  # prints remembered; the database refuses what is repeated later than that

_Key = tuple[object, ...]


class Prints:
    def __init__(self) -> None:
        self._heard: OrderedDict[_Key, list[int]] = OrderedDict()  # [subscription, heard in it, heard at all]

    def occurrence(self, trade: TradePrint, subscription: int) -> int | None:
        """Return the trade's number among equal ones, 0 for the first; None when it was heard before."""
        if trade.venue_ref:
            key: _Key = (trade.token_id, trade.venue_ref, trade.price, trade.size)
        else:
            key = (trade.token_id, trade.venue_ms, trade.side, trade.price, trade.size)
        found = self._heard.setdefault(key, [subscription, 0, 0])
        if len(self._heard) > KEPT:
            self._heard.popitem(last=False)
        if trade.venue_ref:
            found[1] = 1
        elif found[0] == subscription:
            found[1] += 1
        else:
            found[0], found[1] = subscription, 1
        if found[1] <= found[2]:
            return None
        found[2] = found[1]
        return found[1] - 1
