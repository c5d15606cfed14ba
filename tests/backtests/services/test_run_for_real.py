"""Whole runs with the engines and the report that users get: from the archive to the page's JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from backtests.models import BacktestRun
from backtests.services import columns, jobs, run
from markets.domain.instruments import Side
from markets.services import archive
from risk.services.profiles import install
from tests.backtests.replays import DAY
from tests.backtests.tapes import YES, TapeMaker, facts_make

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SECOND = 1_000


def recorded() -> dict[str, str]:
    """Five minutes of a book in which somebody sells into the bid every two seconds, and then an outcome."""
    maker = TapeMaker(facts_make(1)).book(0, bids=[("0.48", "50")], asks=[("0.52", "50")])
    for step in range(1, 150):
        at = 2 * SECOND * step
        maker.trade(at, YES, Side.SELL, "0.48", "30")
        maker.book(at + 500, bids=[("0.48", "50")], asks=[("0.52", "50")])
    archive.tape_save(maker.resolved(305 * SECOND, "1", "0").tape(), market="test.sold", day=DAY)
    return {"market": "test.sold", "day": DAY}


@pytest.mark.parametrize(("strategy", "mode"), [("market_making", "exact"), ("touch_maker", "exact")])
def test_a_recording_becomes_fills_and_a_report(backtest_folder: Path, strategy: str, mode: str) -> None:
    install()
    options = {"mode": mode, "bands": True, "seed": 3}
    run_id = jobs.backtest_ask(strategy=strategy, params={}, data=[recorded()], options=options, by="ann", now=NOW)
    assert run.backtest_run(run_id)
    row = BacktestRun.objects.get()
    assert (row.state, row.error) == ("done", "")
    result = columns.result_load(run_id)
    assert row.fills == len(result.fills) > 0
    assert row.report is not None and row.report["verdict"]["amount"]
    assert set(row.report["bands"]["figures"]) == {"pessimistic", "neutral", "optimistic"}
    assert (columns.folder_of(run_id) / "trades.csv").read_text().count("\n") == row.fills + 1
    again = jobs.backtest_rerun(run_id, "ann", now=NOW)
    run.backtest_run(again)
    twin = BacktestRun.objects.get(pk=again)
    assert (twin.result_digest, twin.differences) == (row.result_digest, [])
