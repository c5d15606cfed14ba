"""Why an evaluation did, or did not, trade: one line per gate with the value and the threshold it met.

`value` and `threshold` are integers in `unit` (`usd` and `shares` count millionths), so that
a trace costs nothing to make at every tick; `as_json` writes them the way people read them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from markets.domain.units import text_from_micro

_MILLIONTHS = frozenset({"usd", "shares", "price", "z"})


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One gate of one outcome: `passed` is False where the evaluation stopped."""

    gate: str
    passed: bool
    value: int | None = None
    threshold: int | None = None
    unit: str = ""
    outcome_id: int = 0
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {"outcome_id": self.outcome_id, "gate": self.gate, "passed": self.passed}
        out |= {"value": _read(self.value, self.unit), "threshold": _read(self.threshold, self.unit)}
        return out | {"unit": self.unit, "note": self.note}

    def sentence(self) -> str:
        """Return the entry in words: `z under entry: 0.8, needs 2 z`."""
        text = self.gate.replace("_", " ")
        if self.value is not None and self.threshold is not None:
            text += f": {_read(self.value, self.unit)}, needs {_read(self.threshold, self.unit)} {self.unit}".rstrip()
        elif self.value is not None:
            text += f": {_read(self.value, self.unit)} {self.unit}".rstrip()
        return f"{text} ({self.note})" if self.note else text


def _read(value: int | None, unit: str) -> str | None:
    if value is None:
        return None
    return text_from_micro(value) if unit in _MILLIONTHS else str(value)


def blocked_by(trace: Iterable[TraceEntry]) -> Counter[str]:
    """Count the gates at which outcomes stopped."""
    return Counter(entry.gate for entry in trace if not entry.passed)
