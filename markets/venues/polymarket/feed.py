"""Polymarket's market socket, without the socket: what to send, and what a frame says.

A frame is one JSON object or an array of them. A malformed object is an error with its field's
name and changes nothing; the others in the frame still count. An event type that we have never
heard of is an error of field `event_type`: recorded, skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from markets.domain.events import FeedEvent, LevelChange, MarketResolved, TickSizeChange, TradePrint
from markets.domain.units import text_from_micro
from markets.venues.base import BookClaim, Check, FrameProblems, ParseError
from markets.venues.polymarket import parse
from markets.venues.polymarket.parse import WireBook, best_asks, best_bids, prices, sides, sizes, times


class _Book(WireBook, tag_field="event_type", tag="book"):
    pass


class _Change(msgspec.Struct, gc=False):
    """What a book needs. Hash and best prices are read by `check`, for the few frames that are checked."""

    asset_id: str
    price: str
    size: str
    side: str


class _PriceChange(msgspec.Struct, tag_field="event_type", tag="price_change", gc=False):
    timestamp: str
    price_changes: list[_Change]


class _OnlyPriceChange(msgspec.Struct, gc=False):
    """The same, asked for by name: the venue writes `event_type` last, and a union must look for it first."""

    event_type: str
    timestamp: str
    price_changes: list[_Change]


class _CheckedChange(msgspec.Struct):
    asset_id: str
    hash: str = ""
    best_bid: str = ""
    best_ask: str = ""


class _CheckedPriceChange(msgspec.Struct, tag_field="event_type", tag="price_change"):
    timestamp: str
    price_changes: list[_CheckedChange]


class _LastTrade(msgspec.Struct, tag_field="event_type", tag="last_trade_price", gc=False):
    market: str
    asset_id: str
    price: str
    size: str
    side: str
    timestamp: str
    transaction_hash: str | None = None
    inferred: bool = False  # only the local exchange's replays say so


class _TickChange(msgspec.Struct, tag_field="event_type", tag="tick_size_change", gc=False):
    market: str
    asset_id: str
    old_tick_size: str
    new_tick_size: str
    timestamp: str


class _Resolved(msgspec.Struct, tag_field="event_type", tag="market_resolved", gc=False):
    market: str
    winning_asset_id: str
    timestamp: str


class _BestPrices(msgspec.Struct, tag_field="event_type", tag="best_bid_ask", gc=False):
    """Repeats what price changes say; read only to be strict."""

    market: str
    asset_id: str
    timestamp: str
    best_bid: str = ""
    best_ask: str = ""


class _NewMarket(msgspec.Struct, tag_field="event_type", tag="new_market", gc=False):
    """Broadcast to every socket. The catalogue sync lists new markets with all their facts."""

    market: str


_Frame = _Book | _PriceChange | _LastTrade | _TickChange | _Resolved | _BestPrices | _NewMarket
_one = msgspec.json.Decoder(_Frame)
_many = msgspec.json.Decoder(list[_Frame])
_checked = msgspec.json.Decoder(_CheckedPriceChange)
_pieces = msgspec.json.Decoder(list[msgspec.Raw])
_anything = msgspec.json.Decoder()
_price_change = msgspec.json.Decoder(_OnlyPriceChange)
_TEXT_FRAMES = (b"PONG", b"PING")


class PolymarketFeed:
    """Implements `FeedProtocol`. Stateless; one instance may serve every shard."""

    ping_text = "PING"
    pong_text = "PONG"
    ping_every_s = 10.0
    assets_per_socket = 200

    def subscribe_first(self, token_ids: Sequence[str]) -> str:
        return _text({"type": "market", "assets_ids": list(token_ids), "custom_feature_enabled": True})

    def subscribe_more(self, token_ids: Sequence[str]) -> str:
        return _text({"operation": "subscribe", "assets_ids": list(token_ids), "custom_feature_enabled": True})

    def unsubscribe(self, token_ids: Sequence[str]) -> str:
        return _text({"operation": "unsubscribe", "assets_ids": list(token_ids)})

    def read(self, frame: bytes, received_ns: int, out: list[FeedEvent]) -> FrameProblems | None:
        """Append what the frame says to `out`; return what was wrong with it, if anything.

        Never raises for anything that a socket can deliver.
        """
        start = len(out)
        try:  # nine frames in ten are price changes: try that first, everything else costs one exception more
            found = _price_change.decode(frame)
            if found.event_type == "price_change":
                _changes(found, received_ns, out)
                return None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ParseError):
            del out[start:]
        try:
            if frame[:1] == b"{":
                _events(_one.decode(frame), received_ns, out)
            elif frame not in _TEXT_FRAMES:
                for part in _many.decode(frame):
                    _events(part, received_ns, out)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ParseError):
            del out[start:]
            return _read_piecewise(frame, received_ns, out)
        return None

    def parse(self, frame: bytes, received_ns: int) -> list[FeedEvent]:
        """Return the events of a frame that must be sound. Raises ParseError for the first thing that is not."""
        out: list[FeedEvent] = []
        problems = self.read(frame, received_ns, out)
        if problems:
            raise problems.errors[0]
        return out

    def book_text(self, claim: BookClaim) -> bytes:
        """Write our book as a `book` frame, levels worst first as the venue lists them."""
        bids, asks = (
            [{"price": text_from_micro(p), "size": text_from_micro(s)} for p, s in reversed(levels)]
            for levels in (claim.bids, claim.asks)
        )
        frame = {
            "event_type": "book",
            "market": claim.condition_id,
            "asset_id": claim.token_id,
            "timestamp": str(claim.venue_ms),
            "hash": "",
            "bids": bids,
            "asks": asks,
            "tick_size": text_from_micro(claim.tick),
            "last_trade_price": "" if claim.last_trade_price is None else text_from_micro(claim.last_trade_price),
        }
        return msgspec.json.encode(frame)

    def check(self, claim: BookClaim, frame: bytes) -> Check:
        """Compare best prices, then the book hash, with what the last frame of the batch said.

        The hash covers the last trade price as the venue wrote it, which may differ from what we saw
        last: so an equal hash proves the book, and another one proves nothing.
        """
        venue_ms, venue_hash = claim.venue_ms, claim.venue_hash
        if frame:
            try:
                found = _checked.decode(frame)
                rows = [row for row in found.price_changes if row.asset_id == claim.token_id]
                if not rows:
                    return Check.UNKNOWN
                said = best_bids(rows[-1].best_bid), best_asks(rows[-1].best_ask)
                venue_ms, venue_hash = times(found.timestamp), rows[-1].hash
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ParseError):
                return Check.UNKNOWN
            ours = (claim.bids[0][0] if claim.bids else None, claim.asks[0][0] if claim.asks else None)
            if any(their is not None and their != our for their, our in zip(said, ours, strict=True)):
                return Check.CONTRADICTS
        return Check.AGREES if venue_hash and venue_hash in _hashes(claim, venue_ms) else Check.UNKNOWN


def _hashes(claim: BookClaim, venue_ms: int) -> Iterator[str]:
    """Yield the book's hash for every way in which the venue may have written the last trade price."""
    last = claim.last_trade_price
    for text in [""] if last is None else dict.fromkeys([text_from_micro(last), f"{last / 1e6:.3f}", ""]):
        yield parse.book_hash(
            claim.condition_id,
            claim.token_id,
            str(venue_ms),
            claim.bids,
            claim.asks,
            text_from_micro(claim.minimum_size),
            text_from_micro(claim.tick),
            claim.neg_risk,
            text,
        )


def _events(frame: object, received_ns: int, out: list[FeedEvent]) -> None:
    if isinstance(frame, _PriceChange):
        _changes(frame, received_ns, out)
    else:
        _others[type(frame)](frame, received_ns, out)


def _changes(frame: _PriceChange | _OnlyPriceChange, received_ns: int, out: list[FeedEvent]) -> None:
    """The hot loop. Texts are looked up; only those not seen lately are parsed. Raises with part of it appended."""
    venue_ms = parse.read_ms(frame.timestamp)
    side_of, price_of, size_of, append = sides.known.get, prices.known.get, sizes.known.get, out.append
    for change in frame.price_changes:
        side, price, size = side_of(change.side), price_of(change.price), size_of(change.size)
        append(
            LevelChange(
                token_id=change.asset_id,
                side=sides(change.side) if side is None else side,
                price=prices(change.price) if price is None else price,
                size=sizes(change.size) if size is None else size,
                venue_ms=venue_ms,
                received_ns=received_ns,
            )
        )


def _book(frame: _Book, received_ns: int, out: list[FeedEvent]) -> None:
    out.append(parse.snapshot_from_wire(frame, received_ns))


def _trade(frame: _LastTrade, received_ns: int, out: list[FeedEvent]) -> None:
    out.append(
        TradePrint(
            token_id=frame.asset_id,
            side=sides(frame.side),
            price=prices(frame.price),
            size=_traded(frame.size),
            venue_ms=times(frame.timestamp),
            received_ns=received_ns,
            inferred=frame.inferred,
            venue_ref=frame.transaction_hash or "",
        )
    )


def _tick_change(frame: _TickChange, received_ns: int, out: list[FeedEvent]) -> None:
    out.append(
        TickSizeChange(
            token_id=frame.asset_id,
            old_tick=parse.read_tick(frame.old_tick_size, "old_tick_size"),
            new_tick=parse.read_tick(frame.new_tick_size, "new_tick_size"),
            venue_ms=times(frame.timestamp),
            received_ns=received_ns,
        )
    )


def _resolved(frame: _Resolved, received_ns: int, out: list[FeedEvent]) -> None:
    out.append(
        MarketResolved(
            condition_id=frame.market,
            winning_token_id=frame.winning_asset_id,
            venue_ms=times(frame.timestamp),
            received_ns=received_ns,
        )
    )


def _best_prices(frame: _BestPrices, received_ns: int, out: list[FeedEvent]) -> None:
    """Check the frame and add nothing: price changes carry the same."""
    _ = best_bids(frame.best_bid), best_asks(frame.best_ask), times(frame.timestamp)


def _new_market(frame: _NewMarket, received_ns: int, out: list[FeedEvent]) -> None:
    """Add nothing: the catalogue sync brings new markets with all their facts."""


_others: dict[type, Callable[[Any, int, list[FeedEvent]], None]] = {
    _Book: _book,
    _LastTrade: _trade,
    _TickChange: _tick_change,
    _Resolved: _resolved,
    _BestPrices: _best_prices,
    _NewMarket: _new_market,
}


def _traded(text: str) -> int:
    size = parse.read_size(text)
    if size == 0:
        raise ParseError("size", "a trade of nothing")
    return size


def _read_piecewise(frame: bytes, received_ns: int, out: list[FeedEvent]) -> FrameProblems:
    """Read a frame with something wrong in it, object by object, and say what and whom it may have cost."""
    found = FrameProblems()
    pieces: Sequence[bytes]
    try:
        pieces = [bytes(piece) for piece in _pieces.decode(frame)] if frame.lstrip()[:1] == b"[" else [frame]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        found.errors.append(parse.decode_error(error, frame, "ws.frame"))
        return found
    for piece in pieces:
        start = len(out)
        try:
            _events(_one.decode(piece), received_ns, out)
        except ParseError as error:
            problem = ParseError(error.field, error.problem, sample=_sample(piece), source=_source(piece))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            problem = _explained(error, piece)
        else:
            continue
        del out[start:]
        found.errors.append(problem)
        found.doubtful.extend(_tokens_named(piece))
    return found


def _explained(error: Exception, piece: bytes) -> ParseError:
    problem = parse.decode_error(error, piece, _source(piece))
    if problem.field == "event_type" and "Invalid value" in problem.problem:
        return ParseError("event_type", f"unknown: {_event_type(piece)!r:.80}", sample=problem.sample, source="ws")
    return problem


def _loose(piece: bytes) -> dict[str, object]:
    try:
        value = _anything.decode(piece)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def _event_type(piece: bytes) -> str:
    name = _loose(piece).get("event_type")
    return name if isinstance(name, str) else ""


def _source(piece: bytes) -> str:
    return f"ws.{_event_type(piece) or 'frame'}"[:60]


def _sample(piece: bytes) -> str:
    return piece[:2_000].decode("utf-8", "replace")


def _tokens_named(piece: bytes) -> list[str]:
    """Return every token a broken message speaks of, as far as it can be made out."""
    value = _loose(piece)
    rows = value.get("price_changes")
    named = [value, *(rows if isinstance(rows, list) else [])]
    return [row["asset_id"] for row in named if isinstance(row, dict) and isinstance(row.get("asset_id"), str)]


def _text(message: dict[str, object]) -> str:
    return msgspec.json.encode(message).decode()
