"""From an order's terms to the fields that are signed and the bytes that are posted. Implements `OrderMaker`.

Pure: the same terms of the same wallet always give the same order, the same id and, with the same
signature, the same bytes. Amounts are millionths, times milliseconds; the posted expiry is seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from markets.venues.polymarket import order_payload, signing
from markets.venues.polymarket.amounts import order_amounts
from markets.venues.polymarket.order_payload import PayloadError, Terms
from markets.venues.polymarket.signing import ZERO32, ExchangeKind, OrderFields
from markets.venues.polymarket.wallets import AddressError, SignatureType, WalletKind, checksum_address
from markets.venues.trading import OrderTerms, Unsigned, WalletFacts

# The venue takes a dated order off a minute before the date it was given.
EARLY_EXPIRY_S = 60
# It wants that date three minutes ahead of the request's arrival, which leaves two of real life.
SHORTEST_LIFE_S = 120


class PolymarketMaker:
    """Implements `OrderMaker`; `Unsigned.fields` is the venue's `OrderFields`."""

    def prepare(self, terms: OrderTerms, wallet: WalletFacts, *, salt_key: bytes) -> Unsigned:
        """Return the order to sign. Raises AmountError, PayloadError or SigningError naming the field at fault."""
        _check(terms)
        account = account_of(wallet)
        token_id = _token(terms.token_id)
        exchange = signing.exchange_of(token_id, neg_risk=terms.neg_risk, chain_id=wallet.chain_id)
        amounts = order_amounts(terms.side, rests=_rests(terms), price=terms.price, size=terms.size, tick=terms.tick)
        order = OrderFields(
            salt=signing.order_salt(salt_key, terms.client_key),
            maker=account.maker,
            signer=account.signer,
            token_id=token_id,
            maker_amount=amounts.maker,
            taker_amount=amounts.taker,
            side=terms.side,
            signature_type=account.signature_type,
            timestamp_ms=terms.created_ms,
            builder=account.builder,
        )
        return Unsigned(
            order_id=signing.order_id(order, exchange),
            exchange=exchange.kind.value,
            contract=exchange.address,
            chain_id=exchange.chain_id,
            salt=order.salt,
            timestamp_ms=order.timestamp_ms,
            side=order.side,
            gives=order.maker_amount,
            asks=order.taker_amount,
            fields=order,
        )

    def body(self, unsigned: Unsigned, signature: bytes, terms: OrderTerms, wallet: WalletFacts) -> bytes:
        """Return the request that posts the signed order: stored first, then sent as it is however often."""
        order = unsigned.fields
        if not isinstance(order, OrderFields):
            raise PayloadError(f"fields: {type(order).__name__} is not an order of this venue")
        posted = Terms(
            owner=wallet.api_key,
            order_type=terms.order_type.upper(),
            expiration_s=_expiration_s(terms),
            post_only=terms.post_only,
        )
        return order_payload.build(order, signature, posted)

    def id_of(self, body: bytes, *, exchange: str, chain_id: int) -> str:
        """Return the id that stored bytes have on this exchange. Raises ParseError when they carry no order."""
        return order_payload.read(body).id_on(signing.exchange_for(ExchangeKind(exchange), chain_id=chain_id))


@dataclass(frozen=True, slots=True)
class Account:
    """The wallet's part of every order it gives."""

    maker: str
    signer: str
    signature_type: SignatureType
    builder: bytes


@lru_cache(maxsize=256)
def account_of(wallet: WalletFacts) -> Account:
    """Return how orders name this wallet. Raises PayloadError for a kind or code that the venue does not know."""
    try:
        kind = WalletKind(wallet.wallet_kind)
        maker, signer = checksum_address(wallet.wallet_address), checksum_address(wallet.signer_address)
    except AddressError as error:
        raise PayloadError(f"wallet: {error}") from None
    except ValueError:
        raise PayloadError(f"wallet_kind: {wallet.wallet_kind!r:.40} is not known") from None
    if kind.signature_type is SignatureType.DEPOSIT_WALLET:
        signer = maker  # the contract itself answers for the signature
    return Account(maker, signer, kind.signature_type, _builder(wallet.builder_code))


def _check(terms: OrderTerms) -> None:
    if terms.order_type.upper() not in order_payload.ORDER_TYPES:
        raise PayloadError(f"order_type: {terms.order_type!r:.20} is none of gtc, gtd, fok, fak")
    if terms.post_only and not _rests(terms):
        raise PayloadError(f"post_only: cannot be set on {terms.order_type}, which trades at once")
    _expiration_s(terms)


def _rests(terms: OrderTerms) -> bool:
    return terms.order_type in ("gtc", "gtd")


def _expiration_s(terms: OrderTerms) -> int:
    """Return the date to post so that the order ends at `expires_at_ms`, in whole seconds and never later."""
    if terms.order_type != "gtd":
        if terms.expires_at_ms is not None:
            raise PayloadError(f"expires_at_ms: does not go with {terms.order_type}; use gtd")
        return 0
    if terms.expires_at_ms is None:
        raise PayloadError("expires_at_ms: a gtd order needs one")
    left = (terms.expires_at_ms - terms.created_ms) // 1_000
    if left < SHORTEST_LIFE_S:
        raise PayloadError(f"expires_at_ms: {left} s of life are too few; the venue wants at least {SHORTEST_LIFE_S}")
    return terms.expires_at_ms // 1_000 + EARLY_EXPIRY_S


def _token(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 78) or int(text) >> 256:
        raise PayloadError(f"token_id: {text!r:.90} is not a whole number of 256 bits")
    return int(text)


def _builder(code: str) -> bytes:
    if not code:
        return ZERO32
    digits = code.removeprefix("0x")
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raw = b""
    if len(raw) != 32 or len(digits) != 64:
        raise PayloadError("builder_code: is not 0x and 64 hexadecimal digits")
    return raw
