"""The states of a transaction outside the book, and what balances on the chain prove."""

from __future__ import annotations

import pytest

from orders.domain.chain import (
    ENDED,
    NEVER_SENT,
    OPEN,
    TRANSITIONS,
    UNDERWAY,
    ChainState,
    ChainStateError,
    check_step,
    shown_effect,
)


def test_what_ended_stays_ended_and_what_was_sent_is_never_called_off() -> None:
    assert not [step for step in TRANSITIONS if step[0] in ENDED]
    assert {before for before, after in TRANSITIONS if after is ChainState.CANCELED} == NEVER_SENT
    with pytest.raises(ChainStateError, match="pending cannot become wanted"):
        check_step(ChainState.PENDING, ChainState.WANTED)


def test_an_unknown_outcome_is_never_signed_anew() -> None:
    assert (ChainState.UNKNOWN, ChainState.WANTED) not in TRANSITIONS
    assert (ChainState.UNKNOWN, ChainState.SIGNED) not in TRANSITIONS
    assert (ChainState.UNKNOWN, ChainState.CANCELED) not in TRANSITIONS


def test_every_state_can_be_reached_and_left() -> None:
    reached, edge = set(), {ChainState.PREVIEW}
    while edge:
        reached |= edge
        edge = {after for before, after in TRANSITIONS if before in edge} - reached
    assert reached == set(ChainState)
    assert {before for before, _ in TRANSITIONS} == set(ChainState) - ENDED
    assert UNDERWAY < OPEN and not OPEN & ENDED


@pytest.mark.parametrize(
    ("now", "shown"),
    [
        ({"a": 15, "b": 5}, True),
        ({"a": 10, "b": 0}, False),
        ({"a": 15, "b": 0}, None),  # half of it: something else moved
        ({"a": 16, "b": 5}, None),
        ({"a": 15}, None),
    ],
)
def test_only_all_or_nothing_proves_anything(now: dict[str, int], shown: bool | None) -> None:
    assert shown_effect({"a": 10, "b": 0}, now, {"a": 5, "b": 5}) is shown
    assert shown_effect({}, {}, {}) is None
