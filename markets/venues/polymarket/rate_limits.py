"""How often Polymarket may be asked to place and cancel: windows per internet address, token buckets per signer.

Figures are the venue's, of September 2026. A window counts requests; a bucket counts orders or cancels.
"""

from __future__ import annotations

from types import MappingProxyType

from markets.venues.rates import Bucket, RateLimits, Tier, Window

_ALL = Window(name="all", requests=15_000, seconds=10, shared=True)
_CLOB = Window(name="clob", requests=9_000, seconds=10, shared=True)


def _route(name: str, short: int, long: int) -> tuple[Window, ...]:
    return (
        _ALL,
        _CLOB,
        Window(name=f"{name}:10", requests=short, seconds=10),
        Window(name=f"{name}:600", requests=long, seconds=600),
    )


def _tier(name: str, orders_s: int, orders_burst: int, *, may_owe: bool) -> Tier:
    """Return a tier: each has twice as many cancels as orders."""
    return Tier(
        name=name,
        order=Bucket(per_s=orders_s, burst=orders_burst),
        cancel=Bucket(per_s=2 * orders_s, burst=2 * orders_burst),
        may_owe=may_owe,
    )


_CALLS = {"order": ("POST /order", "POST /orders"), "cancel": ("DELETE /order", "DELETE /orders")}


def route_of(kind: str, cost: int) -> str:
    """Return the request that places or cancels so many orders at once."""
    one, many = _CALLS[kind]
    return one if cost == 1 else many


LIMITS = RateLimits(
    windows=MappingProxyType(
        {
            "POST /order": _route("order_post", 5_000, 120_000),
            "DELETE /order": _route("order_delete", 5_000, 120_000),
            "POST /orders": _route("orders_post", 2_000, 21_000),
            "DELETE /orders": _route("orders_delete", 2_000, 15_000),
            "DELETE /cancel-all": _route("cancel_all", 250, 6_000),
            "DELETE /cancel-market-orders": _route("cancel_market", 1_500, 21_000),
        }
    ),
    tiers=MappingProxyType(
        {
            tier.name: tier
            for tier in (
                _tier("standard", 40, 60, may_owe=True),
                _tier("copper", 60, 90, may_owe=True),
                _tier("bronze", 80, 120, may_owe=True),
                _tier("silver", 200, 300, may_owe=True),
                _tier("gold", 400, 600, may_owe=True),
                _tier("platinum", 450, 675, may_owe=False),
                _tier("diamond", 525, 787, may_owe=False),
                _tier("elite", 600, 900, may_owe=False),
            )
        }
    ),
    lowest="standard",
    route_of=route_of,
)
