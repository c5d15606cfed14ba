"""The body of an order request: exact, repeatable, and readable again."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from polymarket._internal.actions.orders.post import build_post_order_request
from polymarket.models.clob.orders import SignedOrder
from py_clob_client_v2.order_utils.model.order_data_v2 import SignedOrderV2, order_to_json_v2
from py_clob_client_v2.order_utils.model.side import Side as OldSide
from py_clob_client_v2.order_utils.model.signature_type_v2 import SignatureTypeV2

from markets.domain.instruments import Side
from markets.venues.base import ParseError
from markets.venues.polymarket import order_payload, signing
from markets.venues.polymarket.order_payload import PayloadError, Terms
from markets.venues.polymarket.signing import ExchangeKind, OrderFields, SigningKey
from markets.venues.polymarket.wallets import SignatureType, WalletKind, wallets_of

KEY = SigningKey("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
OWNER = "00000000-0000-4000-8000-000000000001"
EXCHANGE = signing.exchange_for(ExchangeKind.STANDARD, chain_id=137)


def order(rng: random.Random) -> OrderFields:
    kind = rng.choice(list(SignatureType))
    maker = {
        SignatureType.EOA: KEY.address,
        SignatureType.PROXY: wallets_of(KEY.address)[WalletKind.PROXY],
        SignatureType.SAFE: wallets_of(KEY.address)[WalletKind.SAFE],
        SignatureType.DEPOSIT_WALLET: wallets_of(KEY.address)[WalletKind.DEPOSIT_BEACON],
    }[kind]
    return OrderFields(
        salt=rng.getrandbits(53), maker=maker, signer=maker if kind is SignatureType.DEPOSIT_WALLET else KEY.address,
        token_id=rng.getrandbits(256), maker_amount=rng.randint(1, 10**12), taker_amount=rng.randint(1, 10**12),
        side=rng.choice(list(Side)), signature_type=kind, timestamp_ms=rng.randint(1, 2**42),
        metadata=rng.choice((bytes(32), rng.randbytes(32))), builder=rng.choice((bytes(32), rng.randbytes(32))),
    )  # fmt: skip


def terms(rng: random.Random) -> Terms:
    kind = rng.choice(order_payload.ORDER_TYPES)
    return Terms(
        owner=OWNER,
        order_type=kind,
        expiration_s=rng.randint(1, 2**33) if kind == "GTD" else 0,
        post_only=kind in ("GTC", "GTD") and rng.random() < 0.5,
    )


def test_the_body_is_the_official_clients_byte_for_byte() -> None:
    rng = random.Random(21)
    for _ in range(100):
        fields, words = order(rng), terms(rng)
        signature = KEY.sign_order(fields, EXCHANGE)
        body = order_payload.build(fields, signature, words)
        signed = SignedOrderV2(
            salt=str(fields.salt), maker=fields.maker, signer=fields.signer, tokenId=str(fields.token_id),
            makerAmount=str(fields.maker_amount), takerAmount=str(fields.taker_amount),
            side=OldSide.BUY if fields.side is Side.BUY else OldSide.SELL,
            signatureType=SignatureTypeV2(fields.signature_type.value), timestamp=str(fields.timestamp_ms),
            metadata="0x" + fields.metadata.hex(), builder="0x" + fields.builder.hex(),
            expiration=str(words.expiration_s), signature="0x" + signature.hex(),
        )  # fmt: skip
        old = order_to_json_v2(signed, OWNER, words.order_type, words.post_only)
        assert body == json.dumps(old, separators=(",", ":")).encode()
        new = SignedOrder(
            builder="0x" + fields.builder.hex(), expiration=words.expiration_s, maker=fields.maker,
            maker_amount=fields.maker_amount, metadata="0x" + fields.metadata.hex(), order_type=words.order_type,
            salt=fields.salt, side=fields.side.name, signature="0x" + signature.hex(),
            signature_type=fields.signature_type.value, signer=fields.signer, taker_amount=fields.taker_amount,
            timestamp=fields.timestamp_ms, token_id=str(fields.token_id), post_only=words.post_only,
        )  # type: ignore[arg-type]  # fmt: skip
        _, theirs = build_post_order_request(new, owner_api_key=OWNER)
        assert json.loads(body) == {"postOnly": False} | theirs


def test_a_stored_body_gives_back_the_order_its_id_and_its_signature() -> None:
    rng = random.Random(22)
    for _ in range(100):
        fields, words = order(rng), terms(rng)
        signature = KEY.sign_order(fields, EXCHANGE)
        body = order_payload.build(fields, signature, words)
        found = order_payload.read(body)
        assert (found.order, found.signature, found.terms) == (fields, signature, words)
        assert found.id_on(EXCHANGE) == signing.order_id(fields, EXCHANGE)
        assert order_payload.build(found.order, found.signature, found.terms) == body


def test_expiration_and_kind_do_not_change_the_id() -> None:
    fields = order(random.Random(1))
    signature = KEY.sign_order(fields, EXCHANGE)
    ids = {
        order_payload.read(order_payload.build(fields, signature, words)).id_on(EXCHANGE)
        for words in (
            Terms(owner=OWNER),
            Terms(owner=OWNER, order_type="GTD", expiration_s=2**31),
            Terms(owner=OWNER, post_only=True),
        )
    }
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        ({}, {"order_type": "IOC"}, "order_type"),
        ({}, {"order_type": "GTD"}, "expiration_s: 0 does not go with GTD"),
        ({}, {"expiration_s": 5}, "expiration_s: 5 does not go with GTC"),
        ({}, {"order_type": "FOK", "post_only": True}, "post_only: cannot be set on FOK"),
        ({"salt": 1 << 53}, {}, "salt"),
        ({"salt": -1}, {}, "salt"),
        ({"maker_amount": 0}, {}, "both must be positive"),
        ({"taker_amount": 0}, {}, "both must be positive"),
        ({}, {"expiration_s": -1}, "expiration_s: -1 does not go with GTC"),
    ],
)
def test_what_the_venue_would_refuse_is_not_built(change: dict[str, int], words: dict[str, object], said: str) -> None:
    fields = replace(order(random.Random(1)), **change)  # type: ignore[arg-type]
    with pytest.raises(PayloadError, match=said):
        order_payload.build(fields, bytes(65), Terms(**({"owner": OWNER} | words)))  # type: ignore[arg-type]


def test_the_smallest_and_the_largest_numbers_the_venue_takes_are_built() -> None:
    for salt in (0, (1 << 53) - 1):
        fields = replace(order(random.Random(1)), salt=salt, maker_amount=1, taker_amount=1)
        body = order_payload.build(fields, bytes(65), Terms(owner=OWNER, order_type="GTD", expiration_s=1))
        assert order_payload.read(body).order == fields
    with pytest.raises(PayloadError, match="64 bytes are too few"):
        order_payload.build(order(random.Random(1)), bytes(64), Terms(owner=OWNER))


def test_a_batch_is_its_stored_bodies() -> None:
    body = order_payload.build(order(random.Random(1)), bytes(65), Terms(owner=OWNER))
    assert order_payload.build_batch([body, body]) == b"[" + body + b"," + body + b"]"
    for count in (0, 16):
        with pytest.raises(PayloadError, match="1 to 15"):
            order_payload.build_batch([body] * count)


def test_a_cancel_names_the_order() -> None:
    assert order_payload.cancel_body("0x" + "ab" * 32) == b'{"orderID":"0x' + b"ab" * 32 + b'"}'
    with pytest.raises(PayloadError, match="order id"):
        order_payload.cancel_body("0x12")


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("order", None, "order"),
        ("owner", 5, "owner"),
        ("postOnly", "false", "postOnly"),
        ("order.salt", "5", "salt"),
        ("order.salt", True, "salt"),
        ("order.maker", "0x12", "maker"),
        ("order.tokenId", "012", "tokenId"),
        ("order.makerAmount", "-1", "makerAmount"),
        ("order.side", "buy", "side"),
        ("order.signatureType", 4, "signatureType"),
        ("order.metadata", "0x00", "metadata"),
        ("order.signature", "", "signature"),
    ],
)
def test_a_changed_body_is_refused_with_its_field(path: str, value: object, field: str) -> None:
    body = json.loads(order_payload.build(order(random.Random(1)), bytes(65), Terms(owner=OWNER)))
    *holders, last = path.split(".")
    target = body
    for name in holders:
        target = target[name]
    target[last] = value
    with pytest.raises(ParseError) as caught:
        order_payload.read(json.dumps(body).encode())
    assert caught.value.field == field


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000])
def test_what_is_not_a_body_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        order_payload.read(body)
