"""The desk's words: states, rules, event kinds and units as a person reads them, with the shape that repeats them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from orders.domain.lifecycle import OrderState
from polybot.dashboard import numbers

# order state → (word, shape, extra class)
ORDER_STATES: dict[str, tuple[str, str, str]] = {
    OrderState.NEW: ("new", "open", ""),
    OrderState.DENIED: ("denied", "bad", ""),
    OrderState.RESERVED: ("reserved", "open", ""),
    OrderState.SIGNED: ("signed", "open", ""),
    OrderState.ABANDONED: ("not sent", "paused", ""),
    OrderState.SENDING: ("sending", "open", ""),
    OrderState.LIVE: ("open", "open", ""),
    OrderState.MATCHED: ("settling", "half", ""),
    OrderState.DELAYED: ("delayed", "warn", ""),
    OrderState.REJECTED: ("refused", "bad", ""),
    OrderState.UNKNOWN: ("unknown", "warn", "warn b"),
    OrderState.FILLED: ("filled", "ok", ""),
    OrderState.CANCELED: ("canceled", "paused", ""),
    OrderState.EXPIRED: ("expired", "paused", ""),
    OrderState.QUARANTINED: ("quarantined", "warn", "warn b"),
}

# kind of wallet → what people call it, the most usual first
WALLETS: tuple[tuple[str, str], ...] = (
    ("deposit_beacon", "Deposit wallet"),
    ("deposit_uups", "Deposit wallet, older form"),
    ("safe", "Safe (browser wallet)"),
    ("proxy", "Proxy (e-mail sign-up)"),
    ("eoa", "The key's own account"),
)

STRATEGY_STATES: dict[str, tuple[str, str]] = {
    "draft": ("draft", "off"),
    "running": ("running", "ok"),
    "observe": ("observing", "half"),
    "paused": ("paused", "paused"),
    "stopped": ("stopped", "off"),
    "error": ("error", "bad"),
}

BACKTEST_STATES: dict[str, tuple[str, str]] = {
    "queued": ("queued", "open"),
    "running": ("running", "half"),
    "done": ("done", "ok"),
    "failed": ("failed", "bad"),
    "canceled": ("canceled", "paused"),
}

VERDICTS: dict[str, tuple[str, str]] = {
    "approved": ("approved", "ok"),
    "shrunk": ("shrunk", "shrunk"),
    "refused": ("refused", "bad"),
    "observed": ("observed", "half"),
}

MARKET_STATES: dict[str, tuple[str, str]] = {
    "open": ("open", "ok"),
    "paused": ("paused", "paused"),
    "closed": ("closed", "off"),
    "resolved": ("resolved", "dot"),
}


def plain(name: str) -> str:
    """`book_fresh` → `book fresh`."""
    return name.replace("_", " ").replace(".", " ")


def sentence(name: str) -> str:
    words = plain(name)
    return words[:1].upper() + words[1:]


def event_shape(kind: str, severity: str, payload: dict[str, Any] | None = None) -> str:
    """The mark beside an event: by what happened first, by how bad it is otherwise."""
    side = str((payload or {}).get("side", "")).lower()
    if kind in ("order.filled", "order.partially_filled"):
        return "sold" if side == "sell" else "bought"
    if severity == "critical":
        return "bad"
    if severity == "warning":
        return "warn"
    if kind.endswith((".started", ".approved", ".live", ".recovered", ".released", ".login")):
        return "ok"
    if kind.endswith((".paused", ".stopped", ".canceled", ".expired")):
        return "paused"
    return "dot"


_MICRO_UNITS = {"usd", "shares", "price"}


def quantity(value: object, unit: str) -> str:
    """A check's value or limit in its unit. The gate counts dollars, shares and prices in millionths."""
    if unit == "flag":
        return ""  # yes or no is what the mark beside it says
    if value is None or value == "":
        return numbers.NONE
    number = numbers.as_decimal(value)
    if number is None:
        return numbers.NONE
    if unit in _MICRO_UNITS:
        number = number.scaleb(-6)
    return _in_unit(number, unit)


_WRITTEN: dict[str, Callable[[Decimal], str]] = {
    "usd": numbers.money,
    "shares": lambda number: f"{numbers.shares(number)} sh",
    "price": lambda number: f"{numbers.cents(number, extra=1)} ¢",
    "bps": lambda number: f"{numbers.shares(number)} bps",
    "s": numbers.age,
    "ms": lambda number: numbers.age(number / 1000),
}


def _in_unit(number: Decimal, unit: str) -> str:
    return _WRITTEN.get(unit, numbers.shares)(number)


def wallet_words(kind: str) -> str:
    """Return what people call a kind of wallet; a paper account has none."""
    return dict(WALLETS).get(kind, kind or "Simulated")
