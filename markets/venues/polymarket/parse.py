"""Strict reading of Polymarket's texts: prices, sizes, times, sides, and the book object.

Prices and sizes come as decimal strings and become millionths. Anything missing, of another
type, not finite or out of range raises ParseError with the field's name. Repeated texts are
looked up instead of parsed: a feed says the same few thousand numbers all day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from markets.domain.events import BookSnapshot, Level
from markets.domain.instruments import Side
from markets.domain.units import ONE, AmountError, micro_from_text, text_from_micro
from markets.venues.base import ParseError

MAX_SIZE = 10**12 * ONE  # a trillion shares: far above any book, far below what an int64 holds
_SCALES: tuple[int, ...] = tuple(10 ** (6 - digits) for digits in range(7))
EARLIEST_MS, LATEST_MS = 1_262_304_000_000, 4_102_444_800_000  # 2010 to 2100: anything else is not milliseconds
_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}


class Remembered:
    """Texts already parsed, in the plain dict `known`, which hot loops index directly.

    Calling it parses at need. It forgets everything when it has grown too large.
    """

    __slots__ = ("_limit", "_parse", "known")

    def __init__(self, parse: Callable[[str], Any], *, limit: int = 50_000) -> None:
        self.known: dict[str, Any] = {}
        self._parse = parse
        self._limit = limit

    def __call__(self, text: str) -> Any:
        try:
            return self.known[text]
        except KeyError:
            value = self._parse(text)
            if len(self.known) >= self._limit:
                self.known.clear()
            self.known[text] = value
            return value


def _micro(text: str, field: str) -> int:
    whole, dot, fraction = text.partition(".")
    if text.isascii() and whole.isdecimal() and len(text) < 20 and (not dot or fraction.isdecimal()):
        digits = len(fraction)
        if digits <= 6:
            return int(whole + fraction) * _SCALES[digits]
    try:  # anything less plain: the slow reader knows what is wrong with it
        return micro_from_text(text, field=field)
    except AmountError as error:
        raise ParseError(field, str(error).removeprefix(f"{field}: ")) from None


def read_price(text: str, field: str = "price") -> int:
    """Return a price strictly between 0 and 1."""
    price = _micro(text, field)
    if not 0 < price < ONE:
        raise ParseError(field, f"{text!r:.40} is not between 0 and 1")
    return price


def read_size(text: str, field: str = "size") -> int:
    size = _micro(text, field)
    if not 0 <= size <= MAX_SIZE:
        raise ParseError(field, f"{text!r:.40} is not a size")
    return size


def read_best(text: str, field: str = "best_bid") -> int | None:
    """Return a best price; the venue writes "", 0 or 1 for an empty side."""
    if text == "":
        return None
    price = _micro(text, field)
    if not 0 <= price <= ONE:
        raise ParseError(field, f"{text!r:.40} is not between 0 and 1")
    return price if 0 < price < ONE else None


def read_tick(text: str, field: str = "tick_size") -> int:
    tick = _micro(text, field)
    if not 100 <= tick < ONE or ONE % tick:
        raise ParseError(field, f"{text!r:.40} does not divide a dollar into at most 10,000 steps")
    return tick


def read_ms(text: str, field: str = "timestamp") -> int:
    if len(text) == 13 and text.isdecimal() and text.isascii() and EARLIEST_MS <= (at_ms := int(text)) <= LATEST_MS:
        return at_ms
    if not isinstance(text, str) or not (text.isascii() and text.isdecimal() and len(text) <= 16):
        raise ParseError(field, f"{text!r:.40} is not a time in milliseconds")
    at_ms = int(text)
    if not EARLIEST_MS <= at_ms <= LATEST_MS:
        raise ParseError(field, f"{text!r:.40} is not a time in milliseconds")
    return at_ms


def read_side(text: str, field: str = "side") -> Side:
    try:
        return _SIDES[text]
    except KeyError:
        raise ParseError(field, f"{text!r:.40} is neither BUY nor SELL") from None


times = Remembered(read_ms, limit=100)
sides = Remembered(read_side, limit=2)
prices = Remembered(read_price)
sizes = Remembered(read_size)
best_bids = Remembered(lambda text: read_best(text, "best_bid"))
best_asks = Remembered(lambda text: read_best(text, "best_ask"))


class WireLevel(msgspec.Struct, gc=False):
    price: str
    size: str


class WireBook(msgspec.Struct, gc=False):
    """A book as `/book`, `/books` and the socket send it. The socket leaves some keys out."""

    market: str
    asset_id: str
    timestamp: str
    bids: list[WireLevel]
    asks: list[WireLevel]
    hash: str = ""
    min_order_size: str = ""
    tick_size: str = ""
    neg_risk: bool | None = None
    last_trade_price: str = ""


_books = msgspec.json.Decoder(list[WireBook])
_book = msgspec.json.Decoder(WireBook)


def read_levels(levels: Sequence[WireLevel], side: str) -> tuple[Level, ...]:
    """Return levels best first. The wire has them worst first, but only their prices are believed."""
    price_of, size_of = prices.known, sizes.known
    try:
        found = [(price_of[level.price], size_of[level.size]) for level in levels]
    except KeyError:  # a text not seen lately
        found = [(prices(level.price), sizes(level.size)) for level in levels]
    found.sort(reverse=side == "bids")
    for (price, _), (after, _) in pairwise(found):
        if price == after:
            raise ParseError(side, f"price {text_from_micro(price)} is listed twice")
    return tuple(level for level in found if level[1])


def snapshot_from_wire(book: WireBook, received_ns: int) -> BookSnapshot:
    if not book.asset_id:
        raise ParseError("asset_id", "is empty")
    return BookSnapshot(
        token_id=book.asset_id,
        bids=read_levels(book.bids, "bids"),
        asks=read_levels(book.asks, "asks"),
        venue_ms=read_ms(book.timestamp),
        received_ns=received_ns,
        venue_hash=book.hash,
        tick=read_tick(book.tick_size) if book.tick_size else None,
        last_trade_price=read_best(book.last_trade_price, "last_trade_price"),
    )


def read_books(body: bytes, received_ns: int) -> list[BookSnapshot]:
    """Return the books of a `/books` answer. Raises ParseError."""
    return [snapshot_from_wire(book, received_ns) for book in decoded(_books, body, "rest.books")]


def read_book(body: bytes, received_ns: int) -> BookSnapshot:
    return snapshot_from_wire(decoded(_book, body, "rest.book"), received_ns)


def decoded(decoder: msgspec.json.Decoder[Any], body: bytes, source: str) -> Any:
    """Decode strictly; what msgspec says becomes a ParseError that names the path."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise decode_error(error, body, source) from None


def decode_error(error: Exception, body: bytes, source: str) -> ParseError:
    problem, _, path = str(error).partition(" - at `$")
    field = path.rstrip("`").lstrip(".") or "body"
    if "missing required field" in problem:  # the path names the parent; the message names the field
        name = problem.rsplit("`", 2)[1]
        field = f"{path.rstrip('`').lstrip('.')}.{name}".lstrip(".")
    return ParseError(field, problem[:200], sample=body[:2_000].decode("utf-8", "replace"), source=source)


def book_hash(  # noqa: PLR0917 - the key order is the formula
    market: str,
    token_id: str,
    timestamp: str,
    bids: Sequence[Level],
    asks: Sequence[Level],
    min_order_size: str,
    tick_size: str,
    neg_risk: bool,
    last_trade_price: str,
) -> str:
    """Return the venue's SHA-1 of a book. Levels are best first here and worst first in the pre-image."""
    text = (
        f'{{"market":"{market}","asset_id":"{token_id}","timestamp":"{timestamp}","hash":"",'
        f'"bids":[{_levels_text(bids)}],"asks":[{_levels_text(asks)}],'
        f'"min_order_size":"{min_order_size}","tick_size":"{tick_size}",'
        f'"neg_risk":{"true" if neg_risk else "false"},"last_trade_price":"{last_trade_price}"}}'
    )
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _levels_text(levels: Sequence[Level]) -> str:
    return ",".join(
        f'{{"price":"{text_from_micro(price)}","size":"{text_from_micro(size)}"}}' for price, size in reversed(levels)
    )
