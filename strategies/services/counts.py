"""Counting ticks without writing at every tick: counters in memory, written in three statements now and then.

What is lost with a process is at most ten seconds of counting; decisions, verdicts and
orders are rows of their own and never pass through here.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django.db import connection, transaction

from strategies.domain.trace import TraceEntry

FLUSH_AFTER_S = 10.0


Words = str | Callable[[], str]  # the second kind is only made into words when it is written


class Ticked(NamedTuple):
    """One evaluation: of whom, what came of it, and the trace that says what stopped it."""

    strategy_id: int
    run_id: int
    outcome: Words
    trace: Sequence[TraceEntry]
    unchanged: bool = False
    failed: bool = False


@dataclass(slots=True)
class _Run:
    ticks: int = 0
    unchanged: int = 0
    errors: int = 0


@dataclass(slots=True)
class _Pending:
    runs: dict[int, _Run] = field(default_factory=dict)
    ticked: dict[int, tuple[datetime, Words]] = field(default_factory=dict)  # strategy -> when, and what came of it
    gates: Counter[tuple[int, datetime, str]] = field(default_factory=Counter)


class TickCounts:
    """Counters of one process. Every method may be called from any thread."""

    def __init__(self, *, flush_after_s: float = FLUSH_AFTER_S) -> None:
        self._lock = threading.Lock()
        self._pending = _Pending()
        self._flushed_at: datetime | None = None
        self._flush_after_s = flush_after_s
        self.total = 0  # ticks of this process since it started

    def ticks_add(self, ticks: Iterable[Ticked], *, now: datetime) -> None:
        """Count evaluations that were made at `now`."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        with self._lock:
            runs, ticked, gates = self._pending.runs, self._pending.ticked, self._pending.gates
            for one in ticks:
                self.total += 1
                run = runs.get(one.run_id)
                if run is None:
                    run = runs[one.run_id] = _Run()
                run.ticks += 1
                run.unchanged += one.unchanged
                run.errors += one.failed
                ticked[one.strategy_id] = (now, one.outcome)
                for entry in one.trace:
                    if not entry.passed:
                        gates[one.strategy_id, hour, entry.gate] += 1

    def flush_if_due(self, now: datetime) -> bool:
        with self._lock:
            if self._flushed_at is None:
                self._flushed_at = now
            if (now - self._flushed_at).total_seconds() < self._flush_after_s:
                return False
        self.flush(now)
        return True

    def flush(self, now: datetime) -> None:
        """Write what was counted. On failure the counts are kept for the next time."""
        with self._lock:
            taken, self._pending = self._pending, _Pending()
            self._flushed_at = now
        if not taken.runs and not taken.ticked:
            return
        try:
            _write(taken)
        except Exception:
            with self._lock:
                self._put_back(taken)
            raise

    def _put_back(self, taken: _Pending) -> None:
        for run_id, run in taken.runs.items():
            now_run = self._pending.runs.setdefault(run_id, _Run())
            now_run.ticks += run.ticks
            now_run.unchanged += run.unchanged
            now_run.errors += run.errors
        for strategy_id, ticked in taken.ticked.items():
            self._pending.ticked.setdefault(strategy_id, ticked)
        self._pending.gates.update(taken.gates)


@transaction.atomic
def _write(taken: _Pending) -> None:
    """Three statements whatever the number of strategies; rows that are gone meanwhile are skipped."""
    runs = sorted(taken.runs.items())
    ticked = sorted(taken.ticked.items())
    gates = sorted(taken.gates.items())
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE strategies_strategyrun AS run SET ticks = run.ticks + new.ticks,"
            " unchanged = run.unchanged + new.unchanged, errors = run.errors + new.errors"
            " FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::int[]) AS new(id, ticks, unchanged, errors)"
            " WHERE run.id = new.id",
            [
                [run_id for run_id, _ in runs],
                [run.ticks for _, run in runs],
                [run.unchanged for _, run in runs],
                [run.errors for _, run in runs],
            ],
        )
        cursor.execute(
            "UPDATE strategies_strategyconfig AS config SET ticked_at = new.at, last_outcome = new.outcome"
            " FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[]) AS new(id, at, outcome)"
            " WHERE config.id = new.id AND (config.ticked_at IS NULL OR config.ticked_at <= new.at)",
            [[i for i, _ in ticked], [at for _, (at, _) in ticked], [_text(words) for _, (_, words) in ticked]],
        )
        cursor.execute(
            "INSERT INTO strategies_gatecount (strategy_id, hour, gate, count)"
            " SELECT new.id, new.hour, new.gate, new.count"
            " FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::bigint[]) AS new(id, hour, gate, count)"
            " JOIN strategies_strategyconfig AS config ON config.id = new.id"
            " ON CONFLICT (strategy_id, hour, gate) DO UPDATE SET count = strategies_gatecount.count + EXCLUDED.count",
            [
                [key[0] for key, _ in gates],
                [key[1] for key, _ in gates],
                [key[2][:60] for key, _ in gates],
                [count for _, count in gates],
            ],
        )


def _text(words: Words) -> str:
    return (words if isinstance(words, str) else words())[:200]


COUNTS = TickCounts()
