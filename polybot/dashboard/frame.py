"""What every page shows around its content: mode, account, menu, readiness, the Stop numbers.

One page shows one account; nothing is ever added across environments. People see the accounts
they own, staff see all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from alerts.selectors import screens as alert_pages
from orders.domain.lifecycle import Environment, TradingState
from orders.selectors import screens as order_pages
from orders.selectors.pages import accounts_visible
from polybot.dashboard import numbers
from polybot.dashboard.readiness import Ready, ready_get
from strategies.selectors import screens as strategy_pages

ACCOUNT_COOKIE = "desk-account"
THEME_COOKIE = "desk-theme"

# key of the `g` shortcut, address name, label, icon
NAV: tuple[tuple[str, tuple[tuple[str, str, str, str], ...]], ...] = (
    (
        "Desk",
        (
            ("c", "cockpit", "Cockpit", "cockpit"),
            ("m", "markets", "Markets", "markets"),
            ("r", "orders", "Orders", "orders"),
            ("p", "positions", "Positions", "positions"),
            ("l", "claims", "Claims", "release"),
            ("n", "accounts", "Accounts", "key"),
        ),
    ),
    (
        "Automation",
        (
            ("s", "strategies", "Strategies", "strategies"),
            ("w", "why", "Why not", "why"),
            ("b", "backtests", "Backtests", "backtests"),
        ),
    ),
    (
        "Safety",
        (
            ("k", "risk", "Risk", "risk"),
            ("e", "reconcile", "Reconcile", "reconcile"),
            ("a", "alerts", "Alerts", "alerts"),
            ("u", "audit", "Audit", "audit"),
        ),
    ),
    (
        "Machine",
        (
            ("d", "data", "Data & venues", "data"),
            ("x", "doctor", "Doctor", "doctor"),
            ("y", "system", "System", "system"),
            (",", "settings", "Settings", "settings"),
        ),
    ),
)
TABS = ("cockpit", "markets", "orders", "strategies")

MODES = {
    Environment.PAPER: (
        "paper",
        "PAPER",
        "Simulated money.",
        "Orders fill against live quotes and never reach the venue.",
    ),
    Environment.SANDBOX: ("replay", "SANDBOX", "Play money.", "Orders go to the local exchange only."),
    Environment.LIVE: ("live", "LIVE", "Real money.", "Every order here is signed and sent."),
}
RECORDED = ("replay", "BACKTEST", "Recorded data.", "Nothing on this page is money, nothing here trades.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    key: str
    href: str
    label: str
    icon: str
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The numbers of the Stop popover."""

    running: int
    orders: int
    worth: Decimal
    killed: bool
    killed_reason: str
    killed_by: str
    entries_stopped: bool
    state_reason: str


class Desk:
    """The frame of one request. Everything is read when a template first asks for it."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.now: datetime = timezone.now()
        # Read before anything else of the page: the script compares it with what the socket says first,
        # and so learns of what changed while the page was on its way.
        self.version = alert_pages.latest_event_id() if request.user.is_authenticated else 0

    @property
    def theme(self) -> str:
        chosen = self.request.COOKIES.get(THEME_COOKIE, "")
        return chosen if chosen in ("light", "dark") else ""

    @cached_property
    def accounts(self) -> list[Any]:
        return accounts_for(getattr(self.request, "user", None))

    @cached_property
    def account(self) -> Any | None:
        chosen = self.request.COOKIES.get(ACCOUNT_COOKIE, "")
        by_id = {str(account.id): account for account in self.accounts}
        return by_id.get(chosen) or (self.accounts[0] if self.accounts else None)

    def show(self, account_id: int) -> None:
        """Let this page's frame be that of the account its subject belongs to, whatever was chosen in the menu."""
        self.account = next((a for a in self.accounts if a.id == account_id), self.account)

    def show_recorded(self) -> None:
        """Let this page's frame say that it shows recorded data, whatever account was chosen in the menu."""
        self._mode = RECORDED

    @property
    def _chosen(self) -> Any:
        if self.account is None:
            raise LookupError("this page shows no account: ask `desk.account` first")
        return self.account

    @cached_property
    def _mode(self) -> tuple[str, str, str, str]:
        if self.account is None:
            return ("replay", "NO ACCOUNT", "Nothing can trade here.", "")
        return MODES[Environment(self.account.environment)]

    @property
    def mode(self) -> str:
        return self._mode[0]

    @property
    def word(self) -> str:
        return self._mode[1]

    @property
    def says(self) -> str:
        return self._mode[2]

    @property
    def says_more(self) -> str:
        if self._mode is RECORDED:
            return self._mode[3]
        source = "the local exchange" if settings.POLYBOT_VENUE == "sandbox" else "Polymarket's public data"
        return f"{self._mode[3]} Quotes come from {source}."

    @property
    def venue_name(self) -> str:
        return "local exchange" if settings.POLYBOT_VENUE == "sandbox" else "Polymarket"

    @property
    def account_line(self) -> str:
        if self._mode is RECORDED:
            return ""
        if self.account is None:
            return "no account"
        opened = self.account.created_at
        return (
            f"{self.account.name} · opened {opened.day} {opened.strftime('%b')}"
            f" with {numbers.money(self.account.opening_cash)}"
        )

    @cached_property
    def nav(self) -> list[tuple[str, list[Link]]]:
        return [(group, [self._link(*entry) for entry in entries]) for group, entries in NAV]

    @cached_property
    def tabs(self) -> list[Link]:
        links = {link.label: link for _, group in self.nav for link in group}
        return [link for link in links.values() if link.icon in TABS]

    def _link(self, key: str, name: str, label: str, icon: str) -> Link:
        href = reverse(f"desk:{name}")
        path = self.request.path
        current = path == href if name == "cockpit" else path.startswith(href)
        return Link(key=key, href=href, label=label, icon=icon, current=current)

    @cached_property
    def ready(self) -> Ready:
        return ready_get(self._chosen.id, now=self.now)

    @property
    def may_kill(self) -> bool:
        return bool(self.request.user.is_staff)

    @cached_property
    def stop(self) -> Stop:
        account = self._chosen
        orders, worth = order_pages.open_order_totals(account.id)
        switch = order_pages.kill_switch()
        return Stop(
            running=strategy_pages.running_count(account.id),
            orders=orders,
            worth=worth,
            killed=switch.killed,
            killed_reason=switch.reason,
            killed_by=switch.by,
            entries_stopped=account.trading_state != TradingState.ACTIVE,
            state_reason=account.trading_state_reason,
        )


def accounts_for(user: Any) -> list[Any]:
    """Return the accounts a person may see, their own first."""
    if user is None or not user.is_authenticated:
        return []
    visible = accounts_visible(user_id=user.pk, is_staff=user.is_staff)
    return sorted(visible, key=lambda account: (account.owner_id != user.pk, account.id))


def desk_of(request: HttpRequest) -> Desk:
    """Return the request's frame, made once."""
    found = getattr(request, "desk", None)
    if found is None:
        found = request.desk = Desk(request)  # type: ignore[attr-defined]
    return found


def frame(request: HttpRequest) -> dict[str, object]:
    """Context processor: `desk` in every template."""
    return {"desk": desk_of(request)}
