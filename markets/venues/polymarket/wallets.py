"""Addresses: which accounts one key controls, which contract an order is signed for, and what is what.

An address is 0x-prefixed text in its checksum form; comparisons ignore case. Everything is computed:
account addresses are CREATE2 addresses, so that no chain is asked who owns them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import lru_cache
from types import MappingProxyType

from eth_hash.auto import keccak

MAINNET = 137
AMOY = 80_002


class AddressError(ValueError):
    """A text that is not an address, or an account that the key does not control."""


class SignatureType(IntEnum):
    """How the exchange checks an order's signature; the number is signed and sent."""

    EOA = 0  # the key's own account
    PROXY = 1  # the proxy account of an e-mail sign-up
    SAFE = 2  # the Safe of a browser wallet
    DEPOSIT_WALLET = 3  # a contract that checks the signature itself (ERC-1271)


class WalletKind(StrEnum):
    EOA = "eoa"
    PROXY = "proxy"
    SAFE = "safe"
    DEPOSIT_BEACON = "deposit_beacon"
    DEPOSIT_UUPS = "deposit_uups"

    @property
    def signature_type(self) -> SignatureType:
        return _SIGNATURE_TYPES[self]


_SIGNATURE_TYPES = {
    WalletKind.EOA: SignatureType.EOA,
    WalletKind.PROXY: SignatureType.PROXY,
    WalletKind.SAFE: SignatureType.SAFE,
    WalletKind.DEPOSIT_BEACON: SignatureType.DEPOSIT_WALLET,
    WalletKind.DEPOSIT_UUPS: SignatureType.DEPOSIT_WALLET,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contracts:
    """The venue's contracts on one chain that an order or an account refers to."""

    exchange: str
    neg_risk_exchange: str
    exchange_v3: str
    collateral: str
    conditional_tokens: str


CONTRACTS: Mapping[int, Contracts] = MappingProxyType(
    {
        MAINNET: Contracts(
            exchange="0xE111180000d2663C0091e4f400237545B87B996B",
            neg_risk_exchange="0xe2222d279d744050d28e00520010520000310F59",
            exchange_v3="0xe3333700cA9d93003F00f0F71f8515005F6c00Aa",
            collateral="0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB",
            conditional_tokens="0x4D97DCd97eC945f40cF65F87097ACe5EA0476045",
        ),
        AMOY: Contracts(
            exchange="0xE111180000d2663C0091e4f400237545B87B996B",
            neg_risk_exchange="0xe2222d279d744050d28e00520010520000310F59",
            exchange_v3="0x9fE6e61422AdB6F610d8597F9684b16912D50C3D",
            collateral="0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB",
            conditional_tokens="0x69308FB512518e39F9b16112fA8d994F4e2Bf8bB",
        ),
    }
)

PROXY_FACTORY = "0xaB45c5A4B0c941a2F231C04C3f49182e1A254052"
PROXY_IMPLEMENTATION = "0x44e999d5c2F66Ef0861317f9A4805AC2e90aEB4f"
SAFE_FACTORY = "0xaacFeEa03eb1561C4e67d661e40682Bd20E3541b"
SAFE_CODE_HASH = bytes.fromhex("2bce2127ff07fb632d16c8347c4ebf501f4841168bed00d9e6ef715ddb6fcecf")
DEPOSIT_FACTORY = "0x00000000000Fb5C9ADea0298D729A0CB3823Cc07"
DEPOSIT_IMPLEMENTATION = "0x58CA52ebe0DadfdF531Cde7062e76746de4Db1eB"
DEPOSIT_BEACON = "0x7A18EDfe055488A3128f01F563e5B479D92ffc3a"

# Creation code around the addresses it contains.
_PROXY_CODE = (
    bytes.fromhex("3d3d606380380380913d393d73"),
    bytes.fromhex("5af4602a57600080fd5b602d8060366000396000f3363d3d373d3d3d363d73"),
    bytes.fromhex("5af43d82803e903d91602b57fd5bf352e831dd") + (32).to_bytes(32, "big") + bytes(32),
)
_UUPS_CODE = (
    0x61003D3D8160233D3973,
    bytes.fromhex(
        "60095155f3363d3d373d3d363d7f360894a13ba1a3210667c828492db98dca3e2076"
        "cc3735a920a3ca505d382bbc545af43d6000803e6038573d6000fd5b3d6000f3"
    ),
)
_BEACON_CODE = (
    0x6100523D8160233D3973,
    bytes.fromhex(
        "60195155f3363d3d373d3d363d602036600436635c60da1b60e01b36527fa3f0ad74e5423aebfd80d3ef4346578335"
        "a9a72aeaee59ff6cb3582b35133d50545afa5036515af43d6000803e604d573d6000fd5b3d6000f3"
    ),
)
# A position id of the newer token protocol has zeros where a hash has bits; see protocol notes on Exchange V3.
_POSITION_ID_ZEROS = ((1 << 64) - 1) << 40


def address_bytes(address: str) -> bytes:
    """Return the 20 bytes of `address`. Raises AddressError."""
    if not isinstance(address, str) or len(address) != 42 or address[:2] not in ("0x", "0X"):
        raise AddressError(f"{address!r:.60} is not an address: 0x and 40 hexadecimal digits")
    try:
        return bytes.fromhex(address[2:])
    except ValueError:
        raise AddressError(f"{address!r:.60} is not an address: 0x and 40 hexadecimal digits") from None


def checksum_address(address: str) -> str:
    """Return `address` in its checksum form. Mixed case that contradicts the checksum raises AddressError."""
    right = address_text(address_bytes(address))
    digits = address[2:]
    if digits not in (digits.lower(), digits.upper()) and digits != right[2:]:
        raise AddressError(f"{address} has a wrong checksum: one character is mistyped")
    return right


@lru_cache(maxsize=4096)
def address_text(raw: bytes) -> str:
    """Return 20 bytes as a checksum address."""
    digits = raw.hex()
    marks = keccak(digits.encode()).hex()
    return "0x" + "".join(digit.upper() if mark >= "8" else digit for digit, mark in zip(digits, marks, strict=False))


def address_of_public_key(public_key: bytes) -> str:
    """Return the account of an uncompressed public key (65 bytes, or 64 without its prefix)."""
    return address_text(keccak(public_key[-64:])[12:])


def proxy_wallet(owner: str) -> str:
    before, between, after = _PROXY_CODE
    code = before + address_bytes(PROXY_FACTORY) + between + address_bytes(PROXY_IMPLEMENTATION) + after
    return _create2(PROXY_FACTORY, salt=keccak(address_bytes(owner)), code_hash=keccak(code))


def safe_wallet(owner: str) -> str:
    return _create2(SAFE_FACTORY, salt=keccak(_word(owner)), code_hash=SAFE_CODE_HASH)


def deposit_wallet(owner: str, *, beacon: bool = True) -> str:
    """Return the deposit wallet of `owner`: the current beacon form, or the older one (UUPS)."""
    head, tail = _BEACON_CODE if beacon else _UUPS_CODE
    arguments = _word(DEPOSIT_FACTORY) + _word(owner)
    prefix = (head + (len(arguments) << 56)).to_bytes(10, "big")  # the code says how long its arguments are
    target = address_bytes(DEPOSIT_BEACON if beacon else DEPOSIT_IMPLEMENTATION)
    return _create2(DEPOSIT_FACTORY, salt=keccak(arguments), code_hash=keccak(prefix + target + tail + arguments))


@lru_cache(maxsize=256)
def wallets_of(owner: str) -> Mapping[WalletKind, str]:
    """Return the five accounts that the key account `owner` can trade from."""
    owner = checksum_address(owner)
    return MappingProxyType(
        {
            WalletKind.EOA: owner,
            WalletKind.PROXY: proxy_wallet(owner),
            WalletKind.SAFE: safe_wallet(owner),
            WalletKind.DEPOSIT_BEACON: deposit_wallet(owner),
            WalletKind.DEPOSIT_UUPS: deposit_wallet(owner, beacon=False),
        }
    )


def wallet_kind(owner: str, wallet: str) -> WalletKind:
    """Return what kind of account `wallet` is for the key account `owner`.

    Raises AddressError when the key controls no such account: an order for it would be refused, or,
    with a session key, needs an authorisation that nobody can see from the address.
    """
    wallet = checksum_address(wallet)
    for kind, address in wallets_of(checksum_address(owner)).items():
        if address == wallet:
            return kind
    raise AddressError(
        f"{wallet} is not an account of the key {checksum_address(owner)}: check that the key and the "
        "account address belong together"
    )


def is_position_id(token_id: int) -> bool:
    """Whether the id belongs to the newer token protocol, whose orders are signed for Exchange V3."""
    return token_id & _POSITION_ID_ZEROS == 0


def _word(address: str) -> bytes:
    return bytes(12) + address_bytes(address)


def _create2(factory: str, *, salt: bytes, code_hash: bytes) -> str:
    return address_text(keccak(b"\xff" + address_bytes(factory) + salt + code_hash)[12:])
