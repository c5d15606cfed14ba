"""Which markets and events a metadata request asks for, in which order, and which page of them.

Keyset pages remember the last row's sort value and id, so rows that change or appear
between two pages neither repeat nor hide others.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from markets.domain.units import text_from_micro
from polybot.sandbox.catalogue import Catalogue, Event, Market
from polybot.sandbox.gamma_bodies import is_closed
from polybot.sandbox.http_core import ApiError, Request

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
Row = TypeVar("Row", Market, Event)
Key = Callable[[Any], Any]


class GammaError(ApiError):
    """A refusal in Gamma's own shape."""

    def __init__(self, text: str) -> None:
        super().__init__(422, text, type="validation error")


MARKET_ORDERS: dict[str, Key] = {
    "id": lambda m: m.id,
    "createdAt": lambda m: m.created_ms,
    "updatedAt": lambda m: m.updated_ms,
    "startDate": lambda m: m.start_ms,
    "endDate": lambda m: m.end_ms,
    "closedTime": lambda m: m.closed_ms or 0,
    # A text column: "9.5" sorts after "10.5", here as there.
    "volume": lambda m: text_from_micro(m.volume),
    "liquidity": lambda m: text_from_micro(m.liquidity),
    "volumeNum": lambda m: m.volume,
    "volumeClob": lambda m: m.volume,
    "volume24hr": lambda m: m.volume_24h,
    "liquidityNum": lambda m: m.liquidity,
    "liquidityClob": lambda m: m.liquidity,
    "lastTradePrice": lambda m: m.last_trade_price or 0,
    "bestBid": lambda m: m.best_bid or 0,
    "bestAsk": lambda m: m.best_ask or 1_000_000,
    "question": lambda m: m.question,
    "slug": lambda m: m.slug,
    "competitive": lambda m: -abs(m.outcome_prices[0] - 500_000),
}
EVENT_ORDERS: dict[str, Key] = {
    name: MARKET_ORDERS[name] for name in ("id", "createdAt", "updatedAt", "startDate", "endDate", "closedTime", "slug")
}
EVENT_ORDERS["title"] = lambda e: e.title


def event_orders(catalogue: Catalogue) -> dict[str, Key]:
    """Orders of events: their own columns and the sums over their markets."""

    def total(name: str) -> Key:
        return lambda e: sum(getattr(m, name) for m in catalogue.markets_of(e))

    sums = {"volume": "volume", "volume24hr": "volume_24h", "liquidity": "liquidity"}
    return {**EVENT_ORDERS, **{order: total(name) for order, name in sums.items()}}


_IDENTITIES = ("id", "slug", "condition_ids", "question_ids", "clob_token_ids", "position_ids")


def filter_markets(request: Request, catalogue: Catalogue, *, closed_default: bool | None = False) -> list[Market]:
    """Return the markets that the request's filters leave, unordered."""
    # Lists show the first protocol unless asked otherwise; a market that is named is found whatever it is.
    named = any(request.all(name) for name in _IDENTITIES)
    versions = set(request.all("version") or (["v1", "v2"] if named else ["v1"]))
    closed = request.flag("closed")
    wanted_closed = closed_default if closed is None else closed
    tests: list[Callable[[Market], bool]] = [lambda m: m.version in versions]
    if wanted_closed is not None:
        tests.append(lambda m: is_closed(m) is wanted_closed)
    _set_test(tests, request, "id", lambda m: str(m.id))
    _set_test(tests, request, "slug", lambda m: m.slug)
    _set_test(tests, request, "condition_ids", lambda m: m.condition_id)
    _set_test(tests, request, "question_ids", lambda m: m.question_id)
    positions = set(request.all("position_ids"))
    if positions:
        tests.append(lambda m: m.version == "v2" and not positions.isdisjoint(m.token_ids))
    _set_test(tests, request, "sports_market_types", lambda m: m.sports_market_type)
    tokens = set(request.all("clob_token_ids"))
    if tokens:
        tests.append(lambda m: not tokens.isdisjoint(m.token_ids))
    _flag_tests(tests, request)
    _range_test(tests, request, "volume_num", lambda m: m.volume, 1_000_000)
    _range_test(tests, request, "liquidity_num", lambda m: m.liquidity, 1_000_000)
    _date_test(tests, request, "start_date", lambda m: m.start_ms)
    _date_test(tests, request, "end_date", lambda m: m.end_ms)
    tagged = _tag_test(request)
    if tagged is not None:
        tests.append(lambda m: tagged(catalogue.event_of(m)))
    if request.all("uma_resolution_status"):
        wanted = set(request.all("uma_resolution_status"))
        tests.append(lambda m: ("resolved" if is_closed(m) else "") in wanted)
    return [m for m in catalogue.markets.values() if all(test(m) for test in tests)]


def filter_events(request: Request, catalogue: Catalogue) -> list[Event]:
    versions = set(request.all("version") or ["v1"])
    tests: list[Callable[[Event], bool]] = [lambda e: e.version in versions]
    closed = request.flag("closed")
    if closed is not None:
        tests.append(lambda e: e.closed is closed)
    _set_test(tests, request, "id", lambda e: str(e.id))
    _set_test(tests, request, "slug", lambda e: e.slug)
    _flag_tests(tests, request)
    _date_test(tests, request, "start_date", lambda e: e.start_ms)
    _date_test(tests, request, "end_date", lambda e: e.end_ms)
    for name in ("volume", "liquidity"):
        _range_test(tests, request, name, _event_sum(catalogue, name), 1_000_000)
    tagged = _tag_test(request)
    if tagged is not None:
        tests.append(tagged)
    if request.first("tag_slug"):
        slugs = set(request.all("tag_slug"))
        tests.append(lambda e: any(tag.slug in slugs for tag in e.tags))
    excluded = set(request.all("exclude_tag_id"))
    if excluded:
        tests.append(lambda e: not any(str(tag.id) in excluded for tag in e.tags))
    title = request.first("title_search").lower()
    if title:
        tests.append(lambda e: title in e.title.lower())
    return [e for e in catalogue.events.values() if all(test(e) for test in tests)]


def ordered(request: Request, rows: list[Row], orders: dict[str, Key]) -> tuple[list[Row], Key, bool]:
    """Return the rows in the requested order, with the key and direction used."""
    name = request.first("order").split(",")[0] or "id"
    key = orders.get(name)
    if key is None:
        raise GammaError(f"order: unknown column {name!r:.40}")
    descending = request.flag("ascending") is False
    rows.sort(key=lambda row: (key(row), row.id), reverse=descending)
    return rows, key, descending


def offset_page(request: Request, rows: list[Row]) -> list[Row]:
    limit = request.whole("limit", DEFAULT_LIMIT, high=MAX_LIMIT)
    offset = request.whole("offset", 0)
    return rows[offset : offset + limit]


def keyset_page(request: Request, rows: list[Row], key: Key, *, descending: bool) -> tuple[list[Row], str | None]:
    """Return one page of ordered rows and the cursor of the next, None on the last page."""
    limit = max(1, request.whole("limit", DEFAULT_LIMIT, high=MAX_LIMIT))
    cursor = request.first("after_cursor")
    if cursor:
        after = _read_cursor(cursor)
        try:
            rows = [r for r in rows if ((key(r), r.id) < after if descending else (key(r), r.id) > after)]
        except TypeError:
            raise GammaError("after_cursor: made for another order") from None
    page = rows[:limit]
    if len(rows) <= limit:
        return page, None
    last = page[-1]
    return page, base64.urlsafe_b64encode(json.dumps([key(last), last.id]).encode()).decode()


def _read_cursor(cursor: str) -> tuple[Any, int]:
    try:
        value, row_id = json.loads(base64.urlsafe_b64decode(cursor))
    except (ValueError, TypeError, binascii.Error):
        raise GammaError("after_cursor: not one of ours") from None
    if not isinstance(row_id, int):
        raise GammaError("after_cursor: not one of ours")
    return value, row_id


def _event_sum(catalogue: Catalogue, name: str) -> Callable[[Event], int]:
    return lambda event: sum(getattr(m, name) for m in catalogue.markets_of(event))


def _set_test(tests: list[Any], request: Request, name: str, key: Callable[[Any], str]) -> None:
    wanted = set(request.all(name))
    if wanted:
        tests.append(lambda row: key(row) in wanted)


def _flag_tests(tests: list[Any], request: Request) -> None:
    """Everything here is active and nothing archived, featured or from the community."""
    if request.flag("active") is False or any(request.flag(n) for n in ("archived", "featured", "cyom", "rfq_enabled")):
        tests.append(lambda row: False)


def _range_test(tests: list[Any], request: Request, name: str, key: Callable[[Any], int], scale: int) -> None:
    for bound, low in (("min", True), ("max", False)):
        try:
            limit = request.number(f"{name}_{bound}")
        except ApiError:
            raise GammaError(f"{name}_{bound}: not a number") from None
        if limit is not None:
            tests.append(_bound_test(key, limit * scale, low=low))


def _date_test(tests: list[Any], request: Request, name: str, key: Callable[[Any], int]) -> None:
    for bound, low in (("min", True), ("max", False)):
        text = request.first(f"{name}_{bound}")
        if not text:
            continue
        try:
            at = datetime.fromisoformat(text.replace("Z", "+00:00").replace(" ", "+"))
        except ValueError:
            raise GammaError(f"{name}_{bound}: not a date") from None
        tests.append(_bound_test(key, at.timestamp() * 1000, low=low))


def _bound_test(key: Callable[[Any], int], limit: float, *, low: bool) -> Callable[[Any], bool]:
    return (lambda row: key(row) >= limit) if low else (lambda row: key(row) <= limit)


def _tag_test(request: Request) -> Callable[[Event], bool] | None:
    wanted = set(request.all("tag_id"))
    if not wanted:
        return None
    if request.first("tag_match") == "all":
        return lambda event: wanted <= {str(tag.id) for tag in event.tags}
    return lambda event: any(str(tag.id) in wanted for tag in event.tags)
