"""Signatures: the venue's published vectors, and byte equality with both official clients on random orders.

Which client covers what (each order below is compared with every client that can make it):

| signature type        | standard   | neg-risk   | V3         | other chain (80002) |
| 0 own account         | old, new   | old, new   | old, new   | old                 |
| 1 proxy               | old, new   | old, new   | old, new   | old                 |
| 2 Safe                | old, new   | old, new   | old, new   | old                 |
| 3 deposit wallet      | old, new   | old, new   | old, new   | old                 |
| 3 with a session key  | new        | new        | new        | -                   |

old: py-clob-client-v2, which also gives the order hash; new: polymarket-client. `POLYBOT_SIGNED_ORDERS`
sets the number of random orders for each pair of wallet and exchange.
"""

from __future__ import annotations

import copy
import os
import pickle
import random
from dataclasses import replace

import pytest
from eth_account import Account
from eth_utils.crypto import keccak
from polymarket._internal.actions.orders.orders import create_signed_order
from polymarket._internal.actions.orders.typed_data import build_order_signature, build_order_typed_data
from polymarket._internal.actions.orders.types import UnsignedOrder
from polymarket._internal.wallet import wrap_deposit_wallet_session_signer_signature
from py_clob_client_v2.order_utils.exchange_order_builder_v2 import ExchangeOrderBuilderV2
from py_clob_client_v2.order_utils.model.order_data_v2 import OrderDataV2
from py_clob_client_v2.order_utils.model.side import Side as OldSide
from py_clob_client_v2.order_utils.model.signature_type_v2 import SignatureTypeV2
from py_clob_client_v2.signer import Signer

from markets.domain.instruments import Side
from markets.venues.polymarket import signing
from markets.venues.polymarket.signing import ExchangeKind, OrderFields, SigningError, SigningKey
from markets.venues.polymarket.wallets import SignatureType, WalletKind, wallets_of
from polybot.sandbox import eip712

EACH = int(os.environ.get("POLYBOT_SIGNED_ORDERS", "90"))  # 12 pairs on the main chain: 1,080 orders
SECRET = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
OWNER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
VECTOR = OrderFields(
    salt=479249096354,
    maker=OWNER,
    signer=OWNER,
    token_id=1234,
    maker_amount=100_000_000,
    taker_amount=50_000_000,
    side=Side.BUY,
    signature_type=SignatureType.EOA,
    timestamp_ms=1_710_000_000_000,
)


def random_order(rng: random.Random, owner: str, kind: SignatureType, exchange: ExchangeKind) -> OrderFields:
    wallets = wallets_of(owner)
    maker = {
        SignatureType.EOA: owner,
        SignatureType.PROXY: wallets[WalletKind.PROXY],
        SignatureType.SAFE: wallets[WalletKind.SAFE],
        SignatureType.DEPOSIT_WALLET: wallets[rng.choice((WalletKind.DEPOSIT_BEACON, WalletKind.DEPOSIT_UUPS))],
    }[kind]
    if exchange is ExchangeKind.V3:
        token_id = rng.randint(1, 3) << 248 | rng.getrandbits(140) << 104 | rng.randint(0, 1)
    else:
        token_id = rng.getrandbits(256) | 1 << 50
    return OrderFields(
        salt=rng.getrandbits(rng.choice((1, 20, 53))),
        maker=maker,
        signer=maker if kind is SignatureType.DEPOSIT_WALLET else owner,
        token_id=token_id,
        maker_amount=rng.randint(1, 10 ** rng.randint(1, 15)),
        taker_amount=rng.randint(1, 10 ** rng.randint(1, 15)),
        side=rng.choice((Side.BUY, Side.SELL)),
        signature_type=kind,
        timestamp_ms=rng.randint(1_600_000_000_000, 2_000_000_000_000),
        metadata=rng.choice((bytes(32), rng.randbytes(32))),
        builder=rng.choice((bytes(32), rng.randbytes(32))),
    )


def old_client(order: OrderFields, exchange: signing.Exchange, secret: str) -> tuple[str, str]:
    """Return (order hash, signature) of py-clob-client-v2, with our salt and time."""
    builder = ExchangeOrderBuilderV2(
        exchange.address,
        exchange.chain_id,
        Signer(secret, exchange.chain_id),
        generate_salt=lambda: str(order.salt),
        domain_version=exchange.version,
    )
    signed = builder.build_signed_order(
        OrderDataV2(
            maker=order.maker,
            signer=order.signer,
            tokenId=str(order.token_id),
            makerAmount=str(order.maker_amount),
            takerAmount=str(order.taker_amount),
            side=OldSide.BUY if order.side is Side.BUY else OldSide.SELL,
            signatureType=SignatureTypeV2(order.signature_type.value),
            timestamp=str(order.timestamp_ms),
            metadata="0x" + order.metadata.hex(),
            builder="0x" + order.builder.hex(),
        )
    )
    return builder.build_order_hash(builder.build_order_typed_data(signed)), signed.signature


def new_client(order: OrderFields, exchange: signing.Exchange, secret: str) -> str:
    """Return the signature of polymarket-client, with our salt and time."""
    unsigned = UnsignedOrder(
        chain_id=exchange.chain_id,
        builder="0x" + order.builder.hex(),  # type: ignore[arg-type]
        exchange_address=exchange.address,  # type: ignore[arg-type]
        expiration=0,
        maker=order.maker,  # type: ignore[arg-type]
        maker_amount=order.maker_amount,
        metadata="0x" + order.metadata.hex(),  # type: ignore[arg-type]
        order_type="GTC",
        salt=order.salt,
        side=order.side.name,
        signature_type=order.signature_type.value,
        signer=order.signer,  # type: ignore[arg-type]
        taker_amount=order.taker_amount,
        timestamp=order.timestamp_ms,
        token_id=str(order.token_id),  # type: ignore[arg-type]
        protocol_version=exchange.version,  # type: ignore[arg-type]
    )
    signed = Account.from_key(secret).sign_typed_data(full_message=build_order_typed_data(unsigned))
    signature = build_order_signature(unsigned, "0x" + signed.signature.hex())  # type: ignore[arg-type]
    return str(create_signed_order(unsigned, signature).signature)


@pytest.mark.parametrize("exchange_kind", list(ExchangeKind))
@pytest.mark.parametrize("kind", list(SignatureType))
def test_orders_equal_both_official_clients_byte_for_byte(kind: SignatureType, exchange_kind: ExchangeKind) -> None:
    rng = random.Random(f"{kind}/{exchange_kind}")
    exchange = signing.exchange_for(exchange_kind, chain_id=137)
    secret = "0x" + rng.randbytes(32).hex()
    key = SigningKey(secret)
    for number in range(EACH):
        if number % 30 == 29:
            secret = "0x" + rng.randbytes(32).hex()
            key = SigningKey(secret)
        order = random_order(rng, key.address, kind, exchange_kind)
        assert signing.exchange_of(order.token_id, neg_risk=exchange_kind is ExchangeKind.NEG_RISK, chain_id=137) is (
            exchange
        )
        signature = "0x" + key.sign_order(order, exchange).hex()
        assert old_client(order, exchange, secret) == (signing.order_id(order, exchange), signature)
        assert new_client(order, exchange, secret) == signature


@pytest.mark.parametrize("exchange_kind", list(ExchangeKind))
@pytest.mark.parametrize("kind", list(SignatureType))
def test_orders_on_the_test_chain_equal_the_old_client(kind: SignatureType, exchange_kind: ExchangeKind) -> None:
    rng = random.Random(f"amoy/{kind}/{exchange_kind}")
    exchange = signing.exchange_for(exchange_kind, chain_id=80_002)
    secret = "0x" + rng.randbytes(32).hex()
    key = SigningKey(secret)
    for _ in range(max(3, EACH // 30)):
        order = random_order(rng, key.address, kind, exchange_kind)
        assert old_client(order, exchange, secret) == (
            signing.order_id(order, exchange),
            "0x" + key.sign_order(order, exchange).hex(),
        )


@pytest.mark.parametrize("kind", list(SignatureType))
def test_the_local_exchange_which_never_saw_our_code_recovers_the_key(kind: SignatureType) -> None:
    rng = random.Random(f"recover/{kind}")
    key = SigningKey(rng.randbytes(32))
    for exchange_kind in ExchangeKind:
        exchange = signing.exchange_for(exchange_kind, chain_id=137)
        order = random_order(rng, key.address, kind, exchange_kind)
        theirs = eip712.SignedOrder(
            salt=order.salt, maker=order.maker, signer=order.signer, token_id=order.token_id,
            maker_amount=order.maker_amount, taker_amount=order.taker_amount, side=int(order.side is Side.SELL),
            signature_type=kind.value, timestamp=order.timestamp_ms, metadata=order.metadata, builder=order.builder,
            signature=key.sign_order(order, exchange),
        )  # fmt: skip
        domain = eip712.exchange_domain(exchange.version, 137, exchange.address)
        assert eip712.order_owner(theirs, domain, chain_id=137) == key.address.lower()
        assert eip712.order_digest(theirs, domain) == signing.order_hash(order, exchange)


# --- published vectors ----------------------------------------------------------------------------------------------


def test_type_hashes_and_separators_are_the_published_ones() -> None:
    assert keccak(signing.DOMAIN_TYPE) == signing.DOMAIN_TYPE_HASH
    assert keccak(signing.ORDER_TYPE) == signing.ORDER_TYPE_HASH
    assert len(signing.ORDER_TYPE) == 0xBA
    separators = {
        ExchangeKind.STANDARD: "3264e159346253e26a64e00b69032db0e7d32f94628de3e6eecb50304d7af3d2",
        ExchangeKind.NEG_RISK: "9b858f53327b0bd13af8ec14cfb35234fb9eb7b0504d1a4e61f433840d30e81a",
        ExchangeKind.V3: "466c63910185bbd55e8679264200c4e0abdcbb0c6264eb3d41d13326022e095b",
    }
    for kind, separator in separators.items():
        assert signing.exchange_for(kind, chain_id=137).separator.hex() == separator


@pytest.mark.parametrize(
    ("kind", "order_id", "signature"),
    [
        (
            ExchangeKind.STANDARD,
            "0x10124949f84e9f7438c88d02bfd546ceb27ed6eb1fdb0175137af535b6e2513d",
            "42c7b4857d51e344045fcfde17b37cf1290d784471ffe618c22aa56ea5ddcf00"
            "09015b87ffb299813f5597e86d4ad56f40d634558d915edb719e6fc71dbc0d891c",
        ),
        (
            ExchangeKind.NEG_RISK,
            "0x9c2976657c4b229cc8e467a32ce9e3281ef40a70aee31cdc4619ebf51e4a7274",
            "79d82a92bd020329c6b9afad40b742c8cfaebdd992219b57e4282b6cfd53a66f"
            "2c97471d3297fa001f3eac2ead5f709c6e266893f19cef37633511420542a63b1b",
        ),
        (
            ExchangeKind.V3,
            "0x0d34966f6a42e3b8bec3d0d0dcca74d762695a3bd4cdf1d6a1fc2201bf9daa87",
            "22a4e68028c7984ff9b19217dee3a8491614e97a84ca42d53fe73e7a50745fd6"
            "6706b966fa16ce911a3217958a5471343c47f2fd56ea9392522a4c1c156eac701c",
        ),
    ],
)
def test_the_vectors_of_an_own_account(kind: ExchangeKind, order_id: str, signature: str) -> None:
    exchange = signing.exchange_for(kind, chain_id=137)
    assert signing.struct_hash(VECTOR).hex() == "f6bf4212bfca4d6679afc2c54a54d814a91a6c7905de5ed193fe44f329c239f0"
    assert signing.order_id(VECTOR, exchange) == order_id
    assert SigningKey(SECRET).sign_order(VECTOR, exchange).hex() == signature
    identity, same = SigningKey(SECRET).identify_and_sign(VECTOR, exchange)
    assert ("0x" + identity.hex(), same.hex()) == (order_id, signature)


def test_the_vector_of_a_deposit_wallet() -> None:
    wallet = "0x1111111111111111111111111111111111111111"
    order = replace(VECTOR, maker=wallet, signer=wallet, signature_type=SignatureType.DEPOSIT_WALLET)
    exchange = signing.exchange_for(ExchangeKind.STANDARD, chain_id=80_002)
    assert SigningKey(SECRET).sign_order(order, exchange).hex() == (
        "a3a093c83b6c20c83355c16ce94c92e6e9fcbdeb840618cc74f6c57a42ad145b"
        "2b98db73d2c73cbf1f2b6af288566ae81960ddbc3a13921027358a8bff3be6ff1c"
        "a440cbd865bc0c6243d7a8df9a8bf48a8827b0a4abbb61c30e96d305423af148"
        "d23d42d3ad94e65d78258cecaf8dcbaddac0f73dc085040f2c12bb595dd83804" + signing.ORDER_TYPE.hex() + "00ba"
    )
    # The id stays the plain order hash: it does not depend on the envelope.
    assert signing.order_hash(order, exchange) == keccak(b"\x19\x01" + exchange.separator + signing.struct_hash(order))


def test_a_session_key_wraps_its_signature_as_the_new_client_does() -> None:
    rng = random.Random(11)
    for length in (65, 317):
        signature = rng.randbytes(length)
        session = SigningKey(rng.randbytes(32)).address
        theirs = wrap_deposit_wallet_session_signer_signature(session, "0x" + signature.hex())  # type: ignore[arg-type]
        assert theirs == "0x" + signing.session_envelope(session, signature).hex()


# --- what determines an order -----------------------------------------------------------------------------------------


def test_the_same_intent_always_makes_the_same_salt() -> None:
    key = bytes(range(32))
    salts = {signing.order_salt(key, f"intent-{number}") for number in range(2_000)}
    assert len(salts) == 2_000
    assert max(salts) < 1 << 53 and max(salts) > 1 << 52
    assert signing.order_salt(key, "intent-1") == signing.order_salt(key, "intent-1")
    assert signing.order_salt(bytes(32), "intent-1") != signing.order_salt(key, "intent-1")
    with pytest.raises(SigningError, match="fewer than 16 bytes"):
        signing.order_salt(b"short", "intent-1")


def test_every_signed_field_changes_the_order_id() -> None:
    exchange = signing.exchange_for(ExchangeKind.STANDARD, chain_id=137)
    other = "0x1111111111111111111111111111111111111111"
    changes: list[dict[str, object]] = [
        {"salt": 1}, {"maker": other}, {"signer": other}, {"token_id": 1235}, {"maker_amount": 1},
        {"taker_amount": 1}, {"side": Side.SELL}, {"signature_type": SignatureType.PROXY},
        {"timestamp_ms": 1}, {"metadata": b"\x01" * 32}, {"builder": b"\x01" * 32},
    ]  # fmt: skip
    assert {next(iter(change)) for change in changes} == set(OrderFields.__slots__)
    ids = {signing.order_id(replace(VECTOR, **change), exchange) for change in changes}  # type: ignore[arg-type]
    assert len(ids | {signing.order_id(VECTOR, exchange)}) == 12


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"salt": -1}, "salt does not fit"),
        ({"token_id": 1 << 256}, "token_id does not fit"),
        ({"salt": 0, "token_id": 1 << 256}, "token_id does not fit"),
        ({"metadata": b"short"}, "metadata: has 5 bytes, not 32"),
        ({"signer": "0x1111111111111111111111111111111111111111"}, "is not the account of this key"),
        ({"maker": "0x1111111111111111111111111111111111111111"}, "does not fit signature type 0"),
        ({"signature_type": SignatureType.SAFE}, "does not fit signature type 2"),
        ({"signature_type": SignatureType.DEPOSIT_WALLET}, "own account is not a deposit wallet"),
        (
            {"signature_type": SignatureType.DEPOSIT_WALLET, "maker": "0x1111111111111111111111111111111111111111"},
            "names the wallet as maker and as signer",
        ),
        ({"maker": "0x12"}, "is not an address"),
    ],
)
def test_an_order_that_does_not_fit_is_not_signed(change: dict[str, object], said: str) -> None:
    exchange = signing.exchange_for(ExchangeKind.STANDARD, chain_id=137)
    with pytest.raises(ValueError, match=said):
        SigningKey(SECRET).sign_order(replace(VECTOR, **change), exchange)  # type: ignore[arg-type]


def test_an_unknown_chain_has_no_exchange() -> None:
    with pytest.raises(SigningError, match="chain 1 has no exchange"):
        signing.exchange_for(ExchangeKind.STANDARD, chain_id=1)


# --- the key itself ---------------------------------------------------------------------------------------------------


def test_a_key_does_not_show_itself() -> None:
    key = SigningKey(SECRET)
    assert repr(key) == f"SigningKey({OWNER})"
    assert SECRET[2:] not in f"{key!r}{key!s}{key.__slots__}"
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leave(key)


@pytest.mark.parametrize("secret", ["", "0x12", "zz" * 32, "0x" + "00" * 32, "ff" * 32, b"short", SECRET + "00"])
def test_a_wrong_key_is_refused_without_being_quoted(secret: str | bytes) -> None:
    with pytest.raises(SigningError, match="not 32 bytes") as caught:
        SigningKey(secret)
    assert caught.value.__suppress_context__ and caught.value.__cause__ is None
    if len(secret) > 4:
        assert str(secret) not in str(caught.value)
