"""A trace says which gate, which value and which threshold, in JSON and in words."""

from __future__ import annotations

from strategies.domain.trace import TraceEntry, blocked_by


def test_values_are_written_in_their_unit() -> None:
    entry = TraceEntry("z_under_entry", False, 800_000, 2_000_000, "z", 5)
    assert entry.as_json() == {
        "outcome_id": 5, "gate": "z_under_entry", "passed": False,
        "value": "0.8", "threshold": "2", "unit": "z", "note": "",
    }  # fmt: skip
    assert TraceEntry("book_stale", False, 4_000, 3_000, "ms").as_json()["value"] == "4000"


def test_a_sentence_reads_without_a_manual() -> None:
    assert TraceEntry("z_under_entry", False, 800_000, 2_000_000, "z").sentence() == "z under entry: 0.8, needs 2 z"
    assert TraceEntry("book_missing", False).sentence() == "book missing"
    assert TraceEntry("market_not_open", False, note="closed").sentence() == "market not open (closed)"
    assert TraceEntry("quoting", True, 2, None, "quotes").sentence() == "quoting: 2 quotes"


def test_blocking_gates_are_counted() -> None:
    trace = [TraceEntry("a", False), TraceEntry("a", False), TraceEntry("b", False), TraceEntry("c", True)]
    assert blocked_by(trace) == {"a": 2, "b": 1}
