"""The watch: losses, drawdown, limits and venue errors, looked at every 15 s, turned into halts.

One account whose check fails is logged and does not keep the others from theirs. Halts are
made once, and lifted by the watch only where the cause passes by itself: a daily loss at
midnight UTC. The rest waits for a person. (The disk is watched by `polybot.health`, in the same way.)
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import DatabaseError, transaction

from alerts.domain.events import Severity
from alerts.selectors.counts import event_count
from alerts.selectors.rules import threshold_highest
from alerts.services.jobs import slot_claim
from alerts.services.journal import event_record
from markets.domain.units import decimal_from_micro
from markets.selectors.catalogue import market_facts
from orders.domain.equity import day_start
from orders.domain.ledger import Portfolio
from orders.selectors.portfolio import AccountFacts, account_list, portfolio_get
from orders.services.accounts import account_lock
from orders.services.kill import killed
from risk.domain import exposure, words
from risk.domain.limits import Limits
from risk.domain.watch import Cause, Finding, Response, error_rate_percent, findings
from risk.models import Halt
from risk.selectors.limits import limits_get
from risk.services import halts

log = logging.getLogger(__name__)

BY = "risk watch"
ERROR_WINDOW = timedelta(minutes=5)
ERROR_MINIMUM_ORDERS = 20
ERROR_ALERT_PERCENT = 5
ERROR_HALT_PERCENT = 25
HOUR_S = 3600
_SEVERITY = {
    "pnl.daily_loss": Severity.CRITICAL,
    "pnl.drawdown": Severity.CRITICAL,
    "risk.over_limit": Severity.CRITICAL,
    "account.balance_low": Severity.WARNING,
    "venue.error_rate": Severity.WARNING,
}


def watch_all(now: datetime) -> list[str]:
    """Look at every account; return the names of those that could not be looked at."""
    failed = []
    for account in account_list():
        try:
            account_watch(account, now)
        except (DatabaseError, OSError, ValueError):
            log.exception("risk watch failed", extra={"account": account.id})
            failed.append(account.name)
    return failed


def account_watch(account: AccountFacts, now: datetime) -> None:
    """Halt, kill or report what is wrong with one account; lift what has passed."""
    halts.halt_adopt(account.id, now=now)
    daily_halts_lift(account.id, now)
    limits = limits_get(account.id)
    if limits is None:
        return
    with transaction.atomic():
        account_lock(account.id)  # cash and shares of one moment: a fill in between would look like a loss
        portfolio = portfolio_get(account.id, now=now)
    for finding in findings(portfolio, limits):
        _respond(account, finding, now)
    _limits_report(account, portfolio, limits, now)
    _balance_report(account, portfolio, now)
    _errors_watch(account, now)


def daily_halts_lift(account_id: int, now: datetime) -> int:
    """Lift halts for yesterday's loss: the limit is a daily one."""
    old = Halt.objects.filter(
        account_id=account_id, cause=Cause.DAILY_LOSS, lifted_at=None, created_at__lt=day_start(now)
    )
    return sum(halts.halt_lift(pk, by=BY, reason="a new day", now=now) for pk in old.values_list("pk", flat=True))


def _respond(account: AccountFacts, finding: Finding, now: datetime) -> None:
    reason = f"{account.name}: {finding.reason}"
    if finding.response is Response.KILL:
        # Released by a person while equity still is down: the person has seen it, today it is not set again.
        with transaction.atomic():  # claimed and killed together: a crash in between must not use up the day's kill
            if killed() or not slot_claim(f"drawdown-kill:{account.id}", period_s=24 * HOUR_S, now=now):
                return
            halts.kill_only(reason, BY, now=now)
        halts.kill(reason, BY, now=now)
        return
    open_halts = Halt.objects.filter(account_id=account.id, cause=finding.cause)
    # Lifted by a person today: the gate's own rule still refuses entries, so it is not made again.
    if open_halts.filter(created_at__gte=day_start(now)).exists() or open_halts.filter(lifted_at=None).exists():
        return
    with transaction.atomic():
        halts.halt_create(account.id, Halt.Kind.REDUCE_ONLY, finding.reason, BY, cause=finding.cause, now=now)
        _report(
            account,
            "pnl.daily_loss" if finding.cause is Cause.DAILY_LOSS else "pnl.drawdown",
            reason,
            payload={"value": finding.value, "limit": finding.limit},
            now=now,
        )


def _limits_report(account: AccountFacts, portfolio: Portfolio, limits: Limits, now: datetime) -> None:
    """Say when what could be lost is above a limit: by a lowered limit, or by a fault. Once an hour."""
    held, orders = list(portfolio.positions.values()), portfolio.open_orders
    facts = market_facts({p.market_id for p in held} | {o.market_id for o in orders})
    risks = [exposure.risked_order(order, facts.get(order.market_id)) for order in orders]
    measured = [("account", exposure.account_exposure(held, risks, facts), limits.account_exposure)]
    for market_id in {p.market_id for p in held} | {o.market_id for o in orders}:
        worst = exposure.market_exposure(market_id, held, risks, facts)
        measured.append((f"market {market_id}", worst, limits.market_exposure))
    over = [(what, value, limit) for what, value, limit in measured if value > limit]
    if not over or not slot_claim(f"over-limit:{account.id}", period_s=HOUR_S, now=now):
        return
    what, value, limit = max(over, key=lambda item: item[1] - item[2])
    said = f"{account.name}: {what} could lose {words.usd(value)}, the limit is {words.usd(limit)}"
    payload = {"what": what, "value": decimal_from_micro(value), "limit": decimal_from_micro(limit)}
    with transaction.atomic():
        _report(account, "risk.over_limit", said, payload=payload, now=now)


def _balance_report(account: AccountFacts, portfolio: Portfolio, now: datetime) -> None:
    """Say when free cash is below what an alert rule asks for. Once every six hours."""
    threshold = threshold_highest("account.balance_low")
    free = decimal_from_micro(portfolio.free_cash)
    if threshold is None or free >= threshold:
        return
    if slot_claim(f"balance-low:{account.id}", period_s=6 * HOUR_S, now=now):
        said = f"{account.name}: {words.usd(portfolio.free_cash)} is free, below ${threshold:.2f}"
        with transaction.atomic():
            _report(account, "account.balance_low", said, payload={"free_cash": free}, now=now)


def _errors_watch(account: AccountFacts, now: datetime) -> None:
    """Report, and from a quarter on stop entries, when the venue refuses many of the account's orders."""
    since = now - ERROR_WINDOW
    sent = event_count("order.submitted", since=since, account_id=account.id)
    if sent < ERROR_MINIMUM_ORDERS:
        return
    # A book that moves under a post-only quote is a maker's daily life, not a fault of ours or the venue's.
    refused = event_count("order.rejected", since=since, account_id=account.id, not_saying="post-only")
    refused += event_count("order.unknown", since=since, account_id=account.id)
    rate = error_rate_percent(refused=refused, sent=sent)
    if rate <= ERROR_ALERT_PERCENT:
        return
    reason = f"the venue refused or left open {refused} of {sent} orders within 5 minutes ({rate} %)"
    window = int(ERROR_WINDOW.total_seconds())
    if slot_claim(f"error-rate:{account.id}", period_s=window, now=now):
        with transaction.atomic():
            payload = {"rate_percent": Decimal(rate), "refused": refused, "sent": sent}
            _report(account, "venue.error_rate", f"{account.name}: {reason}", payload=payload, now=now)
    if rate >= ERROR_HALT_PERCENT:
        halts.halt_create(account.id, Halt.Kind.REDUCE_ONLY, reason, BY, cause=Cause.ERROR_RATE, now=now)


def _report(account: AccountFacts, kind: str, message: str, *, payload: Mapping[str, object], now: datetime) -> None:
    event_record(
        kind,
        message,
        severity=_SEVERITY[kind],
        stream=f"account:{account.id}",
        account_id=account.id,
        subject_kind="account",
        subject_id=account.id,
        subject_label=account.name,
        actor=BY,
        payload=payload,
        now=now,
    )
