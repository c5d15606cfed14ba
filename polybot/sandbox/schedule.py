"""Faults by the clock: a plan drawn from a seed, or written out, carried out as time passes.

The same seed, classes and length give the same plan. Times are Unix milliseconds.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from polybot.sandbox.fault_catalogue import CLASSES
from polybot.sandbox.http_core import ApiError

MOST = 10_000
LONGEST_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    at_ms: int  # from the beginning of the schedule
    name: str
    call: str  # of the control endpoint
    body: dict[str, Any]


class Schedule:
    """`perform` makes one call of the control endpoint; whoever owns that sets it."""

    def __init__(self) -> None:
        self.perform: Callable[[str, dict[str, Any]], Any] | None = None
        self.errors: list[str] = []
        self._begun_ms = 0
        self._plan: list[Entry] = []
        self._done = 0

    def begin(self, body: Any, now_ms: int) -> list[Entry]:
        """Replace the running schedule by the one that `body` describes; ApiError says what is wrong with it."""
        if not isinstance(body, dict):
            raise ApiError(400, "a schedule is a JSON object")
        unknown = sorted(set(body) - {"seed", "faults", "duration_s", "every_s", "entries"})
        if unknown:
            raise ApiError(400, f"unknown: {', '.join(unknown)}; known: seed, faults, duration_s, every_s, entries")
        plan = _written(body["entries"]) if "entries" in body else _drawn(body)
        self._plan, self._done, self._begun_ms, self.errors = plan, 0, now_ms, []
        return plan

    def stop(self) -> int:
        """Drop what is still to come and return how many entries that was."""
        left = len(self._plan) - self._done
        self._plan, self._done = [], 0
        return left

    def describe(self) -> dict[str, Any]:
        return {
            "begun_ms": self._begun_ms,
            "done": self._done,
            "left": len(self._plan) - self._done,
            "plan": [asdict(entry) for entry in self._plan],
            "errors": self.errors,
        }

    def step(self, now_ms: int) -> None:
        while self._done < len(self._plan) and self._begun_ms + self._plan[self._done].at_ms <= now_ms:
            entry = self._plan[self._done]
            self._done += 1
            if self.perform is None:
                continue
            try:
                self.perform(entry.call, dict(entry.body))
            except ApiError as error:
                self.errors.append(f"{entry.name}: {error.text}")


def _drawn(body: dict[str, Any]) -> list[Entry]:
    """Draw a plan: moments at random around every `every_s`, each of one of the named classes."""
    seed, duration, every = body.get("seed"), body.get("duration_s", 60), body.get("every_s", 5)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ApiError(400, "seed: a whole number")
    for name, value in (("duration_s", duration), ("every_s", every)):
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= LONGEST_S:
            raise ApiError(400, f"{name}: seconds, above 0 up to {LONGEST_S}")
    if duration / every > MOST:
        raise ApiError(400, f"duration_s / every_s: at most {MOST} faults")
    names = _names(body.get("faults", "all"))
    rng = random.Random(f"{seed}:schedule")
    plan: list[Entry] = []
    at = 0.0
    while len(plan) < MOST:
        at += rng.expovariate(1.0 / every)
        if at >= duration:
            break
        name = rng.choice(names)
        call, made = CLASSES[name](rng)
        plan.append(Entry(at_ms=int(at * 1000), name=name, call=call, body=made))
    return plan


def _names(wanted: Any) -> list[str]:
    if wanted == "all":
        return sorted(CLASSES)
    if not isinstance(wanted, list) or not wanted or not all(isinstance(name, str) for name in wanted):
        raise ApiError(400, "faults: a list of class names, or all")
    unknown = sorted(set(wanted) - set(CLASSES))
    if unknown:
        raise ApiError(400, f"faults: no class {', '.join(unknown)}; GET /catalogue lists them")
    return sorted(set(wanted))


def _written(entries: Any) -> list[Entry]:
    """Read a plan that is written out: `[{"at_s", "call", "body"}]`."""
    if not isinstance(entries, list) or len(entries) > MOST:
        raise ApiError(400, f"entries: a list of at most {MOST}")
    plan = []
    for entry in entries:
        at = entry.get("at_s") if isinstance(entry, dict) else None
        call, made = (entry.get("call"), entry.get("body", {})) if isinstance(entry, dict) else (None, None)
        if (
            not isinstance(at, int | float)
            or not 0 <= at <= LONGEST_S
            or not isinstance(call, str)
            or not isinstance(made, dict)
        ):
            raise ApiError(400, 'entries: {"at_s": seconds, "call": a control call, "body": an object}')
        plan.append(Entry(at_ms=int(at * 1000), name=call, call=call.strip("/"), body=made))
    return sorted(plan, key=lambda entry: entry.at_ms)
