"""Values against limits: what could be lost by account, event and market, and what is used of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from markets.domain.units import decimal_from_micro
from markets.selectors.catalogue import market_facts
from orders.selectors.portfolio import portfolio_get
from risk.domain import exposure
from risk.domain.losses import day_loss
from risk.selectors.limits import limits_get


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    name: str  # "account", "daily_loss", "event:7", "market:12"
    value: Decimal  # dollars
    limit: Decimal | None  # None: the account has no profile


def caps_get(account_id: int) -> list[Cap]:
    """Return the account's caps, the widest first; events and markets in which something is held or open."""
    portfolio, limits = portfolio_get(account_id), limits_get(account_id)
    held, orders = list(portfolio.positions.values()), portfolio.open_orders
    facts = market_facts({p.market_id for p in held} | {o.market_id for o in orders})
    risks = [exposure.risked_order(order, facts.get(order.market_id)) for order in orders]
    market_ids = sorted({p.market_id for p in held} | {o.market_id for o in orders})
    events = sorted({known.event_id for known in facts.values()})
    rows = [
        ("account", exposure.account_exposure(held, risks, facts), limits and limits.account_exposure),
        ("daily_loss", day_loss(portfolio), limits and limits.daily_loss),
        *(
            (
                f"event:{event_id}",
                exposure.event_exposure(event_id, held, risks, facts),
                limits and limits.event_exposure,
            )
            for event_id in events
        ),
        *(
            (f"market:{i}", exposure.market_exposure(i, held, risks, facts), limits and limits.market_exposure)
            for i in market_ids
        ),
    ]
    return [
        Cap(
            name=name,
            value=decimal_from_micro(value),
            limit=None if limit is None else decimal_from_micro(limit),
        )
        for name, value, limit in rows
    ]
