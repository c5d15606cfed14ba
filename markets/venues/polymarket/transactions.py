"""Signed requests of a wallet outside the book: what exactly is signed for each kind of account, and the bytes sent.

A proxy, a Safe and a deposit wallet sign a batch for the relayer; the key's own account signs a transaction of its
own. Pure: nonce, gas and time are arguments, so that the same wish makes the same bytes. Gas prices are in wei,
deadlines in Unix seconds. What may be signed at all is decided in `call_permits`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from eth_hash.auto import keccak

from markets.venues.chain import GasFacts, RelayFacts
from markets.venues.polymarket.call_permits import permit
from markets.venues.polymarket.calls import Call, CallError, selector
from markets.venues.polymarket.signing import SigningKey
from markets.venues.polymarket.wallets import (
    DEPOSIT_FACTORY,
    PROXY_FACTORY,
    WalletKind,
    address_bytes,
    wallets_of,
)

SAFE_MULTISEND = "0xA238CBeb142c10Ef7Ad8442C6D1f9E89e07e7761"
RELAY_HUB = "0xD216153c06E857cD7f72665E0aF1d7D82172F494"
ZERO_ADDRESS = "0x" + "0" * 40
PROXY_GAS_LIMIT = 200_000  # what the official client falls back to; scaled by calls
DEADLINE_S = 600
LONGEST_METADATA = 500

_MULTISEND = selector("multiSend(bytes)")
_PROXY_CALL = selector("proxy((uint8,address,uint256,bytes)[])")
_SAFE_DOMAIN_TYPE = keccak(b"EIP712Domain(uint256 chainId,address verifyingContract)")
_SAFE_TYPE = keccak(
    b"SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,"
    b"uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)"
)
_WALLET_DOMAIN_TYPE = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_CALL_TYPE_TEXT = b"Call(address target,uint256 value,bytes data)"
_CALL_TYPE = keccak(_CALL_TYPE_TEXT)
_BATCH_TYPE = keccak(b"Batch(address wallet,uint256 nonce,uint256 deadline,Call[] calls)" + _CALL_TYPE_TEXT)
_DEPOSIT_NAME, _DEPOSIT_VERSION = keccak(b"DepositWallet"), keccak(b"1")

# What the relayer calls each kind of wallet; it counts nonces for each.
RELAYER_KINDS = {
    WalletKind.PROXY: "PROXY",
    WalletKind.SAFE: "SAFE",
    WalletKind.DEPOSIT_BEACON: "WALLET",
    WalletKind.DEPOSIT_UUPS: "WALLET",
}

# Signs 32 bytes; answers r, s and v (27 or 28). Held by the trader's signer, never called with bytes from outside.
SignDigest = Callable[[bytes], bytes]


class ChainKey(SigningKey):
    """A private key that signs permitted calls outside the book: each is read back in full first.

    Nothing else is signed, and no digest is taken from outside. Raises CallError for what is not permitted.
    """

    __slots__ = ()

    def batch(
        self, kind: WalletKind, calls: Sequence[Call], facts: RelayFacts, *, wallet: str, chain_id: int, metadata: str
    ) -> bytes:
        """Return the signed request for the relayer."""
        self._check(calls, wallet)
        return relayer_body(
            kind,
            calls,
            facts,
            owner=self.address,
            wallet=wallet,
            chain_id=chain_id,
            metadata=metadata,
            sign=self._sign,
        )

    def transaction(self, call: Call, facts: GasFacts, *, chain_id: int) -> bytes:
        """Return the raw transaction of the key's own account."""
        self._check([call], self.address)
        return transaction_body(call, facts, chain_id=chain_id, sign=self._sign)

    def _check(self, calls: Sequence[Call], wallet: str) -> None:
        own = wallets_of(self.address).values()
        if wallet not in own:
            raise CallError(f"{wallet} is not an account of this key")
        for call in calls:
            permit(call, own=own)


def relayer_body(
    kind: WalletKind,
    calls: Sequence[Call],
    facts: RelayFacts,
    *,
    owner: str,
    wallet: str,
    chain_id: int,
    metadata: str,
    sign: SignDigest,
) -> bytes:
    """Return the signed request for `/submit`: exactly these bytes are stored and sent, however often."""
    if not calls:
        raise CallError("a batch of no calls")
    if len(metadata) > LONGEST_METADATA:
        raise CallError(f"metadata has {len(metadata)} characters, {LONGEST_METADATA} are allowed")
    if kind in (WalletKind.DEPOSIT_BEACON, WalletKind.DEPOSIT_UUPS):
        fields = _deposit(calls, facts, wallet=wallet, chain_id=chain_id, sign=sign)
    elif kind is WalletKind.SAFE:
        fields = _safe(calls, facts, wallet=wallet, chain_id=chain_id, sign=sign)
    elif kind is WalletKind.PROXY:
        fields = _proxy(calls, facts, owner=owner, wallet=wallet, sign=sign)
    else:
        raise CallError("the key's own account sends its transactions itself, not through the relayer")
    body = {"type": RELAYER_KINDS[kind], "from": owner, "nonce": str(facts.nonce), "metadata": metadata} | fields
    return json.dumps(body, separators=(",", ":")).encode()


def transaction_body(call: Call, facts: GasFacts, *, chain_id: int, sign: SignDigest) -> bytes:
    """Return a raw EIP-1559 transaction of the key's own account. Its hash is `transaction_hash` of these bytes."""
    fields: list[_Item] = [
        chain_id,
        facts.nonce,
        facts.priority_fee,
        facts.max_fee,
        facts.gas,
        address_bytes(call.to),
        0,  # value
        call.data,
        [],  # access list
    ]
    signature = sign(keccak(b"\x02" + _rlp(fields)))
    r, s = (int.from_bytes(signature[i : i + 32], "big") for i in (0, 32))
    return b"\x02" + _rlp([*fields, signature[64] - 27, r, s])


def transaction_hash(raw: bytes) -> str:
    """Return the hash by which the chain will know these bytes, before they are sent."""
    return "0x" + keccak(raw).hex()


def batch_digest(calls: Sequence[Call], *, wallet: str, nonce: int, deadline_s: int, chain_id: int) -> bytes:
    domain = keccak(
        _WALLET_DOMAIN_TYPE + _DEPOSIT_NAME + _DEPOSIT_VERSION + _word(chain_id) + _address(wallet),
    )
    inner = b"".join(keccak(_CALL_TYPE + _address(c.to) + _word(0) + keccak(c.data)) for c in calls)
    struct = keccak(_BATCH_TYPE + _address(wallet) + _word(nonce) + _word(deadline_s) + keccak(inner))
    return keccak(b"\x19\x01" + domain + struct)


def safe_digest(*, safe: str, to: str, data: bytes, operation: int, nonce: int, chain_id: int) -> bytes:
    """Return what a Safe's owner signs: the typed-data hash, as a message."""
    domain = keccak(_SAFE_DOMAIN_TYPE + _word(chain_id) + _address(safe))
    nothing = bytes(32)
    struct = keccak(
        _SAFE_TYPE
        + _address(to)
        + nothing  # value
        + keccak(data)
        + _word(operation)
        + nothing * 5  # three gas numbers, gas token, refund receiver
        + _word(nonce)
    )
    return _personal(keccak(b"\x19\x01" + domain + struct))


def proxy_digest(*, owner: str, data: bytes, gas_limit: int, nonce: int, relay: str) -> bytes:
    return _personal(
        keccak(
            b"rlx:"
            + address_bytes(owner)
            + address_bytes(PROXY_FACTORY)
            + data
            + bytes(64)  # relayer fee and gas price
            + _word(gas_limit)
            + _word(nonce)
            + address_bytes(RELAY_HUB)
            + address_bytes(relay)
        )
    )


def proxy_data(calls: Sequence[Call]) -> bytes:
    """Return the proxy factory call that makes `calls` from the proxy."""
    items = [
        _word(1) + _address(c.to) + bytes(32) + _word(128) + _word(len(c.data)) + _padded(c.data)  # kind 1: a call
        for c in calls
    ]
    offsets, at = b"", 32 * len(items)
    for item in items:
        offsets += _word(at)
        at += len(item)
    return _PROXY_CALL + _word(32) + _word(len(items)) + offsets + b"".join(items)


def multisend_data(calls: Sequence[Call]) -> bytes:
    """Return the MultiSend call that makes `calls` from a Safe, which delegates to it."""
    packed = b"".join(
        bytes(1) + address_bytes(c.to) + bytes(32) + len(c.data).to_bytes(32, "big") + c.data for c in calls
    )
    return _MULTISEND + _word(32) + _word(len(packed)) + _padded(packed)


def _deposit(calls: Sequence[Call], facts: RelayFacts, *, wallet: str, chain_id: int, sign: SignDigest) -> _Fields:
    digest = batch_digest(calls, wallet=wallet, nonce=facts.nonce, deadline_s=facts.deadline_s, chain_id=chain_id)
    return {
        "to": DEPOSIT_FACTORY,
        "signature": _hex(sign(digest)),
        "depositWalletParams": {
            "depositWallet": wallet,
            "deadline": str(facts.deadline_s),
            "calls": [{"target": c.to, "value": "0", "data": _hex(c.data)} for c in calls],
        },
    }


def _safe(calls: Sequence[Call], facts: RelayFacts, *, wallet: str, chain_id: int, sign: SignDigest) -> _Fields:
    several = len(calls) > 1
    to, data = (SAFE_MULTISEND, multisend_data(calls)) if several else (calls[0].to, calls[0].data)
    operation = 1 if several else 0  # delegate to MultiSend, or a plain call
    digest = safe_digest(safe=wallet, to=to, data=data, operation=operation, nonce=facts.nonce, chain_id=chain_id)
    signature = sign(digest)
    return {
        "to": to,
        "proxyWallet": wallet,
        "data": _hex(data),
        # Safes tell a signed message from a signed hash by a last byte that is four higher.
        "signature": _hex(signature[:64] + bytes((signature[64] + 4,))),
        "signatureParams": {
            "baseGas": "0",
            "gasPrice": "0",
            "gasToken": ZERO_ADDRESS,
            "operation": str(operation),
            "refundReceiver": ZERO_ADDRESS,
            "safeTxnGas": "0",
        },
    }


def _proxy(calls: Sequence[Call], facts: RelayFacts, *, owner: str, wallet: str, sign: SignDigest) -> _Fields:
    data, gas_limit = proxy_data(calls), PROXY_GAS_LIMIT * len(calls)
    digest = proxy_digest(owner=owner, data=data, gas_limit=gas_limit, nonce=facts.nonce, relay=facts.relay)
    return {
        "to": PROXY_FACTORY,
        "proxyWallet": wallet,
        "data": _hex(data),
        "signature": _hex(sign(digest)),
        "signatureParams": {
            "gasLimit": str(gas_limit),
            "gasPrice": "0",
            "relay": facts.relay,
            "relayHub": RELAY_HUB,
            "relayerFee": "0",
        },
    }


def _personal(message: bytes) -> bytes:
    return keccak(b"\x19Ethereum Signed Message:\n32" + message)


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _address(address: str) -> bytes:
    return bytes(12) + address_bytes(address)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 32)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


_Item = int | bytes | list["_Item"]
_Fields = dict[str, object]


def _rlp(item: _Item) -> bytes:
    """Return the chain's own encoding of numbers, bytes and lists of them."""
    if isinstance(item, list):
        inner = b"".join(_rlp(part) for part in item)
        return _rlp_head(len(inner), 0xC0) + inner
    if isinstance(item, int):
        item = item.to_bytes((item.bit_length() + 7) // 8, "big")
    if len(item) == 1 and item[0] < 0x80:
        return item
    return _rlp_head(len(item), 0x80) + item


def _rlp_head(size: int, base: int) -> bytes:
    if size < 56:
        return bytes((base + size,))
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((base + 55 + len(length),)) + length
