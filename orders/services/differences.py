"""What a person does about a difference that stayed: book it as a transfer, or say that it is dealt with.

Booking makes our ledger equal the venue's figure of that run: dollars or shares that came or went outside this
desk, with the person's word for it. It lifts no halt: that is another decision, on the page Risk.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from alerts.domain.events import Severity
from markets.domain.units import AmountError, Shares, micro_from_text, text_from_micro
from markets.selectors.catalogue import facts_by_outcome
from orders.domain import conversions
from orders.domain.conversions import Fact
from orders.domain.ledger import LedgerError, Position
from orders.domain.reconcile import DiscrepancyKind
from orders.models import Account, Discrepancy, ReconcileRun
from orders.models import Position as PositionRow
from orders.selectors.rows import position_of
from orders.services.account_events import account_event
from orders.services.accounts import account_lock
from orders.services.conversions import ConversionError, fact_book


class DifferenceError(ValueError):
    """A difference that cannot be booked or closed as asked; the message says why."""


@transaction.atomic
def difference_book(discrepancy_id: int, *, by: str, reason: str, now: datetime) -> str:
    """Book the difference as a transfer; return what was booked, in words.

    Only a difference of cash or of a known outcome's shares, and only of the account's last run: an older one
    may long be something else.
    """
    row, account = _open(discrepancy_id, reason)
    last = ReconcileRun.objects.filter(account=account, finished_at__isnull=False, error="").order_by("-pk").first()
    if last is None or last.pk != row.run_id:
        raise DifferenceError("a newer reconciliation has run: book its difference, if it still finds one")
    fact, said = _fact(row, account)
    outcomes = [part.outcome_id for part in fact.movements]
    try:
        fact_book(
            account,
            fact,
            reference=f"difference:{row.pk}",
            markets={o: facts.market_id for o, facts in facts_by_outcome(outcomes).items()},
            memo=f"{said}: {reason.strip()}"[:240],
            at=now,
            now=now,
        )
    except ConversionError as error:
        raise DifferenceError(str(error)) from error
    row.repaired, row.repair = True, f"booked as {said}"[:240]
    _close(row, account, "reconcile.booked", f"{said} was booked: {reason.strip()}", by=by, now=now)
    return said


@transaction.atomic
def difference_close(discrepancy_id: int, *, by: str, reason: str, now: datetime) -> None:
    """Note that a person dealt with the difference some other way. It changes no books."""
    row, account = _open(discrepancy_id, reason)
    _close(row, account, "reconcile.closed", f"was closed by hand: {reason.strip()}", by=by, now=now)


def _open(discrepancy_id: int, reason: str) -> tuple[Discrepancy, Account]:
    if not reason.strip():
        raise DifferenceError("say what it was: the journal keeps the reason")
    found = Discrepancy.objects.filter(pk=discrepancy_id).values_list("run__account_id", flat=True).first()
    if found is None:
        raise DifferenceError(f"there is no difference {discrepancy_id}")
    account = account_lock(found)
    row = Discrepancy.objects.select_for_update(of=("self",)).select_related("run").get(pk=discrepancy_id)
    if row.repaired or row.closed_at is not None:
        raise DifferenceError("somebody has dealt with it already")
    return row, account


def _fact(row: Discrepancy, account: Account) -> tuple[Fact, str]:
    try:
        ours, theirs = (micro_from_text(text or "0", field="difference") for text in (row.ours, row.theirs))
    except AmountError as error:
        raise DifferenceError(f"its figures cannot be read: {error}") from error
    change = theirs - ours
    if row.kind == DiscrepancyKind.CASH_DIFFERS:
        way = "deposit" if change > 0 else "withdrawal"
        return conversions.cash_moved(change), f"a {way} of ${text_from_micro(abs(change))}"
    kind, _, number = row.subject.partition(" ")
    if row.kind != DiscrepancyKind.POSITION_DIFFERS or kind != "outcome":
        raise DifferenceError("only differences of cash or of a known outcome's shares can be booked")
    outcome_id = int(number)
    said = f"{text_from_micro(abs(change))} shares {'received' if change > 0 else 'sent away'}"
    if change > 0:
        return conversions.shares_in(outcome_id, change, cost=0), said
    held = PositionRow.objects.filter(account=account, outcome_id=outcome_id).first()
    try:
        position = (
            position_of(held, market_id=0) if held else Position(outcome_id=outcome_id, market_id=0, size=Shares(0))
        )
        return conversions.shares_out(position, -change), said
    except LedgerError as error:
        raise DifferenceError(str(error)) from error


def _close(row: Discrepancy, account: Account, kind: str, said: str, *, by: str, now: datetime) -> None:
    row.closed_at, row.closed_by = now, by[:120]
    row.save(update_fields=["closed_at", "closed_by", "repaired", "repair"])
    account_event(
        account,
        kind,
        f"{row.kind.replace('_', ' ')}: {row.subject}: {said}",
        now=now,
        by=by,
        severity=Severity.WARNING,
        payload={"discrepancy_id": row.pk, "run_id": row.run_id, "ours": row.ours, "theirs": row.theirs},
    )
