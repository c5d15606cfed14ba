"""The gate on PostgreSQL: one transaction that locks the account, reviews, records and creates orders.

Everything that wants to trade comes through `GateDesk`, people included. Order of work:
kill switch read, account locked, fresh portfolio, review, verdict rows, orders, journal.
Nothing is sent here: `order_ids` are handed to `orders.services.execution` after the commit,
and the sweep of lost orders finds those whose sender died.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from alerts.services.journal import events_together
from orders.domain.drafts import PlanDraft
from orders.domain.intents import OpenOrder, Origin, Placement
from orders.domain.ledger import Portfolio
from orders.selectors.portfolio import portfolio_get
from orders.services import accounts, execution, kill
from orders.services.envelopes import plan_create
from orders.services.placement import ReservationError, order_create
from risk.domain.context import GateContext
from risk.domain.limits import Limits
from risk.domain.verdicts import Decision, Verdict
from risk.domain.whole import together_or_refused, whole_or_refused
from risk.models import RiskVerdict
from risk.rules.review import review
from risk.selectors.limits import limits_get
from risk.selectors.picture import context_get
from risk.services.verdicts import VerdictBook

log = logging.getLogger(__name__)

RUNNING, OBSERVE = "running", "observe"


@dataclass(kw_only=True)
class GateAccount:
    """One account while it is locked. See `risk.domain.desk.DeskAccount`."""

    row: object
    portfolio: Portfolio
    limits: Limits | None
    book: VerdictBook
    mode: str
    by: str
    clock: Callable[[], datetime]
    order_ids: list[int] = field(default_factory=list)
    cancelled_ids: list[int] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    plan_ids: list[int] = field(default_factory=list)
    _context: GateContext | None = None

    @property
    def open_orders(self) -> Sequence[OpenOrder]:
        return self.portfolio.open_orders

    def context(self, placements: Sequence[Placement]) -> GateContext:
        """Return the picture for `placements`, on the clock of now: waiting for the lock made nothing fresher."""
        killed = kill.killed()
        self._context = context_get(self.portfolio, placements, limits=self.limits, killed=killed, now=self.clock())
        return self._context

    def cancel(self, order_id: int, *, reason: str = "no longer wanted") -> None:
        """Ask for the order's end. It keeps its reservation until the venue says that it is gone."""
        if self.mode == OBSERVE:
            return
        if execution.order_cancel_request(order_id, reason, self.by, self.clock()):
            self.cancelled_ids.append(order_id)

    def record(self, verdict: Verdict) -> int | None:
        """Store the verdict; return the id of the order it created, if any."""
        if not verdict.approved:
            self._keep(verdict)
            return None
        if self.mode == OBSERVE:
            self._keep(replace(verdict, decision=Decision.OBSERVED))
            return None
        now = self.clock()
        verdict_id = self.book.approved(verdict, now=now)
        facts = self._context.facts.get(verdict.placement.market_id) if self._context else None
        try:
            order_id = order_create(
                account=self.row,
                placement=verdict.placement,
                size=verdict.allowed_size,
                verdict_id=verdict_id,
                now=now,
                facts=facts,
            )
        except ReservationError as error:
            # The rules and the reservation count alike, so this is a fault; it still must not cost money.
            log.error("reservation refused what the rules allowed", extra={"problem": str(error)})
            self.verdicts.append(self.book.withdrawn(verdict_id, verdict, reason=str(error)))
            return None
        self.book.placed(verdict_id, order_id)
        self.verdicts.append(verdict)
        self.order_ids.append(order_id)
        return order_id

    def record_plan(self, draft: PlanDraft, verdicts: Sequence[Verdict]) -> int | None:
        """Store the verdicts on the envelope; return the plan it became. A plan of legs that belong together
        is made with all of them or not at all."""
        verdicts = together_or_refused(draft, verdicts)
        approved = [verdict for verdict in verdicts if verdict.approved]
        if self.mode == OBSERVE or not approved:
            for verdict in verdicts:
                self._keep(replace(verdict, decision=Decision.OBSERVED) if verdict.approved else verdict)
            return None
        now = self.clock()
        ids = []
        for verdict in verdicts:
            if not verdict.approved:
                self._keep(verdict)
                continue
            ids.append(self.book.approved(verdict, now=now))
            self.verdicts.append(verdict)
        plan_id = plan_create(
            account=self.row,
            draft=draft,
            sizes={verdict.placement.key: verdict.allowed_size for verdict in approved},
            verdict_ids=ids,
            facts=self._context.facts if self._context else {},
            by=self.by,
            now=now,
        )
        self.plan_ids.append(plan_id)
        return plan_id

    def _keep(self, verdict: Verdict) -> None:
        self.book.keep(verdict, now=self.clock())
        self.verdicts.append(verdict)


@dataclass(kw_only=True)
class GateDesk:
    """The desk of one account for one origin. `order_ids` holds what the last `open` created.

    In mode "observe" verdicts are stored as OBSERVED, nothing is created and nothing is cancelled.
    """

    account_id: int
    origin: Origin
    mode: str = RUNNING
    by: str = ""
    clock: Callable[[], datetime] = timezone.now
    order_ids: list[int] = field(default_factory=list)
    cancelled_ids: list[int] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    plan_ids: list[int] = field(default_factory=list)

    @contextmanager
    def open(self, now: datetime) -> Iterator[GateAccount]:
        """Hold the account still. Leaving the block commits; an exception leaves nothing behind."""
        self.order_ids, self.cancelled_ids, self.verdicts, self.plan_ids = [], [], [], []
        with transaction.atomic(), events_together():
            row = accounts.account_lock(self.account_id)
            account = GateAccount(
                row=row,
                portfolio=portfolio_get(self.account_id, now=now, row=row),
                limits=limits_get(self.account_id),
                book=VerdictBook(account_id=self.account_id, environment=row.environment, by=self.by),
                mode=self.mode,
                by=self.by or self.origin.label,
                clock=self.clock,
            )
            yield account
            account.book.flush()
        self.order_ids, self.cancelled_ids = account.order_ids, account.cancelled_ids
        self.verdicts, self.plan_ids = account.verdicts, account.plan_ids


def placements_review(
    desk: GateDesk, placements: Sequence[Placement], *, now: datetime, whole: bool = False
) -> list[Verdict]:
    """Carry complete placements through the gate: for manual orders and exits, which have no quotes to compare.

    `whole`: rather refuse an order than place a smaller one, and say how large it may be.
    """
    with desk.open(now) as account:
        for verdict in review(placements, account.context(placements)):
            account.record(whole_or_refused(verdict) if whole else verdict)
    return desk.verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualResult:
    """The verdict as stored. `order_id` is to be submitted after the commit; None when it was refused."""

    verdict: RiskVerdict
    order_id: int | None

    @property
    def refused(self) -> bool:
        return self.verdict.decision == Decision.REFUSED


def review_manual(
    account_id: int,
    placement: Placement,
    *,
    by: str,
    allow_smaller: bool = False,
    clock: Callable[[], datetime] = timezone.now,
) -> ManualResult:
    """Carry one order through the gate. The same key again returns the first verdict and places nothing."""
    known = _stored(account_id, placement.key)
    if known is not None:
        return ManualResult(verdict=known, order_id=known.order_id)
    desk = GateDesk(account_id=account_id, origin=placement.origin, by=by, clock=clock)
    try:
        placements_review(desk, [placement], now=clock(), whole=not allow_smaller)
    except IntegrityError:
        # The same order was sent twice at once, and the other one was first: it decided.
        known = _stored(account_id, placement.key)
        if known is None:
            raise
        return ManualResult(verdict=known, order_id=known.order_id)
    stored = _stored(account_id, placement.key) or _repeated(account_id, placement)
    return ManualResult(verdict=stored, order_id=stored.order_id)


def _stored(account_id: int, key: str) -> RiskVerdict | None:
    return RiskVerdict.objects.filter(account_id=account_id, client_key=key).first()


def _repeated(account_id: int, placement: Placement) -> RiskVerdict:
    """Return the row on which a repeated refusal was counted."""
    rows = RiskVerdict.objects.filter(
        account_id=account_id,
        origin_kind=placement.origin.kind,
        origin_id=placement.origin.id,
        outcome_id=placement.outcome_id,
        side=placement.side,
        decision=Decision.REFUSED,
    )
    return rows.latest("last_at")
