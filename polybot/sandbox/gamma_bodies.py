"""The metadata API's objects: markets, events, tags and series, in Gamma's own spelling.

Gamma writes some arrays as JSON inside a string, some amounts as text and the same amounts
again as numbers; clients depend on each of these habits, so they are kept.
"""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime
from typing import Any

from markets.domain.instruments import MarketState
from markets.domain.units import text_from_micro
from polybot.sandbox.catalogue import Catalogue, Event, Market, Tag
from polybot.sandbox.wallets import PUSD

RESOLVER = "0x157Ce2d672854c848c9b79C49a8Cc6cc89176a49"


def iso(ms: int | None) -> str | None:
    if ms is None:
        return None
    text = datetime.fromtimestamp(ms / 1000, tz=UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def closed_time(ms: int) -> str:
    """The one date that Gamma writes in the database's own style."""
    return datetime.fromtimestamp(ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S+00")


def day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, tz=UTC).strftime("%Y-%m-%d")


def number(micro: int | None) -> float | int | None:
    """A JSON number, whole where it is whole, as the venue sends it."""
    if micro is None:
        return None
    return micro // 1_000_000 if micro % 1_000_000 == 0 else micro / 1_000_000


def quoted(values: list[str]) -> str:
    return json.dumps(values, ensure_ascii=False)


def is_closed(market: Market) -> bool:
    return market.payouts is not None


def market_body(market: Market, catalogue: Catalogue, *, embed_event: bool = True) -> dict[str, Any]:
    """Return the market object; inside an event the event itself is left out."""
    event = catalogue.event_of(market)
    body: dict[str, Any] = {
        "id": str(market.id),
        "version": market.version,
        "question": market.question,
        "conditionId": market.condition_id,
        "slug": market.slug,
        "resolutionSource": market.resolution_source,
        "startDate": iso(market.start_ms),
        "endDate": iso(market.end_ms),
        "startDateIso": day(market.start_ms),
        "endDateIso": day(market.end_ms),
        "description": market.description,
        "image": "",
        "icon": "",
        "outcomes": quoted(list(market.outcomes)),
        "outcomePrices": quoted([text_from_micro(p) for p in market.outcome_prices]),
        "clobTokenIds": quoted(list(market.token_ids) if market.version == "v1" else []),
        "active": True,
        "closed": is_closed(market),
        "archived": False,
        "new": False,
        "featured": False,
        "restricted": True,
        "ready": False,
        "funded": False,
        "approved": True,
        "cyom": False,
        "marketMakerAddress": "",
        "createdAt": iso(market.created_ms),
        "updatedAt": iso(market.updated_ms or market.created_ms),
        "questionID": market.question_id,
        "groupItemTitle": market.group_item_title,
        "groupItemThreshold": str(market.group_item_threshold),
        "enableOrderBook": True,
        "acceptingOrders": market.accepting_orders,
        "acceptingOrdersTimestamp": iso(market.start_ms),
        "orderPriceMinTickSize": number(market.tick),
        "orderMinSize": number(market.min_size),
        "secondsDelay": market.seconds_delay,
        "clearBookOnStart": market.game_start_ms is not None,
        "automaticallyActive": True,
        "manualActivation": False,
        "pendingDeployment": False,
        "deploying": False,
        "rfqEnabled": False,
        "comboStatus": "disabled",
        "negRisk": market.neg_risk,
        "negRiskOther": market.neg_risk_other,
        "negRiskRequestID": market.neg_risk_request_id,
        "negRiskMarketID": event.neg_risk_market_id if market.neg_risk else "",
        "umaResolutionStatuses": "[]",
        "resolvedBy": RESOLVER,
        **_prices(market),
        **_amounts(market),
        **_fees(market),
        **_rewards(market),
        **_resolution(market),
        **_sports(market),
        **_protocol_v2(market, event),
    }
    if embed_event:
        body["events"] = [event_body(event, catalogue, embed_markets=False)]
    return body


def _prices(market: Market) -> dict[str, Any]:
    bid, ask = market.best_bid, market.best_ask
    middle = market.outcome_prices[0]
    body: dict[str, Any] = {
        "bestBid": number(bid) if bid is not None else 0,
        "bestAsk": number(ask) if ask is not None else 1,
        "spread": number(ask - bid) if bid is not None and ask is not None else 1,
        "competitive": 1 / (1 + (middle / 1_000_000 - 0.5) ** 2),
    }
    if market.last_trade_price is not None:
        body["lastTradePrice"] = number(market.last_trade_price)
    return body


def _amounts(market: Market) -> dict[str, Any]:
    volume, recent, liquidity = number(market.volume), number(market.volume_24h), number(market.liquidity)
    return {
        "volume": text_from_micro(market.volume),
        "volumeNum": volume,
        "volumeClob": volume,
        "volume24hr": recent,
        "volume24hrClob": recent,
        "volume1wk": volume,
        "volume1mo": volume,
        "volume1yr": volume,
        "liquidity": text_from_micro(market.liquidity),
        "liquidityNum": liquidity,
        "liquidityClob": liquidity,
    }


def _fees(market: Market) -> dict[str, Any]:
    fee = market.fee
    if fee is None:
        return {"feesEnabled": False, "feeType": None, "makerBaseFee": 0, "takerBaseFee": 0}
    return {
        "feesEnabled": True,
        "feeType": market.fee_type,
        "feeSchedule": {
            "exponent": fee.exponent,
            "rate": number(fee.rate_ppm),
            "takerOnly": True,
            "rebateRate": number(fee.rebate_ppm),
        },
        "makerBaseFee": 1000,
        "takerBaseFee": 1000,
    }


def _rewards(market: Market) -> dict[str, Any]:
    rewards = market.rewards
    if rewards is None:
        return {"rewardsMinSize": 0, "rewardsMaxSpread": 0, "holdingRewardsEnabled": False}
    return {
        "rewardsMinSize": number(rewards.min_size),
        "rewardsMaxSpread": rewards.max_spread_cents,
        "holdingRewardsEnabled": False,
        "clobRewards": [
            {
                "id": str(market.id),
                "conditionId": market.condition_id,
                "assetAddress": PUSD,
                "rewardsAmount": 0,
                "rewardsDailyRate": number(rewards.daily_rate),
                "startDate": day(market.start_ms),
                "endDate": "2500-12-31",
            }
        ],
    }


def _resolution(market: Market) -> dict[str, Any]:
    if market.payouts is not None:
        return {
            "umaResolutionStatus": "resolved",
            "umaResolutionStatuses": '["proposed", "resolved"]',
            "closedTime": closed_time(market.closed_ms or market.updated_ms),
            "automaticallyResolved": True,
        }
    return {"umaResolutionStatus": "proposed"} if market.state is MarketState.CLOSED else {}


def _protocol_v2(market: Market, event: Event) -> dict[str, Any]:
    if market.version == "v1":
        return {}
    if market.payouts is not None:
        status = "resolved"
    else:
        status = "active" if market.state is MarketState.OPEN else "inactive"
    return {
        "positionIds": quoted(list(market.token_ids)),
        "resolutionStatus": status,
        "requestId": f"{market.question_id[:64]}00",
        "onchainEventId": f"0x{event.id:058x}000000",
    }


def _sports(market: Market) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if market.sports_market_type:
        body["sportsMarketType"] = market.sports_market_type
        body["gameId"] = str(game_id(market.event_id))
    if market.line:
        body["line"] = float(market.line)
    if market.game_start_ms is not None:
        body["gameStartTime"] = closed_time(market.game_start_ms)
        body["eventStartTime"] = iso(market.game_start_ms)
    return body


def event_body(event: Event, catalogue: Catalogue, *, embed_markets: bool = True) -> dict[str, Any]:
    markets = catalogue.markets_of(event)
    volume, recent = number(sum(m.volume for m in markets)), number(sum(m.volume_24h for m in markets))
    liquidity = number(sum(m.liquidity for m in markets))
    body: dict[str, Any] = {
        "id": str(event.id),
        "version": event.version,
        "ticker": event.ticker,
        "slug": event.slug,
        "title": event.title,
        "description": event.description,
        "category": event.category.value.capitalize(),
        "resolutionSource": "",
        "startDate": iso(event.start_ms),
        "creationDate": iso(event.created_ms),
        "createdAt": iso(event.created_ms),
        "updatedAt": iso(max([event.updated_ms or event.created_ms, *(m.updated_ms for m in markets)])),
        "endDate": iso(event.end_ms),
        "image": "",
        "icon": "",
        "active": True,
        "closed": event.closed,
        "archived": False,
        "new": False,
        "featured": False,
        "restricted": True,
        "cyom": False,
        "liquidity": liquidity,
        "liquidityClob": liquidity,
        "volume": volume,
        "volume24hr": recent,
        "volume1wk": volume,
        "volume1mo": volume,
        "volume1yr": volume,
        "openInterest": 0,
        "competitive": max((_prices(m)["competitive"] for m in markets), default=0),
        "commentCount": 0,
        "enableOrderBook": True,
        "negRisk": event.neg_risk,
        "enableNegRisk": event.neg_risk,
        "negRiskAugmented": event.neg_risk_augmented,
        "cumulativeMarkets": False,
        "showAllOutcomes": True,
        "showMarketImages": False,
        "automaticallyActive": True,
        "sortBy": "price",
        "gmpChartMode": "default",
    }
    if event.neg_risk:
        body["negRiskMarketID"] = event.neg_risk_market_id
    if event.closed_ms is not None:
        body["closedTime"] = iso(event.closed_ms)
    if event.series_slug:
        body["seriesSlug"] = event.series_slug
        body["series"] = [series_body(event, catalogue)]
    if event.game_start_ms is not None:
        body["startTime"] = iso(event.game_start_ms)
        body["gameId"] = game_id(event.id)
    if embed_markets:
        body["markets"] = [market_body(m, catalogue, embed_event=False) for m in markets]
        body["tags"] = [tag_body(tag, event.created_ms) for tag in event.tags]
    return body


def tag_body(tag: Tag, created_ms: int) -> dict[str, Any]:
    return {
        "id": str(tag.id),
        "label": tag.label,
        "slug": tag.slug,
        "forceShow": False,
        "createdAt": iso(created_ms),
        "updatedAt": iso(created_ms),
        "requiresTranslation": False,
    }


def series_id(slug: str) -> int:
    return 10_000 + zlib.crc32(slug.encode()) % 80_000


def game_id(event_id: int) -> int:
    return 1_000_000 + event_id


def series_body(event: Event, catalogue: Catalogue) -> dict[str, Any]:
    """Return the series that `event` belongs to, as far as an event tells it."""
    return {
        "id": str(series_id(event.series_slug)),
        "ticker": event.series_slug,
        "slug": event.series_slug,
        "title": event.series_slug.replace("-", " ").capitalize(),
        "seriesType": "single",
        "recurrence": "daily",
        "active": True,
        "closed": False,
        "archived": False,
        "restricted": True,
        "createdAt": iso(event.created_ms),
        "updatedAt": iso(event.created_ms),
        "commentCount": 0,
    }
