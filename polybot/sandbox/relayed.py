"""What wallets sign for the relayer, and which contract calls that stands for: proxy, Safe, deposit wallet.

Digests are 32 bytes, built from the protocol's text; call data is decoded strictly, and anything else is an error.
"""

from __future__ import annotations

from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from polybot.sandbox.chain import selector
from polybot.sandbox.eip712 import SignatureError, address_bytes, address_word, digest, word
from polybot.sandbox.wallets import SAFE_MULTISEND

Call = tuple[str, int, bytes]  # (target, value, data)

PROXY_CALL = selector("proxy((uint8,address,uint256,bytes)[])")
MULTISEND = selector("multiSend(bytes)")
SAFE_DOMAIN_TYPE = b"EIP712Domain(uint256 chainId,address verifyingContract)"
SAFE_TX_TYPE = (
    b"SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,"
    b"uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)"
)
_CALL, _DELEGATE_CALL = 0, 1


class BadCall(ValueError):
    """Relayed call data that cannot be what it claims; the message names what is wrong."""


def personal(message: bytes) -> bytes:
    """Return what a wallet signs when it is asked to sign 32 bytes as a message."""
    return keccak(b"\x19Ethereum Signed Message:\n32" + message)


def proxy_digest(
    *, owner: str, factory: str, data: bytes, fee: int, gas_price: int, gas_limit: int, nonce: int, hub: str, relay: str
) -> bytes:
    return personal(
        keccak(
            b"rlx:"
            + address_bytes(owner)
            + address_bytes(factory)
            + data
            + word(fee)
            + word(gas_price)
            + word(gas_limit)
            + word(nonce)
            + address_bytes(hub)
            + address_bytes(relay)
        )
    )


def safe_digest(*, safe: str, to: str, data: bytes, operation: int, nonce: int, chain_id: int) -> bytes:
    """Return what a Safe's owner signs: the transaction's typed-data hash, as a message."""
    domain = keccak(keccak(SAFE_DOMAIN_TYPE) + word(chain_id) + address_word(safe))
    nothing = word(0)
    struct = keccak(
        keccak(SAFE_TX_TYPE)
        + address_word(to)
        + nothing  # value
        + keccak(data)
        + word(operation)
        + nothing * 5  # gas of the transaction, base gas, gas price, gas token, refund receiver
        + word(nonce)
    )
    return personal(digest(domain, struct))


def safe_signature(signature: bytes) -> bytes:
    """Return the plain form of a Safe's message signature, whose last byte is raised by four."""
    if len(signature) != 65 or signature[64] not in (31, 32):
        raise SignatureError("a Safe's message signature ends in 1f or 20")
    return signature[:64] + bytes([signature[64] - 4])


def proxy_calls(data: bytes) -> list[Call]:
    """Return the calls that a proxy factory call contains."""
    if data[:4] != PROXY_CALL:
        raise BadCall("not a call of the proxy factory")
    (calls,) = _decode(["(uint8,address,uint256,bytes)[]"], data[4:])
    if not calls or any(kind != 1 for kind, *_ in calls):
        raise BadCall("a proxy makes plain calls only")
    return [(str(target), int(value), bytes(inner)) for _, target, value, inner in calls]


def safe_calls(to: str, data: bytes, operation: int) -> list[Call]:
    """Return the calls that a Safe transaction makes: one, or those packed for MultiSend."""
    if operation == _CALL:
        return [(to, 0, data)]
    if operation != _DELEGATE_CALL or to.lower() != SAFE_MULTISEND.lower() or data[:4] != MULTISEND:
        raise BadCall("a Safe may delegate to MultiSend only")
    (packed,) = _decode(["bytes"], data[4:])
    calls: list[Call] = []
    at = 0
    while at < len(packed):
        head = packed[at : at + 85]
        size = int.from_bytes(head[53:85], "big")
        body = packed[at + 85 : at + 85 + size]
        if len(head) != 85 or head[0] != _CALL or len(body) != size:
            raise BadCall("malformed MultiSend data")
        calls.append(("0x" + head[1:21].hex(), int.from_bytes(head[21:53], "big"), body))
        at += 85 + size
    if not calls:
        raise BadCall("MultiSend of nothing")
    return calls


def _decode(kinds: list[str], words: bytes) -> tuple[Any, ...]:
    try:
        return decode(kinds, words)
    except (DecodingError, OverflowError, ValueError):
        raise BadCall("malformed call data") from None
