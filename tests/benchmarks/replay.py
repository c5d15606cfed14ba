"""`python -m tests.benchmarks.replay`: our replays and other backtesters on the same events, in one run.

Peers live in virtual environments of their own under a cache folder and are no dependencies. First results are
compared, then times: every figure is a ratio of medians of rounds that alternate. `manage.py benchmark_backtests`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backtests.domain.kernel import whole_fills
from backtests.domain.kernel.compiled import compiled
from strategies.library.touch_maker import touch_quotes
from tests.benchmarks import replay_ours as ours
from tests.benchmarks import replay_workload as workload

HERE = Path(__file__).parent
PACKAGES = {"hftbacktest": ["numpy", "numba", "hftbacktest"], "nautilus": ["nautilus_trader==1.221.0"]}
PYTHON = "3.11"  # the newest that both peers have wheels for


@dataclass(frozen=True)
class Line:
    """One printed comparison. `least` None: a figure without a target."""

    name: str
    value: float
    least: float | None = None

    @property
    def passed(self) -> bool:
        return self.least is None or self.value >= self.least

    def __str__(self) -> str:
        target = "" if self.least is None else f"   target {self.least:g}x   {'met' if self.passed else 'MISSED'}"
        return f"{self.name:<74} {self.value:8.2f}x{target}"


class Hftbacktest:
    """The peer's process: it answers a line with a line."""

    def __init__(self, python: Path) -> None:
        command = [str(python), str(HERE / "replay_peer_hftbacktest.py")]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, **words: Any) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("hftbacktest ended without an answer; run its script by hand to see why")
        found: dict[str, Any] = json.loads(line)
        return found

    def load(self, path: Path) -> None:
        self.ask(load=str(path), fl=workload.PARAMETERS["fl"])

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=60)


def peer_python(cache: Path, peer: str) -> Path:
    """Return the peer's interpreter, made on first use through the ordinary installer."""
    folder = cache / peer
    python = folder / "bin/python"
    if not (folder / "ready").exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", PYTHON, str(folder)], check=True)
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(python), *PACKAGES[peer]], check=True)
        (folder / "ready").touch()
    return python


def events_file(cache: Path, count: int, given: Path | None) -> Path:
    """Return the events: the file that was given, those of the shared generator where it lies, else our own."""
    if given is not None:
        return given
    path = cache / f"events-{count}.npz"
    if path.exists():
        return path
    shared = Path("../shared/bench/b8_gen.py")
    if shared.exists():
        subprocess.run([sys.executable, str(shared.resolve()), str(count), str(path)], check=True, cwd=cache)
    else:
        np.savez(path, **workload.events_make(count))
    return path


def race(first: Callable[[], float], second: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Return both medians of rounds that alternate."""
    times = [(first(), second()) for _ in range(rounds)]
    return statistics.median(a for a, _ in times), statistics.median(b for _, b in times)


def equal(peer: Hftbacktest, events: ours.Events, sets: Sequence[dict[str, float]]) -> int:
    """Compare position, cash, marked value, fills, looks and orders of every set; return how many are the same."""
    theirs = peer.ask(sweep=list(sets))["answer"]
    mine = ours.lanes_run(events, sets)
    same = 0
    for their, our, one in zip(theirs, mine, sets, strict=True):
        if all(abs(a - b) < 1e-3 for a, b in zip(their, our, strict=True)):
            same += 1
        else:
            print(f"differs at {one}: hftbacktest {their}, ours {our}")
    return same


def timed(work: Callable[[], Any]) -> Callable[[], float]:
    def run() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return run


def against_hftbacktest(cache: Path, options: argparse.Namespace) -> list[Line]:
    lines = []
    peer = Hftbacktest(peer_python(cache, "hftbacktest"))
    try:
        for count in options.events:
            path = events_file(cache, count, options.file)
            events = ours.events_of(path)
            peer.load(path)
            sets = workload.parameter_sets(options.sets)
            same = equal(peer, events, sets)
            print(f"{len(events.ts):,} events: {same} of {len(sets)} parameter sets give the same result")
            lines.append(Line(f"{len(events.ts):,} events: parameter sets with equal results", same / len(sets), 1.0))
        path = events_file(cache, options.events[0], options.file)
        events = ours.events_of(path)
        peer.load(path)
        one = [workload.PARAMETERS]
        tape = ours.tape_of_events(path)
        peer.ask(run=one[0], engine="roi")

        def theirs(engine: str) -> Callable[[], float]:
            return lambda: float(peer.ask(run=one[0], engine=engine)["seconds"])

        ours.lanes_run(events, one)
        a, b = race(theirs("roi"), timed(lambda: ours.lanes_run(events, one)), options.rounds)
        lines.append(Line("one market, whole fills: ours against its ROI engine", a / b, 5.0))
        ours.fast_run(tape)
        a, b = race(theirs("roi"), timed(lambda: ours.fast_run(tape)), options.rounds)
        lines.append(Line("fast mode, built-in maker, both outcomes: against its ROI engine", a / b, 3.0))
        ours.fast_run(tape, compiles=False)
        a, b = race(theirs("roi"), timed(lambda: ours.fast_run(tape, compiles=False)), options.rounds)
        lines.append(Line("fast mode, plain Python strategy each 100 ms: against its JIT strategy", a / b, 0.3))
    finally:
        peer.close()
    lines += sweep_lines(cache, options)
    lines += process_lines(cache, options)
    return lines


def sweep_lines(cache: Path, options: argparse.Namespace) -> list[Line]:
    """A hundred sets on two cores: two of its processes, two of our threads."""
    path = events_file(cache, options.events[0], options.file)
    events, sets = ours.events_of(path), workload.parameter_sets(options.sweep)
    peers = [Hftbacktest(peer_python(cache, "hftbacktest")) for _ in range(2)]
    try:
        for peer in peers:
            peer.load(path)
            peer.ask(run=sets[0], engine="roi")
        halves = [sets[0::2], sets[1::2]]

        def together(works: Sequence[Callable[[], Any]]) -> float:
            began = time.perf_counter()
            threads = [threading.Thread(target=work) for work in works]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return time.perf_counter() - began

        their_work = [lambda p=p, h=h: p.ask(sweep=h) for p, h in zip(peers, halves, strict=True)]
        our_work = [lambda h=h: ours.lanes_run(events, h) for h in halves]
        a, b = race(lambda: together(their_work), lambda: together(our_work), min(options.rounds, 3))
    finally:
        for peer in peers:
            peer.close()
    return [Line(f"sweep of {len(sets)} sets on two cores", a / b, 20.0)]


def process_lines(cache: Path, options: argparse.Namespace) -> list[Line]:
    """From the shell to the result: wall time and memory of whole processes at the larger number of events."""
    path = events_file(cache, options.events[-1], options.file)
    columns = ours.columns_store(path, cache)
    one = json.dumps(workload.PARAMETERS)
    theirs = [str(peer_python(cache, "hftbacktest")), str(HERE / "replay_peer_hftbacktest.py"), str(path), one]
    mine = [sys.executable, "-m", "tests.benchmarks.replay_ours", str(columns)]
    memory: list[int] = []

    def process(command: list[str], keep: bool) -> float:
        began = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            raise SystemExit(f"{command[0]} ended with {status}")
        if keep:
            memory.append(usage.ru_maxrss)
        return time.perf_counter() - began

    process(mine, False)
    a, b = race(lambda: process(theirs, False), lambda: process(mine, True), min(options.rounds, 3))
    used = max(memory) / 1024
    print(f"whole process: hftbacktest {a:.2f} s, ours {b:.2f} s and {used:.0f} MiB")
    return [
        Line(f"whole process at {options.events[-1]:,} events", a / b, 3.0),
        Line("memory of the whole process: 600 MiB against ours", 600 / used, 1.0),
    ]


def against_nautilus(cache: Path, options: argparse.Namespace) -> list[Line]:
    count = options.nautilus_events
    path = events_file(cache, options.events[0], options.file)
    command = [str(peer_python(cache, "nautilus")), str(HERE / "replay_peer_nautilus.py"), str(path)]
    tape = ours.tape_of_events(path, count)
    ours.fast_run(tape, compiles=False)
    times = []
    for _ in range(min(options.rounds, 3)):
        done = subprocess.run([*command, str(count), "1"], check=True, capture_output=True, text=True)
        theirs = json.loads(done.stdout.splitlines()[-1])["seconds"]
        times.append((theirs, timed(lambda: ours.exact_run(tape))(), timed(lambda: ours.fast_run(tape, False))()))
    theirs, exact, plain = (statistics.median(column) for column in zip(*times, strict=True))
    return [
        Line(f"exact mode against nautilus_trader, {count:,} events", theirs / exact, 1.0),
        Line("fast mode, plain Python strategy each 100 ms: against nautilus_trader", theirs / plain, 10.0),
    ]


def linear_lines(cache: Path, options: argparse.Namespace) -> list[Line]:
    """Ten times the events: ten times the time?"""
    few = ours.tape_of_events(events_file(cache, options.events[0], options.file))
    many = ours.repeated(few, 10)
    a, b = race(timed(lambda: ours.fast_run(few)), timed(lambda: ours.fast_run(many)), min(options.rounds, 3))
    return [Line("cost of an event at ten times the events, one over it", 10 * a / b, 0.8)]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmark_backtests", description=__doc__)
    parser.add_argument("--peer", choices=["hftbacktest", "nautilus", "none"], action="append")
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--file", type=Path, help="events of your own, .npz with ts, kind, side, tick and qty")
    parser.add_argument("--sets", type=int, default=20, help="parameter sets that must give equal results")
    parser.add_argument("--sweep", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--nautilus-events", type=int, default=200_000)
    parser.add_argument("--cache", type=Path, default=Path("var/benchmarks"))
    options = parser.parse_args(words)
    cache = options.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    compiled(whole_fills.replay, {"quote": touch_quotes})
    lines = []
    for peer in options.peer or ["hftbacktest", "nautilus"]:
        if peer == "hftbacktest":
            lines += against_hftbacktest(cache, options)
        elif peer == "nautilus":
            lines += against_nautilus(cache, options)
    lines += linear_lines(cache, options)
    for line in lines:
        print(line)
    return 0 if all(line.passed for line in lines) else 1


if __name__ == "__main__":
    raise SystemExit(main())
