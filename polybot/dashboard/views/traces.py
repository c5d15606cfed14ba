"""Decisions as the pages show them: what was wanted, and each gate with its value and threshold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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


def _read(value: Any, unit: str) -> str:
    """Traces are stored as people read them: plain decimals in their unit."""
    if value is None or value == "":
        return numbers.NONE
    if unit == "price":
        number = numbers.as_decimal(value)
        return f"{numbers.cents(number, extra=2)} ¢" if number is not None else numbers.NONE
    if unit == "usd":
        return numbers.money(numbers.as_decimal(value))
    if unit == "shares":
        return f"{numbers.shares(numbers.as_decimal(value))} sh"
    if unit == "flag":
        return "yes" if str(value) == "1" else "no"
    if unit == "ms":
        number = numbers.as_decimal(value)
        return numbers.age(number / 1000) if number is not None else numbers.NONE
    return f"{value} {unit}".strip()
