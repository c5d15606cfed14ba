"""Parameter searches and comparisons in a real browser: they fit a phone and need no JavaScript."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from backtests.models import ParityRun
from backtests.services import jobs, trials
from backtests.services.searches import search_start
from risk.services.profiles import install
from tests.backtests.replays import archived
from tests.backtests.services.test_searches import GRID, Hill
from tests.browser.conftest import Site

SHOTS = os.environ.get("POLYBOT_SHOTS", "")
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ORDER = {
    "order": 7, "outcome": 1, "side": "buy", "price": 480_000, "size": 20_000_000, "state": "filled",
    "at": "2026-11-20T12:00:00+00:00", "actual": [[480_000, 20_000_000, 0, "maker"]],
    "replayed": [[480_000, 20_000_000, 0, "maker"]], "backtest": None,
}  # fmt: skip


@pytest.fixture
def found(site: Site, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return addresses of a finished search, its form, and a comparison."""
    from backtests.domain.options import request_load
    from backtests.domain.search.space import space_of
    from backtests.models import BacktestRun
    from orders.models import Account
    from strategies.library.registry import strategy_get

    settings.POLYBOT_DATA, settings.ARCHIVE_DIR = tmp_path, tmp_path / "archive"
    install()
    monkeypatch.setattr(trials, "engine_of", lambda mode: Hill())
    run_id = jobs.backtest_ask(
        strategy="market_making", params={}, data=[archived()], options={"bands": False}, by="ann", now=NOW
    )
    request = request_load(BacktestRun.objects.get(pk=run_id).request)
    space = space_of(strategy_get("market_making").params, GRID.ranges)
    search_id = search_start(request, space=space, plan=GRID, by="ann", now=NOW)
    while trials.trial_run(search_id) or trials.trials_waiting(search_id):
        continue
    parity = ParityRun.objects.create(
        strategy_run_id=3,
        strategy_label="quotes-btc",
        account_id=Account.objects.order_by("pk").values_list("pk", flat=True)[0],
        by="ann",
        state="done",
        created_at=NOW,
        started_at=NOW,
        ended_at=NOW,
        holds=False,
        result={
            "ticks": 12,
            "ticks_recorded": 40,
            "decisions": ["a" * 64, "b" * 64],
            "fills": ["c" * 64, "c" * 64],
            "difference": {"at_ns": 1, "what": "a decision", "recorded": "d" * 64, "replayed": "e" * 300},
            "broken": "the process of the simulated venue was started again",
            "orders": [ORDER] * 12,
            "orders_in_all": 12,
            "backtest": {"orders": 9, "fills": 4},
        },
    )
    return {
        "searches": "/backtests/searches/",
        "search": f"/backtests/searches/{search_id}/",
        "search-new": f"/backtests/{run_id}/search/",
        "parities": "/backtests/parity/",
        "parity": f"/backtests/parity/{parity.pk}/",
    }


@pytest.mark.parametrize(("width", "theme"), [(1280, "dark"), (360, "light")])
def test_they_fit_and_complain_about_nothing(
    site: Site, tab_open: Any, found: dict[str, str], width: int, theme: str
) -> None:
    tab = tab_open(width=width, height=800, theme=theme)
    for name, address in found.items():
        tab.page.goto(site.url + address)
        tab.page.wait_for_load_state("networkidle")
        wide = tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            tab.page.screenshot(path=f"{SHOTS}/{name}-{width}-{theme}.png", full_page=True)
        assert wide <= 0 and tab.problems == [], (name, wide, tab.problems)
        assert tab.page.locator("h1").count() == 1
