"""From terms to bytes: as the official client makes them, always the same, and refused before they are signed."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import partial
from typing import Any

import py_clob_client_v2 as v2
import pytest
from py_clob_client_v2.order_builder import builder as official
from py_clob_client_v2.order_utils.exchange_order_builder_v2 import ExchangeOrderBuilderV2
from py_clob_client_v2.order_utils.model.order_data_v2 import order_to_json_v2
from py_clob_client_v2.order_utils.model.signature_type_v2 import SignatureTypeV2
from py_clob_client_v2.signer import Signer

from markets.domain.instruments import Side
from markets.domain.units import ONE, AmountError, text_from_micro
from markets.venues.base import ParseError
from markets.venues.polymarket.amounts import TICKS
from markets.venues.polymarket.maker import PolymarketMaker, account_of
from markets.venues.polymarket.order_payload import PayloadError, read
from markets.venues.polymarket.signing import EXCHANGES, ExchangeKind, OrderFields, SigningKey, order_salt
from markets.venues.polymarket.wallets import SignatureType, WalletKind, wallets_of
from markets.venues.trading import OrderTerms, WalletFacts

MAKER = PolymarketMaker()
SALT_KEY = b"0123456789abcdef0123456789abcdef"
API_KEY = "00000000-0000-4000-8000-000000000001"
SECRET = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
KEY = SigningKey(SECRET)
BUILDER = "0x" + "5e" * 32
AT = 1_790_000_000_123


def wallet(kind: WalletKind = WalletKind.EOA, **changes: Any) -> WalletFacts:
    plain = WalletFacts(
        wallet_address=wallets_of(KEY.address)[kind], signer_address=KEY.address, wallet_kind=kind.value, chain_id=137,
        api_key=API_KEY,
    )  # fmt: skip
    return replace(plain, **changes)


def terms(**changes: Any) -> OrderTerms:
    plain = OrderTerms(
        client_key="0190b7a6-0000-7000-8000-000000000001", created_ms=AT, condition_id="0x" + "11" * 32,
        token_id="7" * 70, neg_risk=False, tick=10_000, side=Side.BUY, price=520_000, size=10_000_000, order_type="gtc",
    )  # fmt: skip
    return replace(plain, **changes)


def made(asked: OrderTerms, facts: WalletFacts) -> tuple[Any, bytes]:
    unsigned = MAKER.prepare(asked, facts, salt_key=SALT_KEY)
    exchange = EXCHANGES[unsigned.chain_id, ExchangeKind(unsigned.exchange)]
    assert isinstance(unsigned.fields, OrderFields) and unsigned.contract == exchange.address
    return unsigned, MAKER.body(unsigned, KEY.sign_order(unsigned.fields, exchange), asked, facts)


def random_terms(rng: random.Random, exchange: ExchangeKind) -> OrderTerms:
    tick = rng.choice(TICKS)
    order_type = rng.choice(("gtc", "gtd", "fok", "fak"))
    market_buy = order_type in ("fok", "fak")
    if exchange is ExchangeKind.V3:
        token = rng.randint(1, 3) << 248 | rng.getrandbits(140) << 104 | rng.randint(0, 1)
    else:
        token = rng.getrandbits(256) | 1 << 50
    return terms(
        client_key=str(rng.random()), created_ms=rng.randint(1_700_000_000_000, 1_900_000_000_000),
        token_id=str(token), neg_risk=exchange is ExchangeKind.NEG_RISK, tick=tick,
        # Market buys are rounded otherwise than the client does it, as the venue wants: see test_amounts.
        side=Side.SELL if market_buy else rng.choice(list(Side)), order_type=order_type,
        price=rng.randint(1, ONE // tick - 1) * tick, size=rng.randint(1, 10**7) * 10_000,
        post_only=order_type in ("gtc", "gtd") and rng.random() < 0.5,
    )  # fmt: skip


@pytest.mark.parametrize("exchange", list(ExchangeKind))
@pytest.mark.parametrize("kind", list(WalletKind))
def test_the_posted_bytes_are_the_official_clients(
    monkeypatch: pytest.MonkeyPatch, kind: WalletKind, exchange: ExchangeKind
) -> None:
    """Client, salt and time injected, does everything itself from price and size: 1,200 orders in all."""
    rng = random.Random(f"{kind}/{exchange}")
    differing = 0
    for _ in range(80):
        asked = random_terms(rng, exchange)
        if asked.order_type == "gtd":
            asked = replace(asked, expires_at_ms=asked.created_ms + rng.randint(120_000, 10**9))
        facts = wallet(kind, builder_code=rng.choice(("", BUILDER)))
        unsigned, body = made(asked, facts)
        expiration = 0 if asked.expires_at_ms is None else asked.expires_at_ms // 1_000 + 60
        salt = str(order_salt(SALT_KEY, asked.client_key))
        monkeypatch.setattr(
            official, "ExchangeOrderBuilderV2", partial(ExchangeOrderBuilderV2, generate_salt=lambda s=salt: s)
        )
        monkeypatch.setattr(official.time, "time_ns", lambda at=asked.created_ms: at * 1_000_000)
        client = official.OrderBuilder(
            Signer(SECRET, 137), SignatureTypeV2(kind.signature_type.value), facts.wallet_address
        )
        signed = client.build_order(
            v2.OrderArgs(
                **{"position_id" if exchange is ExchangeKind.V3 else "token_id": asked.token_id},
                price=asked.price / ONE,
                size=asked.size / ONE,
                side="BUY" if asked.side is Side.BUY else "SELL",
                expiration=expiration,
                **({"builder_code": BUILDER} if facts.builder_code else {}),
            ),
            official.CreateOrderOptions(tick_size=text_from_micro(asked.tick), neg_risk=asked.neg_risk),
        )
        monkeypatch.undo()
        payload = order_to_json_v2(signed, API_KEY, asked.order_type.upper(), asked.post_only, False)
        if (signed.makerAmount, signed.takerAmount) != (str(unsigned.gives), str(unsigned.asks)):
            differing += 1  # its floats lost a hair; ours are exact products
            dollars, shares = (
                (unsigned.gives, unsigned.asks) if asked.side is Side.BUY else (unsigned.asks, unsigned.gives)
            )
            assert shares == asked.size and dollars * ONE == asked.size * asked.price
            continue
        assert body == json.dumps(payload, separators=(",", ":")).encode()
        assert MAKER.id_of(body, exchange=exchange.value, chain_id=137) == unsigned.order_id
    assert differing <= 16


def test_the_same_terms_always_make_the_same_bytes_and_other_terms_others() -> None:
    _, body = made(terms(), wallet())
    assert made(terms(), wallet())[1] == body
    changes: list[dict[str, Any]] = [
        {"client_key": "another"}, {"created_ms": AT + 1}, {"token_id": "8" * 70}, {"neg_risk": True},
        {"side": Side.SELL}, {"price": 530_000}, {"size": 11_000_000}, {"order_type": "fak"}, {"post_only": True},
    ]  # fmt: skip
    assert len({made(terms(**change), wallet())[1] for change in changes} | {body}) == len(changes) + 1


def test_what_is_not_signed_does_not_change_the_id() -> None:
    ids = {
        made(asked, wallet(api_key=owner))[0].order_id
        for owner in (API_KEY, "00000000-0000-4000-8000-000000000002")
        for asked in (
            terms(), terms(post_only=True), terms(order_type="gtd", expires_at_ms=AT + 200_000),
            terms(order_type="gtd", expires_at_ms=AT + 900_000),
        )
    }  # fmt: skip
    assert len(ids) == 1


def test_a_deposit_wallet_signs_for_itself() -> None:
    facts = wallet(WalletKind.DEPOSIT_UUPS)
    order = read(made(terms(), facts)[1]).order
    assert order.maker == order.signer == facts.wallet_address
    assert order.signature_type is SignatureType.DEPOSIT_WALLET


def test_addresses_are_posted_in_their_checksum_form() -> None:
    lower = wallet(WalletKind.SAFE, wallet_address=wallets_of(KEY.address)[WalletKind.SAFE].lower())
    assert made(terms(), lower) == made(terms(), wallet(WalletKind.SAFE))


@pytest.mark.parametrize(("life_ms", "posted_s"), [(120_000, 180), (120_999, 181), (900_000, 960)])
def test_a_dated_order_is_posted_a_minute_later_than_it_ends(life_ms: int, posted_s: int) -> None:
    # Created at .123 of a second; the end is cut to the second, so that the order never outlives it.
    _, body = made(terms(order_type="gtd", expires_at_ms=AT + life_ms), wallet())
    assert read(body).terms.expiration_s == AT // 1_000 + posted_s


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"order_type": "gtd"}, "expires_at_ms"),
        ({"order_type": "gtd", "expires_at_ms": AT + 119_999}, "119 s of life"),
        ({"expires_at_ms": AT + 900_000}, "use gtd"),
        ({"order_type": "day"}, "order_type"),
        ({"order_type": "GTC", "post_only": True, "expires_at_ms": 1}, "post_only"),
        ({"order_type": "fok", "post_only": True}, "post_only"),
        ({"token_id": "0x12"}, "token_id"),
        ({"token_id": ""}, "token_id"),
        ({"token_id": str(1 << 256)}, "token_id"),
        ({"token_id": "٣"}, "token_id"),
    ],
)
def test_terms_that_the_venue_would_refuse(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(PayloadError, match=word):
        MAKER.prepare(terms(**changes), wallet(), salt_key=SALT_KEY)


@pytest.mark.parametrize("changes", [{"price": 525_000}, {"price": 0}, {"size": 1}, {"size": -1}, {"tick": 20_000}])
def test_amounts_that_the_venue_would_refuse(changes: dict[str, Any]) -> None:
    with pytest.raises(AmountError):
        MAKER.prepare(terms(**changes), wallet(), salt_key=SALT_KEY)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"wallet_kind": "magic"}, "wallet_kind"),
        ({"wallet_address": "0x12"}, "wallet"),
        ({"signer_address": ""}, "wallet"),
        ({"builder_code": "0x12"}, "builder_code"),
        ({"builder_code": "zz" * 32}, "builder_code"),
        ({"builder_code": " ".join(["5e"] * 32)}, "builder_code"),
    ],
)
def test_wallet_facts_that_make_no_order(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(PayloadError, match=word):
        account_of(wallet(**changes))


def test_fields_of_another_venue_are_not_posted() -> None:
    unsigned, _ = made(terms(), wallet())
    with pytest.raises(PayloadError, match="fields"):
        MAKER.body(replace(unsigned, fields={"ticker": "KX"}), bytes(65), terms(), wallet())


def test_bytes_that_carry_no_order_have_no_id() -> None:
    with pytest.raises(ParseError):
        MAKER.id_of(b"{}", exchange="standard", chain_id=137)
