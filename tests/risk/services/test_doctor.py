"""An examination looks everywhere, and a deep one places one free order and cancels it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from markets.models import Outcome
from markets.tickstore import Batch, TickstoreWriter
from orders.domain.checkup import Health
from orders.models import Account, DoctorRun, Order
from orders.services import doctor as examinations
from orders.services.doctor import DoctorError, run_request
from risk.services import doctor
from tests.factories.markets import AT, book_make
from tests.factories.orders import venue_account_make
from tests.risk.conftest import Books

pytestmark = pytest.mark.django_db


def ask(account: Account, *, deep: bool = False, now: Any = AT) -> DoctorRun:
    return run_request(account.pk, user=account.owner, deep=deep, by="ada", now=now)


def test_a_paper_account_is_examined_without_a_venue(account: Account) -> None:
    run = ask(account)
    findings = doctor.doctor_run(run.pk, clock=lambda: AT)
    assert {f.area for f in findings} >= {"account", "processes", "venue"}
    run.refresh_from_db()
    assert run.state == "done" and run.findings and run.finished_at == AT


def test_it_is_done_once(account: Account) -> None:
    run = ask(account)
    assert doctor.doctor_run(run.pk, clock=lambda: AT)
    assert doctor.doctor_run(run.pk, clock=lambda: AT) == []


def test_asking_twice_is_asking_once_and_what_nobody_did_fails(account: Account) -> None:
    first = ask(account)
    assert ask(account).pk == first.pk
    with pytest.raises(DoctorError, match="under way"):
        ask(account, deep=True)
    later = ask(account, now=AT + timedelta(minutes=6))
    first.refresh_from_db()
    assert later.pk != first.pk and first.state == "failed" and "is the trader running" in first.error


def test_a_deep_one_needs_a_person(account: Account) -> None:
    with pytest.raises(DoctorError, match="a person must ask"):
        run_request(account.pk, user=None, deep=True, by="cron", now=AT)


def test_an_account_without_keys_here_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examinations.conditions, "venue_measure", lambda *a, **k: True)
    account = venue_account_make("sandbox")
    findings = doctor.doctor_run(ask(account).pk, clock=lambda: AT)
    by_label = {f.label: f for f in findings}
    assert by_label["Signing key opens"].health is Health.UNKNOWN
    assert by_label["API credentials"].health is Health.BAD and "accounts page" in by_label["API credentials"].remedy


def test_a_deep_one_places_one_free_order_through_the_gate_and_cancels_it(
    account: Account, outcome: Outcome, books: Books
) -> None:
    book = book_make(outcome.pk, bid=480_000, ask=520_000)
    TickstoreWriter(settings.TICKSTORE_URL).publish(Batch(books={outcome.pk: book}))

    class Venue:
        """Lets the order rest, and confirms its cancel."""

        def __call__(self, seconds: float) -> None:
            order = Order.objects.get()
            if order.state == "sending":
                Order.objects.filter(pk=order.pk).update(state="live")
            elif order.cancel_requested_at is not None:
                Order.objects.filter(pk=order.pk).update(state="canceled")

    run = ask(account, deep=True)
    findings = doctor.doctor_run(run.pk, clock=lambda: AT, sleep=Venue())
    order = Order.objects.get()
    assert (order.post_only, f"{order.price:.2f}", f"{order.size:.0f}", order.origin_kind) == (
        True,
        "0.01",
        "100",
        "manual",
    )
    free = [f for f in findings if f.area == "free order"]
    assert [(f.label, f.health) for f in free] == [("Placed", Health.OK), ("Cancelled", Health.OK)]
    run.refresh_from_db()
    assert run.order_id == order.pk and any("cancel requested" in step["what"] for step in run.story)


def test_without_a_market_far_from_zero_no_order_is_placed(account: Account) -> None:
    findings = doctor.doctor_run(ask(account, deep=True).pk, clock=lambda: AT)
    assert findings[-1].health is Health.BAD and "no open market" in findings[-1].cause
    assert not Order.objects.exists()


def test_what_the_gate_refuses_is_the_finding(account: Account, outcome: Outcome, books: Books) -> None:
    TickstoreWriter(settings.TICKSTORE_URL).publish(Batch(books={outcome.pk: book_make(outcome.pk)}))
    books.gone = True
    findings = doctor.doctor_run(ask(account, deep=True).pk, clock=lambda: AT)
    assert findings[-1].value == "refused by the gate" and "no recent book" in findings[-1].cause
