"""What was refused is asked again, later and later."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from strategies.domain.cycle import Plan
from strategies.domain.patience import is_refused_again, pause_s, signature
from tests.factories.risk import AT, wanted


def test_pauses_double_up_to_a_minute():
    assert [pause_s(n) for n in range(1, 8)] == [5, 10, 20, 40, 60, 60, 60]
    assert pause_s(10_000) == 60


def test_only_the_same_wish_waits_and_only_until_its_time():
    one = wanted()
    plan = Plan(placements=(one,), stale_order_ids=())
    known = signature([one])
    later = AT + timedelta(seconds=5)

    def waits(plan, refused=known, now=AT, observes=False):
        return is_refused_again(plan, refused=refused, retry_at=later, now=now, observes=observes)

    assert waits(plan)
    assert not waits(plan, now=later)
    assert not waits(plan, refused=frozenset())
    assert not waits(replace(plan, placements=(replace(one, price=one.price + 10_000),)))
    assert not waits(replace(plan, stale_order_ids=(7,)))  # there is something to cancel
    assert waits(replace(plan, stale_order_ids=(7,)), observes=True)  # which who only observes never does
