"""Which point a search tries next by TPE, through optuna: the trials so far are told, one answer is asked for.

No study is kept: it is made anew from the stored trials, so a search goes on after any interruption. Axes are told as
positions among their values, so that an answer is always a value that the axis has.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from backtests.domain.search.space import Assignment, Space

STARTUP_TRIALS = 10  # drawn at random before the model is asked
_ATTEMPTS = 8  # to be offered a point that was not tried yet


def tpe_next(space: Space, tried: Sequence[tuple[Assignment, float | None]], *, seed: int) -> Assignment | None:
    """Return a point that was not tried yet; None when all were. An objective of None is told as a failure.

    The same space, trials and seed give the same answer.
    """
    import optuna

    known = {assignment for assignment, _ in tried}
    if len(known) >= space.size:
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kinds = {axis.path: optuna.distributions.IntDistribution(0, len(axis.values) - 1) for axis in space.axes}
    for attempt in range(_ATTEMPTS):
        sampler = optuna.samplers.TPESampler(
            seed=(seed * 1_000_003 + len(tried) * _ATTEMPTS + attempt) % 2**32, n_startup_trials=STARTUP_TRIALS
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for assignment, value in tried:
            study.add_trial(
                optuna.trial.create_trial(
                    params={
                        axis.path: axis.values.index(chosen)
                        for axis, chosen in zip(space.axes, assignment, strict=True)
                    },
                    distributions=kinds,
                    value=value,
                    state=optuna.trial.TrialState.FAIL if value is None else optuna.trial.TrialState.COMPLETE,
                )
            )
        asked = study.ask(fixed_distributions=kinds)
        found = tuple(axis.values[asked.params[axis.path]] for axis in space.axes)
        if found not in known:
            return found
    # The model insists on what it knows: take any point that is left.
    rng = random.Random(f"{seed}:{len(tried)}")  # noqa: S311 - it chooses parameters, not keys
    while (found := tuple(rng.choice(axis.values) for axis in space.axes)) in known:
        continue
    return found
