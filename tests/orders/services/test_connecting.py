"""Accounts at a venue: opened, connected, refused with the reason."""

from __future__ import annotations

import pytest

from markets.domain.answers import ACCEPTED
from markets.domain.instruments import Side
from orders.models import LedgerEntry
from orders.services.invariants import check_invariants
from tests.live_desk import LiveDesk

pytestmark = pytest.mark.django_db

KINDS = ["eoa", "proxy", "safe", "deposit_beacon", "deposit_uups"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_wallet_connects_and_its_order_is_accepted(live_desk: LiveDesk, kind: str) -> None:
    account = live_desk.account(kind, cash="1500")
    assert (account.connection, account.wallet_kind, account.cash) == ("ready", kind, 1500)
    assert set(LedgerEntry.objects.filter(account=account).values_list("book", "amount")) == {
        ("own", 1500),
        ("capital", -1500),
    }
    order_id, sent = live_desk.post_foreign(account, live_desk.outcome(3), Side.BUY, "0.02", "100")
    assert sent.answer.kind in ACCEPTED, sent
    assert live_desk.gateway(account).order(order_id) is not None
    assert check_invariants() == []
