"""Tapes get the numbers of the replay, whatever the archive called them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backtests.domain.numbering import markets_group
from backtests.domain.replay import markets_number
from backtests.domain.request import RequestError
from tests.backtests.tapes import TapeMaker, facts_make


def _tape(number: int, at: int = 0, **values):
    return TapeMaker(facts_make(number, **values)).book(at, bids=[("0.5", "1")]).tape()


def test_markets_are_numbered_as_they_appear_and_days_of_one_share_a_number():
    tapes = markets_number([_tape(7), _tape(3), _tape(7, at=1_000)])
    assert [t.facts.market_id for t in tapes] == [1, 2, 1]
    assert [[o.outcome_id for o in t.facts.outcomes] for t in tapes] == [[1, 2], [3, 4], [1, 2]]
    first, second = markets_group(tapes)
    assert [t.start_ns for t in first] == sorted(t.start_ns for t in first)
    assert len(first) == 2 and len(second) == 1


def test_markets_of_one_event_share_its_number_and_one_without_an_event_stands_alone():
    shared = {"event_slug": "final", "neg_risk": True}
    alone = {"event_slug": "", "event_id": 0}
    tapes = markets_number([_tape(1, **shared), _tape(2, **alone), _tape(3, **shared), _tape(4, **alone)])
    assert [t.facts.event_id for t in tapes] == [1, 2, 1, 3]


def test_overlapping_days_and_markets_of_three_outcomes_are_refused():
    overlapping = markets_number([_tape(1).cut(0, 2**62), TapeMaker(facts_make(1)).book(-5).book(5).tape()])
    with pytest.raises(RequestError, match="overlap"):
        markets_group(overlapping)
    facts = facts_make(1)
    third = replace(facts.outcomes[0], index=2)
    with pytest.raises(RequestError, match="3 outcomes"):
        markets_number([TapeMaker(replace(facts, outcomes=(*facts.outcomes, third))).book(0).tape()])
