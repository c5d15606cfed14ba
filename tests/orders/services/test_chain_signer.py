"""What the trader's key signs outside the book: permitted calls of the right wallet, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alerts.models import AuditEvent
from markets.venues.chain import GasFacts, RelayFacts
from markets.venues.polymarket.calls import GRANTS, approve, transfer
from orders.domain.lifecycle import Environment
from orders.models import Account, Secret
from orders.services.chain_signer import TraderChainSigner
from orders.services.keyholder import KeyRefused
from orders.services.secrets import Opener, relayer_key_store, secret_store
from tests.factories.orders import account_make
from tests.live_desk import LiveDesk

pytestmark = pytest.mark.django_db
RELAY = RelayFacts(nonce=3)
GAS = GasFacts(nonce=3, gas=100_000, max_fee=30, priority_fee=1)
ALLOWANCE = approve(GRANTS[0], 5_000_000)
STRANGER = transfer("0x" + "11" * 20, 5_000_000)


def signer_of(desk: LiveDesk) -> TraderChainSigner:
    return TraderChainSigner(Opener([desk.trader_key_file, desk.stream_key_file]))


def refusal_of(account: Account) -> AuditEvent:
    event = AuditEvent.objects.get(kind="keys.signature_refused")
    assert (event.account_id, event.payload, event.severity) == (account.pk, {"limit": "calls"}, "critical")
    return event


def test_a_wallet_signs_batches_of_permitted_calls(live_desk: LiveDesk) -> None:
    account, signer = live_desk.account("safe"), signer_of(live_desk)
    body = json.loads(signer.batch(account.pk, [ALLOWANCE], RELAY, metadata="approve"))
    assert (body["type"], body["proxyWallet"].lower()) == ("SAFE", account.wallet_address.lower())
    assert not AuditEvent.objects.filter(kind="keys.signature_refused").exists()


def test_dollars_leave_for_nobody_elses_wallet(live_desk: LiveDesk) -> None:
    account, signer = live_desk.account("safe"), signer_of(live_desk)
    with pytest.raises(KeyRefused, match="the signer refused"):
        signer.batch(account.pk, [ALLOWANCE, STRANGER], RELAY, metadata="approve")
    assert "the signer refused a transaction" in refusal_of(account).message


def test_a_contract_wallet_sends_no_transaction_itself(live_desk: LiveDesk) -> None:
    account = live_desk.account("safe")
    with pytest.raises(KeyRefused, match="only the key's own account"):
        signer_of(live_desk).transaction(account.pk, ALLOWANCE, GAS)
    assert refusal_of(account)


def test_the_keys_own_account_sends_transactions_and_no_batches(live_desk: LiveDesk) -> None:
    account, signer = live_desk.account("eoa"), signer_of(live_desk)
    assert signer.transaction(account.pk, ALLOWANCE, GAS)[0] == 2  # a transaction with a fee cap
    with pytest.raises(KeyRefused, match="the signer refused"):
        signer.transaction(account.pk, STRANGER, GAS)
    refusal_of(account)
    with pytest.raises(KeyRefused, match="transactions, not batches"):
        signer.batch(account.pk, [ALLOWANCE], RELAY, metadata="approve")


def test_real_money_moves_only_with_permits(live_desk: LiveDesk, settings: Any) -> None:
    settings.POLYBOT_VENUE = "polymarket"  # its hosts are those of the local exchange
    account = live_desk.account("safe", environment=Environment.LIVE)
    with pytest.raises(KeyRefused, match="live trading is not approved"):
        signer_of(live_desk).batch(account.pk, [ALLOWANCE], RELAY, metadata="approve")
    assert refusal_of(account)


def test_paper_and_a_key_that_is_not_the_accounts_sign_nothing(live_desk: LiveDesk) -> None:
    signer = signer_of(live_desk)
    with pytest.raises(KeyRefused, match="paper accounts sign nothing"):
        signer.batch(account_make().pk, [ALLOWANCE], RELAY, metadata="approve")
    account = live_desk.account("safe")
    secret_store(account, Secret.Kind.PRIVATE_KEY, b"\7" * 32, public="another")
    with pytest.raises(KeyRefused, match="not the one of"):
        signer.batch(account.pk, [ALLOWANCE], RELAY, metadata="approve")
    secret_store(account, Secret.Kind.PRIVATE_KEY, b"short", public="broken")
    with pytest.raises(KeyRefused) as caught:
        signer.batch(account.pk, [ALLOWANCE], RELAY, metadata="approve")
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_the_relayers_headers_are_there_when_the_account_has_its_key(live_desk: LiveDesk) -> None:
    account, signer = live_desk.account("safe"), signer_of(live_desk)
    assert signer.relayer_headers(account.pk) == {}
    relayer_key_store(account.pk, key="0f5e-key", address="0x" + "22" * 20, by="ada")
    assert signer.relayer_headers(account.pk) == {
        "RELAYER_API_KEY": "0f5e-key", "RELAYER_API_KEY_ADDRESS": "0x" + "22" * 20,
    }  # fmt: skip
    secret_store(account, Secret.Kind.RELAYER_KEY, b"not json", public="broken")
    assert signer.relayer_headers(account.pk) == {}
    assert repr(signer) == "TraderChainSigner()"
