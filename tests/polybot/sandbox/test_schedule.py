"""Schedules: the same seed draws the same faults, each class can be drawn, and each does something."""

from __future__ import annotations

from typing import Any

from polybot.sandbox.fault_catalogue import CLASSES
from tests.polybot.sandbox.app_kit import Local
from tests.polybot.sandbox.order_kit import Pair, place


def test_a_seed_says_everything_about_a_schedule() -> None:
    spec: dict[str, Any] = {"seed": 7, "duration_s": 600, "every_s": 2}
    first = Local(rate=0.0).control("schedule", spec)["plan"]
    assert first == Local(rate=0.0).control("schedule", spec)["plan"]
    assert first != Local(rate=0.0).control("schedule", {**spec, "seed": 8})["plan"]
    assert 200 < len(first) < 400 and all(0 <= entry["at_ms"] < 600_000 for entry in first)


def test_every_class_in_the_catalogue_is_carried_out() -> None:
    pair = Pair()
    names = pair.local.get("/control/catalogue")["faults"]
    assert names == sorted(CLASSES) and len(names) >= 50
    for name in names:
        plan = pair.local.control("schedule", {"seed": 3, "faults": [name], "duration_s": 100, "every_s": 5})["plan"]
        assert {entry["name"] for entry in plan} == {name}
    pair.local.control("schedule", {"seed": 11, "duration_s": 2_000, "every_s": 2})
    for _ in range(400):
        pair.pass_ms(5_000)
    left = pair.local.get("/control/schedule")
    assert (left["left"], left["errors"]) == (0, [])
    assert {entry["name"] for entry in left["plan"]} == set(names)


def test_a_written_schedule_strikes_at_its_moments() -> None:
    pair = Pair()
    market = pair.market()
    entries = [
        {"at_s": 10, "call": "mode", "body": {"mode": "normal"}},
        {"at_s": 5, "call": "mode", "body": {"mode": "cancel_only"}},
        {"at_s": 12, "call": "nonsense"},
    ]
    pair.local.control("schedule", {"entries": entries})
    statuses = []
    for _ in range(4):
        statuses.append(place(pair.one, market, price="0.2").status)
        pair.pass_ms(4_000)
    assert statuses == [200, 200, 503, 200]
    assert pair.local.get("/control/schedule")["errors"] == [
        "nonsense: unknown control call: see polybot/sandbox/README.md"
    ]


def test_a_schedule_is_stopped() -> None:
    local = Local(rate=0.0)
    plan = local.control("schedule", {"seed": 1, "faults": ["disabled"], "duration_s": 60})["plan"]
    assert local.ask("DELETE", "/control/schedule").json == {"dropped": len(plan)}
    local.now_ms += 120_000
    local.step()
    assert local.get("/control/mode")["mode"] == "normal"
