"""Our desk with a session key: authorised by the wallet's owner through the official client, connected, trading."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from polymarket import SecureClient

from markets.domain.answers import ACCEPTED
from markets.domain.instruments import Side
from markets.venues.polymarket.wallets import deposit_wallet
from orders.domain.lifecycle import Environment
from orders.domain.private_keys import address_of_key, key_new
from orders.domain.wallet_entry import wallet_entry
from orders.models import Account
from orders.services.accounts import account_open
from orders.services.connecting import account_connect
from tests.end_to_end.official_kit import builder_key, environment_of
from tests.live_desk import LiveDesk

pytestmark = pytest.mark.django_db


def test_an_account_trades_with_a_session_key_of_a_deposit_wallet(live_desk: LiveDesk) -> None:
    owner, session = key_new(), key_new()
    wallet = deposit_wallet(address_of_key(owner))
    key, environment = "0x" + owner.hex(), environment_of(live_desk.exchange.urls)
    builder = builder_key(key, wallet, environment)
    with SecureClient.create(private_key=key, wallet=wallet, environment=environment, api_key=builder) as client:
        client.authorize_session_key(address=address_of_key(session))
    account = account_open(
        name="session",
        owner=get_user_model().objects.create_user("ada"),
        environment=Environment.SANDBOX,
        wallet=wallet_entry(session, wallet=wallet, is_session=True),
    )
    assert account_connect(account.pk), Account.objects.get().connection_note
    order_id, sent = live_desk.post_foreign(account, live_desk.outcome(5), Side.BUY, "0.02", "100")
    assert sent.answer.kind in ACCEPTED, sent
    assert live_desk.gateway(account).order(order_id) is not None
