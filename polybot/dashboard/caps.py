"""Values against limits, as the cockpit and the risk page draw them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from markets.domain.units import decimal_from_micro
from markets.selectors import catalogue
from orders.domain.ledger import Portfolio
from polybot.dashboard import numbers
from risk.domain import exposure
from risk.selectors import screens as risk_pages

_ZERO = Decimal(0)
SHRINK_FROM = 0.8  # where the gate begins to shrink orders, and the bar turns amber


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    label: str
    value: str
    limit: str
    share: float
    href: str = ""

    @property
    def is_near(self) -> bool:
        return self.share >= SHRINK_FROM


def caps_of(portfolio: Portfolio) -> list[Cap]:
    """Return the account's caps, the account-wide ones first, then the two fullest events."""
    profile = risk_pages.profile_of(portfolio.account_id)
    if profile is None:
        return []
    facts = catalogue.market_facts(
        {p.market_id for p in portfolio.positions.values()} | {o.market_id for o in portfolio.open_orders}
    )
    orders = [exposure.risked_order(order, facts.get(order.market_id)) for order in portfolio.open_orders]
    positions = list(portfolio.positions.values())
    worst = decimal_from_micro(exposure.account_exposure(positions, orders, facts))
    caps = [_money("Worst case, whole account", worst, profile.account_exposure)]
    events = {known.event_id: known for known in facts.values()}
    by_event = [
        (decimal_from_micro(exposure.event_exposure(event_id, positions, orders, facts)), known)
        for event_id, known in events.items()
    ]
    for value, known in sorted(by_event, key=lambda item: -item[0])[:2]:
        name = known.event_slug.replace("-", " ")[:40]
        caps.append(_money(name, value, profile.event_exposure, href=f"/m/{known.market_id}/"))
    loss = max(_ZERO, decimal_from_micro(portfolio.day_start_equity - portfolio.equity))
    caps.append(_money("Loss today", loss, profile.daily_loss))
    peak = portfolio.peak_equity
    drawdown_bps = (peak - portfolio.equity) * 10_000 / peak if peak > portfolio.equity else 0
    caps.append(
        Cap(
            label="Drawdown from peak",
            value=numbers.percent(Decimal(drawdown_bps) / 100).removesuffix(" %"),
            limit=numbers.percent(Decimal(profile.drawdown_stop_bps) / 100, 0),
            share=float(drawdown_bps) / profile.drawdown_stop_bps if profile.drawdown_stop_bps else 0,
        )
    )
    caps.append(_count("Open orders", len(portfolio.open_orders), profile.open_orders))
    caps.append(_count("Open positions", len(positions), profile.open_positions))
    return caps


def _money(label: str, value: Decimal, limit: Decimal, *, href: str = "") -> Cap:
    return Cap(
        label=label,
        value=numbers.money(value, 0),
        limit=numbers.money(limit, 0),
        share=float(value / limit) if limit else 0.0,
        href=href,
    )


def _count(label: str, value: int, limit: int) -> Cap:
    return Cap(label=label, value=str(value), limit=str(limit), share=value / limit if limit else 0.0)
