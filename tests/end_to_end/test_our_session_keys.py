"""Our desk with a session key: authorised by the wallet's owner through the official client, connected, trading."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.contrib.auth import get_user_model
from polymarket import SecureClient
from polymarket._internal.environment import PRODUCTION_CONFIG, create_environment
from polymarket.auth import BuilderApiKey

from markets.domain.answers import ACCEPTED
from markets.domain.instruments import Side
from markets.venues.polymarket.wallets import deposit_wallet
from orders.domain.lifecycle import Environment
from orders.domain.private_keys import address_of_key, key_new
from orders.domain.wallet_entry import wallet_entry
from orders.models import Account
from orders.services.accounts import account_open
from orders.services.connecting import account_connect
from tests.live_desk import LiveDesk

pytestmark = pytest.mark.django_db


def test_an_account_trades_with_a_session_key_of_a_deposit_wallet(live_desk: LiveDesk) -> None:
    owner, session = key_new(), key_new()
    wallet = deposit_wallet(address_of_key(owner))
    urls = live_desk.exchange.urls
    config = replace(
        PRODUCTION_CONFIG, clob_url=urls["clob"], relayer_url=urls["relayer"], gamma_url=urls["gamma"],
        data_url=urls["data"], rpc_url=urls["rpc"],
    )  # fmt: skip
    environment = create_environment(name="local", config=config)
    given = {"private_key": "0x" + owner.hex(), "wallet": wallet, "environment": environment}
    with SecureClient.create(**given) as client:
        made = client.create_builder_api_key()
    builder = BuilderApiKey(key=made.key, secret=made.secret, passphrase=made.passphrase)
    with SecureClient.create(**given, api_key=builder) as client:
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
