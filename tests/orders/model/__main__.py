"""`python -m tests.orders.model --seeds 20000`: the model at length, and its mutants.

A violation is printed as (level, seed, commit) and its smallest schedule is written as JSON;
`--from SEED --seeds 1` repeats it exactly.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from orders.domain.exactly_once import SettlementConflict
from orders.domain.lifecycle import TransitionError
from tests.orders.model.desk import Violation
from tests.orders.model.mutants import MUTANTS
from tests.orders.model.protocol import Protocol
from tests.orders.model.shrink import commit, report, shrink, write
from tests.orders.model.world import World, check

FOUND = (Violation, SettlementConflict, TransitionError)


def violation_of(seed: int, protocol: Protocol, without: Sequence[str] = ()) -> tuple[str | None, list[str]]:
    """Return (what was violated or None, the faults that happened)."""
    world = World(seed, protocol, without)
    try:
        world.run()
    except FOUND as error:
        said = str(error) if isinstance(error, Violation) else f"{type(error).__name__}: {error}"
        return said, world.report.happened
    return None, world.report.happened


def seeds_until_killed(mutant: type[Protocol], *, most: int) -> tuple[int | None, str]:
    """Return (how many seeds it took, what was violated); None when the mutant lives."""
    for seed in range(most):
        if found := violation_of(seed, mutant())[0]:
            return seed + 1, found
    return None, "lives"


def smallest(seed: int, protocol: Protocol) -> dict[str, object]:
    without, left, said = shrink(seed, lambda number, names: violation_of(number, protocol, names))
    return report("L0", seed, without, left, said)


def _run(bounds: tuple[int, int]) -> tuple[list[tuple[int, str]], Counter[str]]:
    found: list[tuple[int, str]] = []
    faults: Counter[str] = Counter()
    for seed in range(*bounds):
        try:
            faults += check(seed).faults
        except FOUND as error:
            found.append((seed, f"{type(error).__name__}: {error}"))
    return found, faults


def _kill(name: str) -> tuple[str, int | None, str]:
    mutant = next(each for each in MUTANTS if each.__name__ == name)
    return name, *seeds_until_killed(mutant, most=2_000)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000)
    parser.add_argument("--from", type=int, default=0, dest="start")
    parser.add_argument("--mutants", action="store_true", help="also break one rule at a time, up to 2,000 seeds each")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--reports", type=Path, default=Path("fault-reports"), help="where shrunk schedules go")
    options = parser.parse_args()
    began = time.monotonic()
    end = options.start + options.seeds
    parts = [(at, min(at + 100, end)) for at in range(options.start, end, 100)]
    faults, lives = Counter[str](), 0
    failed: list[int] = []
    with multiprocessing.Pool(options.processes) as pool:
        for found, seen in pool.imap_unordered(_run, parts):
            faults += seen
            for seed, said in found:
                failed.append(seed)
                print(f"(L0, {seed}, {commit()}): {said}", flush=True)
        took = time.monotonic() - began
        print(f"{options.seeds} seeds, {len(failed)} violations, {took:.0f} s ({options.seeds / took:.0f} seeds/s)")
        print("faults:", ", ".join(f"{name} {count}" for name, count in sorted(faults.items())))
        if options.mutants:
            for name, killed_at, said in pool.imap_unordered(_kill, [each.__name__ for each in MUTANTS]):
                lives += killed_at is None
                print(f"mutant {name}: {'LIVES' if killed_at is None else f'killed by seed {killed_at - 1}'} ({said})")
            print(f"{len(MUTANTS) - lives} of {len(MUTANTS)} mutants killed")
    for seed in sorted(failed)[:3]:
        print("smallest schedule:", write(options.reports, smallest(seed, Protocol())))
    return 1 if failed or lives else 0


if __name__ == "__main__":
    sys.exit(main())
