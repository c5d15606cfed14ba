"""Who may sign and who may listen in this process: a seam that the composition root fills.

The trader installs a signer and credentials, the fills process credentials only, every other process
nothing (`polybot.roles`). Code below asks here and must live with "not in this process": the order
then waits for the trader. Importing this module loads no key material and no signing code (I17).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from markets.venues.trading import OrderGateway, OrderMaker, OrderTerms, Unsigned, WalletFacts

if TYPE_CHECKING:
    from markets.venues.polymarket.calls import Call
    from markets.venues.polymarket.credentials import ApiCredentials
    from markets.venues.polymarket.transactions import GasFacts, RelayFacts


class NotInThisProcess(RuntimeError):
    """This process holds no key for that; another one will do it."""


class KeyRefused(RuntimeError):
    """The signer will not sign this: its own limits, or a key that is missing or does not open."""


class Signer(Protocol):
    """Signs typed orders of allowed contracts within its own caps. Never raw digests."""

    def wallet(self, account_id: int) -> WalletFacts: ...
    def prepare(self, account_id: int, terms: OrderTerms, *, maker: OrderMaker) -> Unsigned: ...
    def sign(self, account_id: int, unsigned: Unsigned) -> bytes:
        """Return the signature. Raises KeyRefused naming the limit."""
        ...

    def forget(self, account_id: int) -> None:
        """Drop what is cached of the account: its keys changed."""
        ...


class Gateways(Protocol):
    def gateway(self, account_id: int) -> OrderGateway:
        """Return the account's gateway, made once and kept warm. Raises KeyRefused without credentials."""
        ...

    def credentials(self, account_id: int, *, retired: bool = False) -> ApiCredentials:
        """Return what the user channel asks for in its first message. Keep it out of everything else."""
        ...

    def forget(self, account_id: int) -> None: ...


class ChainSigner(Protocol):
    """Signs permitted calls outside the book. Raises KeyRefused naming what is not permitted."""

    def batch(self, account_id: int, calls: Sequence[Call], facts: RelayFacts, *, metadata: str) -> bytes: ...
    def transaction(self, account_id: int, call: Call, facts: GasFacts) -> bytes: ...
    def relayer_headers(self, account_id: int) -> Mapping[str, str]:
        """Return what proves to the relayer who asks; nothing without a relayer key."""
        ...


class _Held:
    signer: Signer | None = None
    gateways: Gateways | None = None
    chain: ChainSigner | None = None


def install(
    *, signer: Signer | None = None, gateways: Gateways | None = None, chain: ChainSigner | None = None
) -> None:
    """Give this process its keys; called once at start by the composition root, and by tests."""
    _Held.signer, _Held.gateways, _Held.chain = signer, gateways, chain


def can_sign() -> bool:
    return _Held.signer is not None


def can_listen() -> bool:
    return _Held.gateways is not None


def signer() -> Signer:
    if _Held.signer is None:
        raise NotInThisProcess("this process holds no signing key: the trader signs")
    return _Held.signer


def chain_signer() -> ChainSigner:
    if _Held.chain is None:
        raise NotInThisProcess("this process holds no signing key: the trader signs")
    return _Held.chain


def gateway(account_id: int) -> OrderGateway:
    if _Held.gateways is None:
        raise NotInThisProcess("this process holds no API credentials")
    return _Held.gateways.gateway(account_id)


def credentials(account_id: int, *, retired: bool = False) -> ApiCredentials:
    """Return the account's API credentials, or with `retired` those that were in use before."""
    if _Held.gateways is None:
        raise NotInThisProcess("this process holds no API credentials")
    return _Held.gateways.credentials(account_id, retired=retired)


def forget(account_id: int) -> None:
    for holder in (_Held.signer, _Held.gateways):
        if holder is not None:
            holder.forget(account_id)
