"""Reconciliation for people: how each account stands with its venue, what differs, and who else used the wallet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now

from orders.models import Account, AccountLease, Discrepancy, ExternalOrder, ReconcileRun, StreamState


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One account's last comparison. `open_ends` were left by the last run that was finished."""

    account: Account
    last: ReconcileRun | None
    open_ends: int
    foreign: int
    stream: StreamState | None
    owner: str

    @property
    def difference(self) -> Decimal | None:
        """Their cash minus ours, where both are known."""
        if self.last is None or self.last.cash_ours is None or self.last.cash_theirs is None:
            return None
        return self.last.cash_theirs - self.last.cash_ours


def standings(account_ids: Iterable[int]) -> list[Standing]:
    found = []
    for account in Account.objects.filter(pk__in=list(account_ids)).order_by("pk"):
        last = ReconcileRun.objects.filter(account=account, finished_at__isnull=False).order_by("-pk").first()
        open_ends = last.discrepancies.filter(repaired=False, closed_at=None).count() if last else 0
        lease = AccountLease.objects.filter(account=account, lease_until__gt=Now()).first()
        found.append(
            Standing(
                account=account,
                last=last,
                open_ends=open_ends,
                foreign=ExternalOrder.objects.filter(account=account, acknowledged_at=None).count(),
                stream=StreamState.objects.filter(account=account).first(),
                owner=lease.owner if lease else "",
            )
        )
    return found


def run_rows(account_ids: Iterable[int]) -> QuerySet[ReconcileRun]:
    rows = ReconcileRun.objects.filter(account_id__in=list(account_ids))
    return rows.annotate(
        differences=Count("discrepancies"),
        open_ends=Count("discrepancies", filter=Q(discrepancies__repaired=False, discrepancies__closed_at=None)),
    )


def difference_rows(account_ids: Iterable[int]) -> QuerySet[Discrepancy]:
    return Discrepancy.objects.filter(run__account_id__in=list(account_ids)).select_related("run")


def foreign_rows(account_ids: Iterable[int]) -> QuerySet[ExternalOrder]:
    return ExternalOrder.objects.filter(account_id__in=list(account_ids))
