"""What campaigns have hit, added up: `python -m tests.faults.tally FILE...` says which class is below five.

A campaign appends one line of JSON per schedule (L2) or group of schedules (L1) to the file of its `--tally`. A
schedule that was run again counts once, as it was last. The exit code is 0 when every named point and every class
was hit often enough and nothing was broken.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.faults.processes import schedule
from tests.faults.services import venue_faults

PROJECT = Path(__file__).resolve().parents[2]
ENOUGH = 5
PACKAGES = ("alerts", "backtests", "markets", "orders", "polybot", "risk", "strategies")
_CALL = re.compile(r'faultpoint\("([a-z_.]+)"\)')

# The catalogue of the specification: its number, what it is, and the words that the names of its hits begin with.
FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "F1": ("a process dies at a named point, or by SIGKILL from outside", ("crash ", "kill ")),
    "F2": ("a process is stopped and goes on later", ("pause ", "stopped")),
    "F3": (
        "Valkey loses, refuses, holds, drops, dies",
        ("flush valkey", "drop valkey", "hold valkey", "fill valkey", "kill valkey", "pause valkey"),
    ),
    "F4": (
        "Postgres dies, stops, locks, is full of connections",
        ("terminate postgres", "lock postgres", "exhaust postgres", "kill postgres", "pause postgres"),
    ),
    "F5": ("the wire to the exchange", ("wire ",)),
    "F6": ("sockets lose, repeat, reorder, stall", ("user_", "market_")),
    "F7": ("requests and answers are refused, lost, late, cut", ("post_", "cancel_", "read_")),
    "F8": (
        "malformed data",
        (
            "post_malformed", "post_wrong_type", "post_truncated", "post_empty", "cancel_malformed",
            "read_malformed", "read_truncated", "read_html", "user_corrupt", "market_corrupt", "page_",
        ),
    ),
    "F9": ("the clock is wrong, steps and comes back", ("clock ",)),
    "F10": ("the disk is full", ("disk ",)),
    "F11": ("no descriptors left", ("descriptors ",)),
    "F12": ("two beats, no beat, a backlog of ticks", ("second beat", "kill beat", "backlog")),
    "F13": ("processes are replaced one after the other", ("end ",)),
    "F14": (
        "settlement fails, is retried, is undone",
        ("failed", "retrying", "reorg", "partial", "confirmed_after_failed", "slow_settlement"),
    ),
    "F15": ("the kill switch", ("switch",)),
    "F16": ("many workers, two traders, the same message twice", ("race", "second trader", "duplicate delivery")),
    "F17": ("dashboards that never read", ("slow readers",)),
    "F18": ("wishes faster than any limit", ("race",)),
}  # fmt: skip


def points() -> frozenset[str]:
    """Return every point that a source file names."""
    found: set[str] = set()
    for package in PACKAGES:
        for path in (PROJECT / package).rglob("*.py"):
            found |= set(_CALL.findall(path.read_text()))
    return frozenset(found)


def classes() -> frozenset[str]:
    """Return every class of trouble that a level can make, points apart."""
    made = {*(f"kill {who}" for who in schedule.PROCESSES), *(f"pause {who}" for who in schedule.PAUSED)}
    made |= {f"wire {who}" for who in schedule.TROUBLES}
    made |= {*schedule.SOCKETS, *schedule.ANSWERS, *schedule.STORES, *schedule.HOST, "switch"}
    return frozenset(made | {*venue_faults.ALL, "stopped", "duplicate delivery"})


def append(path: Path | None, *, level: str, seeds: Iterable[int], **facts: Any) -> None:
    """Write down one schedule or one group; nothing without a file."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps({"level": level, "seeds": list(seeds), **facts}, default=str) + "\n")


def read(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Return the runs of these files, each seed of a level once."""
    runs: dict[tuple[str, tuple[int, ...]], dict[str, Any]] = {}
    for path in paths:
        for line in path.read_text().splitlines():
            run = json.loads(line)
            runs[run["level"], tuple(run["seeds"])] = run
    return list(runs.values())


def hits_of(runs: Iterable[dict[str, Any]]) -> Counter[str]:
    hits: Counter[str] = Counter()
    for run in runs:
        hits.update(run["hits"])
    return hits


def few(hits: Counter[str]) -> dict[str, int]:
    """Return what was hit less than often enough: points, classes, families."""
    wanted = {f"crash {point}" for point in points()} | classes()
    short = {name: hits[name] for name in sorted(wanted) if hits[name] < ENOUGH}
    for number, (_, beginnings) in FAMILIES.items():
        if (count := sum(n for name, n in hits.items() if name.startswith(beginnings))) < ENOUGH:
            short[number] = count
    return short


def report(runs: list[dict[str, Any]]) -> int:
    """Print everything; return the exit code."""
    hits = hits_of(runs)
    broken = [(run["level"], run["seeds"], said) for run in runs for said in run["broken"]]
    for level in sorted({run["level"] for run in runs}):
        mine = [run for run in runs if run["level"] == level]
        seeds = sum(len(run["seeds"]) for run in mine)
        idle = sum(len(run["seeds"]) for run in mine if not run.get("proved", True))
        slowest = max(float(run.get("converged_s", 0.0)) for run in mine)
        print(f"{level}: {seeds} schedules, {idle} of them proved nothing, slowest convergence {slowest:.1f} s")
    for level, seeds, said in broken:
        print(f"broken ({level}, {seeds}): {said}")
    named = sorted(points())
    print("points:", ", ".join(f"{point} {hits[f'crash {point}']}" for point in named))
    print("classes:", ", ".join(f"{name} {hits[name]}" for name in sorted(classes())))
    for number, (what, beginnings) in FAMILIES.items():
        print(f"{number:>4} {sum(n for name, n in hits.items() if name.startswith(beginnings)):>6}  {what}")
    short = few(hits)
    least = min((hits[f"crash {point}"] for point in named), default=0)
    print(f"{len(named)} points, least {least}; {len(classes())} classes, least {min(hits[n] for n in classes())}")
    print(f"below {ENOUGH}: {short or 'nothing'}; broken: {len(broken)}")
    return 1 if short or broken or any(not run.get("proved", True) for run in runs) else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    return report(read(parser.parse_args().files))


if __name__ == "__main__":
    sys.exit(main())
