"""Values against limits, as the cockpit and the risk page draw them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from markets.selectors import screens as market_pages
from orders.domain.ledger import Portfolio
from polybot.dashboard import numbers
from polybot.dashboard.places import BLANK
from risk.selectors.caps import caps_get
from risk.selectors.limits import limits_get

NEAR = 0.8  # where the bar has its tick and turns amber
EVENTS_SHOWN = 3
_LABELS = {"account": "Worst case, whole account", "daily_loss": "Loss today"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CapLine:
    label: str
    value: str
    limit: str
    share: float
    href: str = ""

    @property
    def is_near(self) -> bool:
        return self.share >= NEAR


def caps_of(portfolio: Portfolio) -> list[CapLine]:
    """Return the account's caps: the account's own, its fullest events, then the counts. Empty without a profile."""
    limits = limits_get(portfolio.account_id)
    if limits is None:
        return []
    caps = caps_get(portfolio.account_id)
    events = sorted((cap for cap in caps if cap.name.startswith("event:")), key=lambda cap: -cap.value)[:EVENTS_SHOWN]
    titles = market_pages.event_titles(int(cap.name.partition(":")[2]) for cap in events)
    lines = [_money(_LABELS[cap.name], cap.value, cap.limit) for cap in caps if cap.name in _LABELS]
    for cap in events:
        title, market_id = titles.get(int(cap.name.partition(":")[2]), (cap.name, None))
        lines.append(
            _money(title.replace(BLANK, "…"), cap.value, cap.limit, href=f"/m/{market_id}/" if market_id else "")
        )
    peak = portfolio.peak_equity
    drawdown_bps = (peak - portfolio.equity) * 10_000 / peak if peak > portfolio.equity else 0.0
    stop = limits.drawdown_stop_bps
    lines.append(
        CapLine(
            label="Drawdown from peak",
            value=numbers.percent(Decimal(drawdown_bps) / 100).removesuffix(" %"),
            limit=numbers.percent(Decimal(stop) / 100, 0),
            share=drawdown_bps / stop if stop else 0.0,
        )
    )
    lines.append(_count("Open orders", len(portfolio.open_orders), limits.open_orders))
    lines.append(_count("Open positions", len(portfolio.positions), limits.open_positions))
    return lines


def _money(label: str, value: Decimal, limit: Decimal | None, *, href: str = "") -> CapLine:
    return CapLine(
        label=label,
        value=numbers.money(value, 0),
        limit=numbers.money(limit, 0),
        share=float(value / limit) if limit else 0.0,
        href=href,
    )


def _count(label: str, value: int, limit: int) -> CapLine:
    return CapLine(label=label, value=str(value), limit=str(limit), share=value / limit if limit else 0.0)
