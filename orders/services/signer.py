"""The signer: holds private keys in the trader's memory and signs orders within its own limits.

It trusts nobody who calls it. The chain, the contract, the accounts named in the order, the order's id and
the dollars are checked again here against the account's own row, and the dollars and number of a minute are
counted here. There is no door for a digest: what can be signed is an order of this venue, or its log-in.
Dollars are millionths.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from django.conf import settings

from alerts.domain.events import Severity
from alerts.services.journal import event_record_alone
from markets.domain.instruments import Side
from markets.domain.units import micro_from_decimal, text_from_micro
from markets.venues.polymarket.credentials import level_1_headers
from markets.venues.polymarket.signing import (
    EXCHANGES,
    Exchange,
    ExchangeKind,
    OrderFields,
    SigningError,
    SigningKey,
    session_envelope,
)
from markets.venues.polymarket.wallets import MAINNET, SignatureType, WalletKind
from markets.venues.trading import OrderMaker, OrderTerms, Unsigned, WalletFacts
from orders.domain.lifecycle import Environment
from orders.models import Account, Secret
from orders.selectors.permits import permits_missing
from orders.selectors.wallets import wallet_stamp
from orders.services.keyholder import KeyRefused
from orders.services.sealing import SealError
from orders.services.secrets import Opener, SecretError

CHAIN_ID = MAINNET
LOOK_AGAIN_S = 5.0  # how long keys and account facts are believed without asking the database
_MINUTE_S = 60.0
_REPORT_EVERY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What one account may sign. Far above the risk limits: this stops what got past them."""

    order: int  # dollars of one order
    minute: int  # dollars of any 60 seconds
    orders_per_minute: int

    @classmethod
    def from_settings(cls) -> Caps:
        found = settings.SIGNER_CAPS
        return cls(
            order=micro_from_decimal(found["order_usd"]),
            minute=micro_from_decimal(found["minute_usd"]),
            orders_per_minute=int(found["orders_per_minute"]),
        )


@dataclass(slots=True, kw_only=True)
class _Held:
    """One account's key and what it may be used for, with what was signed in the last minute."""

    key: SigningKey = field(repr=False)
    wallet: WalletFacts
    name: str
    environment: str
    is_session: bool
    stamp: tuple[object, ...]
    looked_at: float
    signed: deque[tuple[float, str, int]] = field(default_factory=deque)  # (when, order id, dollars)
    reported: dict[str, float] = field(default_factory=dict)


class TraderSigner:
    """Implements `orders.services.keyholder.Signer`. One for the trader's process, shared by its threads."""

    def __init__(
        self,
        opener: Opener,
        *,
        install_key: bytes,
        caps: Caps | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._opener = opener
        self._install_key = install_key
        self._caps = caps or Caps.from_settings()
        self._clock = clock
        self._lock = threading.Lock()
        self._accounts: dict[int, _Held] = {}

    def __repr__(self) -> str:
        return f"TraderSigner({len(self._accounts)} accounts)"

    def wallet(self, account_id: int) -> WalletFacts:
        """Return whose orders this account's are. Raises KeyRefused when its key is missing or does not open."""
        return self._held(account_id).wallet

    def prepare(self, account_id: int, terms: OrderTerms, *, maker: OrderMaker) -> Unsigned:
        """Return the order that these terms make; the same one whenever it is asked for (salt by the install key)."""
        return maker.prepare(terms, self.wallet(account_id), salt_key=self._install_key)

    def sign(self, account_id: int, unsigned: Unsigned) -> bytes:
        """Return the signature. Raises KeyRefused naming the limit; each refusal is journaled."""
        held = self._held(account_id)
        try:
            fields, exchange = self._checked(held, unsigned)
            self._check_permits(held, account_id)
            self._count(held, unsigned)
            identity, signature = held.key.identify_and_sign(fields, exchange)
        except SigningError as error:
            raise self._refused(held, account_id, "order", str(error)) from None
        except _Limit as limit:
            raise self._refused(held, account_id, limit.name, limit.message) from None
        if "0x" + identity.hex() != unsigned.order_id:
            raise self._refused(held, account_id, "order_id", "the order's id is not the hash of its fields")
        return session_envelope(held.key.address, signature) if held.is_session else signature

    def login(self, account_id: int, *, timestamp_s: int, nonce: int = 0) -> Mapping[str, str]:
        """Return the headers that ask the venue for this account's API credentials."""
        return level_1_headers(self._held(account_id).key, timestamp_s=timestamp_s, chain_id=CHAIN_ID, nonce=nonce)

    def forget(self, account_id: int) -> None:
        with self._lock:
            held = self._accounts.get(account_id)
            if held is not None:  # the minute's count stays: forgetting must not be a way around it
                held.stamp, held.looked_at = (), float("-inf")

    def _held(self, account_id: int) -> _Held:
        now = self._clock()
        with self._lock:
            held = self._accounts.get(account_id)
        if held is not None and now - held.looked_at < LOOK_AGAIN_S:
            return held
        stamp = wallet_stamp(account_id)
        if held is not None and held.stamp == stamp:
            held.looked_at = now
            return held
        made = self._load(account_id, stamp, now)
        with self._lock:
            if held is not None:
                made.signed, made.reported = held.signed, held.reported
            self._accounts[account_id] = made
        return made

    def _load(self, account_id: int, stamp: tuple[object, ...], now: float) -> _Held:
        account = Account.objects.filter(pk=account_id).exclude(environment=Environment.PAPER).first()
        if account is None:
            raise KeyRefused(f"account {account_id} has no key: paper accounts sign nothing")
        kinds = dict(account.secrets.filter(retired_at=None).values_list("kind", "public"))
        is_session = Secret.Kind.SESSION_KEY in kinds
        try:
            raw = self._opener.open(account_id, Secret.Kind.SESSION_KEY if is_session else Secret.Kind.PRIVATE_KEY)
            key = SigningKey(raw)
        except (SealError, SecretError, SigningError) as error:
            raise KeyRefused(f"{account.name}: {error}") from None
        if key.address.lower() != account.signer_address.lower():
            raise KeyRefused(f"{account.name}: the sealed key is not the one of {account.signer_address}")
        wallet = WalletFacts(
            wallet_address=account.wallet_address,
            signer_address=account.signer_address,
            wallet_kind=account.wallet_kind,
            chain_id=CHAIN_ID,
            api_key=kinds.get(Secret.Kind.API_CREDENTIALS, ""),
            builder_code=account.builder_code,
        )
        return _Held(
            key=key,
            wallet=wallet,
            name=account.name,
            environment=account.environment,
            is_session=is_session,
            stamp=stamp,
            looked_at=now,
        )

    def _checked(self, held: _Held, unsigned: Unsigned) -> tuple[OrderFields, Exchange]:
        """Return the order's fields and its exchange, or raise _Limit naming what does not agree."""
        fields, wallet = unsigned.fields, held.wallet
        if not isinstance(fields, OrderFields):
            raise _Limit("order", "this signer signs orders only")
        if unsigned.chain_id != wallet.chain_id:
            raise _Limit("chain", f"the order is for chain {unsigned.chain_id}, the account for {wallet.chain_id}")
        known = (wallet.chain_id, unsigned.exchange)
        exchange = EXCHANGES.get((known[0], ExchangeKind(known[1]))) if known[1] in set(ExchangeKind) else None
        if exchange is None or exchange.address.lower() != unsigned.contract.lower():
            raise _Limit("contract", f"{unsigned.contract:.60} is none of the three exchanges")
        kind = WalletKind(wallet.wallet_kind).signature_type
        signer = wallet.wallet_address if kind is SignatureType.DEPOSIT_WALLET else wallet.signer_address
        if fields.signature_type is not kind:
            raise _Limit(
                "accounts", f"signature type {fields.signature_type.value} is not the account's ({kind.value})"
            )
        if fields.maker.lower() != wallet.wallet_address.lower() or fields.signer.lower() != signer.lower():
            raise _Limit("accounts", f"maker {fields.maker} and signer {fields.signer} are not this account's")
        if fields.builder.hex() != (wallet.builder_code.removeprefix("0x").lower() or "0" * 64):
            raise _Limit("accounts", "the order names another builder than the account")
        told = (unsigned.side, unsigned.gives, unsigned.asks)
        if told != (fields.side, fields.maker_amount, fields.taker_amount):
            raise _Limit("order", "side or amounts are not those of the fields to sign")
        return fields, exchange

    @staticmethod
    def _check_permits(held: _Held, account_id: int) -> None:
        if held.environment == Environment.LIVE and (missing := permits_missing(account_id, None)):
            raise _Limit("permits", "live trading is not approved: " + "; ".join(missing))

    def _count(self, held: _Held, unsigned: Unsigned) -> None:
        """Count this order into the account's minute, or raise _Limit. Signing one again counts once."""
        dollars, caps = notional(unsigned), self._caps
        if dollars > caps.order:
            raise _Limit("order_cap", f"${text_from_micro(dollars)} are above ${text_from_micro(caps.order)} per order")
        now = self._clock()
        with self._lock:
            signed = held.signed
            while signed and now - signed[0][0] >= _MINUTE_S:
                signed.popleft()
            if any(order_id == unsigned.order_id for _, order_id, _ in signed):
                return
            if len(signed) >= caps.orders_per_minute:
                raise _Limit("minute_count", f"{len(signed)} orders were signed within a minute already")
            total = sum(amount for _, _, amount in signed) + dollars
            if total > caps.minute:
                raise _Limit(
                    "minute_cap", f"${text_from_micro(total)} within a minute are above ${text_from_micro(caps.minute)}"
                )
            signed.append((now, unsigned.order_id, dollars))

    def _refused(self, held: _Held, account_id: int, limit: str, message: str) -> KeyRefused:
        """Journal the refusal, each limit once a minute at most, and return the error to raise."""
        now = self._clock()
        with self._lock:
            is_news = now - held.reported.get(limit, float("-inf")) >= _REPORT_EVERY_S
            held.reported[limit] = now if is_news else held.reported[limit]
        if is_news:
            event_record_alone(
                "keys.signature_refused",
                f"{held.name}: the signer refused an order: {message}",
                severity=Severity.CRITICAL,
                stream=f"account:{account_id}",
                account_id=account_id,
                subject_kind="account",
                subject_id=account_id,
                subject_label=held.name,
                actor="signer",
                payload={"limit": limit},
            )
        return KeyRefused(f"the signer refused ({limit}): {message}")


class _Limit(Exception):
    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name, self.message = name, message


def notional(unsigned: Unsigned) -> int:
    """Return the dollars at stake: what a buy gives, what a sale asks for."""
    return unsigned.gives if unsigned.side is Side.BUY else unsigned.asks
