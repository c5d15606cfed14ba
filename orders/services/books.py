"""Writing the ledger: one economic fact, its legs, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from markets.domain.units import decimal_from_micro, micro_from_decimal
from orders.domain.ledger import Entry, UnbalancedError, imbalance
from orders.models import LedgerEntry, LedgerTransaction


def transaction_record(
    *,
    account_id: int,
    kind: str,
    reference: str,
    entries: Sequence[Entry],
    at: datetime,
    memo: str = "",
    realized: int = 0,
) -> LedgerTransaction:
    """Store one balanced fact inside the caller's transaction. A second one with this reference is an error."""
    if wrong := imbalance(entries):
        raise UnbalancedError(f"{kind} {reference}: entries do not sum to zero: {wrong}")
    fact = LedgerTransaction.objects.create(
        account_id=account_id,
        kind=kind,
        reference=reference,
        at=at,
        memo=memo[:240],
        realized=decimal_from_micro(realized),
    )
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            transaction=fact,
            account_id=account_id,
            asset=entry.asset,
            book=entry.book,
            amount=decimal_from_micro(entry.amount),
        )
        for entry in entries
    )
    return fact


def entries_read(*, account_id: int, kind: str, reference: str) -> tuple[Entry, ...]:
    """Return the legs of a stored fact."""
    rows = LedgerEntry.objects.filter(
        transaction__account_id=account_id, transaction__kind=kind, transaction__reference=reference
    ).order_by("id")
    return tuple(Entry(asset=row.asset, book=row.book, amount=micro_from_decimal(row.amount)) for row in rows)
