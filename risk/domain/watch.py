"""What the watch finds on an account, and what is to be done about it. Pure; dollars are millionths."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orders.domain.ledger import Portfolio
from risk.domain import words
from risk.domain.limits import Limits
from risk.domain.losses import day_loss, drawdown_bps


class Cause(StrEnum):
    """Why a halt stands. A recovery lifts halts of its own cause only."""

    MANUAL = "manual"
    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    DISK = "disk"
    ERROR_RATE = "error_rate"
    BOOKS = "books"  # a fill could not be booked, or reconciliation found the same difference twice


class Response(StrEnum):
    REDUCE_ONLY = "reduce_only"
    KILL = "kill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    cause: Cause
    response: Response
    reason: str
    value: int
    limit: int


def findings(portfolio: Portfolio, limits: Limits) -> list[Finding]:
    """Return what is wrong with the account, the most serious first.

    A position without a fresh price counts at its cost, which can look like a loss: entries stop on that,
    but only an equity in which everything has a price kills.
    """
    found = []
    down, lost = drawdown_bps(portfolio), day_loss(portfolio)
    below = f"equity is {words.percent(down)} below its peak"
    if down >= limits.drawdown_kill_bps > 0 and not portfolio.unmarked:
        found.append(
            Finding(
                cause=Cause.DRAWDOWN,
                response=Response.KILL,
                reason=f"{below}; the automatic kill is at {words.percent(limits.drawdown_kill_bps)}",
                value=down,
                limit=limits.drawdown_kill_bps,
            )
        )
    if down >= limits.drawdown_stop_bps > 0:
        found.append(
            Finding(
                cause=Cause.DRAWDOWN,
                response=Response.REDUCE_ONLY,
                reason=f"{below}; entries stop at {words.percent(limits.drawdown_stop_bps)}",
                value=down,
                limit=limits.drawdown_stop_bps,
            )
        )
    if lost >= limits.daily_loss > 0:
        found.append(
            Finding(
                cause=Cause.DAILY_LOSS,
                response=Response.REDUCE_ONLY,
                reason=f"{words.usd(lost)} lost today, the limit is {words.usd(limits.daily_loss)}; until midnight UTC",
                value=lost,
                limit=limits.daily_loss,
            )
        )
    return found


def error_rate_percent(*, refused: int, sent: int) -> int:
    """Return the share of orders the venue refused, in percent, rounded up."""
    return 0 if sent <= 0 else -(-refused * 100 // sent)
