"""What was lost: today (since midnight UTC) and from the highest equity so far."""

from __future__ import annotations

from markets.domain.units import Usd
from orders.domain.ledger import Portfolio


def day_loss(portfolio: Portfolio) -> Usd:
    """Return the dollars lost since midnight UTC; zero after a gain."""
    return Usd(max(0, portfolio.day_start_equity - portfolio.equity))


def drawdown_bps(portfolio: Portfolio) -> int:
    """Return how far equity lies below its peak, in whole basis points of the peak."""
    if portfolio.peak_equity <= 0:
        return 0
    return max(0, (portfolio.peak_equity - portfolio.equity) * 10_000 // portfolio.peak_equity)
