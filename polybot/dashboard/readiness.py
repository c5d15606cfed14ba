"""Can this account trade now, and if not, why: one check a reason, each with its value and limit.

The limits are the gate's own; a check that fails here is one that refuses there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from alerts.selectors import health
from markets.selectors import screens as market_pages
from markets.selectors.drift import blocked_get
from orders.domain.checkup import Health, finding_of
from orders.domain.lifecycle import Environment, TradingState
from orders.domain.readiness import account_check, entries_check
from orders.selectors import portfolio
from orders.selectors import screens as order_pages
from orders.selectors.conditions import conditions_get
from orders.selectors.permits import permits_missing
from polybot.dashboard import numbers
from risk.selectors.limits import limits_get

PROCESS_LIMIT_S = 15.0
TRADER_LIMIT_S = 45.0
RECONCILED_LIMIT_S = 120.0
NO_PLACEMENT_MODES = frozenset({"monitor", "scrape", "server"})
SYNC_LIMIT_S = 180.0  # where no profile says otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """`value` of `limit`, in words; `help` says what to do when it fails, `href` where."""

    label: str
    passed: bool
    value: str
    limit: str = ""
    help: str = ""
    href: str = ""

    @property
    def reason(self) -> str:
        of = f" of {self.limit}" if self.limit else ""
        return f"{self.label}: {self.value}{of}. {self.help}".strip()

    def as_dict(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "passed": self.passed,
            "value": self.value,
            "limit": self.limit,
            "help": "" if self.passed else self.help,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    checks: tuple[Check, ...]
    at: datetime

    @property
    def yes(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def passing(self) -> int:
        return sum(check.passed for check in self.checks)

    @property
    def summary(self) -> str:
        return f"{self.passing} of {len(self.checks)} checks pass"

    @property
    def sorted(self) -> list[Check]:
        """Failing checks first."""
        return sorted(self.checks, key=lambda check: check.passed)


def ready_get(account_id: int, *, now: datetime | None = None) -> Ready:
    now = now or timezone.now()
    account = portfolio.account_get(account_id)
    beats = {beat.name: beat for beat in health.heartbeat_list()}
    switch = order_pages.kill_switch()
    limits = limits_get(account_id)
    is_paper = account.environment is Environment.PAPER
    checks = (
        Check(
            label="Kill switch",
            passed=not switch.killed,
            value="set" if switch.killed else "off",
            help=f"{switch.reason or 'set by a person'}. A person must release it.",
            href="desk:release",
        ),
        Check(
            label="Trading state",
            passed=account.trading_state is TradingState.ACTIVE,
            value=account.trading_state.value.replace("_", " "),
            help=f"{account.trading_state_reason or 'stopped by a person'}. Only orders that reduce pass.",
            href="desk:release",
        ),
        Check(
            label="Automatic trading",
            passed=account.auto_trade and settings.POLYBOT_MODE not in NO_PLACEMENT_MODES,
            value=_automatic(account.auto_trade),
            help="Switch it on in the account's settings, or start the desk in mode full.",
            href="desk:risk",
        ),
        Check(
            label="Limits",
            passed=limits is not None,
            value=limits.profile if limits else "none",
            help="Give the account a risk profile; without one the gate refuses everything.",
            href="desk:risk",
        ),
        _books(market_pages.feed_status()),
        _aged("Feed process", beats.get("process:feed"), PROCESS_LIMIT_S, now, "It restarts by itself; see System."),
        _since(
            "Market data",
            market_pages.last_sync_at(),
            float(limits.metadata_age_s) if limits else SYNC_LIMIT_S,
            now,
            "The sync failed or the worker is down.",
        ),
        _aged(
            "Paper fills" if is_paper else "Fills and user streams",
            beats.get("process:fills"),
            PROCESS_LIMIT_S,
            now,
            "It restarts by itself; see System.",
        ),
        *(
            (
                _since(
                    "Reconciled",
                    account.reconciled_at,
                    RECONCILED_LIMIT_S,
                    now,
                    "Differences or a stopped worker; see Risk.",
                ),
            )
            if is_paper
            else live_checks(account_id, now=now)
        ),
        _blocks(account.venue),
        _aged(
            "Trader", beats.get("queue:trading"), TRADER_LIMIT_S, now, "The trader process takes no work; see System."
        ),
    )
    return Ready(checks=checks, at=now)


def live_checks(account_id: int, *, now: datetime) -> tuple[Check, ...]:
    """Return what an account that sends to a venue must meet besides: permits and every live condition."""
    known = conditions_get(account_id)
    found = [finding_of(c) for c in (*account_check(known, now=now), *entries_check(known, now=now))]
    missing = permits_missing(account_id, None)
    permits = Check(
        label="Live permits",
        passed=not missing,
        value="complete" if not missing else f"{len(missing)} missing",
        help=f"{'; '.join(missing)}. Approve each on the accounts page.",
        href="desk:accounts",
    )
    return (
        *((permits,) if known.environment is Environment.LIVE else ()),
        *(
            Check(
                label=finding.label,
                passed=finding.health is not Health.BAD,
                value=finding.value,
                limit=finding.limit,
                help=f"{finding.cause[:1].upper()}{finding.cause[1:]}. {finding.remedy}",
                href="desk:doctor",
            )
            for finding in found
            if finding.label != "Venue not blocked"  # asked for paper too, below
        ),
    )


def _blocks(venue: str) -> Check:
    reason = blocked_get(venue).venue
    return Check(
        label="Venue not blocked",
        passed=not reason,
        value="blocked" if reason else "open",
        help=f"Entries stop: {reason}. Look at what changed and accept it if it is fine.",
        href="desk:doctor",
    )


def _automatic(account_on: bool) -> str:
    if settings.POLYBOT_MODE in NO_PLACEMENT_MODES:
        return f"off in mode {settings.POLYBOT_MODE}"
    return "on" if account_on else "off"


def _aged(label: str, beat: health.HeartbeatState | None, limit_s: float, now: datetime, help_text: str) -> Check:
    return _since(label, beat.at if beat else None, limit_s, now, help_text, href="desk:system")


def _since(
    label: str, at: datetime | None, limit_s: float, now: datetime, help_text: str, *, href: str = "desk:data"
) -> Check:
    seconds = numbers.age_of(at, now)
    return Check(
        label=label,
        passed=seconds is not None and seconds <= limit_s,
        value="never" if seconds is None else numbers.age(seconds),
        limit=numbers.age(limit_s),
        help=help_text,
        href=href,
    )


def _books(status: Mapping[str, Any]) -> Check:
    watched, fresh = int(status.get("watched") or 0), int(status.get("fresh") or 0)
    return Check(
        label="Books fresh",
        passed=fresh > 0,
        value=f"{fresh:,}",
        limit=f"{watched:,} watched",
        help="No watched book is fresh: the feed is not connected, or nothing is watched yet.",
        href="desk:data",
    )
