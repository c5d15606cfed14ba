"""What a reconciliation leaves on file, and what it says: one row per run, one per difference, halts for what stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from alerts.domain.events import Severity
from orders.domain.lifecycle import TradingState
from orders.domain.open_items import OpenItem
from orders.domain.reconcile import Difference
from orders.models import Account, Discrepancy, ReconcileRun
from orders.services.account_events import account_event
from orders.services.accounts import trading_state_set


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    run_id: int
    clean: bool
    found: int
    repaired: int
    orders_compared: int
    fills_compared: int
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference, what was done about it (nothing: a person must look) and our best explanation."""

    difference: Difference
    repair: str = ""
    cause: str = ""


@transaction.atomic
def run_store(
    run: ReconcileRun,
    found: Sequence[Finding],
    *,
    orders: int,
    fills: int,
    now: datetime,
    looked_at: datetime | None = None,
    items: Sequence[OpenItem] = (),
    figures: Mapping[str, Any] | None = None,
) -> Reconciliation:
    """Store the run's result. A clean run allows trading from `looked_at`, when its reading began."""
    Discrepancy.objects.bulk_create(
        Discrepancy(
            run=run,
            kind=finding.difference.kind,
            subject=finding.difference.subject[:120],
            ours=finding.difference.ours[:200],
            theirs=finding.difference.theirs[:200],
            repaired=bool(finding.repair),
            repair=finding.repair[:240],
            cause=finding.cause[:240],
        )
        for finding in found
    )
    open_ends = [finding for finding in found if not finding.repair]
    run.finished_at, run.clean, run.orders_compared, run.fills_compared = now, not open_ends, orders, fills
    run.open_items = [asdict(item) for item in items]
    for name, value in (figures or {}).items():
        setattr(run, name, value)
    run.save()
    if run.clean:
        Account.objects.filter(pk=run.account_id).update(reconciled_at=looked_at or now)
    else:
        _tell(run, open_ends, now=now)
    return Reconciliation(
        run_id=run.pk,
        clean=run.clean,
        found=len(found),
        repaired=len(found) - len(open_ends),
        orders_compared=orders,
        fills_compared=fills,
    )


def run_failed(run: ReconcileRun, error: str, *, now: datetime) -> Reconciliation:
    """Store a run that could not be done; it counts as not clean."""
    ReconcileRun.objects.filter(pk=run.pk).update(finished_at=now, error=error[:300])
    return Reconciliation(
        run_id=run.pk, clean=False, found=0, repaired=0, orders_compared=0, fills_compared=0, error=error
    )


def _tell(run: ReconcileRun, open_ends: Sequence[Finding], *, now: datetime) -> None:
    """Report differences that stay; the second run that sees one of them halts the account."""
    account_id = run.account_id
    earlier = (
        ReconcileRun.objects.filter(account_id=account_id, pk__lt=run.pk, finished_at__isnull=False, error="")
        .order_by("-id")
        .first()
    )
    before = set(earlier.discrepancies.filter(repaired=False).values_list("kind", "subject")) if earlier else set()
    again = [f for f in open_ends if (f.difference.kind.value, f.difference.subject[:120]) in before]
    new = [f for f in open_ends if f not in again]
    if again:
        worst = again[0].difference
        trading_state_set(
            account_id=account_id,
            state=TradingState.HALTED,
            reason=f"books differ from the venue's: {worst.kind} {worst.subject}",
            by="reconciliation",
            now=now,
        )
    for finding in new[:20]:
        difference = finding.difference
        account_event(
            run.account,
            "reconcile.difference",
            f"{difference.kind.replace('_', ' ')}: {difference.subject}: "
            f"ours {difference.ours or 'nothing'}, theirs {difference.theirs or 'nothing'}"
            + (f" ({finding.cause})" if finding.cause else ""),
            severity=Severity.CRITICAL,
            by="reconciliation",
            payload={"run_id": run.pk, "kind": difference.kind.value, "subject": difference.subject},
            now=now,
        )
