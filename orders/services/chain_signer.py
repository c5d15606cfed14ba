"""Signs what an account does outside the book: permitted calls only, each read back in full, never a digest.

Loaded in the trader alone. It trusts no caller: the account's row, the key's own address and the list of permitted
calls are checked here, and an account of environment live needs its permits. A key that may only trade for a
deposit wallet (a session key) signs nothing here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from alerts.domain.events import Severity
from alerts.services.journal import event_record_alone
from markets.venues.chain import GasFacts, RelayFacts
from markets.venues.polymarket.calls import Call, CallError
from markets.venues.polymarket.signing import SigningError
from markets.venues.polymarket.transactions import ChainKey
from markets.venues.polymarket.wallets import MAINNET, AddressError, WalletKind
from orders.domain.lifecycle import Environment
from orders.models import Account, Secret
from orders.selectors.permits import permits_missing
from orders.services.keyholder import KeyRefused
from orders.services.sealing import SealError
from orders.services.secrets import Opener, SecretError


class TraderChainSigner:
    """Implements `orders.services.keyholder.ChainSigner`. Opens the key for each signature: they are few."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener

    def __repr__(self) -> str:
        return "TraderChainSigner()"

    def batch(self, account_id: int, calls: Sequence[Call], facts: RelayFacts, *, metadata: str) -> bytes:
        """Return the signed request for the relayer."""
        account, key = self._ready(account_id)
        kind = WalletKind(account.wallet_kind)
        if kind is WalletKind.EOA:
            raise self._refused(account, "the key's own account sends transactions, not batches")
        try:
            return key.batch(kind, calls, facts, wallet=account.wallet_address, chain_id=MAINNET, metadata=metadata)
        except (CallError, SigningError, AddressError) as error:
            raise self._refused(account, str(error)) from None

    def transaction(self, account_id: int, call: Call, facts: GasFacts) -> bytes:
        """Return the raw transaction of the key's own account."""
        account, key = self._ready(account_id)
        if WalletKind(account.wallet_kind) is not WalletKind.EOA:
            raise self._refused(account, "only the key's own account sends transactions itself")
        try:
            return key.transaction(call, facts, chain_id=MAINNET)
        except (CallError, SigningError, AddressError) as error:
            raise self._refused(account, str(error)) from None

    def relayer_headers(self, account_id: int) -> Mapping[str, str]:
        """Return the relayer key's headers; nothing where the account has no such key."""
        try:
            found = json.loads(self._opener.open(account_id, Secret.Kind.RELAYER_KEY))
            return {"RELAYER_API_KEY": str(found["key"]), "RELAYER_API_KEY_ADDRESS": str(found["address"])}
        except (SecretError, SealError, ValueError, KeyError, TypeError):
            return {}

    def _ready(self, account_id: int) -> tuple[Account, ChainKey]:
        account = Account.objects.filter(pk=account_id).exclude(environment=Environment.PAPER).first()
        if account is None:
            raise KeyRefused(f"account {account_id} has no key: paper accounts sign nothing")
        if account.environment == Environment.LIVE and (missing := permits_missing(account_id, None)):
            raise self._refused(account, "live trading is not approved: " + "; ".join(missing))
        try:
            key = ChainKey(self._opener.open(account_id, Secret.Kind.PRIVATE_KEY))
        except (SecretError, SealError, SigningError) as error:
            raise KeyRefused(f"{account.name}: {error}") from None
        if key.address.lower() != account.signer_address.lower():
            raise KeyRefused(f"{account.name}: the sealed key is not the one of {account.signer_address}")
        return account, key

    @staticmethod
    def _refused(account: Account, message: str) -> KeyRefused:
        event_record_alone(
            "keys.signature_refused",
            f"{account.name}: the signer refused a transaction: {message}",
            severity=Severity.CRITICAL,
            stream=f"account:{account.pk}",
            account_id=account.pk,
            subject_kind="account",
            subject_id=account.pk,
            subject_label=account.name,
            actor="signer",
            payload={"limit": "calls"},
        )
        return KeyRefused(f"the signer refused: {message}")
