"""`python -m tests.benchmarks.lateness`: how much later a trader's ticks begin while a backtest runs at full speed.

On throw-away stores: one real trader, one real process of backtests as `up` starts it, and a publisher that hands
strategies to the trader ten times a second, each message named after the moment at which it was due. Late is the time
from that moment to the beginning of the tick in the trader. Measured in turns, with and without a backtest of default
settings at work, each `--seconds` long; the figure is the median of the rounds' 99th percentiles. Beside it a baseline
that knows nothing of us: one byte to another process and back, at the same moments, which is what the machine itself
delays. The target: with a backtest below twice of without.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from polybot.supervisor import plan, stores
from polybot.supervisor.options import parse_up

PROJECT = Path(__file__).resolve().parents[2]
TARGET = 2.0
EVERY_S = 0.1
DUE = "due-"
MARKET, DAY = "bench.walk", "2026-10-01"
INSIDE = "--inside"  # the part that runs with Django on the throw-away stores
PROBE = "POLYBOT_LATENESS_FILE"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.lateness", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement")
    parser.add_argument("--strategies", type=int, default=50, help="strategies in each message")
    parser.add_argument("--events", type=int, default=2_000_000, help="rows of the recording that is replayed")
    parser.add_argument("--mode", choices=("exact", "fast"), default="exact")
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    return inside(options) if options.inside else outside(arguments)


def outside(arguments: list[str]) -> int:
    """Start the stores, measure in a process of its own, and leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="pbl-"))
    started: list[stores.Store] = []
    try:
        for make in (stores.postgres_store, stores.valkey_store):
            store = make(data=folder, sockets=folder, throwaway=True)
            store.start()
            started.append(store)
        for store in started:
            stores.store_wait(store)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("POLYBOT_", "POLYMARKET_"))}
        environment = {
            **kept,
            **dict(stores.store_url(store) for store in started),
            "DJANGO_SETTINGS_MODULE": "polybot.settings.base",
            "POLYBOT_DATA": str(folder),
            "POLYBOT_VENUE": "polymarket",  # nothing here talks to a venue
            "SECRET_KEY": secrets.token_urlsafe(50),
            "PYTHONWARNINGS": "ignore",
            "POLYMARKET_CONTROL_URL": "https://unused.invalid",
            PROBE: str(folder / "ticks"),
        }
        command = [sys.executable, "-m", "tests.benchmarks.lateness", *arguments, INSIDE]
        return subprocess.run(command, cwd=PROJECT, env=environment).returncode
    finally:
        for store in reversed(started):
            store.stop()
        shutil.rmtree(folder, ignore_errors=True)


def inside(options: argparse.Namespace) -> int:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    _recording(options.events)
    ids = _strategies(options.strategies)
    with worker("trader", "-I", "tests.benchmarks.lateness_probe") as trader, worker("backtests") as backtests:
        with PingPong() as echo:
            measure = Measure(ids, echo, seconds=options.seconds)
            measure.run()  # the first messages load and prepare: not counted
            rows = []
            for number in range(options.rounds):
                alone = measure.run()
                run_id = backtest_begin(options.mode)
                beside = measure.run()
                backtest_end(run_id)
                rows.append((alone, beside))
                print(f"round {number + 1}: ticks {_pair(alone[0], beside[0])}, ping-pong {_pair(alone[1], beside[1])}")
        ends = trader.poll(), backtests.poll()
    if ends != (None, None):
        print(f"a worker ended early: {ends}", file=sys.stderr)
        return 1
    return report(rows)


def report(rows: list[tuple[tuple[float, float], tuple[float, float]]]) -> int:
    medians = [
        [statistics.median(row[side][what] for row in rows) for side in (0, 1)]
        for what in (0, 1)
    ]  # fmt: skip
    ticks, echo = medians
    ratio = ticks[1] / ticks[0]
    print(f"ticks, p99: {_pair(*ticks)}, ratio {ratio:.2f}, wanted below {TARGET:g}")
    print(f"ping-pong, p99: {_pair(*echo)}, ratio {echo[1] / echo[0]:.2f}: what the machine itself adds")
    print("met" if ratio < TARGET else "MISSED")
    return 0 if ratio < TARGET else 1


def _pair(alone: float, beside: float) -> str:
    return f"{alone * 1e3:.1f} ms alone, {beside * 1e3:.1f} ms beside a backtest"


class Measure:
    """Publishes ticks at even moments for a while and collects when each began."""

    def __init__(self, ids: list[int], echo: PingPong, *, seconds: float) -> None:
        self.ids, self.echo, self.seconds = ids, echo, seconds
        self.file = Path(os.environ[PROBE])

    def run(self) -> tuple[float, float]:
        """Return the 99th percentiles of lateness and of a ping-pong, in seconds."""
        from strategies.tasks import tick_strategies

        self.file.write_text("")
        self.echo.times.clear()
        first = time.time() + 0.2
        moments = [first + number * EVERY_S for number in range(int(self.seconds / EVERY_S))]
        for due in moments:
            time.sleep(max(0.0, due - time.time()))
            tick_strategies.apply_async([self.ids], task_id=f"{DUE}{due:.6f}-{secrets.token_hex(4)}")
            self.echo.ask()
        end = time.monotonic() + 60
        while (began := self.began()).keys() != {f"{due:.6f}" for due in moments} and time.monotonic() < end:
            time.sleep(0.05)
        if len(began) < len(moments):
            raise SystemExit(f"{len(moments) - len(began)} of {len(moments)} ticks never began")
        return _p99([at - float(due) for due, at in began.items()]), _p99(self.echo.times)

    def began(self) -> dict[str, float]:
        lines = [line.split() for line in self.file.read_text().splitlines() if line.count(" ") == 1]
        return {name.removeprefix(DUE).rpartition("-")[0]: float(at) for name, at in lines}


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


class PingPong:
    """A process that gives every byte back; the time there and back is what the machine makes anybody wait."""

    def __enter__(self) -> PingPong:
        code = "import os\nwhile (byte := os.read(0, 1)): os.write(1, byte)"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self.times: list[float] = []
        return self

    def ask(self) -> None:
        assert self._process.stdin and self._process.stdout
        began = time.perf_counter()
        self._process.stdin.write(b"x")
        self._process.stdout.read(1)
        self.times.append(time.perf_counter() - began)

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


class worker:
    """A process of the desk, started with the command and the environment of `up`."""

    def __init__(self, name: str, *more: str) -> None:
        options = parse_up(["--data", os.environ["POLYBOT_DATA"]], project=PROJECT, environment={})
        self._plan = next(p for p in plan.application_plans(options, project=PROJECT) if p.name == name)
        self._more = more

    def __enter__(self) -> subprocess.Popen[str]:
        extra = {key: value for key, value in self._plan.environment.items() if not key.startswith("POLYBOT_")}
        self._lines: list[str] = []
        self._ready = threading.Event()
        self._process = subprocess.Popen(
            [*self._plan.command, *self._more],
            cwd=PROJECT, env={**os.environ, **extra}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,  # as under `up`: the kernel may share its time between sessions first
        )  # fmt: skip
        threading.Thread(target=self._read, daemon=True).start()
        if not self._ready.wait(120):
            self.__exit__()
            raise SystemExit(f"{self._plan.name} did not start:\n" + "\n".join(self._lines[-20:]))
        return self._process

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines = [*self._lines[-50:], line.rstrip()]
            if " ready." in line:
                self._ready.set()

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def backtest_begin(mode: str) -> int:
    """Start a run of default settings in the process of backtests; return when it replays."""
    from django.utils import timezone

    from backtests.models import BacktestRun
    from backtests.services import jobs
    from backtests.tasks import run_soon

    data = [{"market": MARKET, "day": DAY}]
    run_id = jobs.backtest_ask(
        strategy="market_making", params={}, data=data, options={"mode": mode}, by="benchmark", now=timezone.now()
    )
    run_soon(run_id)
    end = time.monotonic() + 120
    while True:
        row = BacktestRun.objects.get(pk=run_id)
        if row.is_over or time.monotonic() > end:
            raise SystemExit(f"the backtest is {row.state} instead of at work: {row.error or row.words}")
        if row.words.startswith("replaying"):
            return run_id
        time.sleep(0.05)


def backtest_end(run_id: int) -> None:
    """Cancel the run. One that was over before the measurement was measured too short: that is an error."""
    from django.utils import timezone

    from backtests.models import BacktestRun
    from backtests.services import jobs

    if not jobs.backtest_cancel(run_id, "benchmark", now=timezone.now()):
        raise SystemExit("the backtest ended during the measurement: give more --events")
    end = time.monotonic() + 120
    while not BacktestRun.objects.get(pk=run_id).is_over and time.monotonic() < end:
        time.sleep(0.05)


def _strategies(count: int) -> list[int]:
    """Store strategies that watch nothing: what is measured is when their tick begins, not what it does."""
    from django.contrib.auth import get_user_model
    from django.utils import timezone

    from markets.domain.units import Usd
    from orders.services.accounts import account_open
    from risk.services.profiles import install
    from strategies.services import configs, states

    install()
    now = timezone.now()
    owner = get_user_model().objects.create_user(username="bench")
    account = account_open(name="bench", owner=owner, cash=Usd(10**9), now=now)
    ids = []
    for number in range(count):
        row = configs.strategy_create(
            name=f"idle-{number}", strategy_class="idle", account_id=account.pk, owner=owner, by="benchmark", now=now
        )
        states.strategy_start(row.pk, by="benchmark", now=now)
        ids.append(row.pk)
    return ids


def _recording(rows: int) -> None:
    """Put a day of a wandering book into the archive: a level changes every few milliseconds."""
    import numpy as np

    from markets.domain.tape import ASK, BID, LAST, Kind
    from markets.services import archive
    from tests.backtests.tapes import START_NS, tape_of

    random = np.random.default_rng(1)
    head = 2
    columns: dict[str, Any] = {
        name: np.zeros(rows, dtype=np.int64) for name in ("kind", "flags", "side", "ticks", "size")
    }
    received = START_NS + np.arange(rows, dtype=np.int64) * (40_000 * 10**9 // rows)
    columns |= {"received_ns": received, "venue_ns": received, "outcome": np.zeros(rows, dtype=np.int64)}
    columns["kind"][:head] = Kind.CLEAR
    columns["outcome"][1] = 1
    columns["flags"][:] = LAST
    middle = 500 + np.clip(np.cumsum(random.integers(-1, 2, rows)) // 50, -200, 200)
    columns["side"][head:] = random.integers(0, 2, rows - head)
    away = random.integers(1, 15, rows)
    columns["ticks"][head:] = np.where(columns["side"] == BID, middle - away, middle + away)[head:]
    columns["size"][head:] = random.integers(0, 500, rows - head) * 1_000_000
    assert ASK != BID and Kind.LEVEL == 0
    archive.tape_save(tape_of(columns), market=MARKET, day=DAY)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
