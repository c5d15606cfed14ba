from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse

from backtests.domain.options import RunOptions
from backtests.models import BacktestRun
from backtests.services import jobs, run
from polybot.dashboard.backtest_form import OPTION
from polybot.dashboard.news import look
from risk.services.profiles import install
from strategies.domain.parameters import fields
from strategies.library.registry import strategy_get
from tests.backtests.replays import DAY, StubReplay, archived
from tests.factories.desk import people_make

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
State = BacktestRun.State


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> StubReplay:
    """Replays are stood in for; the message that would start one is kept back."""
    settings.POLYBOT_DATA, settings.ARCHIVE_DIR = tmp_path, tmp_path / "archive"
    install()
    replay = StubReplay()
    monkeypatch.setattr(run, "engine_of", lambda mode: replay)
    monkeypatch.setattr(run, "_report", lambda *_: None)
    monkeypatch.setattr(run, "LOOKAHEAD_S", -1.0)
    monkeypatch.setattr("polybot.dashboard.backtest_actions.run_soon", lambda run_id: None)
    return replay


@pytest.fixture
def clients(folder: StubReplay) -> tuple[Client, Client]:
    """Staff, and somebody without an account."""
    found = []
    admin, _, viewer = people_make()
    for person in (admin, viewer):
        client = Client()
        client.force_login(person)
        found.append(client)
    return found[0], found[1]


def typed(strategy: str = "market_making", **changes: Any) -> dict[str, Any]:
    """What a browser posts when nothing of the fresh form was changed, but for `changes`."""
    form: dict[str, Any] = {"strategy": strategy, "name": "", "tags": "", "notes": "", "q": "", "do": "run"}
    for prefix, schema in (("p.", strategy_get(strategy).params), (OPTION, RunOptions)):
        for spec in fields(schema):
            if spec.kind == "boolean":
                if spec.default:
                    form[prefix + spec.path] = "on"
            elif isinstance(spec.default, list):
                form[prefix + spec.path] = ", ".join(spec.default)
            else:
                form[prefix + spec.path] = "" if spec.default is None else str(spec.default)
    return {**form, **changes}


def asked(**options: Any) -> int:
    return jobs.backtest_ask(
        strategy="market_making", params={}, data=[archived()], options={"bands": False, **options}, by="ann", now=NOW,
        name="first try", tags=["maker"],
    )  # fmt: skip


def text_of(client: Client, url: str, status: int = 200) -> str:
    answer = client.get(url)
    assert answer.status_code == status, url
    return answer.content.decode()


def test_a_run_is_asked_for_followed_and_read(clients: tuple[Client, Client]) -> None:
    staff, _ = clients
    data = archived()
    page = text_of(staff, reverse("desk:backtest_new") + "?strategy=market_making")
    assert "Will thing 1 happen?" in page and 'name="p.half_spread"' in page and 'name="o.latency.order_ms"' in page
    answer = staff.post(
        reverse("desk:backtest_start"),
        typed(data=f"{data['market']}|{DAY}", name="first", tags="a, b", **{"p.size": "7", "o.seed": "5"}),
    )
    row = BacktestRun.objects.get()
    assert answer["Location"] == reverse("desk:backtest", args=[row.pk])
    assert (row.name, row.tags, row.seed, row.request["params"]["size"]) == ("first", ["a", "b"], 5, "7")
    assert "It is next." in text_of(staff, answer["Location"])
    assert run.backtest_run(row.pk)
    page = text_of(staff, answer["Location"])
    assert "Run it again exactly" in page and "+$0.09" in page and "Trades, CSV" in page
    assert '<td title="size">Size</td>' in page  # the one parameter that is not its default
    listing = text_of(staff, reverse("desk:backtests"))
    assert "first" in listing and "done" in listing
    trades = staff.get(reverse("desk:backtest_trades", args=[row.pk]))
    assert trades["Content-Type"] == "text/csv" and b"".join(trades.streaming_content).count(b"\n") == 2


def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(clients: tuple[Client, Client]) -> None:
    staff, _ = clients
    archived()
    answer = staff.post(
        reverse("desk:backtest_start"),
        typed(
            **{
                "p.size": "-3",
                "p.half_spread": " ",
                "o.capital": "lots",
                "o.start": "noon",
                "tags": "a!",
                "p.universe.markets": "x",
            }
        ),
    )
    page = answer.content.decode()
    assert answer.status_code == 200 and not BacktestRun.objects.exists()
    for name, words in (
        ("p.size", "greater than"), ("p.half_spread", "give a value; the default is 0.01"),
        ("o.capital", "valid decimal"), ("o.start", "2026-07-11 14:30"),
    ):  # fmt: skip
        error = re.search(rf'id="e-{re.escape(name)}"><svg.*?</svg><span>(.*?)</span>', page, re.DOTALL)
        assert error and words in error.group(1), name
    assert "choose at least one recorded market" in page and "use at most 12 words" in page
    assert 'value="lots"' in page and 'value="-3"' in page and 'value="a!"' in page and 'value="x"' in page


def test_nothing_is_filled_in_silently(clients: tuple[Client, Client]) -> None:
    staff, _ = clients
    data = archived()
    form = typed(data=f"{data['market']}|{DAY}")
    for name in ("o.seed", "o.interval_ms", "o.mode", "p.levels"):
        answer = staff.post(reverse("desk:backtest_start"), {**form, name: ""})
        assert "give a value; the default is" in answer.content.decode(), name
    assert not BacktestRun.objects.exists()


def test_recordings_are_found_and_chosen(clients: tuple[Client, Client]) -> None:
    staff, _ = clients
    for number in (1, 2, 3):
        archived(number)
    start = reverse("desk:backtest_start")
    page = staff.post(start, typed(do="filter", q="thing-2", data=f"test.thing-3|{DAY}")).content.decode()
    assert "Will thing 2 happen?" in page and "Will thing 3 happen?" in page and "Will thing 1 happen?" not in page
    assert "1 chosen, 1 of 3 match" in page
    page = staff.post(start, typed(do="all", q="thing", data=f"test.thing-3|{DAY}")).content.decode()
    assert len(re.findall(r'name="data" value="[^"]+" checked', page)) == 3 and "3 chosen" in page
    assert not BacktestRun.objects.exists()


def test_the_estimate_tells_rows_and_after_a_first_run_seconds(clients: tuple[Client, Client]) -> None:
    staff, _ = clients
    data = archived()
    form = typed(data=f"{data['market']}|{DAY}", do="estimate")
    page = staff.post(reverse("desk:backtest_start"), form).content.decode()
    assert "24, 0 of them trades" in page and "3, one for each queue assumption" in page
    assert "not known before a first run was measured" in page
    run_id = asked()
    run.backtest_run(run_id)
    BacktestRun.objects.update(events=24, replay_s=2.0)
    page = staff.post(reverse("desk:backtest_start"), form).content.decode()
    assert "≈ 6.0 s, as 1 earlier run did" in page
    assert BacktestRun.objects.count() == 1


def test_a_form_like_an_older_run(clients: tuple[Client, Client]) -> None:
    staff, _ = clients
    run_id = asked(seed=99, start="2026-10-01 12:00", latency={"order_ms": 33})
    page = text_of(staff, reverse("desk:backtest_new") + f"?from={run_id}")
    for words in ('name="o.seed" value="99"', 'value="2026-10-01 12:00:00"', 'name="o.latency.order_ms" value="33"',
                  f'value="test.thing-1|{DAY}" checked', 'value="first try"'):  # fmt: skip
        assert words in page, words
    for wrong in ("0", "x", "9" * 40):
        assert staff.get(reverse("desk:backtest_new") + f"?from={wrong}").status_code == 404


def test_cancel_rerun_and_edit(clients: tuple[Client, Client]) -> None:
    staff, _ = clients
    run_id = asked()
    assert staff.post(reverse("desk:backtest_cancel", args=[run_id])).status_code == 302
    assert BacktestRun.objects.get().state == State.CANCELED
    answer = staff.post(reverse("desk:backtest_rerun", args=[run_id]))
    again = BacktestRun.objects.latest("pk")
    assert answer["Location"] == reverse("desk:backtest", args=[again.pk]) and again.parent_id == run_id
    run.backtest_run(again.pk)
    assert "Not as it was" in text_of(staff, answer["Location"])  # the first never started: its code is not known
    third = staff.post(reverse("desk:backtest_rerun", args=[again.pk]))["Location"]
    run.backtest_run(BacktestRun.objects.latest("pk").pk)
    assert "The result is identical, fill by fill." in text_of(staff, third)
    edit = reverse("desk:backtest_edit", args=[run_id])
    staff.post(edit, {"name": "better", "tags": "x, y", "notes": "<b>note</b>"})
    page = text_of(staff, reverse("desk:backtest", args=[run_id]))
    assert "better" in page and "&lt;b&gt;note" in page
    assert BacktestRun.objects.get(pk=run_id).tags == ["x", "y"]
    staff.post(edit, {"name": "better", "tags": "not!", "notes": ""})
    page = text_of(staff, reverse("desk:backtest", args=[run_id]))
    assert "use at most 12 words" in page and 'value="not!"' in page


def test_a_failure_says_why_and_shows_its_part(clients: tuple[Client, Client], folder: StubReplay) -> None:
    staff, _ = clients
    folder.stopped = "the strategy raised 5 times in a row: KeyError: <3>"
    run_id = asked()
    run.backtest_run(run_id)
    page = text_of(staff, reverse("desk:backtest", args=[run_id]))
    assert "KeyError: &lt;3&gt;" in page and "the part that was replayed" in page


def test_who_may_not_trade_may_read(clients: tuple[Client, Client]) -> None:
    _, viewer = clients
    run_id = asked()
    for name in ("backtests", "backtest_new"):
        assert viewer.get(reverse(f"desk:{name}")).status_code == 200
    page = text_of(viewer, reverse("desk:backtest", args=[run_id]))
    assert "Cancel, keep what it has" not in page
    for name, arguments in (("backtest_start", []), ("backtest_cancel", [run_id]), ("backtest_rerun", [run_id]),
                            ("backtest_edit", [run_id])):  # fmt: skip
        answer = viewer.post(reverse(f"desk:{name}", args=arguments), typed())
        assert answer.status_code == 302 and answer["Location"] == reverse("desk:backtests")
    assert BacktestRun.objects.get().state == State.QUEUED and BacktestRun.objects.get().name == "first try"


def test_the_list_filters_sorts_and_downloads(clients: tuple[Client, Client]) -> None:
    staff, _ = clients
    for number in range(3):
        pk = asked()
        if number == 2:
            jobs.backtest_cancel(pk, "ann", now=NOW)
        BacktestRun.objects.filter(pk=pk).update(name=f"run {number}", pnl=number, tags=[f"t{number}"], seed=number)
    page = reverse("desk:backtests")
    assert "run 1" not in text_of(staff, f"{page}?state=canceled") and "run 2" in text_of(
        staff, f"{page}?state=canceled"
    )
    assert "run 0" not in text_of(staff, f"{page}?tag=t1") and "run 1" in text_of(staff, f"{page}?tag=t1")
    assert "No backtest matches." in text_of(staff, f"{page}?q=nothing")
    names = [match for match in re.findall(r">(run \d)</a>", text_of(staff, f"{page}?sort=-pnl"))]
    assert names == ["run 2", "run 1", "run 0"]
    csv = text_of(staff, f"{page}?csv=all")
    assert csv.startswith("Backtest,State,Strategy") and csv.count("\n") == 4


def test_open_pages_hear_of_progress(clients: tuple[Client, Client]) -> None:
    run_id = asked()
    seen = look(1, ticked=None, slow=False)
    assert seen.moving == {f"backtest:{run_id}"}
    assert {f"backtest:{run_id}", "backtests"} <= set().union(*(notice.topics for notice in seen.notices))
    run.backtest_run(run_id)
    last = look(seen.version, ticked=None, slow=False, moving=seen.moving)
    assert f"backtest:{run_id}" in set().union(*(notice.topics for notice in last.notices))
    assert not last.moving and not look(last.version, ticked=None, slow=False, moving=last.moving).notices


def test_the_page_needs_no_account(clients: tuple[Client, Client]) -> None:
    staff, _ = clients
    assert "New backtest" in text_of(staff, reverse("desk:backtests"))
    assert "Nothing is recorded yet." in text_of(staff, reverse("desk:backtest_new"))
    assert django_settings.POLYBOT_DATA
