"""Searches from the question to the summary: laid down, claimed once each, resumed, cancelled, judged."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alerts.models import AuditEvent
from backtests.domain.request import BacktestRequest
from backtests.domain.result import EQUITY, BacktestResult
from backtests.domain.search.plan import SearchPlan
from backtests.models import SearchRun, SearchTrial
from backtests.services import searches, trials
from backtests.services.searches import search_ask, search_cancel
from markets.domain.tape import Tape
from risk.services.profiles import install
from strategies.domain.parameters import ParameterError
from tests.backtests.domain.search.test_judging import result as made
from tests.backtests.replays import archived

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
RANGES = {"levels": ["1", "3", "1"], "size": ["10", "40", "10"]}
GRID = SearchPlan(method="grid", ranges=RANGES, folds=2)


class Hill:
    """A replay that earns most at two levels and size 30, and notes what it was asked."""

    def __init__(self) -> None:
        self.seen: list[BacktestRequest] = []
        self.during: Callable[[], None] = lambda: None
        self.raises = ""

    def __call__(
        self, tapes: Sequence[Tape], request: BacktestRequest, *, limits: Any, progress: Callable[[float], bool]
    ) -> BacktestResult:
        self.seen.append(request)
        self.during()
        if self.raises and request.params["levels"] == self.raises:
            raise RuntimeError("these parameters break it")
        assert request.start_ns is not None and request.end_ns is not None
        worth = 100 - 20 * abs(int(request.params["levels"]) - 2) - abs(int(request.params["size"]) - 30)
        count, span = 96, request.end_ns - request.start_ns
        equity = np.zeros(count, EQUITY)
        for number, row in enumerate(equity):
            row["at_ns"] = request.start_ns + span * number // count
            row["cash"] = int(request.capital) + worth * 1000 * number + (7_000 if number % 3 else 0)
        base = made([(0, int(request.capital))], capital=int(request.capital))
        return replace(base, equity=equity, cash=int(equity["cash"][-1]), end_ns=request.end_ns)


@pytest.fixture
def hill(monkeypatch: pytest.MonkeyPatch, backtest_folder: Path) -> Hill:
    install()
    replay = Hill()
    monkeypatch.setattr(trials, "engine_of", lambda mode: replay)
    monkeypatch.setattr(trials, "BEAT_EVERY_S", 0.0)
    return replay


def ask(plan: SearchPlan = GRID, **values: Any) -> int:
    fields: dict[str, Any] = {
        "strategy": "market_making",
        "params": {"half_spread": "0.02"},
        "data": [archived()],
        "options": {"profile": "moderate"},
        "by": "ann",
        "now": NOW,
    }
    return search_ask(plan=plan, **{**fields, **values})


def run_all(search_id: int, *, most: int = 200) -> SearchRun:
    for _ in range(most):
        if not trials.trial_run(search_id) and not trials.trials_waiting(search_id):
            break
    return SearchRun.objects.get(pk=search_id)


def kinds() -> list[str]:
    return list(AuditEvent.objects.filter(kind__startswith="search.").order_by("id").values_list("kind", flat=True))


def test_a_grid_is_tried_point_by_point_and_judged_on_time_it_never_saw(hill: Hill) -> None:
    search_id = ask()
    assert SearchTrial.objects.filter(search=search_id, state="queued").count() == 12
    done = run_all(search_id)
    assert (done.state, done.error) == ("done", "")
    assert done.summary["best"]["assignment"] == ["2", "30"]
    assert done.summary["tried"] == 12 and done.summary["failed"] == 0
    assert len(done.summary["heat_maps"][0]["cells"]) == 12
    assert done.summary["walk_forward"]["profit"] > 0
    assert len(hill.seen) == 13  # and the holdout
    searched, held_out = hill.seen[0], hill.seen[-1]
    assert searched.end_ns == held_out.start_ns and {r.end_ns for r in hill.seen[:12]} == {searched.end_ns}
    span = held_out.end_ns - searched.start_ns
    assert abs((held_out.end_ns - held_out.start_ns) - span // 5) <= 1
    assert held_out.params["levels"] == "2" and held_out.params["half_spread"] == "0.02"
    assert done.summary["holdout"]["assignment"] == ["2", "30"]
    assert not any(request.bands for request in hill.seen)
    assert kinds() == ["search.queued", "search.finished"]
    for trial in SearchTrial.objects.filter(search=search_id):
        assert sum(trial.bins) == trial.figures["profit"]
    assert not trials.trial_run(search_id)


def test_draws_and_tpe_try_as_many_different_points_as_asked(hill: Hill) -> None:
    for method in ("random", "tpe"):
        search_id = ask(SearchPlan(method=method, ranges=RANGES, trials=7, holdout_ppm=0, folds=0, seed=3))
        done = run_all(search_id)
        points = [tuple(t.assignment) for t in done.trials.all()]
        assert done.state == "done" and len(points) == len(set(points)) == 7
        assert done.summary["holdout"] is None and done.summary["walk_forward"] is None
    small = ask(SearchPlan(method="tpe", ranges={"levels": ["1", "3", "1"]}, trials=50, holdout_ppm=0))
    assert run_all(small).summary["tried"] == 3


def test_parameters_that_break_cost_their_trial_and_nothing_else(hill: Hill) -> None:
    hill.raises = "3"
    done = run_all(ask())
    assert done.state == "done" and done.summary["failed"] == 4 and done.summary["tried"] == 8
    failed = SearchTrial.objects.filter(state="failed").first()
    assert failed is not None and failed.error == "RuntimeError: these parameters break it"


def test_a_search_of_which_nothing_can_run_fails_with_the_first_reason(hill: Hill) -> None:
    hill.raises = "1"
    search_id = ask(SearchPlan(method="grid", ranges={"levels": ["1", "1", "1"]}))
    row = run_all(search_id)
    assert row.state == "failed" and "these parameters break it" in row.error
    assert kinds() == ["search.queued", "search.failed"]


def test_a_worker_that_died_is_found_and_its_trial_runs_again_once(hill: Hill) -> None:
    search_id = ask()
    trial = SearchTrial.objects.filter(search=search_id).order_by("number").first()
    assert trial is not None
    for attempt in (1, 2):
        SearchTrial.objects.filter(pk=trial.pk).update(
            state="running", token=uuid.uuid4(), beat_at=NOW - timedelta(minutes=10), attempts=attempt
        )
        assert trials.searches_recover(now=NOW) == 1
        trial.refresh_from_db()
        assert trial.state == ("queued" if attempt == 1 else "failed")
    assert run_all(search_id).summary["failed"] == 1


def test_cancelling_keeps_what_was_tried_and_stops_the_trial_at_work(hill: Hill) -> None:
    search_id = ask()
    for _ in range(3):
        assert trials.trial_run(search_id)

    def cancel() -> None:
        assert search_cancel(search_id, "ben", now=NOW)

    hill.during = cancel
    trials.trial_run(search_id)
    row = SearchRun.objects.get(pk=search_id)
    assert (row.state, row.cancel_by) == ("canceled", "ben")
    assert row.trials.filter(state="done").count() in (3, 4)
    assert not search_cancel(search_id, "ben", now=NOW)
    assert not trials.trial_run(search_id)
    assert kinds() == ["search.queued", "search.canceled"]


def test_messages_are_sent_when_nothing_moves_and_not_twice(hill: Hill) -> None:
    search_id = ask()
    assert trials.searches_unsent(now=NOW) == [(search_id, trials.AT_ONCE)]
    assert trials.searches_unsent(now=NOW + timedelta(seconds=5)) == []
    assert trials.searches_unsent(now=NOW + timedelta(minutes=5)) == [(search_id, trials.AT_ONCE)]
    SearchTrial.objects.filter(search=search_id, number=0).update(state="running", token=uuid.uuid4(), beat_at=NOW)
    assert trials.searches_unsent(now=NOW + timedelta(minutes=15)) == []


def test_other_code_does_not_go_on_with_a_search(hill: Hill) -> None:
    search_id = ask()
    SearchRun.objects.filter(pk=search_id).update(code_digest="0" * 64)
    assert not trials.trial_run(search_id)
    row = SearchRun.objects.get(pk=search_id)
    assert row.state == "failed" and "code changed" in row.error


@pytest.mark.parametrize(
    ("plan", "path"),
    [
        (replace(GRID, method="luck"), "method"),
        (replace(GRID, objective="luck"), "objective"),
        (replace(GRID, trials=0), "trials"),
        (replace(GRID, holdout_ppm=900_000), "holdout"),
        (replace(GRID, folds=99), "folds"),
        (replace(GRID, seed=-1), "seed"),
        (replace(GRID, ranges={}), "ranges"),
        (replace(GRID, ranges={"nothing": ["1", "2", "1"]}), "ranges.nothing"),
        (replace(GRID, ranges={"size": ["1", "200", "1"], "maximum_inventory": ["1", "200", "1"]}), "ranges"),
    ],
)
def test_a_search_that_cannot_be_is_refused_by_field(hill: Hill, plan: SearchPlan, path: str) -> None:
    with pytest.raises(ParameterError) as caught:
        ask(plan)
    assert path in caught.value.errors
    assert not SearchRun.objects.exists()


def test_too_many_searches_are_refused(hill: Hill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searches, "MOST_WAITING", 1)
    ask()
    with pytest.raises(ParameterError, match="at work or wait"):
        ask()
