"""The measurement inside `benchmark_strategies`: one trader process, many strategies, CPU seconds from /proc.

Runs on the throw-away stores that its environment names and refuses a database that has
accounts. Figures are CPU time, not wall time, so a busy machine changes them little.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.models import F, Sum
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from markets.domain.units import Usd
from markets.domain.views import BookView, Sample
from markets.tickstore import Batch, TickstoreWriter
from orders.selectors.portfolio import account_list
from orders.services.accounts import account_open
from strategies import tasks
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
CLOCK = os.sysconf("SC_CLK_TCK")
TARGET = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """CPU seconds used so far, by who used them."""

    trader: float
    postgres: float
    valkey: float
    publisher: float  # beat, or this process in its place

    def since(self, before: Cpu) -> Cpu:
        return Cpu(
            trader=self.trader - before.trader,
            postgres=self.postgres - before.postgres,
            valkey=self.valkey - before.valkey,
            publisher=self.publisher - before.publisher,
        )

    @property
    def total(self) -> float:
        return self.trader + self.postgres + self.valkey + self.publisher

    def line(self, count: int) -> str:
        micros = {name: getattr(self, name) / count * 1e6 for name in ("trader", "publisher", "postgres", "valkey")}
        parts = ", ".join(f"{name} {value:.1f}" for name, value in micros.items())
        return f"{self.total / count * 1e6:8.1f} µs each ({parts})"


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
        # The hardest of the three readings: beat's own work and the strategy's are left out of the task.
        if costs["an empty Celery task"] / per_tick < TARGET:
            raise CommandError(f"the target of 1/{TARGET} of one Celery task per strategy is missed")

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
        beat = subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=subprocess.DEVNULL)
        try:
            first, end = self.trader.done(), time.monotonic() + 60
            while self.trader.done() - first < self.count:  # its start-up is not part of the measurement
                if time.monotonic() > end or beat.poll() is not None:
                    raise CommandError("beat sent nothing within 60 s")
            before, used, done = self._cpu(), cpu_of(beat.pid), self.trader.done()
            time.sleep(self.seconds)
            self.published += cpu_of(beat.pid) - used
            return self._cpu().since(before), max(1, self.trader.done() - done)
        finally:
            beat.terminate()
            beat.wait(30)
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


class Trader:
    """One real trader: a Celery worker with a pool of threads on the trading queue."""

    def __enter__(self) -> Trader:
        self._log = tempfile.NamedTemporaryFile("w+", suffix=".log")
        words = ["-A", "polybot", "worker", "--pool", "threads", "-c", "4", "-Q", "trading", "-n", "trader@bench"]
        words += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "celery", *words], cwd=settings.BASE_DIR, stdout=self._log, stderr=subprocess.STDOUT
        )
        self.pid = self._process.pid
        end = time.monotonic() + 60
        while " ready." not in Path(self._log.name).read_text():
            if self._process.poll() is not None or time.monotonic() > end:
                raise CommandError(f"the trader did not start:\n{Path(self._log.name).read_text()[-2000:]}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def done(self) -> int:
        """Return how many tick tasks it has taken, by its own account."""
        answers = tasks.dispatch_due.app.control.inspect(timeout=2.0, limit=1).stats() or {}
        return sum(int(stats["total"].get(tasks.tick_strategies.name, 0)) for stats in answers.values())

    def drain(self) -> None:
        """Wait until the queue is empty and the worker has become quiet."""
        end = time.monotonic() + 120
        with tasks.dispatch_due.app.connection_for_read() as broker:
            channel = broker.default_channel
            while channel.client.llen(tasks.QUEUE) and time.monotonic() < end:
                time.sleep(0.05)
        used = -1.0
        while time.monotonic() < end and (now_used := cpu_of(self.pid)) - used > 0.03:
            used = now_used
            time.sleep(0.3)


class BookPublisher(threading.Thread):
    """Stands in for the feed: every second a fresh book and sample for every outcome, prices wandering a little."""

    def __init__(self, outcomes: list[tuple[int, int]]) -> None:
        super().__init__(daemon=True)
        self._outcomes, self._halt = outcomes, threading.Event()
        self._writer = TickstoreWriter(settings.TICKSTORE_URL)
        self._writer.epoch_open(int(time.time() * 1000))
        second = int(time.time())
        for yes, _ in outcomes:
            ring = [self._sample(yes, second - back) for back in range(900)]
            self._writer.ring_load(1, yes, ring)

    def run(self) -> None:
        while not self._halt.wait(max(0.05, 0.9 - time.time() % 1)):
            self._publish(int(time.time()))

    def stop(self) -> None:
        self._halt.set()
        self.join(5)

    def _mid(self, outcome: int, second: int) -> int:
        """Return a price that wanders by a cent or two: enough for a z-score, too little for an entry."""
        return 500_000 + (outcome % 20) * 5_000 + 10_000 * ((second // 7 + outcome) % 2)

    def _sample(self, outcome: int, second: int) -> Sample:
        mid = self._mid(outcome, second)
        return Sample(at_ms=second * 1000, mid=mid, microprice=mid, traded=0)

    def _publish(self, second: int) -> None:
        batch = Batch()
        now_ms = int(time.time() * 1000)
        for yes, no in self._outcomes:
            mid = self._mid(yes, second)
            for outcome, centre in ((yes, mid), (no, 1_000_000 - mid)):
                batch.books[outcome] = BookView(
                    outcome_id=outcome,
                    bids=tuple((centre - 10_000 * level, 100_000_000) for level in range(1, 11)),
                    asks=tuple((centre + 10_000 * level, 100_000_000) for level in range(1, 11)),
                    seq=second,
                    epoch="1",
                    venue_ms=now_ms,
                    received_ms=now_ms,
                    confirmed_ms=now_ms,
                )
            batch.samples.append((1, yes, self._sample(yes, second)))
        self._writer.publish(batch)


def markets_load(count: int) -> list[tuple[int, int]]:
    """Load `count` open markets as a fixture; return the outcome ids of each."""
    now = datetime.now(UTC)
    event = {"venue": "polymarket", "venue_id": "bench", "slug": "bench", "title": "Benchmark", "category": "other"}
    rows: list[dict[str, Any]] = [
        {"model": "markets.event", "pk": 1, "fields": {**event, "updated_at": now.isoformat()}}
    ]
    outcomes = []
    for number in range(1, count + 1):
        fields = {
            "event": 1,
            "venue": "polymarket",
            "venue_id": f"m{number}",
            "condition_id": f"0x{number:064x}",
            "slug": f"bench-{number}",
            "question": f"Benchmark {number}?",
            "category": "other",
            "state": "open",
            "tick": "0.01",
            "minimum_size": "5",
            "fee_known": True,
            "closes_at": (now + timedelta(days=30)).isoformat(),
            "synced_at": now.isoformat(),
        }
        rows.append({"model": "markets.market", "pk": number, "fields": fields})
        pair = (2 * number - 1, 2 * number)
        outcomes.append(pair)
        for index, pk in enumerate(pair):
            named = {"market": number, "index": index, "label": ("Yes", "No")[index], "token_id": f"{pk:078d}"}
            rows.append({"model": "markets.outcome", "pk": pk, "fields": named})
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(rows, file)
        file.flush()
        call_command("loaddata", file.name, verbosity=0)
    return outcomes


def rows_count() -> dict[str, int]:
    with connection.cursor() as cursor:
        found = {}
        for name in NO_ROWS_IN:
            cursor.execute(f"SELECT count(*) FROM {name}")  # noqa: S608 - names are ours
            found[name] = cursor.fetchone()[0]
    return found


def cpu_of(pid: int, *, children: bool = False) -> float:
    """Return the CPU seconds of a process; with `children`, also those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(value) for value in fields[11 : 15 if children else 13]) / CLOCK


def cpu_of_tree(pid: int) -> float:
    """Return the CPU seconds of a server with its living and ended children (Postgres forks one per connection)."""
    total = cpu_of(pid, children=True)
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            total += cpu_of(int(child))
        except FileNotFoundError:
            continue  # ended meanwhile: its time is in the parent's sum from now on
    return total
