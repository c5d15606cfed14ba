"""Writing the ledger: one economic fact, its legs, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from markets.domain.units import decimal_from_micro, micro_from_decimal
from orders.domain.conversions import Movement, movement_of
from orders.domain.ledger import Entry, UnbalancedError, imbalance, outcome_asset
from orders.models import Fill, LedgerEntry, LedgerTransaction


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


def movements_read(*, account_id: int, outcome_id: int, without: str = "") -> list[Movement]:
    """Return what the ledger says happened to an outcome, oldest first: facts that stand, trades and conversions.

    `without` leaves one more fact out, by its reference: a position is derived again from what is left.
    """
    voids = LedgerTransaction.objects.filter(account_id=account_id, kind="void")
    gone = {without, *voids.values_list("reference", flat=True)}
    touching = LedgerEntry.objects.filter(account_id=account_id, asset=outcome_asset(outcome_id)).values(
        "transaction_id"
    )
    rows = (
        LedgerEntry.objects.filter(transaction_id__in=touching)
        .exclude(transaction__kind="void")
        .order_by("transaction_id", "id")
        .values_list("transaction_id", "transaction__reference", "asset", "book", "amount")
    )
    facts: dict[int, tuple[str, list[Entry]]] = {}
    for fact_id, reference, asset, book, amount in rows:
        if reference not in gone:
            legs = facts.setdefault(fact_id, (reference, []))[1]
            legs.append(Entry(asset=asset, book=book, amount=micro_from_decimal(amount)))
    settled = _settled({reference for reference, _ in facts.values()})
    made = [movement_of(legs, outcome_id, confirmed=reference in settled) for reference, legs in facts.values()]
    return [part for part in made if part is not None]


def _settled(references: set[str]) -> set[str]:
    """Return the references whose shares are settled: all but those of fills that are not confirmed yet."""
    fills = {int(r.removeprefix("fill:")): r for r in references if r.startswith("fill:")}
    open_fills = Fill.objects.filter(pk__in=fills).exclude(settlement=Fill.Settlement.CONFIRMED)
    return references - {fills[pk] for pk in open_fills.values_list("pk", flat=True)}
