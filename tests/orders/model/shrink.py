"""A failing schedule made small: faults and wishes are left out one by one while it still fails the same way."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# Runs a seed without the named faults. Returns (what was violated or None, names of the faults that happened).
Attempt = Callable[[int, Sequence[str]], tuple[str | None, list[str]]]


def shrink(seed: int, attempt: Attempt, *, most: int = 2_000) -> tuple[list[str], list[str], str]:
    """Return (left out, still there, the violation) of the smallest schedule found within `most` runs."""
    said, left = attempt(seed, ())
    if said is None:
        raise ValueError(f"seed {seed} does not fail")
    invariant = said.split(":")[0]
    without: list[str] = []
    runs, width = 1, max(1, len(left) // 2)
    while width and runs < most:
        at, smaller = 0, False
        while at < len(left) and runs < most:
            trial = [*without, *left[at : at + width]]
            found, happened = attempt(seed, trial)
            runs += 1
            if found is not None and found.split(":")[0] == invariant:
                without, left, said, smaller = trial, happened, found, True
            else:
                at += width
        width = width // 2 if width > 1 or not smaller else 1
    return without, left, said


def report(level: str, seed: int, without: Sequence[str], left: Sequence[str], said: str) -> dict[str, Any]:
    """Return what repeats a failure, ready for `tests/faults/regressions/`."""
    return {
        "level": level, "seed": seed, "commit": commit(), "violation": said,
        "left": list(left), "without": list(without),
    }  # fmt: skip


def commit() -> str:
    here = Path(__file__).resolve().parent
    done = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=here, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def write(folder: Path, found: dict[str, Any]) -> Path:
    path = folder / f"{found['level'].lower()}_{found['seed']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")
    return path
