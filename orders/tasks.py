"""Jobs of the execution stage. Each takes ids, calls one service, and may run any number of times."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from orders.domain.lifecycle import Environment
from orders.selectors.portfolio import account_list
from orders.services import conditions, execution, plans, pnl, reconciliation, settlement, sweep
from orders.services.submission.stages import running_clock
from orders.services.submission.tend import tend


@shared_task(acks_late=True, expires=30)
def submit_order(order_id: int) -> None:
    """Send one approved order. A lost message is found by `sweep_orders`."""
    execution.order_submit(order_id, timezone.now())


@shared_task(acks_late=True, expires=60)
def cancel_order(order_id: int) -> None:
    """Ask for the end of one order. A lost message is found by `tend_orders`."""
    execution.order_cancel_request(order_id, "requested", "", timezone.now())


@shared_task(acks_late=True, expires=0.9)
def advance_plans() -> None:
    """Every second: the next step of every execution plan that is due."""
    plans.plans_advance(timezone.now())


@shared_task(acks_late=True, expires=9)
def sweep_orders() -> None:
    """Every 10 s: what lost messages and crashes left behind."""
    sweep.orders_sweep(timezone.now())


@shared_task(acks_late=True, expires=2)
def tend_orders() -> None:
    """Every 2 s: unsent orders, unknown outcomes and wanted cancels of live accounts."""
    now = timezone.now()
    tend(now, running_clock(now))


@shared_task(acks_late=True, expires=25)
def expire_stale() -> None:
    """Every 30 s: strategies' orders that nobody renewed."""
    sweep.stale_cancel(timezone.now())


@shared_task(acks_late=True, expires=25)
def settle_resolved() -> None:
    """Every 30 s: pay out decided markets."""
    settlement.resolutions_apply(timezone.now())


@shared_task(acks_late=True, expires=50)
def snapshot_pnl() -> None:
    """Every minute: one equity row per account. A late run is dropped."""
    now = timezone.now()
    for account in account_list():
        pnl.snapshot_create(account.id, now)


@shared_task(acks_late=True, expires=50)
def reconcile_accounts() -> None:
    """Every minute: our records against the simulated venue's, account by account."""
    for account in account_list(environment=Environment.PAPER):
        reconciliation.reconcile(account.id, timezone.now())


@shared_task(acks_late=True, expires=25)
def reconcile_live() -> None:
    """Every 30 s, in the trader: the accounts that it trades against their venues."""
    reconciliation.live_reconcile(timezone.now())


@shared_task(acks_late=True, expires=50)
def measure_conditions() -> None:
    """Every minute: the venues' clocks, where they let us trade, their versions."""
    conditions.conditions_measure(timezone.now())


@shared_task(acks_late=True, expires=60)
def connect_account(account_id: int) -> None:
    """Connect one account to its venue. A lost message is made up for by `connect_waiting`."""
    from orders.services import connecting  # the trader alone loads what can sign

    if connecting.account_connect(account_id):
        conditions.conditions_measure(timezone.now())  # the account may trade now, not in a minute


@shared_task(acks_late=True, expires=9)
def connect_waiting() -> None:
    """Every 10 s: connect accounts that wait for it."""
    from orders.services import connecting

    if connecting.accounts_connect_waiting(timezone.now()):
        conditions.conditions_measure(timezone.now())


@shared_task(acks_late=True, expires=25)
def claim_resolved() -> None:
    """Every 30 s: redeem what resolved markets owe connected accounts, and merge sets where that is switched on."""
    from orders.services import merging, redemption

    redemption.redemptions_apply(timezone.now())
    merging.merges_apply(timezone.now())


@shared_task(acks_late=True, expires=4)
def step_chain_actions() -> None:
    """Every 5 s: take each transaction outside the book one step further."""
    from orders.services import chain_send  # the trader alone loads what can sign

    chain_send.actions_sweep(timezone.now())


@shared_task(acks_late=True, expires=200)
def check_allowances() -> None:
    """Every 5 minutes: what the venue's contracts may take from our wallets."""
    from orders.services import allowances

    allowances.allowances_check_all(timezone.now())
