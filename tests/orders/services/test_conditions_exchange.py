"""The venue's real probe against the local exchange: clock, place and version are measured and facts are read."""

from __future__ import annotations

import pytest
from django.utils import timezone

from markets.domain.instruments import Venue
from markets.models import Drift
from markets.services.facts import traded_facts_refresh
from markets.services.watch import watch_set
from orders.domain.lifecycle import Environment
from orders.models import VenueCondition
from orders.services.conditions import venue_measure
from tests.live_desk import LiveDesk

pytestmark = pytest.mark.django_db


def test_the_local_exchange_is_measured_and_its_facts_agree(live_desk: LiveDesk) -> None:
    now = timezone.now()
    assert venue_measure(Venue.POLYMARKET, Environment.SANDBOX, now, everything=True)
    row = VenueCondition.objects.get(environment="sandbox")
    assert row.error == "" and abs(row.clock_offset_ms) < 2_000
    assert row.blocked is False and row.version
    outcome = live_desk.outcome()
    watch_set("test", [outcome.pk])
    assert traded_facts_refresh(Venue.POLYMARKET, now=now).confirmed == 1
    assert not Drift.objects.exists()
