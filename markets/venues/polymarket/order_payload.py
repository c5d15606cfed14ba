"""The exact bytes of an order request, and the way back from stored bytes to the order they carry.

The bytes are written once, stored, and sent as they are however often: the order id must be computable
from them alone. Amounts are millionths; `expiration_s` is Unix seconds, 0 for none.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TypeVar

from markets.domain.instruments import Side
from markets.venues.base import ParseError
from markets.venues.polymarket.signing import Exchange, OrderFields, order_id
from markets.venues.polymarket.wallets import SignatureType, address_bytes

PATH = "/order"
BATCH_PATH = "/orders"
MOST_IN_A_BATCH = 15
ORDER_TYPES = ("GTC", "GTD", "FOK", "FAK")
_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
_DIGITS = re.compile(r"0|[1-9][0-9]{0,77}")
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})+")
_ORDER_ID = re.compile(r"0x[0-9a-f]{64}")
_SOURCE = "stored.order"
_Kind = TypeVar("_Kind")


class PayloadError(ValueError):
    """An order that the venue would refuse for its form; the message names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What goes with a signed order without being signed."""

    owner: str  # the API key that sends the request
    order_type: str = "GTC"
    expiration_s: int = 0
    post_only: bool = False
    defer_execution: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A stored request, read back."""

    order: OrderFields
    signature: bytes
    terms: Terms

    def id_on(self, exchange: Exchange) -> str:
        return order_id(self.order, exchange)


def build(order: OrderFields, signature: bytes, terms: Terms) -> bytes:
    """Return the body of POST /order. The same arguments always give the same bytes."""
    if terms.order_type not in ORDER_TYPES:
        raise PayloadError(f"order_type: {terms.order_type!r:.20} is none of {', '.join(ORDER_TYPES)}")
    if (terms.expiration_s > 0) != (terms.order_type == "GTD") or terms.expiration_s < 0:
        raise PayloadError(f"expiration_s: {terms.expiration_s} does not go with {terms.order_type}")
    if terms.post_only and terms.order_type not in ("GTC", "GTD"):
        raise PayloadError(f"post_only: cannot be set on {terms.order_type}, which trades at once")
    if not 0 <= order.salt < 1 << 53:
        raise PayloadError("salt: a JSON number of more than 53 bits may be changed on its way")
    if min(order.maker_amount, order.taker_amount) <= 0:
        raise PayloadError("maker_amount, taker_amount: both must be positive")
    if len(signature) < 65:
        raise PayloadError(f"signature: {len(signature)} bytes are too few")
    body = {
        "order": {
            "salt": order.salt,
            "maker": order.maker,
            "signer": order.signer,
            "tokenId": str(order.token_id),
            "makerAmount": str(order.maker_amount),
            "takerAmount": str(order.taker_amount),
            "side": "BUY" if order.side is Side.BUY else "SELL",
            "expiration": str(terms.expiration_s),
            "signatureType": order.signature_type.value,
            "timestamp": str(order.timestamp_ms),
            "metadata": "0x" + order.metadata.hex(),
            "builder": "0x" + order.builder.hex(),
            "signature": "0x" + signature.hex(),
        },
        "owner": terms.owner,
        "orderType": terms.order_type,
        "deferExec": terms.defer_execution,
        "postOnly": terms.post_only,
    }
    return json.dumps(body, separators=(",", ":"), ensure_ascii=True).encode()


def build_batch(bodies: list[bytes]) -> bytes:
    """Return the body of POST /orders from stored single bodies, each byte for byte as stored."""
    if not 1 <= len(bodies) <= MOST_IN_A_BATCH:
        raise PayloadError(f"a batch has 1 to {MOST_IN_A_BATCH} orders, not {len(bodies)}")
    return b"[" + b",".join(bodies) + b"]"


def cancel_body(order: str) -> bytes:
    """Return the body of DELETE /order."""
    if not _ORDER_ID.fullmatch(order):
        raise PayloadError(f"order id: {order!r:.80} is not 0x and 64 hexadecimal digits in lower case")
    return json.dumps({"orderID": order}, separators=(",", ":")).encode()


def read(body: bytes) -> Payload:
    """Return what a stored body carries. Raises ParseError naming the field that is missing or changed."""
    try:
        top = json.loads(body)
    except (ValueError, RecursionError):
        raise ParseError("body", "is not JSON", source=_SOURCE) from None
    order = _field(_mapping(top, "body"), "order", dict)
    signature_type = _field(order, "signatureType", int)
    side = _field(order, "side", str)
    if signature_type not in [kind.value for kind in SignatureType]:
        raise ParseError("signatureType", f"{signature_type} is not known", source=_SOURCE)
    if side not in _SIDES:
        raise ParseError("side", f"{side!r:.20} is neither BUY nor SELL", source=_SOURCE)
    fields = OrderFields(
        salt=_field(order, "salt", int),
        maker=_address(order, "maker"),
        signer=_address(order, "signer"),
        token_id=_number(order, "tokenId"),
        maker_amount=_number(order, "makerAmount"),
        taker_amount=_number(order, "takerAmount"),
        side=_SIDES[side],
        signature_type=SignatureType(signature_type),
        timestamp_ms=_number(order, "timestamp"),
        metadata=_bytes(order, "metadata", 32),
        builder=_bytes(order, "builder", 32),
    )
    terms = Terms(
        owner=_field(top, "owner", str),
        order_type=_field(top, "orderType", str),
        expiration_s=_number(order, "expiration"),
        post_only=_field(top, "postOnly", bool),
        defer_execution=_field(top, "deferExec", bool),
    )
    return Payload(order=fields, signature=_bytes(order, "signature"), terms=terms)


def _mapping(value: object, field: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ParseError(field, "is not an object", source=_SOURCE)
    return value


def _field(holder: dict[str, object], name: str, kind: type[_Kind]) -> _Kind:
    value = holder.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ParseError(name, f"is missing or not of type {kind.__name__}", source=_SOURCE)
    return value


def _number(holder: dict[str, object], name: str) -> int:
    text = _field(holder, name, str)
    if not _DIGITS.fullmatch(text):
        raise ParseError(name, f"{text!r:.90} is not a whole number", source=_SOURCE)
    return int(text)


def _bytes(holder: dict[str, object], name: str, length: int | None = None) -> bytes:
    text = _field(holder, name, str)
    if not _HEX.fullmatch(text) or (length is not None and len(text) != 2 + 2 * length):
        raise ParseError(name, f"{text!r:.40} is not the expected hexadecimal text", source=_SOURCE)
    return bytes.fromhex(text[2:])


def _address(holder: dict[str, object], name: str) -> str:
    text = _field(holder, name, str)
    try:
        address_bytes(text)
    except ValueError as error:
        raise ParseError(name, str(error), source=_SOURCE) from None
    return text
