from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from alerts.models import AuditEvent
from backtests.domain.options import request_load
from backtests.models import BacktestRun
from backtests.services import jobs, run
from markets.services import archive
from risk.models import RiskProfile
from risk.services.profiles import install
from strategies.domain.parameters import ParameterError
from tests.backtests.replays import DAY, StubReplay, archived

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
State = BacktestRun.State


@pytest.fixture(autouse=True)
def desk(backtest_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install()
    monkeypatch.setattr(run, "engine_of", lambda mode: StubReplay())
    monkeypatch.setattr(run, "_report", lambda *_: {})
    monkeypatch.setattr(run, "LOOKAHEAD_S", -1.0)  # its replays would be counted


def asked(**values: Any) -> int:
    fields: dict[str, Any] = {
        "strategy": "market_making", "params": {"size": "10"}, "data": [archived()], "options": {"bands": False},
        "by": "ann", "now": NOW,
    }  # fmt: skip
    return jobs.backtest_ask(**{**fields, **values})


def test_what_is_asked_is_stored_so_that_it_can_be_repeated() -> None:
    run_id = asked(name=" first ", tags=["NBA", "nba", "maker"], notes="why not", options={"seed": 7, "capital": "50"})
    row = BacktestRun.objects.get(pk=run_id)
    request = request_load(row.request)
    assert (request.digest, request.seed, request.capital) == (row.request_digest, 7, 50_000_000)
    assert (row.state, row.name, row.tags, row.notes) == (State.QUEUED, "first", ["nba", "maker"], "why not")
    assert row.limits["order_size"] == 100_000_000  # of the moderate profile
    event = AuditEvent.objects.get(kind="backtest.queued")
    assert (event.actor, event.subject_kind, event.subject_id) == ("ann", "backtest", str(run_id))


def test_everything_wrong_is_named_at_once() -> None:
    with pytest.raises(ParameterError) as caught:
        asked(
            params={"size": "-1"},
            data=[{"market": "test.nothing", "day": DAY}],
            options={"capital": "x", "profile": "reckless", "latency": {"order_ms": "fast"}},
            name="two\nlines",
            tags=["no spaces here"],
        )
    assert set(caught.value.errors) == {"params.size", "capital", "latency.order_ms", "profile", "name", "tags"}
    with pytest.raises(ParameterError, match=f"the archive has no test.nothing of {DAY}"):
        asked(data=[{"market": "test.nothing", "day": DAY}])
    with pytest.raises(ParameterError, match="its digest differs"):
        asked(data=[{**archived(), "digest": "ab" * 32}])
    with pytest.raises(ParameterError, match="there is no strategy 'nope'"):
        asked(strategy="nope")
    assert not BacktestRun.objects.exists()


def test_text_that_no_database_takes_is_refused() -> None:
    with pytest.raises(ParameterError) as caught:
        asked(params={"universe": {"markets": ["a\0b"]}}, notes="\0")
    assert set(caught.value.errors) == {"params.universe.markets", "notes"}


def test_a_queue_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST_WAITING", 1)
    asked()
    with pytest.raises(ParameterError, match="1 backtests wait already"):
        asked()


def test_cancelling_what_waits_ends_it_at_once() -> None:
    run_id = asked()
    assert jobs.backtest_cancel(run_id, "bob", now=NOW)
    assert not jobs.backtest_cancel(run_id, "bob", now=NOW)
    row = BacktestRun.objects.get()
    assert (row.state, row.ended_at, row.cancel_by) == (State.CANCELED, NOW, "bob")
    assert not run.backtest_run(run_id)


def test_a_rerun_is_the_same_request_and_tells_no_difference() -> None:
    run_id = asked(name="a", tags=["t"])
    run.backtest_run(run_id)
    again = jobs.backtest_rerun(run_id, "bob", now=NOW)
    run.backtest_run(again)
    old, new = BacktestRun.objects.get(pk=run_id), BacktestRun.objects.get(pk=again)
    assert (new.parent_id, new.differences, new.by, new.name) == (run_id, [], "bob", "a")
    assert new.request_digest == old.request_digest and new.data_digest == old.data_digest
    assert new.result_digest == old.result_digest != ""


def test_a_rerun_tells_what_is_no_longer_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = asked(data=[archived(1), archived(2)], options={"profile": "aggressive"})
    run.backtest_run(run_id)
    limits = BacktestRun.objects.get(pk=run_id).limits
    archived(1, rows=9)
    archive.tape_delete("test.thing-2", DAY)
    RiskProfile.objects.filter(name="aggressive").update(order_size=7)
    monkeypatch.setattr(jobs, "code_digest", lambda: "other")
    row = BacktestRun.objects.get(pk=jobs.backtest_rerun(run_id, "bob", now=NOW))
    told = " | ".join(row.differences)
    for words in ("the code is another", f"thing-1 of {DAY} was recorded or imported again",
                  f"thing-2 of {DAY} is no longer", "aggressive has other limits now"):  # fmt: skip
        assert words in told
    assert row.limits == limits


def test_names_tags_and_notes_may_be_changed_later() -> None:
    run_id = asked()
    assert jobs.backtest_edit(run_id, by="bob", name="b", tags=["x"], notes="read this", now=NOW)
    assert not jobs.backtest_edit(run_id, by="bob", name="b", tags=["x"], notes="read this", now=NOW)
    row = BacktestRun.objects.get()
    assert (row.name, row.tags, row.notes) == ("b", ["x"], "read this")
    with pytest.raises(ParameterError, match="tags"):
        jobs.backtest_edit(run_id, by="bob", tags=["a b"], now=NOW)
    assert AuditEvent.objects.filter(kind="backtest.edited").count() == 1
