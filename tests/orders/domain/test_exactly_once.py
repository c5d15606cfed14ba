"""A fill counts once and is voided at most once."""

from __future__ import annotations

import itertools
import random

import pytest

from orders.domain.exactly_once import SettlementConflict, Stage, TradePart, after_message, counted_change


def told(stages: tuple[Stage, ...], size: int = 10) -> tuple[TradePart, list[int]]:
    part, booked = None, []
    for stage in stages:
        after = after_message(part, size=size, stage=stage)
        booked.append(counted_change(part, after))
        part = after
    assert part is not None
    return part, booked


def test_a_fill_is_booked_once_however_often_it_is_told() -> None:
    part, booked = told((Stage.MATCHED, Stage.MATCHED, Stage.MINED, Stage.MATCHED, Stage.CONFIRMED, Stage.CONFIRMED))
    assert booked == [10, 0, 0, 0, 0, 0]
    assert (part.counted, part.confirmed) == (10, 10)


def test_a_failed_trade_is_taken_back_once() -> None:
    part, booked = told((Stage.MATCHED, Stage.RETRYING, Stage.FAILED, Stage.FAILED, Stage.MATCHED, Stage.MINED))
    assert booked == [10, 0, -10, 0, 0, 0]
    assert (part.counted, part.confirmed) == (0, 0)


def test_a_failure_told_first_books_nothing_ever() -> None:
    assert told((Stage.FAILED, Stage.MATCHED, Stage.MINED))[1] == [0, 0, 0]


@pytest.mark.parametrize("end", [Stage.CONFIRMED, Stage.FAILED])
def test_every_order_of_the_messages_ends_the_same(end: Stage) -> None:
    for stages in itertools.permutations((Stage.MATCHED, Stage.MINED, Stage.RETRYING, end)):
        part, booked = told(stages)
        assert part == TradePart(size=10, stage=end)
        assert sum(booked) == part.counted


def test_random_repetition_changes_nothing() -> None:
    rng = random.Random(7)
    for _ in range(500):
        stages = [rng.choice(list(Stage)[:3]) for _ in range(rng.randint(1, 6))]
        again = [*stages, *rng.choices(stages, k=4)]
        rng.shuffle(again)
        assert told(tuple(stages))[0] == told(tuple(again))[0]


def test_a_second_end_or_another_size_is_a_conflict() -> None:
    for first, second in ((Stage.CONFIRMED, Stage.FAILED), (Stage.FAILED, Stage.CONFIRMED)):
        with pytest.raises(SettlementConflict, match=f"{first} is now told as {second}"):
            told((first, second))
    with pytest.raises(SettlementConflict, match="a trade of 10 is now told as 11"):
        after_message(TradePart(size=10, stage=Stage.MATCHED), size=11, stage=Stage.MATCHED)
