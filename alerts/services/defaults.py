"""What every installation starts with: one rule per thing worth telling (design.md §8), and its channels.

Thresholds, severities, channels and quiet hours are the operator's to change: what exists is
never overwritten.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import transaction

from alerts.domain.events import RepeatBy, Severity
from alerts.models import AlertChannel, AlertRule

C, W, I = Severity.CRITICAL, Severity.WARNING, Severity.INFO  # noqa: E741

RULES: dict[str, dict[str, Any]] = {
    "kill-switch": {
        "description": "The kill switch was set: nothing is sent any more.",
        "kind": "risk.killed", "severity": C, "repeat_after_s": 0,
    },
    "journal-changed": {
        "description": "A row of the journal was changed, removed or inserted after it was written.",
        "kind": "audit.changed", "severity": C, "repeat_after_s": 0,
    },
    "kill-switch-released": {
        "description": "A person released the kill switch, or a halt was lifted.",
        "kind": "risk.released", "severity": W, "repeat_after_s": 0,
    },
    "halted": {
        "description": "An account, or all of them, only reduces positions or is halted.",
        "kind": "risk.halted", "severity": W, "repeat_after_s": 0,
    },
    "daily-loss": {
        "description": "An account lost its daily limit.",
        "kind": "pnl.daily_loss", "severity": C, "repeat_after_s": 3600,
    },
    "drawdown": {
        "description": "Equity fell too far below its peak.",
        "kind": "pnl.drawdown", "severity": C, "repeat_after_s": 3600,
    },
    "position-above-limit": {
        "description": "What could be lost is above a limit of the profile.",
        "kind": "risk.over_limit", "severity": C, "repeat_after_s": 3600,
    },
    "strategy-error": {
        "description": "A strategy raised an error or was paused because of errors.",
        "kind": "strategy.error", "severity": C, "repeat_after_s": 900,
    },
    "process-exit": {
        "description": "A process of the desk ended unexpectedly.",
        "kind": "process.exit", "severity": C, "repeat_after_s": 60,
    },
    "disk-full": {
        "description": "Too little disk space: trading is halted until there is more.",
        "kind": "disk.full", "severity": C, "repeat_after_s": 3600,
    },
    "reconcile-difference": {
        "description": "Our records and the venue's differ.",
        "kind": "reconcile.difference", "severity": C, "repeat_after_s": 900, "repeat_by": RepeatBy.ACCOUNT,
    },
    "order-quarantined": {
        "description": "The fate of an order cannot be found out; a person must decide.",
        "kind": "order.quarantined", "severity": C, "repeat_after_s": 0,
    },
    "order-unknown": {
        "description": "The venue's answer to an order was lost; its money stays reserved meanwhile.",
        "kind": "order.unknown", "severity": W, "repeat_after_s": 300,
    },
    # The feed reports trouble after about 10 s; what is over by itself before the times below is not told.
    "feed-stale": {
        "description": "A market's book is not confirmed for 30 s.",
        "kind": "feed.stale", "wait_s": 30, "cleared_by": "feed.recovered", "severity": W,
        "repeat_after_s": 600, "repeat_by": RepeatBy.RULE,
    },
    "feed-down": {
        "description": "Market data is down for 30 s.",
        "kind": "feed.down", "wait_s": 30, "cleared_by": "feed.recovered", "severity": W,
        "repeat_after_s": 300, "repeat_by": RepeatBy.RULE,
    },
    "feed-down-long": {
        "description": "Market data is down for 60 s: strategies cannot trade.",
        "kind": "feed.down", "wait_s": 60, "cleared_by": "feed.recovered", "severity": C,
        "repeat_after_s": 600, "repeat_by": RepeatBy.RULE,
    },
    "venue-errors": {
        "description": "The venue refused more than 5 % of our orders within 5 minutes.",
        "kind": "venue.error_rate", "operator": "gt", "field": "rate_percent", "threshold": Decimal(5), "severity": W,
        "repeat_after_s": 900, "repeat_by": RepeatBy.ACCOUNT,
    },
    "venue-issue": {
        "description": "The venue sent something we do not understand.",
        "kind": "venue.issue", "severity": W, "repeat_after_s": 3600, "repeat_by": RepeatBy.RULE,
    },
    "venue-drift": {
        "description": "A venue changed without notice: entries stop until a person accepts it.",
        "kind": "venue.drift", "severity": W, "repeat_after_s": 600,
    },
    "venue-budget": {
        "description": "Orders wait for the venue's rate limits: there are more than it takes.",
        "kind": "venue.budget", "severity": W, "repeat_after_s": 900, "repeat_by": RepeatBy.RULE,
    },
    "venue-clock": {
        "description": "Our clock and the venue's are more than 2 s apart; at 5 s no order leaves.",
        "kind": "venue.clock", "severity": W, "repeat_after_s": 900, "repeat_by": RepeatBy.RULE,
    },
    "venue-place": {
        "description": "The venue does not let this place trade.",
        "kind": "venue.place", "severity": C, "repeat_after_s": 3600, "repeat_by": RepeatBy.RULE,
    },
    "venue-mode": {
        "description": "The venue restarts, or takes only cancels or post-only orders.",
        "kind": "venue.mode", "severity": W, "repeat_after_s": 600, "repeat_by": RepeatBy.RULE,
    },
    "sync-failed": {
        "description": "The catalogue could not be read from the venue.",
        "kind": "sync.failed", "severity": W, "repeat_after_s": 900, "repeat_by": RepeatBy.RULE,
    },
    "order-refused": {
        "description": "The gate refused an order.",
        "kind": "order.refused", "severity": W, "repeat_after_s": 900, "repeat_by": RepeatBy.ACCOUNT,
    },
    "order-rejected": {
        "description": "The venue rejected an order.",
        "kind": "order.rejected", "severity": W, "repeat_after_s": 300, "repeat_by": RepeatBy.ACCOUNT,
    },
    "balance-low": {
        "description": "Free cash of an account is below $100.",
        "kind": "account.balance_low", "operator": "lt", "field": "free_cash", "threshold": Decimal(100), "severity": W,
        "repeat_after_s": 21_600, "repeat_by": RepeatBy.ACCOUNT,
    },
    "large-fill": {
        "description": "A fill of $500 or more.",
        "kind": "order.filled order.partially_filled", "operator": "gte", "field": "notional",
        "threshold": Decimal(500), "severity": I, "repeat_after_s": 0,
    },
    "position-settled": {
        "description": "A market resolved and a position was paid out.",
        "kind": "position.settled", "severity": I, "repeat_after_s": 0,
    },
    "backtest-done": {
        "description": "A backtest finished or failed.",
        "kind": "backtest.finished backtest.failed", "severity": I, "repeat_after_s": 0,
    },
    "desk-started": {"description": "The desk started.", "kind": "desk.started", "severity": I, "repeat_after_s": 0},
    "desk-stopped": {"description": "The desk stopped.", "kind": "desk.stopped", "severity": I, "repeat_after_s": 0},
    "sign-in-failed": {
        "description": "Somebody failed to sign in.",
        "kind": "auth.login_failed", "severity": W, "repeat_after_s": 900, "repeat_by": RepeatBy.RULE,
    },
}  # fmt: skip

CHANNELS: tuple[dict[str, Any], ...] = (
    {"transport": "browser", "label": "Open pages", "minimum_severity": I, "enabled": True},
    # These need an address first, so they start switched off.
    {"transport": "email", "label": "Operator by e-mail", "minimum_severity": W, "enabled": False},
    {"transport": "telegram", "label": "Operator by Telegram", "minimum_severity": W, "enabled": False},
)


@transaction.atomic
def install() -> tuple[int, int]:
    """Create the rules and channels that do not exist yet; return how many of each."""
    rules = sum(AlertRule.objects.get_or_create(name=name, defaults=values)[1] for name, values in RULES.items())
    channels = 0
    if not AlertChannel.objects.exists():
        channels = len(AlertChannel.objects.bulk_create([AlertChannel(**values) for values in CHANNELS]))
    return rules, channels
