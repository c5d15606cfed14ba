"""Market facts fetched ahead: what decides about an order is not read again for every order of the same second.

Facts are at most `settings.READ_AHEAD_S` old beyond their own age, which the rules judge in tens of seconds.
Books are never held here: they live for moments. 0 reads everything anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic

from django.conf import settings

from markets.domain.instruments import MarketFacts
from markets.selectors.catalogue import market_facts

_MOST_HELD = 5_000
_held: dict[int, tuple[float, MarketFacts]] = {}


def market_facts_ahead(market_ids: Iterable[int]) -> dict[int, MarketFacts]:
    """Return the facts of each market that exists, read now or a moment ago by this process."""
    wanted = set(market_ids)
    if not settings.READ_AHEAD_S:
        return market_facts(wanted)
    now = monotonic()
    fresh = now - settings.READ_AHEAD_S
    held = {pk: _held.get(pk) for pk in wanted}
    found = {pk: entry[1] for pk, entry in held.items() if entry is not None and entry[0] >= fresh}
    if missing := wanted - found.keys():
        read = market_facts(missing)
        if len(_held) > _MOST_HELD:
            _held.clear()
        _held.update({pk: (now, facts) for pk, facts in read.items()})
        found |= read
    return found
