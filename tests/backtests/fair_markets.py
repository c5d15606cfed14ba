"""Markets in which nobody can expect to win: the local exchange's life in virtual time, written as the feed would.

A seed gives the same recording, frame by frame. The house's opinion is a martingale, markets end by it, and what a
trader pays is the spread and the fee. The file is what the feed's recorder writes, so it is imported like any other.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markets.domain.instruments import MarketState
from markets.domain.units import text_from_micro
from polybot.sandbox.catalogue import Market
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.messages import MarketEvent
from polybot.sandbox.options import ExchangeOptions

START_MS = 1_790_856_000_000  # 2026-10-01 12:00 UTC
STEP_MS = 200
RATE = 12.0  # messages a second, all markets together
LONGEST_S = 24 * 3_600
_CUSTOM = ("market_resolved", "tick_size_change", "book", "price_change", "last_trade_price")


@dataclass(frozen=True, slots=True)
class FairMarket:
    condition_id: str
    slug: str
    payouts: tuple[int, int]


def fair_recording(path: Path, *, markets: int, seed: int) -> list[FairMarket]:
    """Write a recording in which `markets` markets begin and end; return them in the order of their ends."""
    clock = [START_MS]
    exchange = Exchange(ExchangeOptions(seed=seed, rate=RATE, fair_game=True), clock=lambda: clock[0])
    old = {market.condition_id for market in exchange.markets()}
    frames: list[tuple[int, dict[str, Any]]] = []
    heard: dict[str, int] = {}
    known: dict[str, Market] = {}
    ended: dict[str, FairMarket] = {}
    ticks: dict[str, int] = {}  # at their beginning: it becomes finer later

    def listen(event: Any) -> None:
        if isinstance(event, MarketEvent) and event.market not in old and event.body.get("event_type") in _CUSTOM:
            heard[event.market] = heard.get(event.market, 0) + 1
            # Bodies are the exchange's own objects and may change later.
            frames.append((clock[0], json.loads(json.dumps(event.body))))

    exchange.listen(listen)
    while len(ended) < markets and clock[0] < START_MS + LONGEST_S * 1000:
        clock[0] += STEP_MS
        exchange.step(clock[0])
        for market in exchange.markets():
            if market.condition_id in old:
                continue
            known[market.condition_id] = market
            ticks.setdefault(market.condition_id, market.tick)
            if market.state is MarketState.RESOLVED and market.payouts and market.condition_id not in ended:
                ended[market.condition_id] = FairMarket(market.condition_id, market.slug, market.payouts)
    if len(ended) < markets:
        raise RuntimeError(f"only {len(ended)} markets ended within {LONGEST_S // 3600} hours")
    chosen = dict(list(ended.items())[:markets])
    with gzip.open(path, "wt", compresslevel=1) as file:
        for line in _lines(frames, [(known[condition_id], ticks[condition_id]) for condition_id in chosen]):
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
    return list(chosen.values())


def _lines(frames: list[tuple[int, dict[str, Any]]], markets: list[tuple[Market, int]]) -> Iterator[dict[str, Any]]:
    chosen = {market.condition_id for market, _ in markets}
    yield {
        "format": "polybot-recording",
        "version": 1,
        "startedAt": _iso(START_MS),
        "markets": [_facts(market, tick) for market, tick in markets],
    }
    for at_ms, body in frames:
        if body.get("market") in chosen:
            yield {"receivedAt": _iso(at_ms), "payloadUtf8": json.dumps(body, separators=(",", ":"))}


def _facts(market: Market, tick: int) -> dict[str, Any]:
    return {
        "condition_id": market.condition_id,
        "slug": market.slug,
        "question": market.question,
        "outcomes": list(market.outcomes),
        "token_ids": list(market.token_ids),
        "tick": text_from_micro(tick),
        "minimum_size": text_from_micro(market.min_size),
        "neg_risk": market.neg_risk,
        "category": market.category.value,
    }


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, tz=UTC).isoformat()
