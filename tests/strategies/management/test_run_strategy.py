"""`run_strategy`: one tick by hand, in words; and a dry one that leaves nothing behind."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from orders.models import Order
from strategies.models import Decision
from strategies.services import states
from tests.factories.strategies import desk_make, live_market, pair_publish, strategy_make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean")]


def _run(*words: str) -> str:
    out = StringIO()
    call_command("run_strategy", *words, stdout=out)
    return out.getvalue()


@pytest.fixture
def maker() -> Any:
    now = timezone.now()
    pair_publish(live_market(now=now), "0.48", "0.52", now=now)
    parameters = {"half_spread": "0.02", "fair_value": "mid", "volatility_factor": "0"}
    config = strategy_make("market_making", account=desk_make(), name="by-hand", parameters=parameters, now=now)
    states.strategy_start(config.pk, by="test", now=now)
    return config


def test_a_dry_run_says_what_it_would_want_and_stores_nothing(maker: Any) -> None:
    said = _run("by-hand", "--dry")
    assert "by-hand: sees 1 markets, 2 books" in said
    assert "wants quote buy 20 at 0.48" in said
    assert (Decision.objects.count(), Order.objects.count()) == (0, 0)


def test_a_tick_by_hand_is_a_tick(maker: Any) -> None:
    said = _run(str(maker.pk))
    assert "by-hand: decided 1, unchanged 0, failed 0" in said
    assert "by manual: 2 placed" in said
    assert Order.objects.filter(state="sending").count() == 2


def test_what_cannot_be_ticked_says_what_to_do(maker: Any) -> None:
    with pytest.raises(CommandError, match="there is no strategy 'nobody'; known: by-hand"):
        _run("nobody")
    states.strategy_stop(maker.pk, by="test", now=timezone.now())
    with pytest.raises(CommandError, match="by-hand is stopped: start it first"):
        _run("by-hand")
