from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from alerts.models import AuditEvent
from backtests.domain.request import QueueAssumption, RequestError
from backtests.models import BacktestRun
from backtests.services import claims, columns, jobs, run
from backtests.services.code_version import code_digest
from markets.domain.units import ONE
from markets.services import archive
from risk.services.profiles import install
from tests.backtests.replays import DAY, FEE, PNL, StubReplay, archived

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
State = BacktestRun.State


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, backtest_folder: Path) -> StubReplay:
    install()
    replay = StubReplay()
    monkeypatch.setattr(run, "engine_of", lambda mode: replay)
    monkeypatch.setattr(run, "_report", lambda request, result, bands, tapes: {"bands": sorted(bands)})
    monkeypatch.setattr(run, "TELL_EVERY_S", 0.0)
    monkeypatch.setattr(run, "LOOKAHEAD_S", -1.0)  # its replays would be counted
    return replay


def asked(*, data: list[dict[str, str]] | None = None, **options: Any) -> int:
    return jobs.backtest_ask(
        strategy="market_making",
        params={"size": "10"},
        data=[archived()] if data is None else data,
        options={"bands": False, **options},
        by="ann",
        now=NOW,
    )


def event_kinds() -> list[str]:
    return list(AuditEvent.objects.filter(kind__startswith="backtest.").order_by("id").values_list("kind", flat=True))


def test_a_run_is_replayed_stored_and_told(stub: StubReplay) -> None:
    run_id = asked(data=[archived(1), archived(2)])
    told: list[tuple[float, str]] = []
    assert run.backtest_run(run_id, told=lambda share, words: told.append((share, words)))
    row = BacktestRun.objects.get()
    assert (row.state, row.partial, row.error, row.progress, row.token) == (State.DONE, False, "", 1.0, None)
    assert (row.orders, row.fills, row.events) == (1, 1, 2 * 4 * 6)  # four books of two outcomes, three rows each
    assert [int(value * ONE) for value in (row.pnl, row.fees, row.rebates)] == [PNL, FEE, 0]
    assert row.equity_end - row.pnl == 1000
    assert [(item["market"], item["day"]) for item in row.data] == [("test.thing-1", DAY), ("test.thing-2", DAY)]
    assert row.data[0]["digest"] == archive.tape_info("test.thing-1", DAY).digest
    assert row.code_digest == code_digest()
    assert row.result_digest == columns.result_digest(columns.result_load(run_id))
    assert (columns.folder_of(run_id) / "trades.csv").read_text().count("\n") == 2
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    assert told[0][1] == "opening 2 recordings"
    assert event_kinds() == ["backtest.queued", "backtest.finished"]
    request, limits, tapes = stub.seen[0]
    assert (request.params["size"], limits.profile, tapes) == ("10", "moderate", 2)


def test_a_second_call_does_nothing(stub: StubReplay) -> None:
    run_id = asked()
    assert run.backtest_run(run_id)
    assert not run.backtest_run(run_id)
    assert not run.backtest_run(run_id + 1)
    assert len(stub.seen) == 1


def test_bands_are_the_other_queue_assumptions(stub: StubReplay) -> None:
    run_id = asked(bands=True, queue="neutral")
    assert run.backtest_run(run_id)
    assert [request.queue for request, *_ in stub.seen] == [
        QueueAssumption.NEUTRAL, QueueAssumption.PESSIMISTIC, QueueAssumption.OPTIMISTIC,
    ]  # fmt: skip
    assert BacktestRun.objects.get().report["bands"] == ["optimistic", "pessimistic"]
    assert columns.result_load(run_id, band="optimistic").fees == FEE


def test_a_cancelled_run_ends_soon_and_keeps_its_part(stub: StubReplay) -> None:
    run_id = asked(bands=True)
    heard: list[float] = []

    def at(fraction: float) -> None:
        heard.append(fraction)
        if fraction == 0.25:
            assert jobs.backtest_cancel(run_id, "bob", now=NOW)
            assert not jobs.backtest_cancel(run_id, "bob", now=NOW)

    stub.at = at
    assert run.backtest_run(run_id)
    row = BacktestRun.objects.get()
    assert heard == [0.25]
    assert (row.state, row.partial, row.cancel_by, row.fills) == (State.CANCELED, True, "bob", 1)
    assert row.report is not None and columns.result_load(run_id).stopped
    assert event_kinds() == ["backtest.queued", "backtest.cancel_asked", "backtest.canceled"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RequestError("this strategy cannot run fast: it returns intents", field="mode"), "cannot run fast"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (MemoryError(), "memory was not enough"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_says_why(stub: StubReplay, error: Exception, words: str) -> None:
    stub.error = error
    run_id = asked()
    assert run.backtest_run(run_id)
    row = BacktestRun.objects.get()
    assert row.state == State.FAILED and words in row.error
    assert event_kinds()[-1] == "backtest.failed"
    assert AuditEvent.objects.get(kind="backtest.failed").severity == "warning"


def test_a_strategy_that_was_stopped_fails_with_its_part(stub: StubReplay) -> None:
    stub.stopped = "the strategy raised 5 times in a row: KeyError: 3"
    run.backtest_run(asked())
    row = BacktestRun.objects.get()
    assert (row.state, row.partial, row.error, row.fills) == (State.FAILED, True, stub.stopped, 1)
    assert row.report["bands"] == []


def test_a_report_that_cannot_be_made_leaves_the_result(stub: StubReplay, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> dict[str, Any]:
        raise KeyError("equity")

    monkeypatch.setattr(run, "_report", broken)
    run_id = asked()
    run.backtest_run(run_id)
    row = BacktestRun.objects.get()
    assert row.state == State.FAILED and "KeyError" in row.error
    assert columns.result_load(run_id).fees == FEE


def test_recordings_that_went_missing_or_changed_are_named(stub: StubReplay) -> None:
    first, second = archived(1), archived(2)
    digest = archive.tape_info(second["market"], DAY).digest
    gone, changed = asked(data=[first]), asked(data=[{**second, "digest": digest}])
    archive.tape_delete(first["market"], DAY)
    archived(2, rows=9)
    for run_id, words in ((gone, "nothing is recorded of test.thing-1"), (changed, f"not {digest[:12]} as asked")):
        run.backtest_run(run_id)
        assert words in BacktestRun.objects.get(pk=run_id).error
    assert not stub.seen


def test_a_process_that_is_asked_to_stop_puts_the_run_back(stub: StubReplay) -> None:
    before = signal.getsignal(signal.SIGTERM)
    stub.at = lambda fraction: os.kill(os.getpid(), signal.SIGTERM) if fraction == 0.5 else None
    run_id = asked()
    assert run.backtest_run(run_id)
    row = BacktestRun.objects.get()
    assert (row.state, row.attempts, row.sent_at) == (State.QUEUED, 0, None)
    assert signal.getsignal(signal.SIGTERM) == before
    stub.at = lambda fraction: None
    assert run.backtest_run(run_id)
    assert BacktestRun.objects.get().state == State.DONE


def test_a_run_that_was_taken_away_writes_nothing(stub: StubReplay) -> None:
    run_id = asked()
    other = claims.uuid.uuid4()
    stub.at = lambda fraction: BacktestRun.objects.update(token=other, words="mine now") if fraction == 0.5 else None
    assert run.backtest_run(run_id)
    row = BacktestRun.objects.get()
    assert (row.state, row.token, row.words, row.report) == (State.RUNNING, other, "mine now", None)


def test_a_run_that_takes_too_long_fails_with_its_part(stub: StubReplay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "LONGEST_S", -1.0)
    run.backtest_run(asked())
    row = BacktestRun.objects.get()
    assert row.state == State.FAILED and row.partial and "ran longer than" in row.error


def test_the_row_is_json_all_through(stub: StubReplay) -> None:
    run.backtest_run(asked())
    row = BacktestRun.objects.get()
    json.dumps([row.request, row.data, row.limits, row.report], allow_nan=False)


def test_the_job_process_offers_itself_when_memory_ends() -> None:
    code = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "polybot.settings.test"
django.setup()
from backtests.services.run import process_step_back
process_step_back()
group = "/proc/self/autogroup"
print(open("/proc/self/oom_score_adj").read(), open(group).read().split()[-1] if os.path.exists(group) else 7)
"""
    command = ["nice", "-n", "7", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, start_new_session=True)
    assert [int(word) for word in done.stdout.split()] == [run.STEPPED_BACK, 7], done.stderr


def test_short_runs_are_checked_for_look_ahead_and_long_ones_say_that_they_are_not(
    stub: StubReplay, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = asked()
    assert run.backtest_run(run_id)
    assert BacktestRun.objects.get(pk=run_id).report["lookahead"]["checked"] is False
    monkeypatch.setattr(run, "LOOKAHEAD_S", 1_000.0)
    again = asked(seed=1)
    assert run.backtest_run(again)
    found = BacktestRun.objects.get(pk=again).report["lookahead"]
    assert found["checked"] and found["passed"] and len(found["probes"]) == 3
    assert len(stub.seen) == 1 + 1 + 4
