"""Everything the rules may know when they review: one consistent picture, taken under the account's lock.

Dollars and shares are millionths. A missing entry means unknown, and unknown refuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from markets.domain.instruments import MarketFacts, Side
from markets.domain.units import Price, Shares, Usd, notional_down
from markets.domain.views import BookView
from orders.domain.intents import OpenOrder, Origin, OriginKind
from orders.domain.ledger import Portfolio
from orders.domain.readiness import LiveConditions
from risk.domain.limits import NO_OVERRIDE, Limits, OriginLimits

_NOTHING = Usd(0)

OriginRef = tuple[OriginKind, int]


def origin_ref(origin: Origin) -> OriginRef:
    return (origin.kind, origin.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginUsage:
    """What one strategy already uses of its caps, without the placements under review."""

    exposure: Usd = _NOTHING  # cost of what it holds, and what its open buys may cost
    day_loss: Usd = _NOTHING  # lost since UTC midnight; never negative


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentOrder:
    """An order created a moment ago, for the duplicate window."""

    origin: OriginRef
    outcome_id: int
    side: Side
    price: Price
    size: Shares  # as asked
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GateContext:
    """The picture under review. `limits` None means that the account has no profile: everything is refused."""

    now: datetime
    portfolio: Portfolio
    limits: Limits | None
    facts: Mapping[int, MarketFacts]  # by market id: of the placements and of everything held or open
    books: Mapping[int, BookView]  # by outcome id
    killed: bool | None = None  # None: the switch could not be read, which counts as set
    kill_reason: str = ""
    auto_trade: bool = True  # the account's master switch of automatic orders
    origin_limits: Mapping[OriginRef, OriginLimits] = field(default_factory=dict)
    origin_usage: Mapping[OriginRef, OriginUsage] = field(default_factory=dict)
    orders_last_minute: int = 0
    recent_orders: tuple[RecentOrder, ...] = ()
    conditions: LiveConditions | None = None  # of the account; None: nobody asked, which refuses all but paper
    venue_blocks: Mapping[str, str] = field(default_factory=dict)  # why entries stop, by venue
    market_blocks: Mapping[int, str] = field(default_factory=dict)
    # What keeps an origin of a live account from real money; an origin that is absent was not asked about.
    permits_missing: Mapping[OriginRef, tuple[str, ...]] = field(default_factory=dict)

    def override(self, origin: Origin) -> OriginLimits:
        return self.origin_limits.get(origin_ref(origin), NO_OVERRIDE)

    def usage(self, origin: Origin) -> OriginUsage:
        return self.origin_usage.get(origin_ref(origin), OriginUsage())


def without(context: GateContext, orders: Sequence[OpenOrder]) -> GateContext:
    """Return the picture in which `orders` have ended and gave back what they held: shares, or price times size.

    A buy may have set aside a fee beside that; what of it is not certain is not counted as free.
    """
    ids = {order.order_id for order in orders}
    portfolio = context.portfolio
    positions, reserved = dict(portfolio.positions), int(portfolio.reserved_cash)
    for order in orders:
        held = positions.get(order.outcome_id)
        if order.side is Side.BUY:
            reserved -= notional_down(order.price, order.remaining)
        elif held is not None:
            positions[order.outcome_id] = replace(held, reserved=Shares(max(0, held.reserved - order.remaining)))
    left = tuple(order for order in portfolio.open_orders if order.order_id not in ids)
    cash = Usd(max(0, reserved))
    return replace(context, portfolio=replace(portfolio, positions=positions, open_orders=left, reserved_cash=cash))
