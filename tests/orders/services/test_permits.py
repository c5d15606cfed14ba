"""The live approval chain: three links, each deliberate, each revocable, none of them skipped by the signer."""

from __future__ import annotations

from typing import Any

import pytest

from alerts.models import AuditEvent
from markets.domain.instruments import Venue
from markets.venues.trading_registry import order_maker
from orders.domain.lifecycle import Environment
from orders.models import Account, VenueCondition
from orders.selectors.permits import permits_missing
from orders.services import keyholder
from orders.services.keyholder import KeyRefused
from orders.services.permits import PHRASE, PermitError, permit_grant, permit_revoke
from tests.factories.orders import account_make
from tests.live_desk import LiveDesk
from tests.orders.services.test_signer import terms

pytestmark = pytest.mark.django_db
STRATEGY = 5


@pytest.fixture
def live(live_desk: LiveDesk, settings: Any) -> Account:
    settings.POLYBOT_VENUE = "polymarket"  # the protocol's hosts, here those of the local exchange
    return live_desk.account("safe", environment=Environment.LIVE)


def grant(scope: str, subject_id: int = 0, **values: Any) -> Any:
    fields = {"reason": "we are ready", "phrase": PHRASE, "by": "ada", **values}
    return permit_grant(scope=scope, subject_id=subject_id, **fields)


def test_a_live_account_signs_nothing_until_every_link_stands(live: Account) -> None:
    signer = keyholder.signer()
    unsigned = signer.prepare(live.pk, terms(), maker=order_maker(Venue.POLYMARKET))
    assert len(permits_missing(live.pk, STRATEGY)) == 3 and len(permits_missing(live.pk, None)) == 2
    with pytest.raises(KeyRefused, match="not permitted on this installation"):
        signer.sign(live.pk, unsigned)
    grant("installation")
    grant("strategy", STRATEGY)
    with pytest.raises(KeyRefused, match="is not permitted to trade live"):
        signer.sign(live.pk, unsigned)
    grant("account", live.pk)
    assert permits_missing(live.pk, STRATEGY) == [] and permits_missing(live.pk, 6) != []
    assert signer.sign(live.pk, unsigned)
    assert permit_revoke(scope="installation", by="ada") and not permit_revoke(scope="installation", by="ada")
    with pytest.raises(KeyRefused, match="not permitted on this installation"):
        signer.sign(live.pk, unsigned)
    assert list(AuditEvent.objects.filter(stream="permits").values_list("kind", flat=True)) == [
        *["permit.granted"] * 3,
        "permit.revoked",
    ]


def test_play_money_needs_no_permit(live_desk: LiveDesk) -> None:
    assert permits_missing(live_desk.account().pk, STRATEGY) == []
    assert permits_missing(account_make().pk, STRATEGY) == []
    assert permits_missing(999_999, None) != []


def test_a_permit_wants_its_phrase_a_reason_and_a_subject_that_can_have_one(live: Account) -> None:
    paper = account_make()
    for scope, subject_id, change, reason in (
        ("installation", 0, {"phrase": "yes"}, "type"),
        ("installation", 0, {"reason": " "}, "say why"),
        ("installation", 3, {}, "no number"),
        ("everything", 0, {}, "none of"),
        ("account", 0, {}, "which account"),
        ("account", 10**9, {}, "there is no account"),
        ("account", paper.pk, {}, "only live ones"),
    ):
        with pytest.raises(PermitError, match=reason):
            grant(scope, subject_id, **change)
    assert grant("account", live.pk, phrase="  Trade with REAL money ").pk == grant("account", live.pk).pk


def test_no_permit_where_the_venue_blocks_this_place(live: Account) -> None:
    VenueCondition.objects.filter(environment="live").update(blocked=True)
    with pytest.raises(PermitError, match="does not let this place trade"):
        grant("installation")
