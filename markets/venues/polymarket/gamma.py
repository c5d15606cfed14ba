"""Gamma's events and markets as records: what is listed, at which tick and fee, and how it ended.

Strict: a field that is missing, of another type or out of range refuses that market by name and
leaves its neighbours alone. Markets that are not ours to trade (more than two outcomes, no tokens
yet, the years before the order book) are skipped with a reason; that is no error.

A market counts as resolved only on strict evidence: closed, both final prices 1/0 (or 0.5/0.5
where the oracle says resolved), and no proposal or dispute pending.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from markets.domain.drift import differences
from markets.domain.instruments import Category, MarketState
from markets.domain.units import ONE
from markets.venues.base import (
    CataloguePage,
    Drifted,
    EventRecord,
    MarketRecord,
    OutcomeRecord,
    ParseError,
    TagRecord,
)
from markets.venues.polymarket.fees import schedule_from_gamma
from markets.venues.polymarket.identities import check_tokens, group_place
from markets.venues.polymarket.shapes import SHAPES

_MAX_MONEY = Decimal(10) ** 14
_PENDING = {"requested", "proposed", "disputed"}
_UNDECIDED = {"inactive", "active"}  # the newer protocol's words
_UMA_WORDS = {"", "requested", "proposed", "disputed", "resolved", "settled"}
_CONDITION = re.compile(r"0x[0-9a-fA-F]{1,64}")
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}:\d{2})(?:\.\d+)?\s?(Z|[+-]\d{2}(?::?\d{2})?)?)?")
_page = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_list = msgspec.json.Decoder(list[Any], float_hook=Decimal)
_texts = msgspec.json.Decoder(list[str])
# Event tags in the order they decide: the narrow ones first.
_TAG_CATEGORIES = {
    "crypto": Category.CRYPTO,
    "geopolitics": Category.GEOPOLITICS,
    "mentions": Category.MENTIONS,
    "weather": Category.WEATHER,
    "sports": Category.SPORTS,
    "economics": Category.ECONOMICS,
    "economy": Category.ECONOMICS,
    "finance": Category.FINANCE,
    "tech": Category.TECH,
    "politics": Category.POLITICS,
    "culture": Category.CULTURE,
    "pop-culture": Category.CULTURE,
}


class Skipped(Exception):
    """A market that we understand and do not trade; the message says why."""


class _Row:
    """Typed access to one JSON object. `where` prefixes the field in errors: "market 12.endDate"."""

    def __init__(self, values: object, where: str) -> None:
        if not isinstance(values, dict):
            raise ParseError(where, f"{type(values).__name__} instead of an object")
        self.values: dict[str, Any] = values
        self.where = where

    def error(self, key: str, problem: str) -> ParseError:
        sample = msgspec.json.encode(self.values)[:2_000].decode("utf-8", "replace")
        return ParseError(key, problem, sample=sample, source=self.where)

    def text(self, key: str, *, longest: int, required: bool = False) -> str:
        value = self.values.get(key)
        if value is None and not required:
            return ""
        if not isinstance(value, str) or (required and not value):
            raise self.error(key, f"{value!r:.60} is not a text")
        if "\x00" in value:
            raise self.error(key, "contains a null character")
        if len(value) > longest:
            if required:
                raise self.error(key, f"is longer than {longest} characters")
            return value[:longest]
        return value

    def flag(self, key: str, *, default: bool | None = False) -> bool | None:
        value = self.values.get(key, default)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.error(key, f"{value!r:.60} is not true or false")
        return value

    def number(self, key: str, *, default: Decimal | None = None, highest: Decimal = _MAX_MONEY) -> Decimal:
        """Return a finite number from 0 to `highest`, sent as JSON number or plain text."""
        value = self.values.get(key)
        if (value is None or value == "") and default is not None:
            return default
        if isinstance(value, str) and re.fullmatch(r"\d{1,20}(\.\d{1,30})?", value, re.ASCII):
            value = Decimal(value)
        if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
            raise self.error(key, f"{value!r:.60} is not a number")
        if not 0 <= value <= highest:
            raise self.error(key, f"{value!r:.60} is not between 0 and {highest}")
        return Decimal(value)

    def time(self, key: str) -> datetime | None:
        value = self.values.get(key)
        if value is None or value == "":
            return None
        match = _TIME.fullmatch(value) if isinstance(value, str) else None
        try:
            if match is None:
                raise ValueError
            zone = (match[3] or "Z").replace("Z", "+00:00")
            zone = zone + ":00" if len(zone) == 3 else zone
            return datetime.fromisoformat(f"{match[1]}T{match[2] or '00:00:00'}{zone}").astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.error(key, f"{value!r:.60} is not a time") from None

    def texts(self, key: str) -> list[str]:
        """Return a list of texts that Gamma writes as JSON inside a string."""
        value = self.values.get(key)
        if value is None or value == "":
            return []
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
        if not isinstance(value, str):
            raise self.error(key, f"{value!r:.60} is not a list in a string")
        try:
            return _texts.decode(value)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            raise self.error(key, f"{value!r:.60} is not a list of texts") from None


def read_events_page(body: bytes) -> tuple[CataloguePage, str]:
    """Return the events of a keyset page and the next cursor ("" at the end). Raises ParseError for the page itself."""
    try:
        page = _page.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError, ArithmeticError) as error:
        raise ParseError("body", str(error)[:200], sample=_sample(body), source="gamma.events") from None
    events, cursor = page.get("events"), page.get("next_cursor")
    if not isinstance(events, list):
        raise ParseError("events", "the page has no list of events", sample=_sample(body), source="gamma.events")
    if cursor is not None and not isinstance(cursor, str):
        raise ParseError("next_cursor", f"{cursor!r:.60} is not a text", sample=_sample(body), source="gamma.events")
    return _events(events), cursor or ""


def read_events_list(body: bytes) -> CataloguePage:
    """Return the events of a bare array, as `/events` answers."""
    return _events(_decoded_list(body, "gamma.events"))


def read_market_event_ids(body: bytes) -> list[str]:
    """Return the event ids that a `/markets` answer names, without repeats."""
    found: dict[str, None] = {}
    for row in _decoded_list(body, "gamma.markets"):
        events = row.get("events") if isinstance(row, dict) else None
        for event in events if isinstance(events, list) else []:
            if isinstance(event, dict) and isinstance(event.get("id"), str):
                found[event["id"]] = None
    return list(found)


def _decoded_list(body: bytes, source: str) -> list[Any]:
    try:
        return _list.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError, ArithmeticError) as error:
        raise ParseError("body", str(error)[:200], sample=_sample(body), source=source) from None


def _events(rows: list[Any]) -> CataloguePage:
    events: list[EventRecord] = []
    refused: list[ParseError] = []
    drifted: list[Drifted] = []
    for row in rows:
        try:
            events.append(event_from_json(row))
            drifted += _drifted(row.get("markets") or [])
        except ParseError as error:
            refused.append(error)
    return CataloguePage(events=tuple(events), refused=tuple(refused), drifted=tuple(drifted))


def _drifted(markets: list[Any]) -> list[Drifted]:
    """Return how the markets on the order book differ from what Gamma is known to send."""
    found: list[Drifted] = []
    for market in markets:
        if not isinstance(market, dict) or not market.get("enableOrderBook") or market.get("closed"):
            continue
        condition = market.get("conditionId")
        for difference in differences(market, SHAPES["gamma.market"]):
            named = condition if isinstance(condition, str) else ""
            found.append(Drifted(source="gamma.market", difference=difference, condition_id=named))
    return found


def event_from_json(values: object) -> EventRecord:
    """Return one event with its readable markets. Raises ParseError when the event itself is unreadable."""
    row = _Row(values, "gamma.event")
    tags = tuple(dict.fromkeys(_tags(row)))
    markets: list[MarketRecord] = []
    refused: list[ParseError] = []
    skipped: list[str] = []
    listed = row.values.get("markets") or []
    if not isinstance(listed, list):
        raise row.error("markets", "is not a list")
    for item in listed:
        try:
            markets.append(market_from_json(item))
        except Skipped as reason:
            skipped.append(f"market {item.get('id')}: {reason}")
        except ParseError as error:
            refused.append(error)
    return EventRecord(
        venue_id=row.text("id", longest=80, required=True),
        slug=row.text("slug", longest=240, required=True),
        title=row.text("title", longest=400) or row.text("slug", longest=240, required=True),
        category=_category(tags, row.text("category", longest=80)),
        neg_risk=bool(row.flag("negRisk")),
        neg_risk_augmented=bool(row.flag("negRiskAugmented")),
        closes_at=row.time("endDate"),
        tags=tags,
        markets=tuple(markets),
        group_size=len(listed) if row.flag("negRisk") else 0,
        group_fee_bips=int(row.number("negRiskFeeBips", default=Decimal(0), highest=Decimal(10_000))),
        refused=tuple(refused),
        skipped=tuple(skipped),
    )


def market_from_json(values: object) -> MarketRecord:
    """Return one market. Raises Skipped when it is not for us, ParseError when it is not understood."""
    row = _Row(values, "gamma.market")
    venue_id = row.text("id", longest=80, required=True)
    labels, positions = row.texts("outcomes"), row.text("version", longest=20) == "v2"
    tokens_field = "positionIds" if positions else "clobTokenIds"
    tokens = row.texts(tokens_field)
    if not row.values.get("conditionId"):
        raise Skipped("no condition id yet")
    if not tokens or not all(tokens):
        raise Skipped("no tokens: not on the order book")
    if row.flag("enableOrderBook") is not True:
        raise Skipped("has no order book")
    if len(labels) != 2 or len(tokens) != 2:
        raise Skipped(f"not binary: {len(labels)} outcomes, {len(tokens)} tokens")
    condition = row.text("conditionId", longest=80, required=True)
    if not _CONDITION.fullmatch(condition):
        raise row.error("conditionId", f"{condition!r:.60} is not a hash")
    try:
        check_tokens(condition, tokens, positions=positions)
    except ValueError as error:
        raise row.error(tokens_field, str(error)) from None
    status = row.text("umaResolutionStatus", longest=20)
    if status not in _UMA_WORDS:
        raise row.error("umaResolutionStatus", f"unknown: {status!r:.40}")
    state, payouts = _state(row, status)
    schedule = row.values.get("feeSchedule")
    if schedule is not None and not isinstance(schedule, dict):
        raise row.error("feeSchedule", f"{schedule!r:.60} is not an object")
    try:
        fee = schedule_from_gamma(row.flag("feesEnabled", default=None), schedule)
    except ParseError as error:
        raise row.error(error.field, error.problem) from None
    group = row.text("negRiskMarketID", longest=80).lower()
    return MarketRecord(
        venue_id=venue_id,
        condition_id=condition.lower(),
        slug=row.text("slug", longest=240, required=True),
        question=row.text("question", longest=500, required=True),
        group_label=row.text("groupItemTitle", longest=200),
        rules_text=row.text("description", longest=20_000),
        resolution_source=row.text("resolutionSource", longest=400),
        state=state,
        neg_risk=bool(row.flag("negRisk")),
        tick=_tick(row),
        minimum_size=_minimum(row),
        fee=fee,
        seconds_delay=int(row.number("secondsDelay", default=Decimal(0), highest=Decimal(86_400))),
        opened_at=row.time("acceptingOrdersTimestamp") or row.time("startDate"),
        closes_at=row.time("endDate"),
        resolved_at=(row.time("closedTime") or row.time("umaEndDate")) if payouts else None,
        resolution_status=status or row.text("resolutionStatus", longest=20),
        volume=row.number("volumeNum", default=Decimal(0)),
        volume_24h=row.number("volume24hr", default=Decimal(0)),
        liquidity=row.number("liquidityNum", default=Decimal(0)),
        reward_rate_per_day=_reward_rate(row),
        reward_minimum_size=row.number("rewardsMinSize", default=Decimal(0)),
        reward_maximum_spread=row.number("rewardsMaxSpread", default=Decimal(0), highest=Decimal(100)) / 100,
        outcomes=tuple(
            OutcomeRecord(index=i, label=label[:160], token_id=token, payout=payouts[i] if payouts else None)
            for i, (label, token) in enumerate(zip(labels, tokens, strict=True))
        ),
        group_id=group,
        group_index=group_place(group, row.text("questionID", longest=80)),
    )


def _state(row: _Row, status: str) -> tuple[MarketState, tuple[int, int] | None]:
    if not row.flag("closed"):
        tradeable = row.flag("active") and row.flag("acceptingOrders")
        archived = row.flag("archived")
        return (MarketState.OPEN if tradeable and not archived else MarketState.PAUSED), None
    final = row.texts("outcomePrices")
    decided = status in ("resolved", "settled") or row.values.get("resolutionStatus") == "resolved"
    if status in _PENDING or row.values.get("resolutionStatus") in _UNDECIDED:
        return MarketState.CLOSED, None
    if final in (["1", "0"], ["0", "1"]):
        return MarketState.RESOLVED, (ONE, 0) if final[0] == "1" else (0, ONE)
    if final == ["0.5", "0.5"] and decided:
        return MarketState.RESOLVED, (ONE // 2, ONE // 2)
    return MarketState.CLOSED, None


def _tick(row: _Row) -> int:
    tick = row.number("orderPriceMinTickSize", highest=Decimal(1)) * ONE
    if tick != int(tick) or not 100 <= tick < ONE or ONE % int(tick):
        raise row.error("orderPriceMinTickSize", f"{tick / ONE} does not divide a dollar into at most 10,000 steps")
    return int(tick)


def _minimum(row: _Row) -> int:
    size = row.number("orderMinSize", highest=Decimal(10) ** 9) * ONE
    if size != int(size) or size <= 0:
        raise row.error("orderMinSize", f"{size / ONE} is not a positive size")
    return int(size)


def _reward_rate(row: _Row) -> Decimal:
    rewards = row.values.get("clobRewards")
    if not isinstance(rewards, list):
        return Decimal(0)
    return sum(
        (_Row(item, "gamma.market").number("rewardsDailyRate", default=Decimal(0)) for item in rewards), Decimal(0)
    )


def _tags(row: _Row) -> list[TagRecord]:
    listed = row.values.get("tags") or []
    if not isinstance(listed, list):
        raise row.error("tags", "is not a list")
    rows = [_Row(item, "gamma.event.tags") for item in listed]
    return [
        TagRecord(slug=tag.text("slug", longest=120, required=True), label=tag.text("label", longest=160) or "?")
        for tag in rows
    ]


def _category(tags: tuple[TagRecord, ...], named: str) -> Category:
    """Return the fee category that the tags (or the old category word) stand for; anything else is OTHER."""
    words = {tag.slug.lower() for tag in tags} | {named.lower()}
    return next((category for word, category in _TAG_CATEGORIES.items() if word in words), Category.OTHER)


def _sample(body: bytes) -> str:
    return body[:2_000].decode("utf-8", "replace")
