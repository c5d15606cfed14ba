"""`python -m tests.benchmarks.report`: how large and how quick the report of a large backtest is.

A made-up backtest of 1,000,000 events and 10,000 fills in 12 markets is reported, stored in a throw-away Postgres and
asked for through the whole of Django: routing, session, frame, database, template. Pages are compared with their
targets. The wall time counts: on a busy machine it is longer, and the share of a core we were given says by how much.
`manage.py benchmark_report` starts this.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

LARGEST_PAGE, SLOWEST_P95_MS = 300_000, 200.0
EVENTS, FILLS, MARKETS = 1_000_000, 10_000, 12
PROJECT = Path(__file__).resolve().parents[2]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=100, help="of each page")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.requests < 20:
        parser.error("fewer than 20 requests have no 95th percentile")
    return _measure(options.requests) if options.measure else _on_own_stores(options.requests)


def _on_own_stores(requests: int) -> int:
    from polybot.supervisor import stores

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the stores are stopped on the way out
    folder = Path(tempfile.mkdtemp(prefix="pbr-"))
    started: list[stores.Store] = []
    try:
        for make in (stores.postgres_store, stores.valkey_store):
            store = make(data=folder, sockets=folder, throwaway=True)
            store.start()
            started.append(store)
        for store in started:
            stores.store_wait(store)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("POLYBOT_", "POLYMARKET_"))}
        environment |= dict(stores.store_url(store) for store in started)
        environment |= {
            "DJANGO_SETTINGS_MODULE": "polybot.settings.base",
            "POLYBOT_DATA": str(folder),
            "POLYBOT_VENUE": "sandbox",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "PYTHONWARNINGS": "ignore",
        }
        command = [sys.executable, "-m", "tests.benchmarks.report", "--measure", f"--requests={requests}"]
        return subprocess.run(command, cwd=PROJECT, env=environment).returncode
    finally:
        for store in reversed(started):
            store.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _measure(requests: int) -> int:
    import django

    django.setup()
    from django.core.management import call_command
    from django.test import Client
    from django.test.utils import setup_test_environment

    setup_test_environment()
    call_command("migrate", verbosity=0)
    from django.contrib.auth import get_user_model

    began = time.perf_counter()
    first, second = _runs_make()
    print(f"report of {EVENTS:,} events and {FILLS:,} fills made in {time.perf_counter() - began:.1f} s")
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("measure", password=secrets.token_urlsafe(12)))
    missed = 0
    for name, path, bounded in (
        ("page", f"/backtests/{first}/", True),
        ("other outcome", f"/backtests/{first}/?price=3&tr-page=2", True),
        ("comparison", f"/backtests/compare/?run={first}&run={second}", True),
        ("file", f"/backtests/{first}/export/", False),
    ):
        client.get(path)  # templates are compiled once
        took, spent, size = [], [], 0
        for _ in range(requests):
            start, busy = time.perf_counter(), time.process_time()
            response = client.get(path)
            size = len(response.content)
            took.append((time.perf_counter() - start) * 1000)
            spent.append((time.process_time() - busy) * 1000)
            if response.status_code != 200:
                raise SystemExit(f"{path} answered {response.status_code}")
        p95 = sorted(took)[int(len(took) * 0.95)]
        bad = bounded and (size > LARGEST_PAGE or p95 > SLOWEST_P95_MS)
        missed += bad
        print(
            f"{name:14} {size / 1000:7.1f} kB  p50 {statistics.median(took):6.1f} ms  p95 {p95:6.1f} ms"
            f"  processor {statistics.median(spent):6.1f} ms, given {sum(spent) / sum(took):4.0%} of one core"
            f"{'  MISSED' if bad else ''}"
        )
    print(f"targets: at most {LARGEST_PAGE / 1000:.0f} kB and p95 {SLOWEST_P95_MS:.0f} ms")
    return 1 if missed else 0


def _runs_make() -> tuple[int, int]:
    """Store two reports, made of the same data with different seeds of luck, and return their numbers."""
    from dataclasses import replace

    from django.utils import timezone

    from backtests.domain.report import report_of
    from backtests.models import BacktestRun
    from tests.backtests.reports import large_make, request_make

    result, tapes = large_make(fills=FILLS, markets=MARKETS, tape_rows=EVENTS // MARKETS)
    now = timezone.now()
    numbers = []
    for seed in (1, 2):
        request = request_make(capital=result.capital, seed=seed)
        bands = {"neutral": result, "optimistic": replace(result, cash=result.cash + 5, rebates=5)}
        report = report_of(request, result, bands=bands, tapes=tapes)
        print(f"report {len(json.dumps(report)) / 1000:.1f} kB of JSON")
        row = BacktestRun.objects.create(
            name=f"seed {seed}", by="measure", strategy="touch_maker", mode="exact", seed=seed,
            request=json.loads(json.dumps(request.as_json())), request_digest=request.digest, limits={}, state="done",
            created_at=now, started_at=now, ended_at=now, progress=1.0, report=report, events=EVENTS, fills=FILLS,
        )  # fmt: skip
        numbers.append(row.pk)
    return numbers[0], numbers[1]


if __name__ == "__main__":
    sys.exit(main())
