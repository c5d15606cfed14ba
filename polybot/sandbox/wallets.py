"""Which addresses one key controls, and the contracts every client knows by heart.

A key owns its own address (type 0), a proxy (type 1), a Safe (type 2) and two deposit wallets
(type 3): the current beacon form and the older UUPS form. All but the first are CREATE2
addresses, computed here from the protocol's text alone. Addresses are lower case.
"""

from __future__ import annotations

from functools import lru_cache

from eth_utils.crypto import keccak

from polybot.sandbox.eip712 import address_bytes, address_word

CHAIN_ID = 137
EXCHANGE_V2 = "0xE111180000d2663C0091e4f400237545B87B996B"
NEG_RISK_EXCHANGE_V2 = "0xe2222d279d744050d28e00520010520000310F59"
EXCHANGE_V3 = "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa"
PUSD = "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"
CTF = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"
ADAPTER = "0xAdA100Db00Ca00073811820692005400218FcE1f"
NEG_RISK_ADAPTER = "0xadA2005600Dec949baf300f4C6120000bDB6eAab"
LEGACY_NEG_RISK_ADAPTER = "0xd91E80cF2E7be2e162c6513ceD06f1dD0dA35296"
ROUTER = "0x12121212006e4CD160D18e3f00711DA5c3372600"
PERPS_DEPOSIT = "0xDCa4af75705dbB50f62437045afF9921947917d2"
POSITION_MANAGER = "0x006F54F7f9A22e0000CC2AB60031000000ae9fEF"
AUTO_REDEEMER = "0xa1200000d0002264C9a1698e001292D00E1b00af"
BINARY_MODULE = "0x1000008dD9001B968442c1000017eaE6E0dA00Ba"
NEG_RISK_MODULE = "0x200000900045e3B6259600682756002200028933"
DEPOSIT_FACTORY = "0x00000000000Fb5C9ADea0298D729A0CB3823Cc07"
DEPOSIT_IMPLEMENTATION = "0x58CA52ebe0DadfdF531Cde7062e76746de4Db1eB"
DEPOSIT_BEACON = "0x7A18EDfe055488A3128f01F563e5B479D92ffc3a"
PROXY_FACTORY = "0xaB45c5A4B0c941a2F231C04C3f49182e1A254052"
PROXY_IMPLEMENTATION = "0x44e999d5c2F66Ef0861317f9A4805AC2e90aEB4f"
SAFE_FACTORY = "0xaacFeEa03eb1561C4e67d661e40682Bd20E3541b"
SAFE_INIT_CODE_HASH = bytes.fromhex("2bce2127ff07fb632d16c8347c4ebf501f4841168bed00d9e6ef715ddb6fcecf")
SAFE_MULTISEND = "0xA238CBeb142c10Ef7Ad8442C6D1f9E89e07e7761"
RELAY_HUB = "0xD216153c06E857cD7f72665E0aF1d7D82172F494"
RELAY = "0x00000000000000000000000000000000000eCA11"  # this exchange's own sender of relayed calls

# What a trading wallet approves: (token, spender), first money, then shares.
MONEY_SPENDERS = (EXCHANGE_V2, NEG_RISK_EXCHANGE_V2, ADAPTER, NEG_RISK_ADAPTER, ROUTER, EXCHANGE_V3, PERPS_DEPOSIT)
SHARE_OPERATORS = (
    EXCHANGE_V2, NEG_RISK_EXCHANGE_V2, ADAPTER, NEG_RISK_ADAPTER, AUTO_REDEEMER, BINARY_MODULE, NEG_RISK_MODULE,
)  # fmt: skip
MANAGER_OPERATORS = (ROUTER, EXCHANGE_V3, AUTO_REDEEMER)

# Creation code of the two proxy forms, around their one address and two appended arguments.
_UUPS_HEAD = 0x61003D3D8160233D3973
_UUPS_TAIL = bytes.fromhex(
    "60095155f3363d3d373d3d363d7f360894a13ba1a3210667c828492db98dca3e2076"
    "cc3735a920a3ca505d382bbc545af43d6000803e6038573d6000fd5b3d6000f3"
)
_BEACON_HEAD = 0x6100523D8160233D3973
_BEACON_TAIL = bytes.fromhex(
    "60195155f3363d3d373d3d363d602036600436635c60da"
    "1b60e01b36527fa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6c"
    "b3582b35133d50545afa5036515af43d6000803e604d573d6000fd5b3d6000f3"
)

# A proxy is a minimal clone made by its factory; its constructor argument is an empty byte string.
_PROXY_CODE = (
    bytes.fromhex("3d3d606380380380913d393d73") + bytes.fromhex(PROXY_FACTORY[2:])
    + bytes.fromhex("5af4602a57600080fd5b602d8060366000396000f3363d3d373d3d3d363d73")
    + bytes.fromhex(PROXY_IMPLEMENTATION[2:])
    + bytes.fromhex("5af43d82803e903d91602b57fd5bf352e831dd") + (32).to_bytes(32, "big") + bytes(32)
)  # fmt: skip


@lru_cache(maxsize=4096)
def proxy_wallet(owner: str) -> str:
    """Return the proxy (type 1) of the key address `owner`."""
    return _create2(PROXY_FACTORY, salt=keccak(address_bytes(owner)), code_hash=keccak(_PROXY_CODE))


@lru_cache(maxsize=4096)
def safe_wallet(owner: str) -> str:
    """Return the Safe (type 2) of the key address `owner`."""
    return _create2(SAFE_FACTORY, salt=keccak(address_word(owner)), code_hash=SAFE_INIT_CODE_HASH)


@lru_cache(maxsize=4096)
def deposit_wallets(owner: str) -> tuple[str, str]:
    """Return the lower-case deposit wallets of the key address `owner`: (beacon form, UUPS form)."""
    arguments = address_word(DEPOSIT_FACTORY) + address_word(owner)
    salt = keccak(arguments)
    return (
        _create2(
            DEPOSIT_FACTORY, salt=salt, code_hash=_code_hash(_BEACON_HEAD, DEPOSIT_BEACON, _BEACON_TAIL, arguments)
        ),
        _create2(
            DEPOSIT_FACTORY, salt=salt, code_hash=_code_hash(_UUPS_HEAD, DEPOSIT_IMPLEMENTATION, _UUPS_TAIL, arguments)
        ),
    )


def wallets_of(owner: str) -> dict[str, int]:
    """Return every address `owner` may trade from, with the signature type it must use."""
    key = owner.lower()
    beacon, uups = deposit_wallets(key)
    return {key: 0, proxy_wallet(key): 1, safe_wallet(key): 2, beacon: 3, uups: 3}


def _code_hash(head: int, target: str, tail: bytes, arguments: bytes) -> bytes:
    prefix = (head + (len(arguments) << 56)).to_bytes(10, "big")
    return keccak(prefix + address_bytes(target) + tail + arguments)


def _create2(factory: str, *, salt: bytes, code_hash: bytes) -> str:
    return "0x" + keccak(b"\xff" + address_bytes(factory) + salt + code_hash)[12:].hex()
