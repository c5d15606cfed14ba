from __future__ import annotations

import pytest

from markets.venues.polymarket.wallets import WalletKind, wallets_of
from orders.domain.private_keys import address_of_key, key_new
from orders.domain.wallet_entry import WalletEntryError, wallet_entry

KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
OWNER = address_of_key(KEY)


@pytest.mark.parametrize("kind", list(WalletKind))
def test_the_kind_follows_from_the_address_and_the_address_from_the_kind(kind: WalletKind) -> None:
    address = wallets_of(OWNER)[kind]
    assert wallet_entry(KEY, wallet=address).kind is kind
    assert wallet_entry(KEY, wallet=address.lower()).wallet == address
    assert wallet_entry(KEY, kind=kind.value).wallet == address


def test_a_bare_key_is_its_own_account() -> None:
    entry = wallet_entry(KEY)
    assert (entry.wallet, entry.signer, entry.kind) == (OWNER, OWNER, WalletKind.EOA)
    assert KEY.hex() not in repr(entry)


def test_what_does_not_belong_together_is_refused_with_the_reason() -> None:
    foreign = wallets_of(address_of_key(key_new()))[WalletKind.SAFE]
    safe = wallets_of(OWNER)[WalletKind.SAFE]
    wrong = safe[:2] + safe[2:].swapcase()
    for wallet, kind, reason in (
        (foreign, "", "belong together"),
        (safe, "proxy", "is the safe of this key, not its proxy"),
        (wrong, "", "wrong checksum"),
        (safe[:-1], "", "not an address"),
        ("", "metamask", "no wallet type"),
    ):
        with pytest.raises(WalletEntryError, match=reason):
            wallet_entry(KEY, wallet=wallet, kind=kind)


def test_a_session_key_names_the_deposit_wallet_of_somebody_else() -> None:
    wallet = wallets_of(address_of_key(key_new()))[WalletKind.DEPOSIT_BEACON]
    entry = wallet_entry(KEY, wallet=wallet, is_session=True)
    assert (entry.signer, entry.wallet, entry.is_session) == (OWNER, wallet, True)
    with pytest.raises(WalletEntryError, match="give that wallet's address"):
        wallet_entry(KEY, is_session=True)
    with pytest.raises(WalletEntryError, match="owns"):
        wallet_entry(KEY, wallet=wallets_of(OWNER)[WalletKind.DEPOSIT_UUPS], is_session=True)
    with pytest.raises(WalletEntryError, match="deposit wallets only"):
        wallet_entry(KEY, wallet=wallet, kind="safe", is_session=True)
