"""What the gate says about one placement, with the number and the limit of every rule it asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from markets.domain.units import Shares
from orders.domain.intents import Placement


class Decision(StrEnum):
    APPROVED = "approved"
    SHRUNK = "shrunk"  # approved with a smaller size
    REFUSED = "refused"
    OBSERVED = "observed"  # would have been approved or shrunk, for a strategy that only observes


class Unit(StrEnum):
    """How a check's value and limit are to be read."""

    USD = "usd"  # millionths of a dollar
    SHARES = "shares"  # millionths of a share
    PRICE = "price"  # millionths of a dollar per share
    COUNT = "count"
    BPS = "bps"
    SECONDS = "s"
    MILLISECONDS = "ms"
    FLAG = "flag"  # 1 is yes, 0 is no


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule's answer. `value` is None when the number is not known, which refuses."""

    rule: str
    passed: bool
    value: int | None = None
    limit: int | None = None
    unit: Unit = Unit.FLAG
    note: str = ""
    allowed_size: Shares | None = None  # set when the rule allows less than was asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The gate's answer. `rule` is the first that refused, else the one that shrank the most, else empty."""

    placement: Placement
    decision: Decision
    allowed_size: Shares
    rule: str
    message: str
    checks: tuple[Check, ...]

    @property
    def approved(self) -> bool:
        """Whether an order of `allowed_size` may be created."""
        return self.decision in (Decision.APPROVED, Decision.SHRUNK)

    @property
    def refused(self) -> bool:
        return self.decision is Decision.REFUSED
