"""Every obstacle of an account that sends to a venue is named, with its number and what to do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from markets.models import Block
from orders.models import ExternalOrder, StreamState, VenueCondition
from polybot.dashboard.readiness import Ready, ready_get
from tests.factories.orders import account_make, venue_account_make

pytestmark = pytest.mark.django_db


def failing(ready: Ready) -> dict[str, str]:
    return {check.label: check.reason for check in ready.checks if not check.passed}


def test_a_live_account_that_nobody_measured_names_each_obstacle() -> None:
    account = venue_account_make("live", connection="failed", connection_note="wrong key", reconciled_at=None)
    now = timezone.now()
    ExternalOrder.objects.create(
        account=account, venue_order_id="0x1", state="live", first_seen_at=now, last_seen_at=now
    )
    said = failing(ready_get(account.pk, now=now))
    assert "wrong key" in said["Connected"]
    assert "never connected" in said["User stream"]
    assert "never reconciled" in said["Reconciled"]
    assert "never compared" in said["Clock"]
    assert "never asked" in said["Trading allowed here"]
    assert "2 missing" in said["Live permits"] and "not permitted" in said["Live permits"]
    assert "(0x1)" in said["Orders not made here"]


def test_a_sandbox_account_that_is_well_has_no_obstacle_at_the_venue() -> None:
    now = timezone.now()
    account = venue_account_make("sandbox", reconciled_at=now)
    StreamState.objects.create(account=account, last_alive_at=now, updated_at=now)
    VenueCondition.objects.create(venue="polymarket", environment="sandbox", clock_offset_ms=10, clock_at=now)
    at_the_venue = {"Connected", "User stream", "Reconciled", "Clock", "Live permits", "Orders not made here"}
    assert not at_the_venue & failing(ready_get(account.pk, now=now + timedelta(seconds=5))).keys()
    late = failing(ready_get(account.pk, now=now + timedelta(seconds=16)))
    assert late["User stream"].startswith("User stream: 16 s of 15 s.")


def test_a_block_of_the_venue_is_named_for_paper_too() -> None:
    account = account_make("100")
    now = timezone.now()
    assert "Venue not blocked" not in failing(ready_get(account.pk, now=now))
    Block.objects.create(venue="polymarket", cause="drift", reason="a new field: haircut", created_at=now)
    assert "haircut" in failing(ready_get(account.pk, now=now))["Venue not blocked"]
