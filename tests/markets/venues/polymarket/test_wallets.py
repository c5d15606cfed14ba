"""Account addresses against the official client's derivation."""

from __future__ import annotations

import random

import coincurve
import pytest
from eth_utils.address import to_checksum_address
from polymarket._internal import wallet as referee
from polymarket._internal.environment import PRODUCTION_CONFIG
from polymarket._internal.protocol import is_v2_position_id
from py_clob_client_v2.config import get_contract_config

from markets.venues.polymarket import wallets
from markets.venues.polymarket.wallets import AddressError, SignatureType, WalletKind

CONFIG = PRODUCTION_CONFIG.wallet_derivation
OWNER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def test_the_five_accounts_of_a_key_equal_the_official_clients() -> None:
    rng = random.Random(8)
    for _ in range(100):
        owner = to_checksum_address(rng.randbytes(20))
        assert wallets.wallets_of(owner) == {
            WalletKind.EOA: owner,
            WalletKind.PROXY: referee.derive_proxy_wallet_address(owner, CONFIG),
            WalletKind.SAFE: referee.derive_safe_wallet_address(owner, CONFIG),
            WalletKind.DEPOSIT_BEACON: referee.derive_beacon_deposit_wallet_address(owner, CONFIG),
            WalletKind.DEPOSIT_UUPS: referee.derive_uups_deposit_wallet_address(owner, CONFIG),
        }


def test_a_public_key_has_one_address_with_and_without_its_prefix() -> None:
    secret = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
    point = coincurve.PublicKey.from_secret(secret).format(compressed=False)
    assert wallets.address_of_public_key(point) == wallets.address_of_public_key(point[1:]) == OWNER


def test_an_account_is_recognised_by_its_address_as_the_official_client_does() -> None:
    names = {
        SignatureType.EOA: "EOA",
        SignatureType.PROXY: "POLY_PROXY",
        SignatureType.SAFE: "GNOSIS_SAFE",
        SignatureType.DEPOSIT_WALLET: "DEPOSIT_WALLET",
    }
    for kind, address in wallets.wallets_of(OWNER).items():
        for text in (address, address.lower(), "0x" + address[2:].upper()):
            found = wallets.wallet_kind(OWNER, text)
            assert found is kind
            theirs = referee.try_classify_wallet_type(signer=OWNER, wallet=text, config=CONFIG)
            assert theirs == names[found.signature_type]
            assert referee.signature_type_for(theirs) == found.signature_type


def test_a_foreign_account_is_refused() -> None:
    with pytest.raises(AddressError, match="is not an account of the key"):
        wallets.wallet_kind(OWNER, "0x1111111111111111111111111111111111111111")


def test_checksums_equal_the_official_library_and_a_typing_error_is_found() -> None:
    rng = random.Random(9)
    for _ in range(200):
        raw = rng.randbytes(20)
        assert wallets.checksum_address("0x" + raw.hex()) == to_checksum_address(raw)
    with pytest.raises(AddressError, match="wrong checksum"):
        wallets.checksum_address(OWNER.replace("Fd", "fd"))


@pytest.mark.parametrize("text", ["", "0x", OWNER[:-1], OWNER + "0", OWNER[2:] + "00", "0x" + "g" * 40, None, 5])
def test_what_is_not_an_address_is_refused(text: str) -> None:
    with pytest.raises(AddressError, match="is not an address"):
        wallets.checksum_address(text)


def test_position_ids_are_told_from_token_ids_as_the_official_client_does() -> None:
    rng = random.Random(10)
    for _ in range(500):
        token_id = rng.getrandbits(256)
        if rng.random() < 0.5:
            token_id &= ~(((1 << 64) - 1) << 40)
        assert wallets.is_position_id(token_id) == is_v2_position_id(str(token_id))


def test_contracts_equal_the_official_clients() -> None:
    for chain_id, ours in wallets.CONTRACTS.items():
        theirs = get_contract_config(chain_id)
        assert (ours.exchange, ours.neg_risk_exchange, ours.exchange_v3) == (
            theirs.exchange_v2,
            theirs.neg_risk_exchange_v2,
            theirs.exchange_v3,
        )
        assert (ours.collateral, ours.conditional_tokens) == (theirs.collateral, theirs.conditional_tokens)
    main = wallets.CONTRACTS[wallets.MAINNET]
    assert main.exchange == PRODUCTION_CONFIG.standard_exchange
    assert main.neg_risk_exchange == PRODUCTION_CONFIG.neg_risk_exchange
    assert main.exchange_v3 == PRODUCTION_CONFIG.exchange_v3
