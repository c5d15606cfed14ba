"""The desk as the strategy cycle sees it: open it, read, cancel, record verdicts, close it.

`risk.services.gate.GateDesk` is the one on PostgreSQL; backtests bring one in memory.
The cycle does, inside `with desk.open(now) as account:`,

    placements, stale = plan_changes(wanted, account.open_orders)
    for order_id in stale: account.cancel(order_id)
    for verdict in review(placements, account.context(placements)): account.record(verdict)
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from orders.domain.drafts import PlanDraft
from orders.domain.intents import OpenOrder, Placement
from orders.domain.ledger import Portfolio
from risk.domain.context import GateContext
from risk.domain.limits import Limits
from risk.domain.verdicts import Verdict


class DeskAccount(Protocol):
    """One account, held still while a decision is turned into orders."""

    @property
    def open_orders(self) -> Sequence[OpenOrder]:
        """Every open order of the account: the origin's own are compared, all guard against self-trades."""
        ...

    @property
    def portfolio(self) -> Portfolio: ...

    @property
    def limits(self) -> Limits | None: ...

    def context(self, placements: Sequence[Placement]) -> GateContext:
        """Return the picture in which `placements` are to be reviewed."""
        ...

    def cancel(self, order_id: int, *, reason: str = "no longer wanted") -> None: ...

    def record(self, verdict: Verdict) -> int | None:
        """Store the verdict; return the id of the order it created, if any."""
        ...

    def record_plan(self, draft: PlanDraft, verdicts: Sequence[Verdict]) -> int | None:
        """Store the verdicts on a plan's envelope, one per placement; return the id of the plan, if any."""
        ...


class Desk(Protocol):
    def open(self, now: datetime) -> AbstractContextManager[DeskAccount]: ...
