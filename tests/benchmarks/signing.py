"""`python -m tests.benchmarks.signing`: what it costs us to sign an order, and py-clob-client-v2 in the same run.

Both make the same orders, and their order ids and signatures are compared byte for byte before anything is
timed. Each round runs the two one after the other; the median round is shown, and the ratio of medians.
`manage.py benchmark_signing` starts this.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from py_clob_client_v2.order_utils.exchange_order_builder_v2 import ExchangeOrderBuilderV2
from py_clob_client_v2.order_utils.model.order_data_v2 import OrderDataV2, order_to_json_v2
from py_clob_client_v2.order_utils.model.side import Side as OldSide
from py_clob_client_v2.order_utils.model.signature_type_v2 import SignatureTypeV2
from py_clob_client_v2.signer import Signer

from markets.domain.instruments import Side
from markets.venues.polymarket import order_payload, signing
from markets.venues.polymarket.order_payload import Terms
from markets.venues.polymarket.signing import Exchange, ExchangeKind, OrderFields, SigningKey
from markets.venues.polymarket.wallets import SignatureType, WalletKind, wallets_of

TARGET = 1 / 3
OWNER = "00000000-0000-4000-8000-000000000001"
KINDS = (SignatureType.EOA, SignatureType.SAFE, SignatureType.DEPOSIT_WALLET)


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    ours_us: float
    theirs_us: float

    @property
    def ratio(self) -> float:
        return self.ours_us / self.theirs_us


def orders(kind: SignatureType, key: SigningKey, count: int) -> list[OrderFields]:
    rng = random.Random(f"signing/{kind}")
    wallets = wallets_of(key.address)
    maker = {
        SignatureType.EOA: key.address,
        SignatureType.SAFE: wallets[WalletKind.SAFE],
        SignatureType.DEPOSIT_WALLET: wallets[WalletKind.DEPOSIT_BEACON],
    }[kind]
    return [
        OrderFields(
            salt=rng.getrandbits(53), maker=maker,
            signer=maker if kind is SignatureType.DEPOSIT_WALLET else key.address,
            token_id=rng.getrandbits(256), maker_amount=rng.randint(1, 10**12), taker_amount=rng.randint(1, 10**12),
            side=rng.choice((Side.BUY, Side.SELL)), signature_type=kind,
            timestamp_ms=rng.randint(1_700_000_000_000, 1_800_000_000_000),
        )
        for _ in range(count)
    ]  # fmt: skip


def theirs(order: OrderFields, exchange: Exchange, signer: Signer) -> tuple[str, dict[str, object]]:
    """Return (order id, body) as the client makes them, its own builder for each order as it does."""
    builder = ExchangeOrderBuilderV2(
        exchange.address,
        exchange.chain_id,
        signer,
        generate_salt=lambda: str(order.salt),
        domain_version=exchange.version,
    )
    signed = builder.build_signed_order(
        OrderDataV2(
            maker=order.maker, signer=order.signer, tokenId=str(order.token_id),
            makerAmount=str(order.maker_amount), takerAmount=str(order.taker_amount),
            side=OldSide.BUY if order.side is Side.BUY else OldSide.SELL,
            signatureType=SignatureTypeV2(order.signature_type.value), timestamp=str(order.timestamp_ms),
        )
    )  # fmt: skip
    return signed.signature, order_to_json_v2(signed, OWNER, "GTC")


def ours(order: OrderFields, exchange: Exchange, key: SigningKey, terms: Terms) -> bytes:
    """Return the body; with the order id, which we need before anything is sent and they do not compute."""
    _, signature = key.identify_and_sign(order, exchange)
    return order_payload.build(order, signature, terms)


def check(made: list[OrderFields], exchange: Exchange, key: SigningKey, signer: Signer) -> None:
    for order in made[:50]:
        signature, body = theirs(order, exchange, signer)
        found = order_payload.read(ours(order, exchange, key, Terms(owner=OWNER)))
        if "0x" + found.signature.hex() != signature or str(found.order.maker_amount) != _amount(body):
            raise SystemExit("the two sides do not sign the same order: nothing was measured")


def compare(kind: SignatureType, *, count: int, rounds: int) -> Row:
    secret = random.Random("benchmark key").randbytes(32)
    key, signer = SigningKey(secret), Signer("0x" + secret.hex(), 137)
    exchange = signing.exchange_for(ExchangeKind.STANDARD, chain_id=137)
    made, terms = orders(kind, key, count), Terms(owner=OWNER)
    check(made, exchange, key, signer)
    timed: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        timed[0].append(_microseconds(made, lambda order: ours(order, exchange, key, terms)))
        timed[1].append(_microseconds(made, lambda order: theirs(order, exchange, signer)))
    return Row(f"type {kind.value} {kind.name.lower()}", statistics.median(timed[0]), statistics.median(timed[1]))


def _amount(body: dict[str, object]) -> str:
    order = body["order"]
    assert isinstance(order, dict)
    return str(order["makerAmount"])


def _microseconds(made: list[OrderFields], act: Callable[[OrderFields], object]) -> float:
    began = time.perf_counter()
    for order in made:
        act(order)
    return (time.perf_counter() - began) / len(made) * 1e6


def comparison(
    arguments: list[str] | None,
    *,
    about: str,
    heading: str,
    target: float,
    digits: int,
    compare: Callable[..., Row],
) -> int:
    """Compare both sides for every kind of signature, print a row each, and return 1 where the target is missed."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--orders", type=int, default=400, help="orders in a round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    if min(options.orders, options.rounds) < 1:
        parser.error("give at least 1 order and 1 round")
    rows = [compare(kind, count=options.orders, rounds=options.rounds) for kind in KINDS]
    print(heading.format(rounds=options.rounds, orders=options.orders))
    print(f"{'signature':<24}{'polybot':>10}{'py-clob-client-v2':>20}{'ratio':>9}")
    for row in rows:
        print(f"{row.name:<24}{row.ours_us:>10.{digits}f}{row.theirs_us:>20.{digits}f}{row.ratio:>9.3f}")
    worst = max(row.ratio for row in rows)
    print(f"worst ratio {worst:.3f}, target {target:.3f}: {'met' if worst <= target else 'MISSED'}")
    return 0 if worst <= target else 1


def main(arguments: list[str] | None = None) -> int:
    return comparison(
        arguments,
        about="Sign the same orders with polybot and with py-clob-client-v2.",
        heading="medians of {rounds} rounds of {orders} orders, microseconds for one signed request body",
        target=TARGET,
        digits=0,
        compare=compare,
    )


if __name__ == "__main__":
    sys.exit(main())
