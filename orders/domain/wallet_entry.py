"""What a person says about a wallet when opening an account, checked before anything is stored.

Addresses leave here in checksum form. Which kind of wallet an address is follows from the key by
computation, so a wrong key, a mistyped character or another wallet's address is refused on the spot.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from markets.venues.polymarket.wallets import AddressError, WalletKind, checksum_address, wallet_kind, wallets_of
from orders.domain.private_keys import address_of_key


class WalletEntryError(ValueError):
    """A wallet that cannot be what was said; the message says which part, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletEntry:
    """A key and the wallet it trades from. `repr` does not show the key."""

    key: bytes = field(repr=False)
    signer: str
    wallet: str
    kind: WalletKind
    is_session: bool = False


def wallet_entry(key: bytes, *, wallet: str = "", kind: str = "", is_session: bool = False) -> WalletEntry:
    """Return the checked entry. `wallet` or `kind` may be left out: the other one decides, and a bare key is an EOA.

    A session key is authorised by the wallet's owner, which no address shows: its deposit wallet must be named.
    """
    signer = address_of_key(key)
    try:
        wanted = WalletKind(kind) if kind else None
    except ValueError:
        raise WalletEntryError(f"{kind!r:.30} is no wallet type: {', '.join(WalletKind)}") from None
    try:
        if is_session:
            return _session(key, signer, wallet, wanted)
        if not wallet:
            chosen = wanted or WalletKind.EOA
            return WalletEntry(key=key, signer=signer, wallet=wallets_of(signer)[chosen], kind=chosen)
        found = wallet_kind(signer, wallet)
        address = checksum_address(wallet)
    except AddressError as error:
        raise WalletEntryError(str(error)) from None
    if wanted is not None and wanted is not found:
        raise WalletEntryError(
            f"{address} is the {found} of this key, not its {wanted}: leave the type empty to have it detected"
        )
    return WalletEntry(key=key, signer=signer, wallet=address, kind=found)


def _session(key: bytes, signer: str, wallet: str, wanted: WalletKind | None) -> WalletEntry:
    if not wallet:
        raise WalletEntryError("a session key trades for a deposit wallet: give that wallet's address")
    address = checksum_address(wallet)
    if address in wallets_of(signer).values():
        raise WalletEntryError(
            f"this key owns {address}: open the account with it as the private key, not as a session key"
        )
    kind = wanted or WalletKind.DEPOSIT_BEACON
    if kind not in (WalletKind.DEPOSIT_BEACON, WalletKind.DEPOSIT_UUPS):
        raise WalletEntryError(f"session keys exist for deposit wallets only, not for {kind}")
    return WalletEntry(key=key, signer=signer, wallet=address, kind=kind, is_session=True)
