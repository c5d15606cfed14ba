"""What a signature on this exchange says: typed-data hashes and the recovery of signers.

Built on keccak and eth-account alone, from the protocol's text, so that the trading
client's own signing code is checked by something that never saw it. Hashes are 32 bytes,
addresses 0x-prefixed text compared in lower case, amounts plain integers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from eth_account import Account
from eth_utils.crypto import keccak

CLOB_AUTH_MESSAGE = "This message attests that I control the given wallet"
DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
AUTH_DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId)"
AUTH_TYPE = b"ClobAuth(address address,string timestamp,uint256 nonce,string message)"
ORDER_TYPE = (
    b"Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,"
    b"uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
NESTED_TYPE = (
    b"TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
    + ORDER_TYPE
)
BATCH_TYPES = (
    b"Batch(address wallet,uint256 nonce,uint256 deadline,Call[] calls)Call(address target,uint256 value,bytes data)"
)
CALL_TYPE = b"Call(address target,uint256 value,bytes data)"
EXCHANGE_NAME = "Polymarket CTF Exchange"
WALLET_NAME = "DepositWallet"
ZERO32 = bytes(32)
SESSION_MARKER = bytes.fromhex("6492" * 16)
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class SignatureError(ValueError):
    """A signature or a signed field that cannot be what it claims; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOrder:
    """The eleven signed fields of an order, plus the signature that came with them."""

    salt: int
    maker: str
    signer: str
    token_id: int
    maker_amount: int
    taker_amount: int
    side: int  # 0 buy, 1 sell
    signature_type: int
    timestamp: int
    metadata: bytes
    builder: bytes
    signature: bytes


def word(value: int) -> bytes:
    if not 0 <= value < 1 << 256:
        raise SignatureError(f"{value} does not fit 256 bits")
    return value.to_bytes(32, "big")


def address_word(address: str) -> bytes:
    return bytes(12) + address_bytes(address)


def address_bytes(address: str) -> bytes:
    if len(address) != 42 or address[:2] not in ("0x", "0X"):
        raise SignatureError(f"{address!r:.60} is not an address")
    try:
        return bytes.fromhex(address[2:])
    except ValueError:
        raise SignatureError(f"{address!r:.60} is not an address") from None


@cache
def _type_hash(text: bytes) -> bytes:
    return keccak(text)


@cache
def domain_separator(name: str, version: str, chain_id: int, contract: str) -> bytes:
    return keccak(
        _type_hash(DOMAIN_TYPE)
        + keccak(name.encode())
        + keccak(version.encode())
        + word(chain_id)
        + address_word(contract)
    )


@cache
def exchange_domain(version: str, chain_id: int, contract: str) -> bytes:
    return domain_separator(EXCHANGE_NAME, version, chain_id, contract)


def digest(domain: bytes, struct_hash: bytes) -> bytes:
    return keccak(b"\x19\x01" + domain + struct_hash)


def auth_digest(*, address: str, timestamp: str, nonce: int, chain_id: int) -> bytes:
    """Return what a wallet signs to create or derive an API key."""
    domain = keccak(_type_hash(AUTH_DOMAIN_TYPE) + keccak(b"ClobAuthDomain") + keccak(b"1") + word(chain_id))
    struct = keccak(
        _type_hash(AUTH_TYPE)
        + address_word(address)
        + keccak(timestamp.encode())
        + word(nonce)
        + keccak(CLOB_AUTH_MESSAGE.encode())
    )
    return digest(domain, struct)


def order_struct_hash(order: SignedOrder) -> bytes:
    return keccak(
        _type_hash(ORDER_TYPE)
        + word(order.salt)
        + address_word(order.maker)
        + address_word(order.signer)
        + word(order.token_id)
        + word(order.maker_amount)
        + word(order.taker_amount)
        + word(order.side)
        + word(order.signature_type)
        + word(order.timestamp)
        + order.metadata
        + order.builder
    )


def order_digest(order: SignedOrder, domain: bytes) -> bytes:
    """Return the order's id on the exchange: the digest of the order under that exchange's domain."""
    return digest(domain, order_struct_hash(order))


def nested_digest(order: SignedOrder, domain: bytes, *, chain_id: int) -> bytes:
    """Return what the owner of a deposit wallet signs: the order wrapped in the wallet's own domain (ERC-7739)."""
    struct = keccak(
        _type_hash(NESTED_TYPE)
        + order_struct_hash(order)
        + keccak(WALLET_NAME.encode())
        + keccak(b"1")
        + word(chain_id)
        + address_word(order.signer)
        + ZERO32
    )
    return digest(domain, struct)


def recover(message_hash: bytes, signature: bytes) -> str:
    """Return the lower-case address that made the 65-byte `signature` over `message_hash`."""
    if len(signature) != 65:
        raise SignatureError(f"a signature has 65 bytes, not {len(signature)}")
    if signature[64] not in (27, 28) or int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise SignatureError("the signature is not in its canonical form")
    try:
        return str(Account._recover_hash(message_hash, signature=signature)).lower()
    except Exception as error:  # the curve library has several error trees; all mean the same here
        raise SignatureError(f"the signature cannot be recovered: {error}") from None


def order_owner(order: SignedOrder, domain: bytes, *, chain_id: int) -> str:
    """Return the key address behind the order's signature, or raise SignatureError.

    A deposit wallet (type 3) sends an envelope: inner signature, exchange domain, order hash,
    the order's type text and that text's length. Every part must repeat what we compute.
    A session key puts that envelope into another one, which names the key and ends with a marker.
    """
    if order.signature_type != 3:
        return recover(order_digest(order, domain), order.signature)
    if order.signature.endswith(SESSION_MARKER):
        session, inner = _session_envelope(order.signature)
        if order_owner(replace(order, signature=inner), domain, chain_id=chain_id) != session:
            raise SignatureError("the session envelope names another key than the one that signed")
        return session
    trailer = domain + order_struct_hash(order) + ORDER_TYPE + len(ORDER_TYPE).to_bytes(2, "big")
    if len(order.signature) != 65 + len(trailer) or order.signature[65:] != trailer:
        raise SignatureError("the deposit wallet envelope does not wrap this order")
    return recover(nested_digest(order, domain, chain_id=chain_id), order.signature[:65])


def is_of_session(order: SignedOrder) -> bool:
    return order.signature_type == 3 and order.signature.endswith(SESSION_MARKER)


def _session_envelope(signature: bytes) -> tuple[str, bytes]:
    """Return (session key's address, the signature inside): ABI words of the key, of zero, and of the bytes."""
    words = signature[: -len(SESSION_MARKER)]
    size = int.from_bytes(words[96:128], "big") if len(words) >= 128 else 0
    inner = words[128 : 128 + size]
    padded = inner + bytes(-size % 32)
    if not inner or words != words[:12] + words[12:32] + ZERO32 + word(96) + word(size) + padded or any(words[:12]):
        raise SignatureError("the session envelope is malformed")
    if inner.endswith(SESSION_MARKER):
        raise SignatureError("a session envelope holds no other one")
    return "0x" + words[12:32].hex(), inner


def batch_digest(
    *, wallet: str, nonce: int, deadline: int, calls: list[tuple[str, int, bytes]], chain_id: int
) -> bytes:
    """Return what a deposit wallet's owner signs for a relayed batch of contract calls."""
    hashes = b"".join(
        keccak(_type_hash(CALL_TYPE) + address_word(target) + word(value) + keccak(data))
        for target, value, data in calls
    )
    struct = keccak(_type_hash(BATCH_TYPES) + address_word(wallet) + word(nonce) + word(deadline) + keccak(hashes))
    return digest(domain_separator(WALLET_NAME, "1", chain_id, wallet), struct)
