"""The parts of the measurement: CPU seconds from /proc, a real trader, a stand-in for the feed, markets to watch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from markets.domain.views import BookView, Sample
from markets.tickstore import Batch, TickstoreWriter
from strategies import tasks

NO_ROWS_IN = (
    "strategies_decision",
    "strategies_strategystate",
    "risk_riskverdict",
    "orders_order",
    "alerts_auditevent",
)
CLOCK = os.sysconf("SC_CLK_TCK")


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
        end_process(self._process)
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


def end_process(process: subprocess.Popen[Any]) -> None:
    """Ask a child to end, and make it end: a beat in the middle of a message may miss the first signal."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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
