from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from orders.models import Account, AccountLease
from orders.services import ownership
from tests.factories.orders import account_make
from tests.factories.venue import sandbox_account

pytestmark = pytest.mark.django_db(transaction=True)


def as_trader(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "_ME", name)


def reconciled(account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(reconciled_at=timezone.now() + timedelta(seconds=1))


def test_of_two_traders_one_owns_an_account_until_its_lease_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    account = sandbox_account()
    as_trader("here:1:a", monkeypatch)
    assert ownership.take(account.pk)
    Account.objects.filter(pk=account.pk).update(reconciled_at=timezone.now() - timedelta(seconds=5))
    assert not ownership.owns(account.pk)  # not since it was taken
    reconciled(account)
    assert ownership.owns(account.pk)
    as_trader("there:1:b", monkeypatch)
    assert not ownership.take(account.pk)
    assert not ownership.owns(account.pk)
    AccountLease.objects.update(lease_until=Now())
    assert ownership.take(account.pk)
    Account.objects.filter(pk=account.pk).update(reconciled_at=timezone.now() - timedelta(seconds=5))
    assert not ownership.owns(account.pk)  # the other's books are not its own
    as_trader("here:1:a", monkeypatch)
    assert not ownership.owns(account.pk)


def test_a_lease_that_ran_out_is_not_renewed_but_taken_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    account = sandbox_account()
    as_trader("here:1:a", monkeypatch)
    assert ownership.take(account.pk)
    assert ownership.renew() == 1
    before = AccountLease.objects.get().taken_at
    assert ownership.take(account.pk)
    assert AccountLease.objects.get().taken_at == before
    AccountLease.objects.update(lease_until=Now())
    assert ownership.renew() == 0
    assert ownership.take(account.pk)
    assert AccountLease.objects.get().taken_at > before
    assert ownership.release() == 1
    assert ownership.owner_of(account.pk) == ""


def test_a_dead_process_of_this_machine_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    account = sandbox_account()
    as_trader(f"{ownership._HOST}:4194304:a", monkeypatch)  # above the largest process id there is
    assert ownership.take(account.pk)
    as_trader(f"{ownership._HOST}:1:b", monkeypatch)
    assert ownership.take(account.pk)
    as_trader("elsewhere:2:c", monkeypatch)
    assert not ownership.take(account.pk)  # process 1 lives


def test_many_takers_at_once_leave_one_owner() -> None:
    account = sandbox_account()
    gate = threading.Barrier(6)

    def attempt(number: int) -> bool:
        gate.wait()
        try:
            with connection.cursor() as cursor:
                values = {"account": account.pk, "me": f"x:{number}:y", "lease": 20, "dead": ""}
                cursor.execute(ownership._TAKE, values)
                return cursor.fetchone() is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attempt, range(6))) == 1


def test_paper_needs_no_lease() -> None:
    assert ownership.take(account_make().pk)
    assert not AccountLease.objects.exists()
