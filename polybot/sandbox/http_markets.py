"""Market parameters on the CLOB: the compact object, the full and simplified lists, and their cursors.

Numbers that describe a market (tick, minimum size) are JSON numbers here and strings in
books, exactly as the venue mixes them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from markets.domain.instruments import MarketState
from polybot.sandbox.catalogue import Market
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.gamma_bodies import day, is_closed, iso, number
from polybot.sandbox.http_core import ApiError, Request, Router
from polybot.sandbox.wallets import PUSD

END_CURSOR = "LTE="
NO_BOOK = "No orderbook exists for the requested token id"
PAGE = 500


def read_cursor(request: Request) -> int:
    text = request.first("next_cursor")
    if "next_cursor" not in request.query:
        return 0
    try:
        return int(base64.b64decode(text, validate=True).decode("ascii"))
    except (ValueError, binascii.Error, UnicodeDecodeError):
        raise ApiError(400, "Invalid next_cursor") from None


def cursor_of(offset: int) -> str:
    return base64.b64encode(str(offset).encode()).decode()


def page(request: Request, rows: list[Any], shape: Callable[[Any], Any], *, limit: int) -> dict[str, Any]:
    """Return one page in the CLOB's envelope; `next_cursor` is `LTE=` on the last."""
    start = read_cursor(request)
    if start < 0:
        return {"limit": limit, "count": 0, "next_cursor": END_CURSOR, "data": []}
    part = rows[start : start + limit]
    end = start + len(part)
    cursor = cursor_of(end) if end < len(rows) else END_CURSOR
    return {"limit": limit, "count": len(part), "next_cursor": cursor, "data": [shape(row) for row in part]}


def compact_market(market: Market) -> dict[str, Any]:
    body: dict[str, Any] = {
        "c": market.condition_id,
        "t": [{"t": token, "o": name} for token, name in zip(market.token_ids, market.outcomes, strict=True)],
        "mts": number(market.tick),
        "mos": number(market.min_size),
        "mbf": 1000 if market.fee else 0,
        "tbf": 1000 if market.fee else 0,
        "ao": market.accepting_orders,
        "aot": iso(market.start_ms),
        "sd": market.seconds_delay,
        "cbos": market.game_start_ms is not None,
        "rfqe": False,
        "itode": market.taker_delay_ms > 0,
        "ibce": False,
        "r": None,
    }
    if market.neg_risk:
        body["nr"] = True
    if market.game_start_ms is not None:
        body["gst"] = iso(market.game_start_ms)
    if market.fee is not None:
        body["fd"] = {"r": number(market.fee.rate_ppm), "e": market.fee.exponent, "to": True}
    if market.rewards is not None:
        body["r"] = {
            "mi": number(market.rewards.min_size),
            "ma": market.rewards.max_spread_cents,
            "e": True,
            "smoa": True,
            "moas": 0,
        }
    return body


def rewards_body(market: Market) -> dict[str, Any]:
    if market.rewards is None:
        return {"rates": None, "min_size": 0, "max_spread": 0}
    return {
        "rates": [{"asset_address": PUSD, "rewards_daily_rate": number(market.rewards.daily_rate)}],
        "min_size": number(market.rewards.min_size),
        "max_spread": market.rewards.max_spread_cents,
    }


def tokens_body(market: Market) -> list[dict[str, Any]]:
    payouts = market.payouts or (0, 0)
    return [
        {"token_id": token, "outcome": name, "price": number(price), "winner": payout == 1_000_000}
        for token, name, price, payout in zip(
            market.token_ids, market.outcomes, market.outcome_prices, payouts, strict=True
        )
    ]


def simplified_market(market: Market) -> dict[str, Any]:
    return {
        "condition_id": market.condition_id,
        "tokens": tokens_body(market),
        "rewards": rewards_body(market),
        "active": True,
        "closed": is_closed(market),
        "archived": False,
        "accepting_orders": market.accepting_orders,
    }


class MarketsApi:
    """The CLOB's market routes."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def add_to(self, router: Router) -> None:
        get = {
            "/tick-size": self.tick_size,
            "/tick-size/{token_id}": self.tick_size,
            "/neg-risk": self.neg_risk,
            "/neg-risk/{token_id}": self.neg_risk,
            "/fee-rate": self.fee_rate,
            "/fee-rate/{token_id}": self.fee_rate,
            "/clob-markets/{condition_id}": self.compact,
            "/markets-by-token/{token_id}": self.by_token,
            "/markets": lambda r: page(r, self._all(), self.full_market, limit=PAGE),
            "/markets/{condition_id}": self.one,
            "/simplified-markets": lambda r: page(r, self._all(), simplified_market, limit=PAGE),
            "/sampling-markets": lambda r: page(r, self._rewarded(), self.full_market, limit=PAGE),
            "/sampling-simplified-markets": lambda r: page(r, self._rewarded(), simplified_market, limit=PAGE),
            "/rewards/markets/current": lambda r: page(r, self._rewarded(), reward_row, limit=PAGE),
            "/rewards/markets/multi": lambda r: page(r, self._rewarded(), self._reward_detail, limit=100),
            "/rewards/markets/{condition_id}": self.rewards_of,
            "/rebates/current": lambda _: [],
            "/builder/trades": lambda r: page(r, [], dict, limit=100),
            "/fees/builder-fees/{code}": self.builder_fees,
        }
        for path, handler in get.items():
            router.add("GET", path, handler)

    def market_of_token(self, request: Request) -> Market:
        token = request.params.get("token_id") or request.first("token_id")
        if not (token.isascii() and token.isdecimal()):
            raise ApiError(400, "Invalid token id")
        market = self._exchange.market_by_token(token)
        if market is None:
            raise ApiError(404, "market not found")
        return market

    def tick_size(self, request: Request) -> dict[str, Any]:
        return {"minimum_tick_size": number(self.market_of_token(request).tick)}

    def neg_risk(self, request: Request) -> dict[str, Any]:
        return {"neg_risk": self.market_of_token(request).neg_risk}

    def fee_rate(self, request: Request) -> dict[str, Any]:
        try:
            market = self.market_of_token(request)
        except ApiError as error:
            raise error if error.status != 404 else ApiError(404, "fee rate not found for market") from None
        return {"base_fee": 1000 if market.fee else 0}

    def builder_fees(self, request: Request) -> dict[str, Any]:
        raise ApiError(404, "builder not found")

    def compact(self, request: Request) -> dict[str, Any]:
        return compact_market(self._condition(request))

    def by_token(self, request: Request) -> dict[str, Any]:
        market = self.market_of_token(request)
        first, second = market.token_ids
        return {"condition_id": market.condition_id, "primary_token_id": first, "secondary_token_id": second}

    def one(self, request: Request) -> dict[str, Any]:
        return self.full_market(self._condition(request))

    def rewards_of(self, request: Request) -> dict[str, Any]:
        market = self._condition(request)
        return page(request, [market] if market.rewards else [], self._reward_detail, limit=100)

    def full_market(self, market: Market) -> dict[str, Any]:
        event = self._exchange.catalogue.event_of(market)
        return {
            "enable_order_book": True,
            "active": True,
            "closed": is_closed(market),
            "archived": False,
            "accepting_orders": market.accepting_orders,
            "accepting_order_timestamp": iso(market.start_ms),
            "minimum_order_size": number(market.min_size),
            "minimum_tick_size": number(market.tick),
            "condition_id": market.condition_id,
            "question_id": market.question_id,
            "question": market.question,
            "description": market.description,
            "market_slug": market.slug,
            "end_date_iso": iso(market.end_ms),
            "game_start_time": iso(market.game_start_ms),
            "seconds_delay": market.seconds_delay,
            "fpmm": "",
            "maker_base_fee": 1000 if market.fee else 0,
            "taker_base_fee": 1000 if market.fee else 0,
            "notifications_enabled": True,
            "neg_risk": market.neg_risk,
            "neg_risk_market_id": event.neg_risk_market_id if market.neg_risk else "",
            "neg_risk_request_id": market.neg_risk_request_id,
            "icon": "",
            "image": "",
            "rewards": rewards_body(market),
            "is_50_50_outcome": market.payouts == (500_000, 500_000),
            "tokens": tokens_body(market),
            "tags": [tag.label for tag in event.tags],
        }

    def _condition(self, request: Request) -> Market:
        market = self._exchange.market_by_condition(request.params["condition_id"])
        if market is None:
            raise ApiError(404, "market not found")
        return market

    def _all(self) -> list[Market]:
        return self._exchange.markets()

    def _rewarded(self) -> list[Market]:
        return [m for m in self._exchange.markets() if m.rewards is not None and m.state is MarketState.OPEN]

    def _reward_detail(self, market: Market) -> dict[str, Any]:
        event = self._exchange.catalogue.event_of(market)
        return {
            **reward_row(market),
            "market_id": str(market.id),
            "market_slug": market.slug,
            "event_id": str(event.id),
            "event_slug": event.slug,
            "question": market.question,
            "image": "",
            "group_item_title": market.group_item_title,
            "tokens": [{k: t[k] for k in ("token_id", "outcome", "price")} for t in tokens_body(market)],
            "spread": number((market.best_ask or 1_000_000) - (market.best_bid or 0)),
            "volume_24hr": number(market.volume_24h),
            "market_competitiveness": 0,
            "created_at": iso(market.created_ms),
            "one_day_price_change": 0,
            "end_date": iso(market.end_ms),
        }


def reward_row(market: Market) -> dict[str, Any]:
    rewards = market.rewards
    rate = number(rewards.daily_rate) if rewards else 0
    return {
        "condition_id": market.condition_id,
        "rewards_max_spread": rewards.max_spread_cents if rewards else 0,
        "rewards_min_size": number(rewards.min_size) if rewards else 0,
        "rewards_config": [
            {
                "id": market.id,
                "asset_address": PUSD,
                "start_date": day(market.start_ms),
                "end_date": "2500-12-31",
                "rate_per_day": rate,
                "total_rewards": 0,
            }
        ],
        "sponsored_daily_rate": 0,
        "sponsors_count": 0,
        "native_daily_rate": rate,
        "total_daily_rate": rate,
    }
