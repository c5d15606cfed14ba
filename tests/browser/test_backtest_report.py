"""A large backtest report in a real browser: at desk and phone width, light and dark, with and without script."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from backtests.domain.report import report_of
from backtests.models import BacktestRun
from markets.domain.tape import Tape
from markets.domain.units import ONE
from polybot.dashboard.report_export import report_html
from tests.backtests.reports import large_make, request_make
from tests.browser.conftest import Site

SHOTS = os.environ.get("POLYBOT_SHOTS", "")
QUESTIONS = (
    "Will the Federal Reserve cut its rate by 25 basis points at the meeting of December 2026?",
    "Tigers against Guardians", "Bitcoin above $120,000 at noon Eastern on 30 September?",
    "WillThisQuestionWithOneVeryLongWordThatNobodyCanBreakAnywhereFitIntoTheTable?",
)  # fmt: skip


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    result, tapes = large_make(days=76)
    facts = tuple(replace(m, question=QUESTIONS[i % 4]) for i, m in enumerate(result.markets))
    result = replace(result, markets=facts, problems=("2 of 36,000 messages of Tigers against Guardians were crossed",))
    bands = {name: replace(result, cash=result.cash + more, rebates=more)
             for name, more in (("neutral", 120 * ONE), ("optimistic", 410 * ONE))}  # fmt: skip
    resolved = tuple(_resolved(tape, i) for i, tape in enumerate(tapes))
    found = report_of(request_make(capital=result.capital, rebates=True), result, bands=bands, tapes=resolved)
    return json.loads(json.dumps(found))


def _resolved(tape: Tape, number: int) -> Tape:
    """The same tape with a resolution in its last message: every other market pays its first outcome."""
    columns = {name: column.copy() for name, column in tape.columns.items()}
    for row, outcome in ((-3, 0), (-2, 1)):
        columns["kind"][row], columns["outcome"][row], columns["size"][row] = 5, outcome, 0
        columns["ticks"][row] = 100 if (number + outcome) % 2 else 0
    columns["kind"][-1] = 1  # the last row: a trade that changes nothing
    return replace(tape, columns=columns)


def run_make(report: dict[str, Any], name: str) -> BacktestRun:
    now = timezone.now()
    return BacktestRun.objects.create(
        name=name, by="ann", tags=["mlb", "first try"], notes="Does it survive a wider spread?", strategy="touch_maker",
        mode="exact", seed=7, request=json.loads(json.dumps(request_make().as_json(), default=str)),
        request_digest="ab" * 32, limits={}, state="done", created_at=now, started_at=now,
        ended_at=now + timedelta(seconds=112), progress=1.0, report=report, events=1_000_000, fills=10_000,
        orders=10_000, pnl="2201.837295", cash="11000", equity_end="12201.837295", fees="565.66", rebates="0",
        code="0.1.0 9d41c0e", code_digest="cd" * 32, data_digest="ef" * 32, result_digest="12" * 32,
    )  # fmt: skip


def shot(tab: Any, name: str) -> None:
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        tab.page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def too_wide(tab: Any) -> int:
    found: int = tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")])
def test_report_and_comparison_fit(site: Site, tab_open: Any, report: dict[str, Any], width: int, theme: str) -> None:
    other = {**report, "data": {**report["data"], "digest": "other"}, "params": [["spread", "0.05"]]}
    runs = [run_make(report, "maker, 2 ¢"), run_make(other, "maker, 5 ¢"), run_make(report, "maker, again")]
    tab = tab_open(width=width, theme=theme)
    for name, path in (
        ("backtest", f"/backtests/{runs[0].pk}/"),
        ("compare", "/backtests/compare/?" + "&".join(f"run={run.pk}" for run in runs)),
    ):
        tab.page.goto(site.url + path)
        tab.page.wait_for_load_state("networkidle")
        shot(tab, f"{name}-{width}-{theme}")
        assert too_wide(tab) <= 0, name
        assert tab.problems == [], name
        # Every picture has a size, and its sentence for those who do not see it.
        assert tab.page.evaluate("[...document.querySelectorAll('.chart .plot')].every(p => p.offsetHeight > 40)")
        assert tab.page.evaluate("[...document.querySelectorAll('main [role=img]')].every(p => p.ariaLabel)")


def test_the_report_reads_without_script(site: Site, tab_open: Any, report: dict[str, Any]) -> None:
    run = run_make(report, "maker")
    tab = tab_open(scripts=False)
    tab.page.goto(f"{site.url}/backtests/{run.pk}/")
    text = tab.page.inner_text("main")
    for words in ("Made +$2,201.84", "Data fidelity", "Spread earned", "Calibration", "Trades", "Assumptions"):
        assert words in text
    tab.page.click("nav[aria-label='Outcome shown'] a >> nth=1")
    assert "price=1" in tab.page.url


@pytest.mark.parametrize("width", [1280, 360])
def test_the_file_opens_from_disk_and_asks_nobody(
    site: Site, tab_open: Any, report: dict[str, Any], tmp_path: Path, width: int
) -> None:
    path = tmp_path / "report.html"
    path.write_text(report_html(run_make(report, "maker")))
    tab = tab_open(width=width, user=None)
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    tab.page.goto(path.as_uri())
    shot(tab, f"export-{width}")
    assert asked == [path.as_uri()]
    assert tab.problems == []
    assert too_wide(tab) <= 0
    assert "Made +$2,201.84" in tab.page.inner_text("main")
