"""A strategy never ticks twice at once, whichever process tries."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import pytest
from django.db import connection

from strategies.services.claims import claimed, leader_claim, leader_is, leader_release

T = TypeVar("T")
pytestmark = pytest.mark.django_db


def _elsewhere(work: Callable[[], T]) -> T:
    """Run `work` with a database session of its own, as another process would."""
    found: list[T] = []

    def run() -> None:
        found.append(work())
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    return found[0]


def _claim(ids: list[int]) -> list[int]:
    with claimed(ids) as mine:
        return list(mine)


def test_what_is_claimed_here_cannot_be_claimed_elsewhere() -> None:
    with claimed([1, 2]) as mine:
        assert mine == [1, 2]
        assert _elsewhere(lambda: _claim([2, 3])) == [3]
    assert _elsewhere(lambda: _claim([1, 2, 3])) == [1, 2, 3]


def test_a_claim_ends_with_its_session() -> None:
    def die() -> None:
        claimed([5]).__enter__()
        connection.close()

    _elsewhere(die)
    assert _claim([5]) == [5]


def test_an_error_inside_gives_the_claim_back() -> None:
    with pytest.raises(ValueError, match="boom"), claimed([7]):
        raise ValueError("boom")
    assert _elsewhere(lambda: _claim([7])) == [7]


def test_one_process_wakes_strategies() -> None:
    assert leader_claim() and leader_is()
    assert _elsewhere(leader_claim) is False
    leader_release()
    assert not leader_is()
    assert _elsewhere(leader_claim) is True
