from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from backtests.management.commands import backtest as command
from backtests.models import BacktestRun
from backtests.services import jobs, run
from risk.services.profiles import install
from tests.backtests.replays import DAY, StubReplay, archived

pytestmark = pytest.mark.django_db
State = BacktestRun.State


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Whoever starts the tests in the background lets them ignore Ctrl-C; here it is heard as in a terminal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def stub(backtest_folder: Path, monkeypatch: pytest.MonkeyPatch) -> StubReplay:
    install()
    archived(1)
    archived(2)
    replay = StubReplay()
    monkeypatch.setattr(run, "engine_of", lambda mode: replay)
    monkeypatch.setattr(run, "_report", lambda *_: None)
    monkeypatch.setattr(run, "LOOKAHEAD_S", -1.0)  # its replays would be counted
    monkeypatch.setattr(run, "TELL_EVERY_S", 0.0)
    return replay


def said(*words: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("backtest", "market_making", *words, stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue()


def test_it_runs_here_and_says_what_came_out(stub: StubReplay) -> None:
    text = said("--market", "test.thing-1", "--param", "size=7", "--seed", "4", "--no-bands", "--name", "by hand")
    assert "done" in text and "P&L +0.09 $" in text and "1 orders, 1 fills, 24 events" in text
    row = BacktestRun.objects.get()
    assert (row.seed, row.request["params"]["size"], row.name, len(stub.seen)) == (4, "7", "by hand", 1)


def test_patterns_name_several_recordings_and_options_reach_the_request() -> None:
    said(
        "--market", f"test.*:{DAY}", "--mode", "fast", "--capital", "50",
        "--option", "latency.order_ms=9", "--tag", "a", "--option", "queue=neutral", "--no-bands",
    )  # fmt: skip
    row = BacktestRun.objects.get()
    assert [item["market"] for item in row.data] == ["test.thing-1", "test.thing-2"]
    assert (row.mode, row.tags, row.request["latency"]["order_ms"]) == ("fast", ["a"], 9)
    assert (row.request["queue"], row.request["capital"]) == ("neutral", 50_000_000)


def test_json_is_one_object_on_stdout() -> None:
    found = json.loads(said("--market", "test.thing-1", "--no-bands", "--json"))
    assert (found["state"], found["fills"], found["pnl"], found["partial"]) == ("done", 1, "0.087655", False)
    assert Path(found["trades_csv"]).read_text().startswith("time,")
    assert len(found["result_digest"]) == 64


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--market", "test.other"], "nothing is recorded of test.other"),
        (["--market", "test.thing-1:2020-01-01"], "nothing is recorded of test.thing-1:2020-01-01"),
        (["--market", "test.thing-1", "--param", "size=-1"], "--param size"),
        (["--market", "test.thing-1", "--param", "size"], "write it as path=value"),
        (["--market", "test.thing-1", "--mode", "guess"], "mode: "),
        (["--market", "test.thing-1", "--profile", "reckless"], "no risk profile 'reckless'"),
    ],
)
def test_what_is_wrong_is_named_before_anything_starts(words: list[str], expected: str) -> None:
    with pytest.raises(CommandError, match=expected):
        said(*words)
    assert not BacktestRun.objects.exists()


def test_a_failure_ends_with_its_code(stub: StubReplay) -> None:
    stub.stopped = "the strategy raised 5 times in a row"
    with pytest.raises(SystemExit) as ended:
        said("--market", "test.thing-1", "--no-bands")
    assert ended.value.code == command.FAILED


def test_ctrl_c_cancels_and_keeps_the_part(stub: StubReplay) -> None:
    before = signal.getsignal(signal.SIGINT)
    stub.at = lambda fraction: os.kill(os.getpid(), signal.SIGINT) if fraction == 0.5 else None
    with pytest.raises(SystemExit) as ended:
        said("--market", "test.thing-1")
    row = BacktestRun.objects.get()
    assert ended.value.code == command.CANCELED
    assert (row.state, row.partial, row.fills) == (State.CANCELED, True, 1)
    assert signal.getsignal(signal.SIGINT) == before


def test_a_job_is_left_to_the_process_of_backtests(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(command, "run_soon", sent.append)
    text = said("--market", "test.thing-1", "--job")
    assert "queued" in text and sent == [BacktestRun.objects.get().pk]


@pytest.mark.django_db(transaction=True)
def test_a_job_is_followed_to_its_end_and_ctrl_c_cancels_it(stub: StubReplay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "LOOK_EVERY_S", 0.02)
    threads: list[threading.Thread] = []

    def work(run_id: int) -> None:
        try:
            run.backtest_run(run_id)
        finally:
            connection.close()

    def sent(run_id: int) -> None:
        threads.append(threading.Thread(target=work, args=[run_id]))
        threads[0].start()

    def at(fraction: float) -> None:
        if fraction == 0.25:
            os.kill(os.getpid(), signal.SIGINT)
        end = time.monotonic() + 10
        while BacktestRun.objects.get().cancel_requested_at is None and time.monotonic() < end:
            time.sleep(0.01)

    stub.at = at
    monkeypatch.setattr(command, "run_soon", sent)
    with pytest.raises(SystemExit) as ended:
        said("--market", "test.thing-1", "--job", "--wait")
    threads[0].join(10)
    assert ended.value.code == command.CANCELED
    assert BacktestRun.objects.get().state == State.CANCELED
    assert jobs.backtest_cancel(BacktestRun.objects.get().pk, "x", now=BacktestRun.objects.get().created_at) is False
