import pytest
from django.utils import timezone

from orders import tasks
from orders.models import Order, PnlSnapshot, ReconcileRun
from tests.factories.markets import outcome_make
from tests.factories.orders import account_make, order_make

pytestmark = pytest.mark.django_db

JOBS = [
    tasks.sweep_orders,
    tasks.expire_stale,
    tasks.settle_resolved,
    tasks.snapshot_pnl,
    tasks.reconcile_accounts,
    tasks.reconcile_live,
]


def test_every_job_may_run_any_number_of_times() -> None:
    account_make()
    for job in JOBS * 2:
        job()
    assert PnlSnapshot.objects.count() == 1
    assert set(ReconcileRun.objects.values_list("clean", flat=True)) == {True}


def test_a_repeated_submit_or_cancel_changes_nothing() -> None:
    order = order_make(account_make(), outcome_make(), now=timezone.now())
    for _ in range(3):
        tasks.submit_order(order.pk)
    assert (Order.objects.get().state, Order.objects.get().attempts) == ("sending", 1)
    for _ in range(3):
        tasks.cancel_order(order.pk)
    assert Order.objects.get().cancel_reason == "requested"


@pytest.mark.parametrize("job", [tasks.submit_order, tasks.cancel_order, *JOBS])
def test_every_message_is_acknowledged_late_and_expires(job: object) -> None:
    assert job.acks_late is True  # type: ignore[attr-defined]
    assert job.expires  # type: ignore[attr-defined]
