"""Typed-data hashes and signatures of Polymarket orders and log-ins, encoded by hand.

Hashes and signatures are bytes; amounts are millionths; times are milliseconds in an order and seconds
in a log-in. Nothing here reads a clock or draws a random number: salt and time are arguments, so that
the same intent always makes the same order, and the same order always the same signature (RFC 6979).
A `SigningKey` signs these two kinds of message and no other.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import coincurve
from eth_hash.auto import keccak

from markets.domain.instruments import Side
from markets.venues.polymarket.wallets import (
    CONTRACTS,
    SignatureType,
    address_bytes,
    address_of_public_key,
    is_position_id,
)

DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
ORDER_TYPE = (
    b"Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,"
    b"uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
NESTED_TYPE = (
    b"TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
    + ORDER_TYPE
)
LOGIN_DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId)"
LOGIN_TYPE = b"ClobAuth(address address,string timestamp,uint256 nonce,string message)"
LOGIN_MESSAGE = "This message attests that I control the given wallet"

# keccak of the texts above; the tests recompute them.
DOMAIN_TYPE_HASH = bytes.fromhex("8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f")
ORDER_TYPE_HASH = bytes.fromhex("bb86318a2138f5fa8ae32fbe8e659f8fcf13cc6ae4014a707893055433818589")
_NESTED_TYPE_HASH = keccak(NESTED_TYPE)
_LOGIN_TYPE_HASH = keccak(LOGIN_TYPE)
_LOGIN_MESSAGE_HASH = keccak(LOGIN_MESSAGE.encode())
_LOGIN_DOMAIN_HEAD = keccak(LOGIN_DOMAIN_TYPE) + keccak(b"ClobAuthDomain") + keccak(b"1")
_EXCHANGE_NAME_HASH = keccak(b"Polymarket CTF Exchange")
_WALLET_DOMAIN_HEAD = keccak(b"DepositWallet") + keccak(b"1")
_ENVELOPE_TAIL = ORDER_TYPE + len(ORDER_TYPE).to_bytes(2, "big")
_SESSION_MARKER = bytes.fromhex("6492" * 16)

ZERO32 = bytes(32)
SALT_BITS = 53  # the salt is a JSON number, and must survive JavaScript
_UINT256 = 1 << 256


class SigningError(ValueError):
    """An order or key that must not be signed or cannot be; the message names the field, never a secret."""


class ExchangeKind(StrEnum):
    STANDARD = "standard"
    NEG_RISK = "neg_risk"
    V3 = "v3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """The contract that an order is signed for, with its domain separator."""

    kind: ExchangeKind
    chain_id: int
    version: str
    address: str
    separator: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFields:
    """The eleven signed fields. What is not here (expiration, order type, post-only) is not part of the order id."""

    salt: int
    maker: str
    signer: str
    token_id: int
    maker_amount: int
    taker_amount: int
    side: Side
    signature_type: SignatureType
    timestamp_ms: int
    metadata: bytes = ZERO32
    builder: bytes = ZERO32


def _exchanges() -> dict[tuple[int, ExchangeKind], Exchange]:
    found = {}
    for chain_id, contracts in CONTRACTS.items():
        for kind, version, address in (
            (ExchangeKind.STANDARD, "2", contracts.exchange),
            (ExchangeKind.NEG_RISK, "2", contracts.neg_risk_exchange),
            (ExchangeKind.V3, "3", contracts.exchange_v3),
        ):
            separator = keccak(
                DOMAIN_TYPE_HASH
                + _EXCHANGE_NAME_HASH
                + keccak(version.encode())
                + _word(chain_id)
                + _address_word(address)
            )
            found[chain_id, kind] = Exchange(
                kind=kind, chain_id=chain_id, version=version, address=address, separator=separator
            )
    return found


def exchange_of(token_id: int, *, neg_risk: bool, chain_id: int) -> Exchange:
    """Return the exchange that trades `token_id`; for an id of the newer protocol `neg_risk` plays no part."""
    if is_position_id(token_id):
        return exchange_for(ExchangeKind.V3, chain_id=chain_id)
    return exchange_for(ExchangeKind.NEG_RISK if neg_risk else ExchangeKind.STANDARD, chain_id=chain_id)


def exchange_for(kind: ExchangeKind, *, chain_id: int) -> Exchange:
    try:
        return EXCHANGES[chain_id, kind]
    except KeyError:
        raise SigningError(f"chain {chain_id} has no exchange that we know; known are 137 and 80002") from None


def order_salt(install_key: bytes, client_key: str) -> int:
    """Return the salt of the order with this client key: the same one whenever it is asked for.

    A crash between signing and storing then makes the same order again, not a second one.
    """
    if len(install_key) < 16:
        raise SigningError("the installation key has fewer than 16 bytes")
    digest = hmac.digest(install_key, client_key.encode(), "sha256")
    return int.from_bytes(digest[:7], "big") >> (56 - SALT_BITS)


def struct_hash(order: OrderFields) -> bytes:
    """Return hashStruct(Order). Raises SigningError naming a field that does not fit its type."""
    try:
        return keccak(
            b"".join(
                (
                    ORDER_TYPE_HASH,
                    order.salt.to_bytes(32, "big"),
                    _address_word(order.maker),
                    _address_word(order.signer),
                    order.token_id.to_bytes(32, "big"),
                    order.maker_amount.to_bytes(32, "big"),
                    order.taker_amount.to_bytes(32, "big"),
                    _SIDE_WORDS[order.side],
                    _TYPE_WORDS[order.signature_type],
                    order.timestamp_ms.to_bytes(32, "big"),
                    _bytes32(order.metadata, "metadata"),
                    _bytes32(order.builder, "builder"),
                )
            )
        )
    except OverflowError:
        raise SigningError(f"{_misfit(order)} does not fit 256 bits") from None


def order_hash(order: OrderFields, exchange: Exchange) -> bytes:
    """Return the order's id at the venue, known before anything is sent. The same for every kind of signature."""
    return keccak(b"\x19\x01" + exchange.separator + struct_hash(order))


def order_id(order: OrderFields, exchange: Exchange) -> str:
    return "0x" + order_hash(order, exchange).hex()


def login_digest(*, address: str, timestamp_s: int, nonce: int, chain_id: int) -> bytes:
    """Return what a wallet signs to create or derive its API key."""
    struct = keccak(
        _LOGIN_TYPE_HASH
        + _address_word(address)
        + keccak(str(timestamp_s).encode())
        + _word(nonce)
        + _LOGIN_MESSAGE_HASH
    )
    return keccak(b"\x19\x01" + keccak(_LOGIN_DOMAIN_HEAD + _word(chain_id)) + struct)


class SigningKey:
    """A private key that signs orders and log-ins. It does not show itself, compare, copy or pickle."""

    __slots__ = ("_key", "address")

    def __init__(self, secret: bytes | str) -> None:
        try:
            raw = bytes.fromhex(secret.removeprefix("0x")) if isinstance(secret, str) else bytes(secret)
            if len(raw) != 32:
                raise ValueError
            self._key = coincurve.PrivateKey(raw)
        except (ValueError, TypeError):
            # Not chained: the cause would carry the key's text into logs.
            raise SigningError("the private key is not 32 bytes (64 hexadecimal digits) of a valid key") from None
        self.address = address_of_public_key(self._key.public_key.format(compressed=False))

    def __repr__(self) -> str:
        return f"SigningKey({self.address})"

    def __reduce__(self) -> str:
        raise TypeError("a signing key does not leave its process")

    def sign_order(self, order: OrderFields, exchange: Exchange) -> bytes:
        """Return the signature that goes with `order`; 65 bytes, or the longer envelope of a deposit wallet.

        Raises SigningError when the account fields do not fit the signature type or this key.
        """
        return self.identify_and_sign(order, exchange)[1]

    def identify_and_sign(self, order: OrderFields, exchange: Exchange) -> tuple[bytes, bytes]:
        """Return (order hash, signature), with the fields hashed once for both."""
        _check_accounts(order, self.address)
        contents = struct_hash(order)
        identity = keccak(b"\x19\x01" + exchange.separator + contents)
        if order.signature_type is not SignatureType.DEPOSIT_WALLET:
            return identity, self._sign(identity)
        inner = self._sign(_nested_digest(order, contents, exchange))
        return identity, inner + exchange.separator + contents + _ENVELOPE_TAIL

    def sign_login(self, *, timestamp_s: int, nonce: int, chain_id: int) -> bytes:
        return self._sign(login_digest(address=self.address, timestamp_s=timestamp_s, nonce=nonce, chain_id=chain_id))

    def _sign(self, digest: bytes) -> bytes:
        signed = self._key.sign_recoverable(digest, hasher=None)
        return signed[:64] + bytes((signed[64] + 27,))


def session_envelope(session_address: str, signature: bytes) -> bytes:
    """Return a session key's signature as a deposit wallet expects it. Unverified against the venue."""
    padded = signature + bytes(-len(signature) % 32)
    return _address_word(session_address) + ZERO32 + _word(96) + _word(len(signature)) + padded + _SESSION_MARKER


def _nested_digest(order: OrderFields, contents: bytes, exchange: Exchange) -> bytes:
    """Return what the owner of a deposit wallet signs: the order inside the wallet's own domain (ERC-7739)."""
    struct = keccak(
        _NESTED_TYPE_HASH
        + contents
        + _WALLET_DOMAIN_HEAD
        + _word(exchange.chain_id)
        + _address_word(order.signer)
        + ZERO32
    )
    return keccak(b"\x19\x01" + exchange.separator + struct)


def _check_accounts(order: OrderFields, key_address: str) -> None:
    maker, signer, ours = (_address_word(text) for text in (order.maker, order.signer, key_address))
    if order.signature_type is SignatureType.DEPOSIT_WALLET:
        if maker != signer:
            raise SigningError("signer: an order of a deposit wallet names the wallet as maker and as signer")
        if maker == ours:
            raise SigningError("maker: the key's own account is not a deposit wallet")
    elif signer != ours:
        raise SigningError(f"signer: {order.signer} is not the account of this key ({key_address})")
    elif (maker == ours) != (order.signature_type is SignatureType.EOA):
        raise SigningError(f"maker: {order.maker} does not fit signature type {order.signature_type.value}")


def _word(value: int) -> bytes:
    if not 0 <= value < _UINT256:
        raise SigningError(f"{value} does not fit 256 bits")
    return value.to_bytes(32, "big")


@lru_cache(maxsize=1024)
def _address_word(address: str) -> bytes:
    return bytes(12) + address_bytes(address)


def _bytes32(value: bytes, field: str) -> bytes:
    if len(value) != 32:
        raise SigningError(f"{field}: has {len(value)} bytes, not 32")
    return value


def _misfit(order: OrderFields) -> str:
    fields = ("salt", "token_id", "maker_amount", "taker_amount", "timestamp_ms")
    return next(name for name in fields if not 0 <= getattr(order, name) < _UINT256)


_SIDE_WORDS = {Side.BUY: _word(0), Side.SELL: _word(1)}
_TYPE_WORDS = {kind: _word(kind.value) for kind in SignatureType}
EXCHANGES = _exchanges()
