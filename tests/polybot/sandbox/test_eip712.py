"""Signatures against the published vectors of the protocol reference."""

from __future__ import annotations

from dataclasses import replace

import pytest

from polybot.sandbox import eip712, wallets

KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
OWNER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
WALLET = "0x1111111111111111111111111111111111111111"
NESTED_INNER = (
    "a3a093c83b6c20c83355c16ce94c92e6e9fcbdeb840618cc74f6c57a42ad145b2b98db73d2c73cbf1f2b6af288566ae81960ddbc3a1392"
    "1027358a8bff3be6ff1c"
)


def order(*, maker: str = OWNER, signature_type: int = 0, signature: str = "") -> eip712.SignedOrder:
    return eip712.SignedOrder(
        salt=479249096354,
        maker=maker,
        signer=maker,
        token_id=1234,
        maker_amount=100_000_000,
        taker_amount=50_000_000,
        side=0,
        signature_type=signature_type,
        timestamp=1710000000000,
        metadata=bytes(32),
        builder=bytes(32),
        signature=bytes.fromhex(signature),
    )


@pytest.mark.parametrize(
    ("chain_id", "signature"),
    [
        (
            80002,
            "f62319a987514da40e57e2f4d7529f7bac38f0355bd88bb5adbb3768d80de6c1682518e0af677d5260366425f4361e7b70c25ae232a"
            "ff0ab2331e2b164a1aedc1b",
        ),
        (
            137,
            "1a7118db6100dfd8efd102be36f472b59475dcac56eb4c9a2a94748d3655ba7c3c89deb8c19ee79eceb0a531122fbfbe88ed118034f"
            "9d8212e2b725e7b296b9d1c",
        ),
    ],
)
def test_the_wallet_behind_an_api_key_request_is_recovered(chain_id: int, signature: str) -> None:
    signed = eip712.auth_digest(address=OWNER, timestamp="10000000", nonce=23, chain_id=chain_id)
    assert eip712.recover(signed, bytes.fromhex(signature)) == OWNER.lower()


def test_type_hashes_and_domains_are_the_published_ones() -> None:
    assert eip712._type_hash(eip712.ORDER_TYPE).hex() == (
        "bb86318a2138f5fa8ae32fbe8e659f8fcf13cc6ae4014a707893055433818589"
    )
    assert eip712._type_hash(eip712.DOMAIN_TYPE).hex() == (
        "8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f"
    )
    assert len(eip712.ORDER_TYPE) == 186
    assert [
        eip712.exchange_domain("2", 137, wallets.EXCHANGE_V2).hex(),
        eip712.exchange_domain("2", 137, wallets.NEG_RISK_EXCHANGE_V2).hex(),
        eip712.exchange_domain("3", 137, wallets.EXCHANGE_V3).hex(),
    ] == [
        "3264e159346253e26a64e00b69032db0e7d32f94628de3e6eecb50304d7af3d2",
        "9b858f53327b0bd13af8ec14cfb35234fb9eb7b0504d1a4e61f433840d30e81a",
        "466c63910185bbd55e8679264200c4e0abdcbb0c6264eb3d41d13326022e095b",
    ]


@pytest.mark.parametrize(
    ("version", "contract", "digest", "signature"),
    [
        (
            "2",
            wallets.EXCHANGE_V2,
            "10124949f84e9f7438c88d02bfd546ceb27ed6eb1fdb0175137af535b6e2513d",
            "42c7b4857d51e344045fcfde17b37cf1290d784471ffe618c22aa56ea5ddcf0009015b87ffb299813f5597e86d4ad56f40d634558d91"
            "5edb719e6fc71dbc0d891c",
        ),
        (
            "2",
            wallets.NEG_RISK_EXCHANGE_V2,
            "9c2976657c4b229cc8e467a32ce9e3281ef40a70aee31cdc4619ebf51e4a7274",
            "79d82a92bd020329c6b9afad40b742c8cfaebdd992219b57e4282b6cfd53a66f2c97471d3297fa001f3eac2ead5f709c6e266893f19c"
            "ef37633511420542a63b1b",
        ),
        (
            "3",
            wallets.EXCHANGE_V3,
            "0d34966f6a42e3b8bec3d0d0dcca74d762695a3bd4cdf1d6a1fc2201bf9daa87",
            "22a4e68028c7984ff9b19217dee3a8491614e97a84ca42d53fe73e7a50745fd66706b966fa16ce911a3217958a5471343c47f2fd56ea"
            "9392522a4c1c156eac701c",
        ),
    ],
)
def test_a_plain_order_has_the_published_id_and_owner(version: str, contract: str, digest: str, signature: str) -> None:
    domain = eip712.exchange_domain(version, 137, contract)
    posted = order(signature=signature)
    assert eip712.order_struct_hash(posted).hex() == "f6bf4212bfca4d6679afc2c54a54d814a91a6c7905de5ed193fe44f329c239f0"
    assert eip712.order_digest(posted, domain).hex() == digest
    assert eip712.order_owner(posted, domain, chain_id=137) == OWNER.lower()


def envelope(inner: str = NESTED_INNER) -> str:
    domain = eip712.exchange_domain("2", 80002, wallets.EXCHANGE_V2).hex()
    contents = "d23d42d3ad94e65d78258cecaf8dcbaddac0f73dc085040f2c12bb595dd83804"
    return inner + domain + contents + eip712.ORDER_TYPE.hex() + "00ba"


def test_a_deposit_wallet_order_names_the_key_that_owns_the_wallet() -> None:
    domain = eip712.exchange_domain("2", 80002, wallets.EXCHANGE_V2)
    assert domain.hex() == "a440cbd865bc0c6243d7a8df9a8bf48a8827b0a4abbb61c30e96d305423af148"
    posted = order(maker=WALLET, signature_type=3, signature=envelope())
    assert eip712.order_owner(posted, domain, chain_id=80002) == OWNER.lower()


def test_an_envelope_around_another_order_is_refused() -> None:
    domain = eip712.exchange_domain("2", 80002, wallets.EXCHANGE_V2)
    posted = order(maker=WALLET, signature_type=3, signature=envelope())
    with pytest.raises(eip712.SignatureError, match="does not wrap this order"):
        eip712.order_owner(replace(posted, maker_amount=100_000_001), domain, chain_id=80002)


def test_a_changed_order_recovers_to_somebody_else() -> None:
    domain = eip712.exchange_domain("2", 137, wallets.EXCHANGE_V2)
    signature = (
        "42c7b4857d51e344045fcfde17b37cf1290d784471ffe618c22aa56ea5ddcf0009015b87ffb299813f5597e86d4ad56f40d634558d915e"
        "db719e6fc71dbc0d891c"
    )
    changed = replace(order(signature=signature), taker_amount=50_000_001)
    assert eip712.order_owner(changed, domain, chain_id=137) != OWNER.lower()


@pytest.mark.parametrize("signature", [b"", bytes(65), bytes(64) + b"\x1b", b"\xff" * 65])
def test_a_signature_that_is_none_is_refused(signature: bytes) -> None:
    with pytest.raises(eip712.SignatureError):
        eip712.recover(bytes(32), signature)
