"""Signed requests outside the book are byte-equal to the official client's and to eth-account's."""

from __future__ import annotations

import json
import random

import coincurve
import pytest
from eth_account import Account
from polymarket._internal.actions.relayer import gasless
from polymarket._internal.actions.relayer.calls import (
    TransactionCall,
    encode_proxy_call,
    encode_safe_multisend_call,
)
from polymarket._internal.actions.relayer.signing.deposit_wallet import sign_deposit_wallet_batch
from polymarket._internal.actions.relayer.signing.proxy import build_proxy_transaction_hash, sign_proxy_message
from polymarket._internal.actions.relayer.signing.safe import sign_safe_transaction

from markets.venues.chain import GasFacts, RelayFacts
from markets.venues.polymarket.calls import ADAPTER, COLLATERAL, Call, CallError
from markets.venues.polymarket.transactions import (
    PROXY_GAS_LIMIT,
    RELAY_HUB,
    SAFE_MULTISEND,
    relayer_body,
    transaction_body,
    transaction_hash,
)
from markets.venues.polymarket.wallets import DEPOSIT_FACTORY, PROXY_FACTORY, WalletKind, wallets_of

KEY = bytes.fromhex("11" * 32)
SIGNER = Account.from_key(KEY)
WALLETS = wallets_of(SIGNER.address)
RELAY = "0x00000000000000000000000000000000000ecA11"


def sign(digest: bytes) -> bytes:
    made = coincurve.PrivateKey(KEY).sign_recoverable(digest, hasher=None)
    return made[:64] + bytes((made[64] + 27,))


def some_calls(rng: random.Random, count: int) -> list[Call]:
    return [Call(to=rng.choice((ADAPTER, COLLATERAL)), data=rng.randbytes(rng.randint(4, 200))) for _ in range(count)]


def theirs(calls: list[Call]) -> list[TransactionCall]:
    return [TransactionCall(to=c.to, data="0x" + c.data.hex()) for c in calls]  # type: ignore[arg-type]


def made(kind: WalletKind, calls: list[Call], facts: RelayFacts) -> dict[str, object]:
    body = relayer_body(
        kind,
        calls,
        facts,
        owner=SIGNER.address,
        wallet=WALLETS[kind],
        chain_id=137,
        metadata="merge",
        sign=sign,
    )
    return dict(json.loads(body))


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("seed", range(10))
def test_batches_equal_the_official_clients(seed: int, count: int) -> None:
    rng = random.Random(f"{seed}:{count}")
    calls, nonce, deadline = some_calls(rng, count), rng.randint(0, 10**6), 1_800_000_000
    for kind in (WalletKind.DEPOSIT_BEACON, WalletKind.DEPOSIT_UUPS):
        signature = sign_deposit_wallet_batch(
            SIGNER,
            wallet=WALLETS[kind],  # type: ignore[arg-type]
            calls=theirs(calls),
            nonce=str(nonce),
            deadline=str(deadline),
            chain_id=137,
        )
        expected = gasless.build_deposit_wallet_payload(
            signer_address=SIGNER.address,
            deposit_wallet_factory=DEPOSIT_FACTORY,
            wallet=WALLETS[kind],  # type: ignore[arg-type]
            calls=theirs(calls),
            nonce=str(nonce),
            deadline=str(deadline),
            signature=signature,
            metadata="merge",
        )
        assert made(kind, calls, RelayFacts(nonce=nonce, deadline_s=deadline)) == expected

    several = count > 1
    target = SAFE_MULTISEND if several else calls[0].to
    data = encode_safe_multisend_call(theirs(calls)) if several else "0x" + calls[0].data.hex()
    signed = sign_safe_transaction(
        SIGNER,
        safe_address=WALLETS[WalletKind.SAFE],  # type: ignore[arg-type]
        to=target,  # type: ignore[arg-type]
        data=data,  # type: ignore[arg-type]
        value=0,
        operation=int(several),
        nonce=str(nonce),
        chain_id=137,
    )
    expected = gasless.build_safe_payload(
        signer_address=SIGNER.address,
        wallet=WALLETS[WalletKind.SAFE],  # type: ignore[arg-type]
        target=target,  # type: ignore[arg-type]
        data=data,  # type: ignore[arg-type]
        value=0,
        operation=int(several),
        nonce=str(nonce),
        signature=signed,
        metadata="merge",
    )
    assert made(WalletKind.SAFE, calls, RelayFacts(nonce=nonce)) == expected

    proxied = encode_proxy_call(theirs(calls))
    limit = str(PROXY_GAS_LIMIT * count)
    hashed = build_proxy_transaction_hash(
        from_address=SIGNER.address,
        to=PROXY_FACTORY,  # type: ignore[arg-type]
        data=proxied,
        relayer_fee="0",
        gas_price="0",
        gas_limit=limit,
        nonce=str(nonce),
        relay_hub=RELAY_HUB,  # type: ignore[arg-type]
        relay=RELAY,  # type: ignore[arg-type]
    )
    expected = gasless.build_proxy_payload(
        signer_address=SIGNER.address,
        proxy_factory=PROXY_FACTORY,
        wallet=WALLETS[WalletKind.PROXY],  # type: ignore[arg-type]
        data=proxied,
        nonce=str(nonce),
        signature=sign_proxy_message(SIGNER, hashed),
        gas_limit=limit,
        relay=RELAY,  # type: ignore[arg-type]
        relay_hub=RELAY_HUB,
        metadata="merge",
    )
    assert made(WalletKind.PROXY, calls, RelayFacts(nonce=nonce, relay=RELAY)) == expected


@pytest.mark.parametrize("seed", range(30))
def test_a_transaction_and_its_hash_equal_eth_accounts(seed: int) -> None:
    rng = random.Random(seed)
    call = some_calls(rng, 1)[0]
    facts = GasFacts(
        nonce=rng.choice((0, 1, 127, 128, 10**6)),
        gas=rng.randint(21_000, 10**6),
        max_fee=rng.randint(0, 10**12),
        priority_fee=rng.randint(0, 10**11),
    )
    raw = transaction_body(call, facts, chain_id=137, sign=sign)
    expected = SIGNER.sign_transaction(
        {
            "chainId": 137,
            "nonce": facts.nonce,
            "maxPriorityFeePerGas": facts.priority_fee,
            "maxFeePerGas": facts.max_fee,
            "gas": facts.gas,
            "to": call.to,
            "value": 0,
            "data": call.data,
        }
    )
    assert raw == bytes(expected.raw_transaction)
    assert transaction_hash(raw) == "0x" + bytes(expected.hash).hex()


def test_what_the_relayer_cannot_take_is_refused_before_it_is_signed() -> None:
    def never(_: bytes) -> bytes:
        raise AssertionError("signed")

    calls = some_calls(random.Random(1), 1)
    for kind, batch, words in (
        (WalletKind.SAFE, [], ""),
        (WalletKind.SAFE, calls, "x" * 501),
        (WalletKind.EOA, calls, ""),
    ):
        with pytest.raises(CallError):
            relayer_body(
                kind, batch, RelayFacts(nonce=1), owner=SIGNER.address, wallet="", chain_id=137, metadata=words,
                sign=never,
            )  # fmt: skip
