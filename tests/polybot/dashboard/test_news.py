"""News: nothing that is written down is missed, and nobody waits for a queue."""

from __future__ import annotations

import pytest

from alerts.services import journal
from polybot.dashboard.news import Listener, Notice, look, topics_of

pytestmark = pytest.mark.django_db


def write(kind: str, account_id: int | None = None) -> int:
    return journal.event_record_alone(kind, "x", account_id=account_id)


def test_the_first_look_only_says_where_one_stands() -> None:
    newest = write("order.filled")
    seen = look(0, ticked=None, slow=False)
    assert seen.version == newest and seen.notices == (Notice(newest, frozenset(), None),)


def test_later_looks_tell_each_kind_once_per_account() -> None:
    start = write("desk.started")
    for _ in range(3):
        write("order.live", account_id=1)
    newest = write("order.filled", account_id=2)
    seen = look(start, ticked=None, slow=False)
    assert set(seen.notices) == {
        Notice(newest, frozenset({"orders"}), 1),
        Notice(newest, frozenset({"orders", "positions"}), 2),
    }
    assert look(newest, ticked=None, slow=False).notices == ()


def test_processes_and_strategies_are_looked_at_now_and_then() -> None:
    newest = write("desk.started")
    assert look(newest, ticked=None, slow=True).notices == (Notice(newest, frozenset({"system"}), None),)


@pytest.mark.parametrize(
    ("kind", "topics"),
    [
        ("order.submitted", {"orders"}),
        ("position.settled", {"orders", "positions"}),
        ("strategy.paused", {"strategies"}),
        ("risk.killed", {"risk", "orders"}),
        ("feed.stale", {"system"}),
        ("something.new", {"system"}),
    ],
)
def test_what_a_kind_may_change(kind: str, topics: set[str]) -> None:
    assert topics_of(kind) == topics


def test_a_slow_listener_holds_one_set_and_not_a_queue() -> None:
    listener = Listener()
    for version in range(1, 1000):
        listener.put(Notice(version, frozenset({"orders"}), 7))
    assert listener.take() == (999, {7: {"orders"}})
    assert listener.take() == (999, {})
