"""The measurement inside `benchmark_strategies`: one trader process, many strategies, CPU seconds from /proc.

Runs on the throw-away stores that its environment names and refuses a database that has
accounts. Figures are CPU time, not wall time, so a busy machine changes them little.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.models import F, Sum
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from markets.domain.units import Usd
from orders.selectors.portfolio import account_list
from orders.services.accounts import account_open
from strategies import tasks
from strategies.management.measuring import (
    BookPublisher,
    Cpu,
    Trader,
    cpu_of,
    cpu_of_tree,
    end_process,
    markets_load,
    rows_count,
)
from strategies.models import StrategyConfig, StrategyRun
from strategies.services.configs import strategy_create
from strategies.services.universe import universe_resolve_all

WATCHED = 5  # markets per strategy, so ten outcomes
NO_ROWS_IN = (
    "strategies_decision",
    "strategies_strategystate",
    "risk_riskverdict",
    "orders_order",
    "alerts_auditevent",
)
TARGET = 30


class Command(BaseCommand):
    help = "Part of benchmark_strategies: run that instead."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("postgres", type=int, help="process id of the throw-away Postgres")
        parser.add_argument("valkey", type=int, help="process id of the throw-away Valkey")
        parser.add_argument("--strategies", type=int, default=500)
        parser.add_argument("--markets", type=int, default=100)
        parser.add_argument("--seconds", type=int, default=20)

    def handle(self, *args: Any, **options: Any) -> None:
        self.count, self.seconds = options["strategies"], options["seconds"]
        self.pids = (options["postgres"], options["valkey"])
        call_command("migrate", verbosity=0)
        if account_list():
            raise CommandError("this database has accounts: run benchmark_strategies, which makes its own")
        self.published = 0.0
        outcomes = markets_load(options["markets"])
        feed = BookPublisher(outcomes)
        feed.start()
        idle = self._strategies("idle")
        reverting = self._strategies("mean_reversion")
        self.stdout.write(
            f"{self.count} strategies, {options['markets']} markets, {WATCHED} markets each, every 1 s; "
            f"{self.seconds} s a measurement; CPU time of all processes"
        )
        with Trader() as trader:
            self.trader = trader
            self._measure(feed, idle, reverting)
        feed.stop()

    def _measure(self, feed: BookPublisher, idle: list[int], reverting: list[int]) -> None:
        tasks.tick_strategies.delay([])
        quiet = self._during(lambda: time.sleep(self.seconds))
        rest = max(0.001, quiet.valkey / self.seconds), max(0.0, (quiet.trader + quiet.postgres) / self.seconds)
        self.stdout.write(f"waiting trader and stores: {rest[1] * 100:.1f} % of a core, kept in all figures below")

        bare = self._during(lambda: self._each_second(self._bare_tasks))
        self.stdout.write(
            f"one Celery task per strategy, sent from here, empty:     {bare.line(self.count * self.seconds)}"
        )
        beat, beaten = self._beat()
        self.stdout.write(f"one Celery-beat entry per strategy, empty task:          {beat.line(beaten)}")
        self.stdout.write(f"  {beaten} tasks came of {self.count * self.seconds} asked for")

        self._start(idle)
        self._each_second(self._dispatch, seconds=3)  # the first ticks load and store; not measured
        self._flush()
        rows, ticks, same = rows_count(), self._ticks(idle), self._ticks(idle, "unchanged")
        shared = self._during(lambda: self._each_second(self._dispatch))
        self._flush()
        done = self._ticks(idle) - ticks
        written = {name: after - rows[name] for name, after in rows_count().items() if after != rows[name]}
        if written:
            raise CommandError(f"ticks that changed nothing wrote rows: {written}")
        if done < self.count * self.seconds * 0.9:
            raise CommandError(f"only {done} ticks of {self.count * self.seconds} happened: the machine is too busy")
        same = self._ticks(idle, "unchanged") - same
        self.stdout.write(f"{self.count} idle strategies in shared tasks:                     {shared.line(done)}")
        self.stdout.write(f"  {done} ticks, views built; {same} unchanged; no decision, verdict, order or journal row")

        few = max(1, self.count // 10)
        single = self._during(lambda: self._each_second(lambda: self._single_tasks(idle[:few])))
        self.stdout.write(f"one Celery task per strategy, ticking it:                {single.line(few * self.seconds)}")

        self._stop(idle)
        self._start(reverting)
        self._each_second(self._dispatch, seconds=3)
        self._flush()
        ticks = self._ticks(reverting)
        mean = self._during(lambda: self._each_second(self._dispatch))
        self._flush()
        done_mean = self._ticks(reverting) - ticks
        self.stdout.write(
            f"{self.count} mean-reversion strategies in shared tasks:           {mean.line(max(1, done_mean))}"
        )

        per_tick = shared.total / done
        costs = {
            "an empty Celery task": bare.total / (self.count * self.seconds),
            "an empty Celery-beat task": beat.total / max(1, beaten),
            "a Celery task that ticks one strategy": single.total / (few * self.seconds),
        }
        for name, cost in costs.items():
            self.stdout.write(f"ratio: an idle tick costs 1/{cost / per_tick:.0f} of {name}")
        if costs["an empty Celery-beat task"] / per_tick < TARGET:
            raise CommandError(f"the target of 1/{TARGET} of one Celery-beat task per strategy is missed")

    # ---- the parts --------------------------------------------------------------------------

    def _during(self, work: Callable[[], None]) -> Cpu:
        before = self._cpu()
        work()
        self.trader.drain()
        return self._cpu().since(before)

    def _cpu(self) -> Cpu:
        return Cpu(
            trader=cpu_of(self.trader.pid),
            postgres=cpu_of_tree(self.pids[0]),
            valkey=cpu_of(self.pids[1]),
            publisher=self.published,
        )

    def _each_second(self, work: Callable[[], None], *, seconds: int | None = None) -> None:
        start = math.ceil(time.time())
        for number in range(seconds or self.seconds):
            time.sleep(max(0.0, start + number - time.time()))
            began = time.thread_time()
            work()
            self.published += time.thread_time() - began

    def _beat(self) -> tuple[Cpu, int]:
        """Run the desk's own beat with one entry per strategy; return what that used, and how many tasks came."""
        every = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.SECONDS)
        PeriodicTask.objects.bulk_create(
            PeriodicTask(
                name=f"bench {number}",
                task=tasks.tick_strategies.name,
                args="[[]]",
                interval=every,
                queue=tasks.QUEUE,
            )
            for number in range(self.count)
        )
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "run_beat"]
        log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        beat = subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=log, stderr=subprocess.STDOUT)
        try:
            first, end = self.trader.done(), time.monotonic() + 60
            while self.trader.done() - first < self.count:  # its start-up is not part of the measurement
                if time.monotonic() > end or beat.poll() is not None:
                    log.seek(0)
                    raise CommandError(f"beat sent nothing within 60 s:\n{log.read()[-2000:]}")
            before, used, done = self._cpu(), cpu_of(beat.pid), self.trader.done()
            time.sleep(self.seconds)
            self.published += cpu_of(beat.pid) - used
            return self._cpu().since(before), max(1, self.trader.done() - done)
        finally:
            end_process(beat)
            log.close()
            PeriodicTask.objects.all().delete()
            self.trader.drain()

    def _dispatch(self) -> None:
        tasks.dispatch_due.delay()

    def _bare_tasks(self) -> None:
        for _ in range(self.count):
            tasks.tick_strategies.delay([])

    def _single_tasks(self, ids: list[int]) -> None:
        for strategy_id in ids:
            tasks.tick_strategies.delay([strategy_id])

    def _flush(self) -> None:
        """Wait until the trader's counters are due, then have them written."""
        time.sleep(10.5)
        tasks.tick_strategies.delay([])
        self.trader.drain()
        time.sleep(0.5)

    def _ticks(self, ids: list[int], what: str = "ticks") -> int:
        return int(StrategyRun.objects.filter(strategy_id__in=ids).aggregate(n=Sum(what))["n"] or 0)

    def _strategies(self, strategy_class: str) -> list[int]:
        """Store the strategies as drafts, all on one account, each with its own five markets."""
        now = datetime.now(UTC)
        owner = get_user_model().objects.filter(username="bench").first()
        owner = owner or get_user_model().objects.create_user(username="bench")
        account = account_open(name=f"bench {strategy_class}", owner=owner, cash=Usd(10**9), now=now)
        total = len(self.slugs())
        ids = []
        for number in range(self.count):
            slugs = [self.slugs()[(number * WATCHED + step) % total] for step in range(WATCHED)]
            config = strategy_create(
                name=f"{strategy_class.replace('_', '-')}-{number}",
                strategy_class=strategy_class,
                account_id=account.pk,
                owner=owner,
                parameters={"universe": {"markets": slugs}},
                interval_s=1,
                by="benchmark",
                now=now,
            )
            ids.append(config.pk)
        return ids

    def slugs(self) -> list[str]:
        if not hasattr(self, "_slugs"):
            with connection.cursor() as cursor:
                cursor.execute("SELECT slug FROM markets_market ORDER BY id")
                self._slugs = [row[0] for row in cursor.fetchall()]
        return self._slugs

    def _start(self, ids: list[int]) -> None:
        """Start many at once, as `strategy_start` does for one."""
        now = datetime.now(UTC)
        rows = StrategyConfig.objects.filter(pk__in=ids)
        rows.update(state=StrategyConfig.State.RUNNING, revision=F("revision") + 1)
        StrategyRun.objects.bulk_create(
            StrategyRun(
                strategy=row,
                mode="running",
                version=row.version,
                parameters=row.parameters,
                started_at=now,
                started_by="benchmark",
            )
            for row in rows
        )
        universe_resolve_all(ids, now=now)

    def _stop(self, ids: list[int]) -> None:
        StrategyConfig.objects.filter(pk__in=ids).update(state=StrategyConfig.State.STOPPED, revision=F("revision") + 1)
