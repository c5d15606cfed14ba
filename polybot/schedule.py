"""The beat table: every job that runs by the clock, with its period, queue and expiry.

`setup_schedule` installs it as django-celery-beat rows, which an operator may switch off
or re-time in the admin. Jobs compute from state, so a lost or repeated message changes
nothing; a message older than `expires_s` is dropped, and that is always below the period.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One line of the table: a period in seconds, or a time of day (UTC) and a day of month."""

    name: str
    task: str
    help: str
    every_s: int = 0
    hour: int = 0
    minute: int = 0
    day_of_month: str = "*"
    queue: str = "default"
    expires_s: int = 0

    @property
    def expires(self) -> float:
        """Seconds a waiting message lives: below the period, and an hour at most for daily work."""
        if self.expires_s:
            return self.expires_s
        return self.every_s * 0.9 if self.every_s else 3600

    @property
    def when(self) -> str:
        if self.every_s:
            return f"every {self.every_s} s" if self.every_s < 120 else f"every {self.every_s // 60} min"
        day = "" if self.day_of_month == "*" else f" on day {self.day_of_month}"
        return f"{self.hour:02}:{self.minute:02} UTC{day}"


def _daily(name: str, task: str, clock: str, help: str) -> Job:
    hour, minute = clock.split(":")
    return Job(name=name, task=task, help=help, hour=int(hour), minute=int(minute))


JOBS: tuple[Job, ...] = (
    Job(name="strategy dispatcher", task="strategies.tasks.dispatch_due", every_s=1, queue="trading",
        help="finds the strategies whose interval has passed and ticks them in shared tasks"),
    Job(name="alert outbox", task="alerts.tasks.deliver_alerts", every_s=5,
        help="turns new journal rows into deliveries and sends what is due"),
    Job(name="lost orders", task="orders.tasks.sweep_orders", every_s=10, queue="trading",
        help="finds orders whose message was lost and settles them"),
    Job(name="execution plans", task="orders.tasks.advance_plans", every_s=1, queue="trading",
        help="takes the next step of chases, slices, baskets and closings that are due"),
    Job(name="accounts to connect", task="orders.tasks.connect_waiting", every_s=10, queue="trading",
        help="logs accounts in at their venue that were opened or asked to be connected again"),
    Job(name="live orders", task="orders.tasks.tend_orders", every_s=2, queue="trading",
        help="sends unsent orders of live accounts, settles unknown outcomes, repeats cancels"),
    Job(name="queue default alive", task="polybot.tasks.heartbeat_default", every_s=10,
        help="writes the worker's sign of life"),
    Job(name="queue trading alive", task="polybot.tasks.heartbeat_trading", every_s=10, queue="trading",
        help="writes the trader's sign of life"),
    Job(name="desk health", task="polybot.tasks.check_health", every_s=10,
        help="halts trading while the disk is nearly full, and reports processes that ended"),
    Job(name="losses", task="risk.tasks.watch_accounts", every_s=15,
        help="halts accounts at their daily loss or drawdown"),
    Job(name="outward heartbeat", task="polybot.tasks.ping_heartbeat", every_s=60,
        help="pings HEARTBEAT_URL, if set, while everything that should run does"),
    Job(name="stale orders", task="orders.tasks.expire_stale", every_s=30, queue="trading",
        help="cancels resting orders older than their time to live"),
    Job(name="payouts", task="orders.tasks.settle_resolved", every_s=30, queue="trading",
        help="pays out the shares of decided markets"),
    Job(name="claims", task="orders.tasks.claim_resolved", every_s=30, queue="trading",
        help="redeems decided markets of connected accounts, and merges complete sets where that is on"),
    Job(name="transactions", task="orders.tasks.step_chain_actions", every_s=5, queue="trading",
        help="signs, sends and follows redemptions, splits, merges and allowances"),
    Job(name="allowances", task="orders.tasks.check_allowances", every_s=300,
        help="reads what the venue's contracts may take from our wallets"),
    Job(name="markets, what changed", task="markets.tasks.sync_markets_incremental", every_s=60,
        help="reads changed markets from the venue's catalogue"),
    Job(name="facts of traded markets", task="markets.tasks.refresh_traded_facts", every_s=20,
        help="asks the venue for tick, fee and state of markets that somebody trades"),
    Job(name="venue conditions", task="orders.tasks.measure_conditions", every_s=60,
        help="compares our clock with the venue's, and asks whether it lets this place trade"),
    Job(name="reconcile accounts", task="orders.tasks.reconcile_accounts", every_s=60,
        help="compares our orders, fills and cash with the simulated venue's"),
    Job(name="reconcile live accounts", task="orders.tasks.reconcile_live", every_s=30, queue="trading",
        help="compares orders, trades, cash and shares with the venue's; no order leaves without it"),
    Job(name="profit and loss", task="orders.tasks.snapshot_pnl", every_s=60,
        help="stores one equity row per account"),
    Job(name="markets, everything", task="markets.tasks.sync_markets_full", every_s=900,
        help="reads the whole catalogue and marks what is gone"),
    Job(name="market snapshots", task="markets.tasks.snapshot_markets", every_s=300,
        help="stores price, depth and volume of watched markets once in every ten minutes"),
    Job(name="recordings", task="markets.tasks.compact_recordings", every_s=900,
        help="puts recorded hours into the archive that backtests read, and deletes raw files past their time"),
    Job(name="universes", task="strategies.tasks.resolve_universes", every_s=60,
        help="looks again which markets every active strategy watches"),
    Job(name="lost backtests", task="backtests.tasks.sweep_runs", every_s=10,
        help="starts backtests again whose process ended, and those whose message was lost"),
    Job(name="journal verifier", task="alerts.tasks.verify_journal", every_s=600,
        help="recomputes the next part of the journal's hash chains"),
    _daily("old job claims", "alerts.tasks.prune_jobs", "03:00",
           "deletes claims that no late message can repeat any more"),
    _daily("candles, coarser", "markets.tasks.compact_candles", "03:00",
           "makes candles of 5 minutes, an hour and a day from finer ones"),
    _daily("old history", "markets.tasks.prune_history", "03:00",
           "deletes public trades after 90 days, one-minute candles and market snapshots after a year"),
)  # fmt: skip


@transaction.atomic
def schedule_install() -> tuple[int, int]:
    """Create or update the rows of the table; return how many were created and changed.

    Switching a job on or off stays the operator's choice, as does the period of a row
    that was edited: only rows that still carry the period we installed follow the table.
    """
    from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

    created = changed = 0
    known = {row.name: row for row in PeriodicTask.objects.select_related("interval", "crontab")}
    for job in JOBS:
        interval = crontab = None
        if job.every_s:
            interval, _ = IntervalSchedule.objects.get_or_create(every=job.every_s, period=IntervalSchedule.SECONDS)
        else:
            crontab, _ = CrontabSchedule.objects.get_or_create(
                minute=str(job.minute), hour=str(job.hour), day_of_month=job.day_of_month, timezone="UTC"
            )
        wanted = {
            "task": job.task,
            "queue": job.queue,
            "expire_seconds": max(1, int(job.expires)),
            "description": f"{job.help}\ninstalled: {job.when}",
        }
        row = known.get(job.name)
        if row is None:
            PeriodicTask.objects.create(name=job.name, interval=interval, crontab=crontab, **wanted)
            created += 1
            continue
        if row.description.endswith(f"installed: {_when(row)}"):  # nobody re-timed it: it follows the table
            wanted |= {"interval": interval, "crontab": crontab}
        else:
            wanted["description"] = row.description
            wanted["expire_seconds"] = row.expire_seconds
        if any(getattr(row, field) != value for field, value in wanted.items()):
            for field, value in wanted.items():
                setattr(row, field, value)
            row.save()
            changed += 1
    return created, changed


def _when(row: object) -> str:
    """Return a stored row's time in the words of the table."""
    interval, crontab = getattr(row, "interval", None), getattr(row, "crontab", None)
    if interval is not None:
        seconds = int(interval.schedule.run_every.total_seconds())
        return Job(name="", task="", help="", every_s=seconds).when
    if crontab is not None and crontab.hour.isdigit() and crontab.minute.isdigit():
        return Job(
            name="", task="", help="",
            hour=int(crontab.hour), minute=int(crontab.minute), day_of_month=crontab.day_of_month,
        ).when  # fmt: skip
    return "otherwise"
