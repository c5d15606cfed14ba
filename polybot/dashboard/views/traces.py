"""Decisions as the pages show them: what was wanted, and each gate with its value and threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.urls import reverse

from polybot.dashboard import numbers, words


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLine:
    outcome_id: int
    gate: str
    passed: bool
    value: str
    threshold: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionLine:
    row: Any
    shape: str
    text: str
    reason: str
    wanted: int
    trace: tuple[TraceLine, ...]
    href: str

    @property
    def blocking(self) -> TraceLine | None:
        return next((line for line in self.trace if not line.passed), None)


def decision_lines(rows: Iterable[Any]) -> list[DecisionLine]:
    return [_line(row) for row in rows]


def _line(row: Any) -> DecisionLine:
    trace = tuple(trace_line(entry) for entry in row.trace if isinstance(entry, dict))
    blocked = next((line for line in trace if not line.passed), None)
    wanted = len(row.wanted)
    return DecisionLine(
        row=row,
        shape="ok" if wanted else "bad" if blocked else "half",
        text=row.outcome or (f"wants {wanted}" if wanted else "wants nothing"),
        reason=f"{blocked.gate}: {blocked.value}, needs {blocked.threshold}" if blocked and not wanted else "",
        wanted=wanted,
        trace=trace,
        href=reverse("desk:decision", args=[row.pk]),
    )


def trace_line(entry: dict[str, Any]) -> TraceLine:
    unit = str(entry.get("unit") or "")
    return TraceLine(
        outcome_id=int(entry.get("outcome_id") or 0),
        gate=words.sentence(str(entry.get("gate", ""))),
        passed=bool(entry.get("passed")),
        value=_read(entry.get("value"), unit),
        threshold=_read(entry.get("threshold"), unit),
        note=str(entry.get("note") or ""),
    )


_WRITTEN: dict[str, Callable[[Decimal], str]] = {
    "price": lambda number: f"{numbers.cents(number, extra=2)} ¢",
    "usd": numbers.money,
    "shares": lambda number: f"{numbers.shares(number)} sh",
    "flag": lambda number: "yes" if number else "no",
    "ms": lambda number: numbers.age(number / 1000),
    "s": numbers.age,
}


def _read(value: Any, unit: str) -> str:
    """Traces are stored as people read them: plain decimals in their unit."""
    if value is None or value == "":
        return numbers.NONE
    written = _WRITTEN.get(unit)
    if written is None:
        return f"{value} {unit}".strip()
    try:
        return written(Decimal(str(value)))
    except ArithmeticError:
        return f"{value} {unit}"
