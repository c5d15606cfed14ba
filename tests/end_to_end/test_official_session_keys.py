"""A session key through the official client: allowed by a deposit wallet's owner, trading alone, then shut out."""

from __future__ import annotations

import pytest
from eth_account import Account
from polymarket import SecureClient
from polymarket.environments import Environment
from polymarket.errors import RequestRejectedError

from polybot.sandbox.wallets import deposit_wallets
from tests.end_to_end.official_kit import KEYS, builder_key, pick


def test_a_session_key_trades_for_a_deposit_wallet_until_it_is_revoked(
    urls: dict[str, str], environment: Environment
) -> None:
    owner, session = next(KEYS), next(KEYS)
    wallet = deposit_wallets(Account.from_key(owner).address.lower())[0]
    address = Account.from_key(session).address
    market = pick(urls, neg_risk=False)
    builder = builder_key(owner, wallet, environment)
    with SecureClient.create(private_key=owner, wallet=wallet, environment=environment, api_key=builder) as client:
        client.authorize_session_key(address=address)
        assert [str(key.address) for key in client.fetch_session_keys()] == [address]
        with SecureClient.create(private_key=session, wallet=wallet, environment=environment) as trading:
            placed = trading.place_limit_order(
                token_id=market.token_id, side="BUY", price=market.tick, size=10, post_only=True
            )
            assert placed.ok
            assert [order.id for order in trading.list_open_orders().first_page().items] == [placed.order_id]
            assert client.list_open_orders().first_page().items == ()  # each key sees its own
            client.revoke_session_key(address=address)
            assert client.fetch_session_keys() == ()
            with pytest.raises(RequestRejectedError, match="signer address has to be"):
                trading.place_limit_order(token_id=market.token_id, side="BUY", price=market.tick, size=10)
