"""Jobs of backtests. A replay has a queue and a process of its own; what finds lost ones runs with everything else.

`run_backtest` acknowledges at once, unlike every other task: it may run for hours, and a message that is not
acknowledged comes again after ten minutes. The row is the queue; a message lost with its worker is sent again.
"""

from __future__ import annotations

import logging

from celery import group, shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from backtests.services import claims, parity, run, trials

QUEUE = "backtests"  # settings.CELERY_TASK_ROUTES sends replays there

log = logging.getLogger(__name__)


@shared_task(acks_late=False, soft_time_limit=run.LONGEST_S + 600, time_limit=run.LONGEST_S + 1200)
def run_backtest(run_id: int) -> None:
    """Run one queued backtest. Repeated, or taken by somebody else, it does nothing."""
    run.process_step_back()
    run.backtest_run(run_id)


@shared_task(acks_late=True, expires=9)
def sweep_runs() -> None:
    """Every 10 s: runs whose process died, and queued runs that no message is on its way for."""
    now = timezone.now()
    claims.runs_recover(now=now)
    for run_id in claims.runs_unsent(now=now):
        run_soon(run_id)
    trials.searches_recover(now=now)
    for search_id, count in trials.searches_unsent(now=now):
        search_soon(search_id, count)
    for parity_id in parity.parities_recover(now=now):
        parity_soon(parity_id)


def run_soon(run_id: int) -> None:
    """Wake the worker for a queued run. If the broker is down the sweep does it later."""
    try:
        run_backtest.delay(run_id)
    except OperationalError as error:
        log.warning("backtest waits for the sweep", extra={"run": run_id, "problem": str(error)[:200]})
        return
    claims.run_sent(run_id, now=timezone.now())


@shared_task(acks_late=False, soft_time_limit=run.LONGEST_S + 600, time_limit=run.LONGEST_S + 1200)
def run_trial(search_id: int) -> None:
    """Run the next trial of a search and send the message for the one after it: other work gets its turn between."""
    run.process_step_back()
    if trials.trial_run(search_id) and trials.trials_waiting(search_id):
        search_soon(search_id, 1)


def search_soon(search_id: int, count: int = trials.AT_ONCE) -> None:
    """Wake workers for a search, one message a trial. If the broker is down the sweep does it later."""
    try:
        group(run_trial.s(search_id) for _ in range(count)).delay()
    except OperationalError as error:
        log.warning("search waits for the sweep", extra={"search": search_id, "problem": str(error)[:200]})
        return
    trials.search_sent(search_id, now=timezone.now())


@shared_task(acks_late=False, soft_time_limit=run.LONGEST_S + 600, time_limit=run.LONGEST_S + 1200)
def compare_run(parity_id: int) -> None:
    """Hold one run of a strategy against its replay. Repeated, it does nothing."""
    run.process_step_back()
    parity.parity_work(parity_id)


def parity_soon(parity_id: int) -> None:
    """Wake the worker for a comparison. If the broker is down the sweep does it later."""
    try:
        compare_run.delay(parity_id)
    except OperationalError as error:
        log.warning("comparison waits for the sweep", extra={"parity": parity_id, "problem": str(error)[:200]})
