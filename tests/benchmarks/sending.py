"""`python -m tests.benchmarks.sending`: from a prepared order to its first byte, us and py-clob-client-v2 with httpx.

Both have the same signed orders and a warm connection that ends in memory: what is timed is everything that
each does between "send this" and the first write to its connection. Ours authorises the stored bytes and
writes them; the client makes the body from its order, authorises it and passes it through httpx. What was
written is compared before anything is timed: the same request line, the same body byte for byte, the same proofs.
`manage.py benchmark_sending` starts this.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx
import py_clob_client_v2 as v2
from py_clob_client_v2.http_helpers import helpers
from py_clob_client_v2.order_utils.model.order_data_v2 import SignedOrderV2
from py_clob_client_v2.order_utils.model.side import Side as OldSide
from py_clob_client_v2.order_utils.model.signature_type_v2 import SignatureTypeV2

from markets.domain.answers import AnswerKind
from markets.domain.instruments import Side
from markets.venues.polymarket import order_payload, signing
from markets.venues.polymarket.connection import HttpPool
from markets.venues.polymarket.credentials import ApiCredentials, level_2_headers
from markets.venues.polymarket.gateway import PolymarketGateway
from markets.venues.polymarket.order_payload import Terms
from markets.venues.polymarket.signing import ExchangeKind, OrderFields, SigningKey
from markets.venues.polymarket.wallets import SignatureType, WalletKind
from markets.venues.trading import WalletFacts
from tests.benchmarks.signing import OWNER, Row, comparison, orders

TARGET = 1 / 5
SECRET = bytes(range(1, 33))
CREDENTIALS = ApiCredentials(api_key=OWNER, secret="c2VjcmV0IG9mIHRoZSBiZW5jaG1hcms=", passphrase="passphrase")
EXCHANGE = signing.exchange_for(ExchangeKind.STANDARD, chain_id=137)
_HOST = "http://127.0.0.1:8100"
_WALLETS = {
    SignatureType.EOA: WalletKind.EOA,
    SignatureType.SAFE: WalletKind.SAFE,
    SignatureType.DEPOSIT_WALLET: WalletKind.DEPOSIT_BEACON,
}


def _answer(order_id: str) -> bytes:
    body = json.dumps(
        {
            "success": True, "errorMsg": "", "orderID": order_id, "status": "live", "makingAmount": "",
            "takingAmount": "", "tradeIDs": [], "transactionsHashes": [],
        }
    ).encode()  # fmt: skip
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Memory:
    """Where both connections end: notes the moment of a request's first byte and has its answer ready."""

    def __init__(self) -> None:
        self.first_byte = 0.0
        self.written = bytearray()
        self.answer = b""

    def begin(self, answer: bytes) -> None:
        self.answer, self.first_byte = answer, 0.0
        self.written.clear()

    def take(self, data: bytes | memoryview) -> None:
        if not self.first_byte:
            self.first_byte = time.perf_counter()
        self.written += data

    def give(self) -> bytes:
        answer, self.answer = self.answer, b""
        return answer


class OurStream:
    """A connected socket in memory, as `HttpPool` uses one."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def send(self, data: memoryview) -> int:
        self._memory.take(data)
        return len(data)

    def recv(self, size: int) -> bytes:
        if not self._memory.first_byte:
            raise BlockingIOError  # nothing was asked yet: the connection is quiet
        return self._memory.give()

    def settimeout(self, seconds: float | None) -> None:
        return

    def close(self) -> None:
        return


class TheirStream(httpcore.NetworkStream):
    """The same, as httpcore uses one."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._memory.give()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._memory.take(buffer)

    def close(self) -> None:
        return

    def get_extra_info(self, info: str) -> Any:
        return False if info == "is_readable" else None


class TheirNetwork(httpcore.NetworkBackend):
    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return TheirStream(self._memory)


@dataclass(slots=True)
class Prepared:
    """One signed order, ready for either side."""

    order_id: str
    body: bytes
    theirs: SignedOrderV2
    answer: bytes


def prepared(order: OrderFields, key: SigningKey) -> Prepared:
    identity, signature = key.identify_and_sign(order, EXCHANGE)
    order_id = "0x" + identity.hex()
    return Prepared(
        order_id,
        order_payload.build(order, signature, Terms(owner=OWNER)),
        SignedOrderV2(
            salt=str(order.salt), maker=order.maker, signer=order.signer, tokenId=str(order.token_id),
            makerAmount=str(order.maker_amount), takerAmount=str(order.taker_amount),
            side=OldSide.BUY if order.side is Side.BUY else OldSide.SELL,
            signatureType=SignatureTypeV2(order.signature_type.value), timestamp=str(order.timestamp_ms),
            metadata="0x" + order.metadata.hex(), builder="0x" + order.builder.hex(), expiration="0",
            signature="0x" + signature.hex(),
        ),
        _answer(order_id),
    )  # fmt: skip


def our_side(key: SigningKey, kind: SignatureType, memory: Memory) -> Callable[[Prepared], None]:
    def authorise(method: str, path: str, body: bytes) -> Mapping[str, str]:
        return level_2_headers(
            CREDENTIALS, address=key.address, timestamp_s=int(time.time()), method=method, path=path, body=body
        )

    wallet = WalletFacts(
        wallet_address=key.address, signer_address=key.address, wallet_kind=_WALLETS[kind].value, chain_id=137,
        api_key=OWNER,
    )  # fmt: skip
    pool = HttpPool(_HOST, dial=lambda _: OurStream(memory))
    gateway = PolymarketGateway(wallet, authorise, clob=pool, data=pool)

    def send(order: Prepared) -> None:
        deadline_ms = time.time_ns() // 1_000_000 + 15_000
        sent = gateway.send(order.body, order_id=order.order_id, unknown_attempts=0, deadline_ms=deadline_ms)
        if sent.answer.kind is not AnswerKind.LIVE:
            raise SystemExit(f"our own answer was not read: {sent}")

    return send


@contextmanager
def _in_memory(memory: Memory) -> Any:
    """Let the official client's httpx end in memory. It keeps its own client; only the network is replaced."""
    transport = httpx.HTTPTransport()
    transport._pool = httpcore.ConnectionPool(network_backend=TheirNetwork(memory), max_keepalive_connections=20)
    before, helpers._http_client = helpers._http_client, httpx.Client(transport=transport)
    try:
        yield
    finally:
        helpers._http_client.close()
        helpers._http_client = before


def their_side(key: SigningKey) -> Callable[[Prepared], None]:
    client = v2.ClobClient(_HOST, 137, key="0x" + SECRET.hex())
    client.set_api_creds(v2.ApiCreds(OWNER, CREDENTIALS.secret, CREDENTIALS.passphrase))

    def send(order: Prepared) -> None:
        if client.post_order(order.theirs)["orderID"] != order.order_id:
            raise SystemExit("their answer was not read")

    return send


def check(sides: list[Callable[[Prepared], None]], memory: Memory, made: list[Prepared]) -> None:
    """End the run when the two do not write the same request."""
    for order in made[:20]:
        seen = []
        for side in sides:
            memory.begin(order.answer)
            side(order)
            head, _, body = bytes(memory.written).partition(b"\r\n\r\n")
            lines = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
            proof = {name: value for name, value in lines.items() if name.startswith(b"poly_") and b"sig" not in name}
            seen.append((head.split(b"\r\n")[0], json.loads(body), body, proof.keys()))
        if seen[0] != seen[1]:
            raise SystemExit(f"the two sides do not send the same request: nothing was measured\n{seen}")


def median_us(side: Callable[[Prepared], None], memory: Memory, made: list[Prepared]) -> float:
    """Return the median microseconds from the call to the first byte written."""
    found = []
    for order in made:
        memory.begin(order.answer)
        began = time.perf_counter()
        side(order)
        found.append(memory.first_byte - began)
    return statistics.median(found) * 1e6


def compare(kind: SignatureType, *, count: int, rounds: int) -> Row:
    key, memory = SigningKey(SECRET), Memory()
    made = [prepared(order, key) for order in orders(kind, key, count)]
    ours, theirs = our_side(key, kind, memory), their_side(key)
    timed: tuple[list[float], list[float]] = ([], [])
    with _in_memory(memory):
        check([ours, theirs], memory, made)
        for _ in range(rounds):
            timed[0].append(median_us(ours, memory, made))
            timed[1].append(median_us(theirs, memory, made))
    return Row(f"type {kind.value} {kind.name.lower()}", statistics.median(timed[0]), statistics.median(timed[1]))


def main(arguments: list[str] | None = None) -> int:
    return comparison(
        arguments,
        about="Send the same orders with polybot and with py-clob-client-v2.",
        heading="prepared order to first byte in memory, microseconds\n"
        "median of the p50 of {rounds} rounds of {orders} orders",
        target=TARGET,
        digits=1,
        compare=compare,
    )


if __name__ == "__main__":
    sys.exit(main())
