"""The protocol of submission holds under faults, and the model notices when one rule is missing.

`POLYBOT_MODEL_SEEDS=20000` runs more; `python -m tests.orders.model` runs more on all cores, with every mutant.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.orders.model import mutants
from tests.orders.model.__main__ import seeds_until_killed
from tests.orders.model.protocol import Protocol
from tests.orders.model.world import check

SEEDS = int(os.environ.get("POLYBOT_MODEL_SEEDS", "300"))
ALL = bool(os.environ.get("POLYBOT_MODEL_SEEDS"))
QUICK = (
    mutants.NewSaltOnRepost, mutants.RandomSaltAfterCrash, mutants.UnknownFreesReservation,
    mutants.QuarantineFreesReservation, mutants.TimeoutIsRejected, mutants.RefusalOfRepostBelieved,
    mutants.FillTwice, mutants.FailedIgnored, mutants.VoidTwice, mutants.NoLimitCheck,
    mutants.ReplacementBesideUnknown, mutants.KillEndsAtFirstEmptyRead, mutants.SendBeforeStore,
    mutants.LateSenderSends, mutants.NotFoundIsCanceled, mutants.ReleaseWithoutWaiting, mutants.EmptyReadReleases,
)  # fmt: skip
# Found once, and kept: each failed for a while until the protocol or the model learnt from it.
FOUND = (
    256,  # a confirmed cancel freed money that a fill under way had already spent
)


def test_the_protocol_holds_under_every_fault() -> None:
    faults: Counter[str] = Counter()
    accepted = 0
    for seed in range(SEEDS):
        report = check(seed)
        faults += report.faults
        accepted += report.accepted
    assert accepted > 2 * SEEDS
    kinds = {"busy", "crash", "failing", "late", "lost_after", "lost_before", "not_sent", "refused", "stopped"}
    assert {kind for kind, count in faults.items() if count >= 5} == kinds


@pytest.mark.parametrize("seed", FOUND)
def test_a_seed_that_once_failed_holds(seed: int) -> None:
    check(seed)


def test_a_seed_repeats_itself_exactly() -> None:
    assert check(7) == check(7)


@pytest.mark.parametrize("mutant", mutants.MUTANTS if ALL else QUICK, ids=lambda each: each.__name__)
def test_a_broken_rule_is_noticed(mutant: type[Protocol]) -> None:
    killed_at, said = seeds_until_killed(mutant, most=2_000 if ALL else 40)
    assert killed_at is not None, said
