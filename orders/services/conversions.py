"""Booking what happened to an account besides trades: positions, cash and ledger together, once per reference."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db.models import F

from markets.domain.units import decimal_from_micro, micro_from_decimal, text_from_micro
from orders.domain.conversions import Fact, position_moved
from orders.domain.ledger import LedgerError
from orders.models import Account, LedgerTransaction, Position
from orders.selectors.rows import position_of
from orders.services.books import transaction_record
from orders.services.faults import faultpoint


class ConversionError(RuntimeError):
    """A fact that the books cannot take as told. Nothing was written; the account needs a person."""


def is_booked(account_id: int, reference: str) -> bool:
    return LedgerTransaction.objects.filter(account_id=account_id, reference=reference).exclude(kind="void").exists()


def fact_book(
    account: Account, fact: Fact, *, reference: str, markets: Mapping[int, int], memo: str, at: datetime, now: datetime
) -> int:
    """Book one fact on an account that the caller has locked; return the profit it booked, in millionths.

    `markets` names the market of each outcome. Raises ConversionError when shares or cash are not there.
    """
    realized = 0
    for part in fact.movements:
        row, _ = Position.objects.get_or_create(
            account_id=account.pk, outcome_id=part.outcome_id, defaults={"updated_at": now}
        )
        before = position_of(row, market_id=markets[part.outcome_id])
        try:
            after = position_moved(before, part)
        except LedgerError as error:
            raise ConversionError(f"{fact.kind} {reference}: {error}") from error
        if after.size < before.reserved:
            raise ConversionError(
                f"{fact.kind} {reference}: takes shares of {part.outcome_id} that orders have promised"
            )
        row.size, row.confirmed_size = decimal_from_micro(after.size), decimal_from_micro(after.confirmed)
        row.cost, row.realized = decimal_from_micro(after.cost), decimal_from_micro(after.realized)
        row.updated_at = now
        row.save(update_fields=["size", "confirmed_size", "cost", "realized", "updated_at"])
        realized += after.realized - before.realized
    change = decimal_from_micro(fact.cash)
    if change and not Account.objects.filter(pk=account.pk, cash__gte=F("reserved_cash") - change).update(
        cash=F("cash") + change
    ):
        raise ConversionError(f"{fact.kind} {reference}: the account has not ${text_from_micro(-fact.cash)} free")
    faultpoint("conversion.moved")
    transaction_record(
        account_id=account.pk,
        kind=fact.kind,
        reference=reference,
        entries=fact.entries,
        at=at,
        memo=memo,
        realized=realized,
    )
    faultpoint("conversion.ledger")
    return realized


def held(account_id: int, outcome_id: int) -> int:
    """Return the settled shares of an outcome, in millionths, promised ones included."""
    size = Position.objects.filter(account_id=account_id, outcome_id=outcome_id).values_list(
        "confirmed_size", flat=True
    )
    return micro_from_decimal(found) if (found := size.first()) is not None else 0
