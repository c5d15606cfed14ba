"""What the doctor says: one finding a line, with cause and fix where something is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from orders.domain.readiness import Condition


class Health(StrEnum):
    OK = "ok"
    WARNING = "warning"
    BAD = "bad"
    UNKNOWN = "unknown"  # nobody could look


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`value` against `limit`, in words. Never holds a secret: addresses and key ids are public."""

    area: str
    label: str
    health: Health
    value: str = ""
    limit: str = ""
    cause: str = ""
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        return {
            "area": self.area,
            "label": self.label,
            "health": self.health.value,
            "value": self.value,
            "limit": self.limit,
            "cause": self.cause,
            "remedy": self.remedy,
        }


def worst(findings: Iterable[Finding]) -> Health:
    """Return how well the whole is: one bad finding is enough."""
    found = {finding.health for finding in findings}
    return next((health for health in (Health.BAD, Health.UNKNOWN, Health.WARNING) if health in found), Health.OK)


def finding_of(condition: Condition, *, area: str = "conditions") -> Finding:
    """Return a live condition as a finding."""
    label, remedy = _CONDITIONS.get(condition.name, (condition.name.replace("_", " "), ""))
    health = Health.BAD if not condition.passed else Health.WARNING if condition.warning else Health.OK
    unit = {"s": " s", "ms": " ms"}.get(condition.unit, "")
    shown = "" if condition.unit == "flag" or condition.value is None else f"{condition.value:,}{unit}"
    return Finding(
        area=area,
        label=label,
        health=health,
        value=shown or ("well" if condition.passed else "not well"),
        limit=f"{condition.limit:,}{unit}" if condition.unit != "flag" and condition.limit is not None else "",
        cause=condition.note,
        remedy=remedy if health is not Health.OK else "",
    )


_CONDITIONS = {
    "connected": ("Connected", "Open the account's page and connect it again; its note says what was wrong."),
    "user_stream": (
        "User stream",
        "Look whether the fills process runs (System), and whether the API key still is the account's.",
    ),
    "reconciled": ("Reconciled", "Look at the reconcile page: a difference there, or the trader is down."),
    "clock": ("Clock", "Let the machine follow NTP, for example `timedatectl set-ntp true`."),
    "place": ("Trading allowed here", "Nothing on this desk gets around it: use paper or the sandbox."),
    "heartbeat": ("Heartbeat", "Look whether the trader runs, and whether another program uses the same API key."),
    "venue_mode": ("Venue's mode", "Wait: the desk asks again by itself, cancels go through meanwhile."),
    "foreign_orders": ("Orders not made here", "Look at them on the reconcile page, then acknowledge them."),
    "market_block": ("Market not blocked", "Look at what changed on the doctor page, and accept it if it is fine."),
    "venue_block": ("Venue not blocked", "Look at what changed on the doctor page, and accept it if it is fine."),
}
