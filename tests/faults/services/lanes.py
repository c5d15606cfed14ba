"""A lane: what one seed of a group owns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from markets.models import Outcome
from orders.models import Account
from tests.orders.model.luck import Luck


@dataclass(slots=True)
class Lane:
    """One seed's account and what is planned for it."""

    seed: int
    luck: Luck
    account: Account
    outcome: Outcome
    crashes: dict[str, int] = field(default_factory=dict)  # point: at which pass of it this seed's worker dies
    passed: Counter[str] = field(default_factory=Counter)
    stale: list[tuple[float, float, str]] = field(default_factory=list)  # (from, to, what) in virtual seconds
    reconciled: bool = True
