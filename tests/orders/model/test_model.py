"""The protocol of submission holds under faults, and the model notices when one rule is missing.

`POLYBOT_MODEL_SEEDS=20000` runs more; `python -m tests.orders.model` runs more on all cores, with every mutant.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.orders.model import mutants
from tests.orders.model.__main__ import seeds_until_killed, smallest, violation_of
from tests.orders.model.protocol import Protocol
from tests.orders.model.world import check

SEEDS = int(os.environ.get("POLYBOT_MODEL_SEEDS", "150"))
ALL = bool(os.environ.get("POLYBOT_MODEL_SEEDS"))
# The rest of them needs more seeds; the command runs all.
QUICK = (
    mutants.NewSaltOnRepost, mutants.RandomSaltAfterCrash, mutants.UnknownFreesReservation,
    mutants.QuarantineFreesReservation, mutants.TimeoutIsRejected, mutants.FillTwice, mutants.FailedIgnored,
    mutants.VoidTwice, mutants.NoLimitCheck, mutants.ReplacementBesideUnknown, mutants.SendBeforeStore,
    mutants.LateSenderSends, mutants.ReleaseWithoutWaiting, mutants.PromisedSharesAreSold, mutants.TwoTraders,
    mutants.StaleInputsDoNotMatter, mutants.LastMessageWins, mutants.FeesForgotten,
)  # fmt: skip
REGRESSIONS = sorted((Path(__file__).parents[2] / "faults" / "regressions").glob("l0_*.json"))
FAULTS = {
    "busy", "cancel all lost", "cancel lost", "cancel unanswered", "crash", "failing", "kill", "late", "lost after",
    "lost before", "message lost", "message repeated", "not sent", "outage", "read lag", "refused", "repeated task",
    "slow", "stopped", "trade failed", "venue forgets", "intent",
}  # fmt: skip


def test_the_protocol_holds_under_every_fault() -> None:
    faults: Counter[str] = Counter()
    accepted = 0
    for seed in range(SEEDS):
        report = check(seed)
        faults += report.faults
        accepted += report.accepted
    assert accepted > 2 * SEEDS
    assert {kind for kind, count in faults.items() if count >= 5} == FAULTS


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_a_schedule_that_once_failed_holds_and_fails_without_its_rule(path: Path) -> None:
    kept = json.loads(path.read_text())
    assert violation_of(kept["seed"], Protocol(), kept["without"])[0] is None
    if "fails_with" in kept:
        said, _ = violation_of(kept["seed"], getattr(mutants, kept["fails_with"])(), kept["without"])
        assert said is not None
        assert said.split(":")[0] == kept["violation"].split(":")[0]


def test_a_seed_repeats_itself_exactly() -> None:
    assert check(7) == check(7)


def test_leaving_out_a_fault_changes_no_other_draw() -> None:
    whole = check(3)
    crash = next(name for name in whole.happened if name.startswith("crash"))
    less = check(3, without=[crash])
    assert crash not in less.happened
    assert [name for name in whole.happened if name.startswith("intent")] == [
        name for name in less.happened if name.startswith("intent")
    ]


def test_a_failure_is_shrunk_to_what_causes_it() -> None:
    found = smallest(382, mutants.CancelBesideRepost())
    assert found["level"] == "L0"
    assert found["seed"] == 382
    assert str(found["violation"]).startswith("I3")
    left = found["left"]
    assert isinstance(left, list)
    assert 0 < len(left) < 20
    assert violation_of(382, mutants.CancelBesideRepost(), found["without"])[0] is not None  # type: ignore[arg-type]


@pytest.mark.parametrize("mutant", mutants.MUTANTS if ALL else QUICK, ids=lambda each: each.__name__)
def test_a_broken_rule_is_noticed(mutant: type[Protocol]) -> None:
    killed_at, said = seeds_until_killed(mutant, most=2_000 if ALL else 60)
    assert killed_at is not None, said
