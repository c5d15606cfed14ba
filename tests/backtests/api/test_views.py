"""Backtests over HTTP: start, follow, cancel, repeat, fetch; what is refused and how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from backtests.models import BacktestRun
from backtests.services import run
from risk.services.profiles import install
from tests.backtests.replays import DAY, StubReplay, archived
from tests.factories.desk import people_make

pytestmark = pytest.mark.django_db
State = BacktestRun.State


@pytest.fixture(autouse=True)
def stub(backtest_folder: Path, monkeypatch: pytest.MonkeyPatch) -> StubReplay:
    install()
    replay = StubReplay()
    monkeypatch.setattr(run, "engine_of", lambda mode: replay)
    monkeypatch.setattr(run, "_report", lambda *_: {"verdict": "made money"})
    monkeypatch.setattr(run, "LOOKAHEAD_S", -1.0)  # its replays would be counted
    monkeypatch.setattr("backtests.api.views.run_soon", lambda run_id: None)
    return replay


@pytest.fixture
def clients(stub: StubReplay) -> tuple[Client, Client]:
    """Staff, and somebody who may only read."""
    admin, _, viewer = people_make()
    made = Client(), Client()
    for client, person in zip(made, (admin, viewer), strict=True):
        client.force_login(person)
    return made


def call(client: Client, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    answer = client.generic(
        method.upper(),
        f"/api/v1/{path}",
        data=b"" if body is None else json.dumps(body).encode(),
        content_type="application/json",
        headers=headers or None,
    )
    told = answer.json()
    return answer.status_code, told["data"] if answer.status_code < 400 else told["error"]


def wanted(**values: Any) -> dict[str, Any]:
    return {"strategy": "market_making", "data": [archived()], "options": {"bands": False}, **values}


def test_start_follow_and_fetch(clients: tuple[Client, Client]) -> None:
    staff, viewer = clients
    status, made = call(staff, "post", "backtests", wanted(params={"size": "7"}, name="api", tags=["x"]))
    assert (status, made["state"], made["progress"]) == (202, "queued", 0.0)
    assert (made["request"]["params"]["size"], made["request"]["capital"]) == ("7", 1_000_000_000)
    pk = made["id"]
    assert call(viewer, "get", f"backtests/{pk}/report")[0] == 404
    assert call(viewer, "get", f"backtests/{pk}/trades.csv")[0] == 404
    assert run.backtest_run(pk)
    status, found = call(viewer, "get", f"backtests/{pk}")
    assert (status, found["state"], found["fills"], found["pnl"]) == (200, "done", 1, "0.087655")
    assert found["data"][0]["day"] == DAY
    status, report = call(viewer, "get", f"backtests/{pk}/report")
    assert (status, report["verdict"]) == (200, "made money")
    trades = viewer.get(f"/api/v1/backtests/{pk}/trades.csv")
    assert trades["Content-Type"] == "text/csv" and b"".join(trades.streaming_content).startswith(b"time,market,")


def test_the_list_filters(clients: tuple[Client, Client]) -> None:
    staff, _ = clients
    first = call(staff, "post", "backtests", wanted(tags=["one"]))[1]["id"]
    second = call(staff, "post", "backtests", wanted(name="another"))[1]["id"]
    run.backtest_run(second)
    for query, ids in (
        ("", [second, first]), ("?state=done", [second]), ("?tag=one", [first]), ("?q=anoth", [second]),
        ("?strategy=idle", []),
    ):  # fmt: skip
        status, rows = call(staff, "get", f"backtests{query}")
        assert (status, [row["id"] for row in rows]) == (200, ids), query
    assert call(staff, "get", "backtests?state=lost")[0] == 400
    assert call(staff, "get", "backtests?q=%00")[0] == 400


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"strategy": "nope"}, "strategy"),
        ({"data": []}, "data"),
        ({"data": [{"market": "test.nothing", "day": DAY}]}, "data"),
        ({"data": [{"market": "test.thing-1", "day": "soon"}]}, "data"),
        ({"params": {"size": "-1"}}, "params.size"),
        ({"params": {"universe": {"markets": ["a\0b"]}}}, "params.universe.markets"),
        ({"options": {"capital": "NaN"}}, "capital"),
        ({"options": {"colour": "red"}}, "colour"),
        ({"options": {"profile": "reckless"}}, "profile"),
        ({"tags": ["a b"]}, "tags"),
        ({"name": "x" * 121}, "name"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_field_is_named(clients: tuple[Client, Client], change: dict[str, Any], field: str) -> None:
    archived()
    status, error = call(clients[0], "post", "backtests", wanted(**change))
    assert status == 400 and field in error["details"], error
    assert not BacktestRun.objects.exists()


def test_a_key_starts_one_run_however_often_it_is_sent(clients: tuple[Client, Client]) -> None:
    staff, _ = clients
    body = wanted()
    answers = [call(staff, "post", "backtests", body, **{"Idempotency-Key": "backtest-0001"}) for _ in range(2)]
    assert answers[0] == answers[1] and BacktestRun.objects.count() == 1


def test_cancel_rerun_and_notes(clients: tuple[Client, Client]) -> None:
    staff, viewer = clients
    pk = call(staff, "post", "backtests", wanted())[1]["id"]
    status, found = call(staff, "post", f"backtests/{pk}/cancel")
    assert (status, found["state"], found["cancel_requested"]) == (202, "canceled", True)
    status, error = call(staff, "post", f"backtests/{pk}/cancel")
    assert (status, error["code"]) == (409, "conflict")
    status, again = call(staff, "post", f"backtests/{pk}/rerun")
    assert (status, again["parent_id"], again["state"]) == (202, pk, "queued")
    status, edited = call(staff, "patch", f"backtests/{pk}", {"tags": ["Good"], "notes": "kept"})
    assert (status, edited["tags"], edited["notes"]) == (200, ["good"], "kept")
    assert call(staff, "patch", f"backtests/{pk}", {"tags": ["not good"]})[0] == 400
    for method, path in (("post", "backtests"), ("post", f"backtests/{pk}/cancel"), ("post", f"backtests/{pk}/rerun"),
                         ("patch", f"backtests/{pk}")):  # fmt: skip
        assert call(viewer, method, path, {})[0] == 403, path
    assert call(staff, "get", f"backtests/{pk + 9}")[0] == 404


def test_a_request_of_a_later_version_cannot_be_repeated(clients: tuple[Client, Client]) -> None:
    staff, _ = clients
    pk = call(staff, "post", "backtests", wanted())[1]["id"]
    row = BacktestRun.objects.get()
    BacktestRun.objects.update(request={**row.request, "colour": "red"})
    status, error = call(staff, "post", f"backtests/{pk}/rerun")
    assert status == 409 and "colour" in error["message"]


def test_the_options_describe_themselves(clients: tuple[Client, Client]) -> None:
    status, found = call(clients[1], "get", "backtests/options")
    assert status == 200 and found["profiles"] == ["conservative", "moderate", "aggressive"]
    assert found["schema"]["properties"]["capital"]["minimum"] == 1
