"""How values become bytes in Redis and back. Everything is msgpack made from the domain's structs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from markets.domain.events import FeedEvent, TradePrint
from markets.domain.views import BookStatus, BookView, Wake


class StreamEvent(msgspec.Struct, frozen=True, array_like=True):
    """One entry of the ordered stream: which outcome, what happened."""

    outcome_id: int
    event: FeedEvent


_encode = msgspec.msgpack.Encoder().encode
_book = msgspec.msgpack.Decoder(BookView)
_trade = msgspec.msgpack.Decoder(TradePrint)
_events = msgspec.msgpack.Decoder(tuple[StreamEvent, ...])
_wakes = msgspec.msgpack.Decoder(tuple[Wake, ...])
_ids = msgspec.msgpack.Decoder(list[int])

book_encode = trade_encode = _encode
book_decode = _book.decode
trade_decode = _trade.decode
events_decode = _events.decode
wakes_decode = _wakes.decode
ids_decode = _ids.decode
_STATUSES = {status.value: status for status in BookStatus}


def events_encode(events: Sequence[tuple[int, FeedEvent]]) -> bytes:
    return _encode(events)


def wakes_encode(wakes: Sequence[Wake]) -> bytes:
    return _encode(wakes)


def ids_encode(ids: Iterable[int]) -> bytes:
    return _encode(list(ids))


def state_encode(status: BookStatus, confirmed_ms: int) -> str:
    return f"{status.value}:{confirmed_ms}"


def book_with_state(raw: bytes, state: bytes | None) -> BookView:
    """Join the latest picture with the latest word on its status, which is written with every picture and between.

    Its time counts even when it is the earlier one: a picture's may be from a clock that was ahead and was set back.
    """
    view = book_decode(raw)
    if state is None:
        return view
    name, _, confirmed = state.decode().partition(":")
    status = _STATUSES.get(name, BookStatus.STALE)
    confirmed_ms = int(confirmed) if confirmed.isdecimal() else view.confirmed_ms
    if status is view.status and confirmed_ms == view.confirmed_ms:
        return view
    return msgspec.structs.replace(view, status=status, confirmed_ms=confirmed_ms)
