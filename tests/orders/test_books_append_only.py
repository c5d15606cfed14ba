"""What the database itself refuses, whatever the code above it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import InternalError, ProgrammingError, connection, transaction
from django.db.utils import DatabaseError, IntegrityError

from orders.models import Account, Fill, LedgerEntry, LedgerTransaction, Order
from tests.factories.markets import outcome_make
from tests.factories.orders import account_make, sent_order
from tests.orders.services.test_fills import book

pytestmark = pytest.mark.django_db


@contextmanager
def refused(words: str) -> Iterator[None]:
    with pytest.raises((ProgrammingError, InternalError, DatabaseError), match=words), transaction.atomic():
        yield


@pytest.fixture
def booked() -> Order:
    order = sent_order(account_make("100"), outcome_make(), price="0.60", size="10")
    book(order, "t1", "4", "0.60", settlement="matched")
    return order


@pytest.mark.parametrize("table", [LedgerTransaction, LedgerEntry])
def test_the_ledger_is_only_ever_added_to(booked: Order, table: type[LedgerTransaction] | type[LedgerEntry]) -> None:
    with refused("append-only: UPDATE refused"):
        table.objects.update(account_id=booked.account_id)
    with refused("append-only: DELETE refused"):
        connection.cursor().execute(f"DELETE FROM {table._meta.db_table}")


def test_of_a_fill_only_its_settlement_changes(booked: Order) -> None:
    row = Fill.objects.get()
    Fill.objects.filter(pk=row.pk).update(settlement="mined", transaction_hash="0x1")
    for change in ({"size": 5}, {"price": "0.61"}, {"fee": 1}, {"venue_trade_id": "t2"}, {"side": "sell"}):
        with refused("only its settlement may change"):
            Fill.objects.filter(pk=row.pk).update(**change)
    Fill.objects.filter(pk=row.pk).update(voided=True)
    with refused("a void is final"):
        Fill.objects.filter(pk=row.pk).update(voided=False)
    with refused("append-only: DELETE refused"):
        connection.cursor().execute("DELETE FROM orders_fill")


@pytest.mark.parametrize("table", ["orders_ledgertransaction", "orders_ledgerentry", "orders_fill"])
def test_truncate_is_refused(booked: Order, table: str) -> None:
    with refused("TRUNCATE refused"), connection.cursor() as cursor:  # the switch goes back with the transaction
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_truncate")
        cursor.execute(f"TRUNCATE {table} CASCADE")


def test_an_account_never_changes_its_environment_or_venue() -> None:
    account = account_make("100")
    for change in ({"environment": "live"}, {"venue": "kalshi"}):
        with refused("never change"):
            Account.objects.filter(pk=account.pk).update(**change)


def test_no_fill_or_entry_belongs_to_another_account_than_its_order_or_fact(booked: Order) -> None:
    other = account_make("100")
    row = Fill.objects.get()
    row.pk, row.account_id, row.venue_trade_id = None, other.pk, "t2"
    with pytest.raises(IntegrityError, match="fill_account_is_orders"), transaction.atomic():
        row.save(force_insert=True)
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
    fact = LedgerTransaction.objects.filter(account_id=booked.account_id).first()
    assert fact is not None
    with pytest.raises(IntegrityError, match="entry_account_is_facts"), transaction.atomic():
        LedgerEntry.objects.create(transaction=fact, account=other, asset="usd", book="own", amount=1)
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
