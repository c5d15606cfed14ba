"""What we read of an account over REST: lists page by page to their real end, rows in the words of every venue.

Pure: `fetch` brings the bytes. A list that cannot be read to its end raises, because half a list would
make the other half look absent. Every row is shown to `look` before it is read, so that what cannot be read
is seen too. Sizes and dollars are millionths.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from markets.domain.trading import OrderWord, VenueLeg, VenueOrder
from markets.venues.base import ParseError, VenueUnavailable
from markets.venues.polymarket.exact_json import exact_json
from markets.venues.polymarket.legs import legs_of
from markets.venues.polymarket.parse import read_size
from markets.venues.polymarket.user_events import (
    OrderEvent,
    VenueOrderStatus,
    read_order_row,
    read_trade_row,
)
from markets.venues.trading import Look

START_CURSOR, END_CURSOR = "MA==", "LTE="
MOST_PAGES = 2_000
MOST_VISITS = 3  # of one page: a cursor that leads back to itself is asked again, then given up
POSITIONS_PER_PAGE = 500
_TOKEN = re.compile(r"[0-9]{1,78}")
_WHOLE = re.compile(r"[0-9]{1,78}")
_WORDS = {
    VenueOrderStatus.LIVE: OrderWord.LIVE,
    VenueOrderStatus.MATCHED: OrderWord.MATCHED,
    VenueOrderStatus.DELAYED: OrderWord.DELAYED,
    # Put on the book after a delay that found no match; only its absence from the book could end it.
    VenueOrderStatus.UNMATCHED: OrderWord.LIVE,
    VenueOrderStatus.CANCELED: OrderWord.CANCELED,
    VenueOrderStatus.INVALID: OrderWord.CANCELED,
}
_EXPIRED = ("CANCELED_EXPIRED_ORDER", "CANCELLED_EXPIRED_ORDER")

Query = Mapping[str, str]
Fetch = Callable[[str, Query], bytes]  # (path, query) -> a 200 body; raises VenueUnavailable or VenueRefused


def unwatched(source: str, row: object) -> None:
    """Look at nothing."""


def venue_order(event: OrderEvent) -> VenueOrder:
    """Return an order as every venue tells it, from a REST row or a message of the user socket."""
    expired = event.status is VenueOrderStatus.CANCELED and event.status_text in _EXPIRED
    word = OrderWord.EXPIRED if expired else _WORDS[event.status]
    return VenueOrder(
        order_id=event.order_id,
        word=word,
        reason=event.status_text if word.is_over or event.status is VenueOrderStatus.UNMATCHED else "",
        condition_id=event.condition_id,
        token_id=event.token_id,
        side=event.side,
        price=event.price,
        size=None if event.size_is_dollars else event.size,
        matched=None if event.size_is_dollars else event.matched,
        order_type=event.order_type,
        expires_at_ms=event.expiration_s * 1_000 or None,
        created_ms=event.created_ms,
        trade_ids=event.trade_ids,
    )


def read_order(body: bytes, *, order_id: str, look: Look = unwatched) -> VenueOrder | None:
    """Return the order in an answer of /data/order/{id}, None where the venue shows none."""
    row = decoded(body, source="rest.order") if body.strip() else None
    if row in (None, "", {}, []):
        return None
    look("rest.order_row", row)
    found = venue_order(read_order_row(row))
    if found.order_id != order_id.lower():
        raise ParseError("id", f"{found.order_id} is not the order that was asked for", source="rest.order")
    return found


def open_orders(fetch: Fetch, *, wallet: str, look: Look = unwatched) -> list[VenueOrder]:
    """Return the wallet's open orders, of all that its API key has.

    Rows move up when an order leaves, so one could slip by between two pages: a list of several is read twice.
    """
    found: dict[str, VenueOrder] = {}
    for _ in range(2):
        pages = 0
        for rows in pages_of(fetch, "/data/orders", {}):
            pages += 1
            for row in rows:
                look("rest.order_row", row)
                event = read_order_row(row)
                if event.maker_address.lower() in ("", wallet.lower()):
                    found[event.order_id] = venue_order(event)
        if pages < 2:
            break
    return list(found.values())


def legs(fetch: Fetch, *, wallet: str, api_key: str, since_ms: int, look: Look = unwatched) -> list[VenueLeg]:
    """Return the wallet's parts in all trades since then, oldest first; the last word on each."""
    # The filter is by whole seconds and leaves its own second out.
    query = {"maker_address": wallet, "after": str(max(0, since_ms // 1_000 - 1))}
    found: dict[tuple[str, str, str], VenueLeg] = {}
    for rows in pages_of(fetch, "/data/trades", query):
        for row in rows:
            look("rest.trade_row", row)
            trade = read_trade_row(row)
            addresses = {leg.order_id: leg.address.lower() for leg in (trade.taker, *trade.makers)}
            for leg in legs_of(trade, api_keys=(api_key,), addresses=(wallet,)):
                # One API key may trade for several wallets, even with itself.
                if addresses[leg.order_id] in ("", wallet.lower()):
                    found[leg.trade_id, leg.order_id, leg.role.value] = leg
    return sorted(found.values(), key=lambda leg: (leg.matched_ms, leg.trade_id, leg.order_id))


def positions(fetch: Fetch, *, wallet: str) -> dict[str, int]:
    """Return the wallet's shares by token id, as the data service has them."""
    found: dict[str, int] = {}
    visits: dict[str, int] = {}
    cursor = ""
    while True:
        _visit(visits, cursor, "/v2/positions")
        query = {"user": wallet, "limit": str(POSITIONS_PER_PAGE), **({"cursor": cursor} if cursor else {})}
        page = _mapping(decoded(fetch("/v2/positions", query), source="data.positions"), "body", "data.positions")
        for row in _rows(page, "data.positions"):
            token, size = _position(row)
            if size:
                found[token] = size
        pagination = _mapping(page.get("pagination"), "pagination", "data.positions")
        more, cursor = pagination.get("has_more"), pagination.get("next_cursor") or ""
        if not isinstance(more, bool) or not isinstance(cursor, str) or (more and not cursor):
            raise ParseError("pagination", "does not say whether there is more", source="data.positions")
        if not more:
            return found


def read_balance(body: bytes, *, look: Look = unwatched) -> tuple[int, dict[str, int]]:
    """Return (balance, allowances by contract in lower case) of an answer of /balance-allowance."""
    source = "rest.balance"
    row = _mapping(decoded(body, source=source), "body", source)
    look(source, row)
    allowances = _mapping(row.get("allowances", {}), "allowances", source)
    return _whole(row.get("balance"), "balance", source), {
        str(spender).lower(): _whole(amount, f"allowances.{spender!s:.50}", source)
        for spender, amount in allowances.items()
    }


def pages_of(fetch: Fetch, path: str, query: Query) -> Iterator[list[object]]:
    """Yield the rows of every page. Raises VenueUnavailable where the pages go round."""
    source = "rest" + path.replace("/", ".")
    visits: dict[str, int] = {}
    cursor = START_CURSOR
    while cursor != END_CURSOR:
        _visit(visits, cursor, path)
        page = _mapping(decoded(fetch(path, {**query, "next_cursor": cursor}), source=source), "body", source)
        yield _rows(page, source)
        following = page.get("next_cursor")
        if not isinstance(following, str) or not following or len(following) > 500:
            raise ParseError("next_cursor", f"{following!r:.60} is not a cursor", source=source)
        cursor = following


def decoded(body: bytes, *, source: str) -> object:
    """Return strict JSON: no key twice, no NaN, decimals exact. Raises ParseError."""
    try:
        return exact_json(body)
    except (ValueError, RecursionError, ArithmeticError):
        sample = body[:2_000].decode("utf-8", "replace")
        raise ParseError("body", "is not JSON", sample=sample, source=source) from None


def _visit(visits: dict[str, int], cursor: str, path: str) -> None:
    visits[cursor] = visits.get(cursor, 0) + 1
    if visits[cursor] > MOST_VISITS or len(visits) > MOST_PAGES:
        raise VenueUnavailable(f"GET {path}: its pages do not come to an end")


def _position(row: object) -> tuple[str, int]:
    fields = _mapping(row, "data", "data.positions")
    token, size = fields.get("token_id"), fields.get("current_size")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise ParseError("token_id", f"{token!r:.90} is not a token id", source="data.positions")
    if not isinstance(size, str):
        raise ParseError("current_size", f"{size!r:.60} is not text", source="data.positions")
    return token, read_size(size, "current_size")


def _rows(page: Mapping[str, Any], source: str) -> list[object]:
    rows = page.get("data")
    if not isinstance(rows, list):
        raise ParseError("data", "is missing or not a list", source=source)
    return rows


def _mapping(value: object, field: str, source: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ParseError(field, f"is {type(value).__name__}, not an object", source=source)
    return value


def _whole(value: object, field: str, source: str) -> int:
    if not isinstance(value, str) or not _WHOLE.fullmatch(value):
        raise ParseError(field, f"{value!r:.90} is not a whole number", source=source)
    return int(value)
