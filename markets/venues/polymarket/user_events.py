"""What the venue tells us about our own orders and trades: the user socket, and the same rows over REST.

Prices and sizes become millionths, times milliseconds. A message that cannot be read raises ParseError with its
field's name. A trade's top level describes the taker; what we did is in `own_legs`: several makers, either outcome.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from markets.domain.instruments import Side
from markets.venues.base import ParseError
from markets.venues.polymarket.parse import EARLIEST_MS, LATEST_MS, read_price, read_side, read_size

_SECONDS_BELOW = 100_000_000_000  # the venue writes seconds or milliseconds; no date of ours is ambiguous
_SAMPLE = 2_000
_Word = TypeVar("_Word", bound=StrEnum)
Row = Mapping[str, Any]


class OrderEventKind(StrEnum):
    PLACEMENT = "PLACEMENT"
    UPDATE = "UPDATE"
    CANCELLATION = "CANCELLATION"


class VenueOrderStatus(StrEnum):
    LIVE = "LIVE"
    MATCHED = "MATCHED"
    DELAYED = "DELAYED"
    UNMATCHED = "UNMATCHED"
    CANCELED = "CANCELED"  # for whatever reason: the venue's words are in `status_text`
    INVALID = "INVALID"  # taken off by the venue


class TradeStatus(StrEnum):
    MATCHED = "MATCHED"
    MATCHED_NOT_BROADCASTED = "MATCHED_NOT_BROADCASTED"
    MINED = "MINED"
    CONFIRMED = "CONFIRMED"
    RETRYING = "RETRYING"
    FAILED = "FAILED"

    @property
    def is_final(self) -> bool:
        return self in (TradeStatus.CONFIRMED, TradeStatus.FAILED)


class Role(StrEnum):
    TAKER = "taker"
    MAKER = "maker"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """One change of an order. `size` is None where the venue leaves it out; `size_is_dollars` for a market buy."""

    order_id: str
    kind: OrderEventKind | None  # None for a REST row, which is a state and not a change
    status: VenueOrderStatus
    status_text: str
    condition_id: str
    token_id: str
    side: Side
    price: int
    size: int | None
    matched: int | None
    order_type: str
    owner: str
    maker_address: str
    trade_ids: tuple[str, ...]
    at_ms: int | None
    created_ms: int | None
    expiration_s: int

    @property
    def size_is_dollars(self) -> bool:
        return self.side is Side.BUY and self.order_type in ("FOK", "FAK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One order's part in a trade, in that order's own token, side and price."""

    order_id: str
    role: Role
    token_id: str
    side: Side
    price: int
    size: int
    owner: str
    address: str
    side_is_inferred: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeEvent:
    """One trade at one status. The same id comes once for every status; (id, order id, role) is a fill."""

    trade_id: str
    status: TradeStatus
    condition_id: str
    trader_side: Role | None
    taker: Leg
    makers: tuple[Leg, ...]
    transaction_hash: str
    bucket_index: int
    at_ms: int | None
    matched_ms: int
    updated_ms: int | None


UserEvent = OrderEvent | TradeEvent


def read_frame(
    frame: bytes, *, look: Callable[[str, object], None] | None = None
) -> tuple[list[UserEvent], list[ParseError]]:
    """Return the events of one socket frame and what could not be read of it; `look` is shown each as it came."""
    if frame.strip() in (b"PONG", b"PING", b""):
        return [], []
    try:
        decoded = _decoded(frame)
    except ParseError as error:
        return [], [error]
    events: list[UserEvent] = []
    errors: list[ParseError] = []
    for row in decoded if isinstance(decoded, list) else [decoded]:
        if look is not None and isinstance(row, dict) and row.get("event_type") in ("order", "trade"):
            look(f"ws_user.{row['event_type']}", row)
        try:
            events.append(read_event(row))
        except ParseError as error:
            errors.append(error)
    return events, errors


def read_event(row: object) -> UserEvent:
    """Return the event in one message of the user socket. Raises ParseError."""
    fields = _object(row, "body")
    kind = fields.get("event_type")
    try:
        if kind == "order":
            return _order(fields, kind=_word(OrderEventKind, fields, "type"))
        if kind == "trade":
            return _trade(fields)
    except ParseError as error:
        raise ParseError(error.field, error.problem, sample=_sample(fields), source=f"ws_user.{kind}") from None
    raise ParseError("event_type", f"{kind!r:.40} is not known", sample=_sample(fields), source="ws_user")


def read_order_row(row: object) -> OrderEvent:
    """Return an open order as `/data/orders` and `/data/order/{id}` list it."""
    return _sourced(lambda fields: _order(fields, kind=None), row, "rest.order")


def read_trade_row(row: object) -> TradeEvent:
    """Return a trade as `/data/trades` lists it."""
    return _sourced(_trade, row, "rest.trade")


def own_legs(
    trade: TradeEvent, *, api_keys: Collection[str], addresses: Collection[str], order_ids: Collection[str] = ()
) -> tuple[Leg, ...]:
    """Return our parts in `trade`: by order id, API key or funding address (all compared without case).

    Raises ParseError when the venue says that we are in it and we cannot find where.
    """
    keys = {word.lower() for word in api_keys}
    ours = {word.lower() for word in addresses}
    ids = {word.lower() for word in order_ids}

    def is_ours(leg: Leg) -> bool:
        return leg.order_id in ids or leg.owner.lower() in keys or leg.address.lower() in ours

    found = tuple(leg for leg in (trade.taker, *trade.makers) if is_ours(leg))
    role = trade.trader_side
    if role is not None and not any(leg.role is role for leg in found):
        field = "maker_orders" if role is Role.MAKER else "taker_order_id"
        raise ParseError(field, f"trade {trade.trade_id} names us as its {role}, but no part is ours", source="ws_user")
    return found


def _order(fields: Row, *, kind: OrderEventKind | None) -> OrderEvent:
    status, status_text = _order_status(_text(fields, "status"))
    return OrderEvent(
        order_id=_name(fields, "id").lower(),
        kind=kind,
        status=status,
        status_text=status_text,
        condition_id=_name(fields, "market"),
        token_id=_token(fields, "asset_id"),
        side=read_side(_text(fields, "side").upper()),
        price=read_price(_text(fields, "price")),
        size=_size_or_none(fields, "original_size"),
        matched=_size_or_none(fields, "size_matched"),
        order_type=_text(fields, "order_type").upper(),
        owner=_text(fields, "owner"),
        maker_address=_text(fields, "maker_address", ""),
        trade_ids=_names(fields, "associate_trades"),
        at_ms=_time_or_none(fields, "timestamp"),
        created_ms=_time_or_none(fields, "created_at"),
        expiration_s=(_time_or_none(fields, "expiration", zero_is_none=True) or 0) // 1_000,
    )


def _trade(fields: Row) -> TradeEvent:
    token, side = _token(fields, "asset_id"), read_side(_text(fields, "side").upper())
    makers = fields.get("maker_orders")
    if not isinstance(makers, list) or not makers:
        raise ParseError("maker_orders", "is missing or empty: a trade has two sides")
    return TradeEvent(
        trade_id=_name(fields, "id"),
        status=_word(TradeStatus, fields, "status", prefix="TRADE_STATUS_"),
        condition_id=_name(fields, "market"),
        trader_side=_trader_side(fields),
        taker=Leg(
            order_id=_name(fields, "taker_order_id").lower(),
            role=Role.TAKER,
            token_id=token,
            side=side,
            price=read_price(_text(fields, "price")),
            size=_positive(fields, "size"),
            owner=_text(fields, "owner", ""),
            address=_text(fields, "maker_address", ""),  # at the top level this is the taker's own account
        ),
        makers=tuple(_maker(row, number, token, side) for number, row in enumerate(makers)),
        transaction_hash=_text(fields, "transaction_hash", ""),
        bucket_index=_bucket(fields),
        at_ms=_time_or_none(fields, "timestamp"),
        matched_ms=_match_time(fields),
        updated_ms=_time_or_none(fields, "last_update"),
    )


def _maker(row: object, number: int, taker_token: str, taker_side: Side) -> Leg:
    place = f"maker_orders[{number}]"
    try:
        fields = _object(row, "entry")
        token, said = _token(fields, "asset_id"), _text(fields, "side", "").upper()
        # Of the same outcome a maker is on the other side; of the other outcome on the same one (mint or merge).
        side = taker_side.opposite if token == taker_token else taker_side
        if said and read_side(said) is not side:
            raise ParseError("side", f"{said} cannot meet a taker who does {taker_side.name} of this outcome")
        return Leg(
            order_id=_name(fields, "order_id").lower(),
            role=Role.MAKER,
            token_id=token,
            side=side,
            price=read_price(_text(fields, "price")),
            size=_positive(fields, "matched_amount"),
            owner=_text(fields, "owner", ""),
            address=_text(fields, "maker_address", ""),
            side_is_inferred=not said,
        )
    except ParseError as error:
        raise ParseError(f"{place}.{error.field}", error.problem) from None


def _order_status(text: str) -> tuple[VenueOrderStatus, str]:
    plain = text.removeprefix("ORDER_STATUS_")
    if plain.startswith(("CANCELED", "CANCELLED")):
        return VenueOrderStatus.CANCELED, plain
    try:
        return VenueOrderStatus(plain), plain
    except ValueError:
        raise ParseError("status", f"{text!r:.60} is not known") from None


def _trader_side(fields: Row) -> Role | None:
    word = _text(fields, "trader_side", "")
    if word not in ("", "TAKER", "MAKER"):
        raise ParseError("trader_side", f"{word!r:.20} is neither TAKER nor MAKER")
    return Role(word.lower()) if word else None


def _match_time(fields: Row) -> int:
    name = "matchtime" if "match_time" not in fields and "matchtime" in fields else "match_time"
    at_ms = _time_or_none(fields, name)
    if at_ms is None:
        raise ParseError("match_time", "is missing")
    return at_ms


def _time_or_none(fields: Row, name: str, *, zero_is_none: bool = False) -> int | None:
    """Return milliseconds of a time in seconds, milliseconds or ISO text; None where it is left empty."""
    value = fields.get(name)
    if value is None or value == "" or (zero_is_none and value in ("0", 0)):
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > 40:
        raise ParseError(name, f"{value!r:.60} is not a time")
    if value.isascii() and value.isdecimal():
        number = int(value)
        at_ms = number * 1_000 if number < _SECONDS_BELOW else number
    else:
        try:
            moment = datetime.fromisoformat(value)
            at_ms = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
        except (ValueError, OverflowError):
            raise ParseError(name, f"{value!r:.60} is not a time") from None
    if not EARLIEST_MS <= at_ms <= LATEST_MS:
        raise ParseError(name, f"{value!r:.60} is not a time between 2010 and 2100")
    return at_ms


def _size_or_none(fields: Row, name: str) -> int | None:
    text = _text(fields, name)
    return None if text == "" else read_size(text, name)


def _positive(fields: Row, name: str) -> int:
    size = read_size(_text(fields, name), name)
    if not size:
        raise ParseError(name, "is zero: nothing was traded")
    return size


def _bucket(fields: Row) -> int:
    value = fields.get("bucket_index", 0)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 10**9:
        raise ParseError("bucket_index", f"{value!r:.20} is not a small whole number")
    return value


def _text(fields: Row, name: str, default: str | None = None) -> str:
    value = fields.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise ParseError(name, "is missing" if name not in fields else f"{value!r:.60} is not text")
    return value


def _name(fields: Row, name: str) -> str:
    value = _text(fields, name)
    if not value or len(value) > 100 or not value.isascii() or not value.isprintable():
        raise ParseError(name, f"{value!r:.60} is not an identifier")
    return value


def _names(fields: Row, name: str) -> tuple[str, ...]:
    value = fields.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(word, str) and len(word) <= 100 for word in value):
        raise ParseError(name, "is not a list of identifiers")
    return tuple(value)


def _token(fields: Row, name: str) -> str:
    value = _name(fields, name)
    if not value.isdecimal() or len(value) > 78:
        raise ParseError(name, f"{value!r:.90} is not a token id")
    return value


def _word(kind: type[_Word], fields: Row, name: str, *, prefix: str = "") -> _Word:
    text = _text(fields, name)
    try:
        return kind(text.removeprefix(prefix))
    except ValueError:
        raise ParseError(name, f"{text!r:.60} is not known") from None


def _object(value: object, field: str) -> Row:
    if not isinstance(value, dict):
        raise ParseError(field, f"is {type(value).__name__}, not an object")
    return value


_Read = TypeVar("_Read", OrderEvent, TradeEvent)


def _sourced(read: Callable[[Row], _Read], row: object, source: str) -> _Read:
    fields = _object(row, "body")
    try:
        return read(fields)
    except ParseError as error:
        raise ParseError(error.field, error.problem, sample=_sample(fields), source=source) from None


def _decoded(frame: bytes) -> object:
    try:
        return json.loads(frame.decode("utf-8"), parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, RecursionError, ArithmeticError):
        raise ParseError("body", "is not JSON", sample=frame[:_SAMPLE].decode("utf-8", "replace")) from None


def _sample(fields: Row) -> str:
    return repr(dict(fields))[:_SAMPLE]
