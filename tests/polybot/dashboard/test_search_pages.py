"""Pages of parameter searches: from a backtest to a search, its progress, what it found, and bad input."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from backtests.models import SearchRun
from backtests.services import jobs, trials
from polybot.dashboard.news import look
from risk.services.profiles import install
from tests.backtests.replays import archived
from tests.backtests.services.test_searches import Hill
from tests.factories.desk import people_make

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PLAN = {"method": "grid", "trials": "50", "objective": "profit", "holdout": "20", "folds": "2", "seed": "0", "name": ""}
VARY = {
    "on.levels": "on", "low.levels": "1", "high.levels": "3", "step.levels": "1",
    "on.size": "on", "low.size": "10", "high.size": "40", "step.size": "10",
}  # fmt: skip


@pytest.fixture
def clients(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Client, Client]:
    settings.POLYBOT_DATA, settings.ARCHIVE_DIR = tmp_path, tmp_path / "archive"
    install()
    monkeypatch.setattr(trials, "engine_of", lambda mode: Hill())
    monkeypatch.setattr("polybot.dashboard.search_actions.search_soon", lambda search_id: None)
    admin, _, viewer = people_make()
    found = []
    for person in (admin, viewer):
        client = Client()
        client.force_login(person)
        found.append(client)
    return found[0], found[1]


def backtest() -> int:
    return jobs.backtest_ask(
        strategy="market_making",
        params={"half_spread": "0.02"},
        data=[archived()],
        options={"bands": False},
        by="ann",
        now=NOW,
    )


def start(client: Client, run_id: int, **values: Any) -> Any:
    return client.post(reverse("desk:search_start", args=[run_id]), {**PLAN, **VARY, **values})


def text_of(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, url
    return answer.content.decode()


def test_a_search_starts_from_a_backtest_and_shows_what_it_found(clients: tuple[Client, Client]) -> None:
    client, viewer = clients
    run_id = backtest()
    form = text_of(client, reverse("desk:search_new", args=[run_id]))
    assert 'name="on.half_spread"' in form and 'value="0.005"' in form  # the range that the schema proposes
    answer = start(client, run_id)
    search = SearchRun.objects.get()
    assert answer.status_code == 302 and answer.url == reverse("desk:search", args=[search.pk])
    page = text_of(client, answer.url)
    assert "0 of 12 trials" in page and "Cancel, keep what was tried" in page
    assert f"search:{search.pk}" in look(1, ticked=None, slow=False).moving
    while trials.trial_run(search.pk) or trials.trials_waiting(search.pk):
        continue
    page = text_of(viewer, answer.url)
    for words in ("Walk-forward", "Deflated Sharpe", "Levels against Size", "heat-10", "Probability of overfitting"):
        assert words in page or words.replace("Levels against Size", "Size against Levels") in page, words
    assert "Cancel, keep" not in page
    assert search.request["params"]["half_spread"] == "0.02"
    assert str(search) in text_of(viewer, reverse("desk:searches"))
    assert "search" in client.get(reverse("desk:searches"), {"csv": "all"}).getvalue().decode()[:60].lower()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"on.levels": "", "on.size": ""}, "at least one parameter"),
        ({"low.size": "40", "high.size": "10"}, "high is below low"),
        ({"low.size": "x"}, "must be numbers"),
        ({"step.size": ""}, "must be numbers"),
        ({"method": "luck"}, "there is no method"),
        ({"method": "random", "trials": "0"}, "are possible"),
        ({"trials": "many"}, "a whole number is needed"),
        ({"trials": "٣"}, "a whole number is needed"),
        ({"holdout": "-1"}, "can be held out"),
        ({"holdout": "nan"}, "can be held out"),
        ({"holdout": "most"}, "a number of per cent"),
        ({"folds": "13"}, "folds are possible"),
        ({"c.fair_value": "middle"}, "is no choice"),
        ({"name": "x" * 200}, "120"),
    ],
)
def test_what_cannot_be_searched_is_said_at_its_field(
    clients: tuple[Client, Client], values: dict[str, str], words: str
) -> None:
    answer = start(clients[0], backtest(), **values)
    assert answer.status_code == 422 and words in answer.content.decode()
    assert not SearchRun.objects.exists()


def test_cancel_keeps_what_was_tried_and_who_may_not_trade_only_reads(clients: tuple[Client, Client]) -> None:
    client, viewer = clients
    run_id = backtest()
    assert start(viewer, run_id).status_code == 302 and not SearchRun.objects.exists()
    start(client, run_id)
    search = SearchRun.objects.get()
    assert trials.trial_run(search.pk)
    cancel = reverse("desk:search_cancel", args=[search.pk])
    assert client.get(cancel).status_code == 405
    viewer.post(cancel)
    assert SearchRun.objects.get().state == "running"
    client.post(cancel)
    assert SearchRun.objects.get().state == "canceled"
    assert "1 of 12" not in text_of(client, reverse("desk:search", args=[search.pk]))
    assert "Nothing to cancel" in client.post(cancel, follow=True).content.decode()
    for url in (reverse("desk:search", args=[999]), reverse("desk:search_new", args=[999])):
        assert client.get(url).status_code == 404
