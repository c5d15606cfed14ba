"""The dead-man switch: one owner, one chain, and no new order while it is not kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alerts.models import AuditEvent
from markets.venues.base import VenueUnavailable
from markets.venues.trading import HeartbeatRefused
from orders.models import Account, HeartbeatState
from orders.selectors.heartbeat import heartbeat_ok
from orders.services import heartbeat, keyholder
from orders.services.heartbeat import HeartbeatError, heartbeat_set, heartbeats_beat
from tests.factories.orders import AT, account_make

pytestmark = pytest.mark.django_db


class Venue:
    """Keeps one key's chain as the exchange does; answers can get lost on their way back."""

    def __init__(self) -> None:
        self.expected, self.accepted, self.lost, self.down = "", 0, False, False

    def gateway(self, account_id: int) -> Venue:
        return self

    def forget(self, account_id: int) -> None: ...

    def heartbeat(self, given: str) -> str:
        if self.down:
            raise VenueUnavailable("no answer")
        if given != self.expected:
            raise HeartbeatRefused("wrong id", expected_id=self.expected)
        self.accepted += 1
        self.expected = f"id-{self.accepted}"
        if self.lost:
            self.lost = False
            raise VenueUnavailable("the answer got lost")
        return self.expected


@pytest.fixture
def venue(request: pytest.FixtureRequest) -> Any:
    made: Any = Venue()
    keyholder.install(gateways=made)
    request.addfinalizer(keyholder.install)
    return made


@pytest.fixture
def account() -> Account:
    made = account_make()
    # The row's environment never changes afterwards: this one is made as the live path has it.
    return Account.objects.create(
        name="sandbox 1", owner=made.owner, venue=made.venue, environment="sandbox", connection="ready"
    )


def state(account: Account) -> HeartbeatState:
    return HeartbeatState.objects.get(pk=account.pk)


def test_without_a_wish_there_is_none_and_orders_go(account: Account, venue: Venue) -> None:
    assert heartbeats_beat(AT) == 0
    assert (venue.accepted, heartbeat_ok(account.pk, AT)) == (0, True)


def test_it_is_armed_when_a_person_asks_and_ids_are_chained(account: Account, venue: Venue) -> None:
    assert heartbeat_set(account.pk, wanted=True, by="ada", now=AT)
    assert not heartbeat_set(account.pk, wanted=True, by="ada", now=AT)
    assert not heartbeat_ok(account.pk, AT)  # wanted, and never accepted
    for second in (0, 4, 8):
        assert heartbeats_beat(AT + timedelta(seconds=second)) == 1
    assert (venue.accepted, state(account).heartbeat_id, state(account).armed_at) == (3, "id-3", AT)
    assert heartbeat_ok(account.pk, AT + timedelta(seconds=15))
    assert not heartbeat_ok(account.pk, AT + timedelta(seconds=17))


def test_a_lost_answer_may_have_armed_it_and_the_chain_is_taken_up(account: Account, venue: Venue) -> None:
    heartbeat_set(account.pk, wanted=True, by="ada", now=AT)
    venue.lost = True
    assert heartbeats_beat(AT) == 0
    assert (state(account).armed_at, state(account).last_ok_at, state(account).failures) == (AT, None, 1)
    assert heartbeats_beat(AT + timedelta(seconds=4)) == 1
    assert (state(account).heartbeat_id, state(account).failures) == ("id-2", 0)
    kinds = AuditEvent.objects.filter(kind__startswith="heartbeat.").order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["heartbeat.wanted", "heartbeat.failed", "heartbeat.back"]


def test_a_key_has_one_owner_until_its_lease_runs_out(account: Account, venue: Venue) -> None:
    heartbeat_set(account.pk, wanted=True, by="ada", now=AT)
    assert heartbeats_beat(AT, me="first") == 1
    assert heartbeats_beat(AT + timedelta(seconds=4), me="second") == 0
    later = AT + timedelta(seconds=heartbeat.LEASE_S + 1)  # the first one crashed
    assert heartbeats_beat(later, me="second") == 1
    assert heartbeats_beat(later, me="first") == 0
    assert state(account).owner == "second"


@pytest.mark.django_db(transaction=True)  # as its thread runs it: nothing around it opens a transaction
def test_an_outage_denies_orders_and_is_said_once(account: Account, venue: Venue) -> None:
    heartbeat_set(account.pk, wanted=True, by="ada", now=AT)
    heartbeats_beat(AT)
    venue.down = True
    for second in (4, 8, 12):
        assert heartbeats_beat(AT + timedelta(seconds=second)) == 0
    assert not heartbeat_ok(account.pk, AT + timedelta(seconds=12))
    assert (state(account).failures, AuditEvent.objects.filter(kind="heartbeat.failed").count()) == (3, 1)
    venue.down, venue.expected = False, ""  # the venue forgot the key when it cancelled everything
    assert heartbeats_beat(AT + timedelta(seconds=16)) == 1


def test_dropping_it_says_what_the_venue_will_do(account: Account, venue: Venue) -> None:
    heartbeat_set(account.pk, wanted=True, by="ada", now=AT)
    heartbeats_beat(AT)
    assert heartbeat_set(account.pk, wanted=False, by="ada", now=AT)
    assert "cancels all orders" in state(account).note
    assert (heartbeats_beat(AT), heartbeat_ok(account.pk, AT)) == (0, True)


def test_a_process_without_credentials_leaves_it_alone(account: Account) -> None:
    heartbeat_set(account.pk, wanted=True, by="ada", now=AT)
    assert heartbeats_beat(AT) == 0
    assert state(account).failures == 0


def test_a_paper_account_has_none() -> None:
    with pytest.raises(HeartbeatError, match="paper account"):
        heartbeat_set(account_make().pk, wanted=True, by="ada", now=AT)
