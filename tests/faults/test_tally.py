"""The sum over campaigns: what every level can make is named once, and what was hit too rarely is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orders.services.submission.points import POINTS as SUBMISSION_POINTS
from tests.faults import tally
from tests.faults.processes import schedule
from tests.faults.services.test_services import POINTS as SERVICES_POINTS
from tests.orders.model.luck import Luck

SCHEDULES = 60


def test_every_point_of_the_code_is_a_point_of_one_of_the_levels() -> None:
    reached = {*SERVICES_POINTS, *schedule.POINTS, *schedule.SENDING_POINTS}
    assert reached == tally.points()
    assert set(SUBMISSION_POINTS) <= tally.points()


def test_sixty_schedules_plan_each_class_that_no_other_level_has_five_times() -> None:
    planned = [fault for seed in range(SCHEDULES) for fault in schedule.schedule_of(seed)]
    names = [fault.who if fault.kind == "exchange" else fault.name for fault in planned]
    of_services = tally.classes() - {
        *(f"{kind} {who}" for kind in ("kill", "pause", "wire") for who in ("", *schedule.PROCESSES)),
    }
    alone = {*schedule.SOCKETS, *schedule.STORES, *schedule.HOST, "switch"} & of_services
    alone |= {f"kill {who}" for who in schedule.PROCESSES} | {f"pause {who}" for who in schedule.PAUSED}
    alone |= {f"wire {who}" for who in schedule.TROUBLES} | {f"point {name}" for name in schedule.POINTS}
    assert {name: names.count(name) for name in alone if names.count(name) < tally.ENOUGH} == {}


def test_every_class_belongs_to_a_family_of_the_catalogue() -> None:
    beginnings = tuple(start for _, starts in tally.FAMILIES.values() for start in starts)
    lonely = {name for name in tally.classes() if not name.startswith(beginnings)}
    # States of the venue, its books, and transactions outside the book: not families of the catalogue, counted alone.
    assert {name.split("_")[0] for name in lonely} <= {
        "restart", "disabled", "book", "relay", "phantom", "stale",
    }  # fmt: skip


def test_a_schedule_that_ran_again_counts_once_and_rare_hits_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enough = {name: 5 for name in {f"crash {point}" for point in tally.points()} | tally.classes()}
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    tally.append(one, level="L1", seeds=range(20), broken=["I3 twice"], hits={"switch": 1})
    tally.append(one, level="L1", seeds=range(20), broken=[], hits=enough)
    tally.append(two, level="L2", seeds=[0], broken=[], proved=True, hits={"switch": 2}, converged_s=7.5)
    assert tally.report(tally.read([one, two])) == 0
    assert "switch 7" in capsys.readouterr().out

    tally.append(two, level="L2", seeds=[1], broken=["I4 lost"], proved=True, hits={}, converged_s=60.1)
    assert tally.report(tally.read([one, two])) == 1
    assert "broken (L2, [1]): I4 lost" in capsys.readouterr().out
    assert tally.few(tally.hits_of(tally.read([two])))["switch"] == 2


def test_what_is_planned_for_a_seed_does_not_change_with_what_is_left_out() -> None:
    whole = schedule.schedule_of(5)
    assert [f for f in whole if f.name != whole[2].name] == schedule.schedule_of(5, (whole[2].name,))
    assert json.loads(schedule.as_json(whole))[0]["at_s"] == whole[0].at_s
    assert Luck(5).of("schedule").random() == Luck(5).of("schedule").random()
