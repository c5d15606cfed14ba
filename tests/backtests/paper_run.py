"""A short paper run with everything real but the sockets: exchange, feed, tickstore, runner, gate, simulated venue.

The exchange lives in this process and its frames go straight into the feed's engine, so the run ends when it is
told. What a desk would leave behind is left behind: the record, and the frames as received.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from markets.domain.units import decimal_from_micro
from markets.feed.engine import Engine
from markets.selectors.watch import WatchedOutcome
from markets.services.records import Record
from markets.tickstore import TickstoreWriter, get_tickstore
from markets.venues.polymarket.feed import PolymarketFeed
from orders.feed import paper_record
from orders.feed.fills_process import FillsProcess
from orders.models import Fill
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.messages import MarketEvent
from polybot.sandbox.options import ExchangeOptions
from strategies.domain.base import WakeKind
from strategies.models import StrategyConfig
from strategies.services import states, tick_record
from strategies.services.runner import tick
from tests.factories.markets import event_make, market_make
from tests.factories.strategies import desk_make, strategy_make

TICK_EVERY_S, POLL_EVERY_S = 0.25, 0.05
_FRAMES = ("book", "price_change", "last_trade_price", "tick_size_change", "market_resolved")


@dataclass(slots=True)
class PaperRun:
    strategy: StrategyConfig
    markets: list[Any]
    frames: list[tuple[int, bytes]] = field(default_factory=list)  # received in ns, as received
    folder: Path = Path()


def now() -> datetime:
    return datetime.now(UTC)


def paper_run(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    ticks: int,
    longest_s: float = 90.0,
    strategy: str,
    parameters: Mapping[str, Any],
    markets: int = 3,
    latency_ms: int = 60,
) -> PaperRun:
    """Let `strategy` trade on paper in the exchange's busiest markets until it ticked so often and had a fill."""
    monkeypatch.setattr(tick_record, "TICKS", Record(folder, "ticks"))
    monkeypatch.setattr(tick_record, "_last", {})
    monkeypatch.setattr(paper_record, "VENUE", Record(folder, "venue"))
    get_tickstore().redis.flushdb()
    exchange = Exchange(ExchangeOptions(seed=4, rate=250.0), clock=lambda: time.time_ns() // 1_000_000)
    busy = sorted(exchange.markets(), key=lambda m: ("updown" not in m.slug, m.id))
    chosen = [m for m in busy if m.best_bid is not None and not m.seconds_delay][:markets]
    rows = [_row(market) for market in chosen]
    run = PaperRun(strategy=_strategy(strategy, parameters), markets=rows, folder=folder)
    inbox: list[bytes] = []
    wanted = {market.condition_id for market in chosen}

    def listen(event: Any) -> None:
        if isinstance(event, MarketEvent) and event.market in wanted and event.body.get("event_type") in _FRAMES:
            inbox.append(json.dumps(event.body).encode())

    exchange.listen(listen)
    engine = Engine(PolymarketFeed())
    writer = TickstoreWriter(settings.TICKSTORE_URL)
    engine.epoch = writer.epoch_open(_ms())
    engine.watch({o.outcome_id: o for row in rows for o in _watched(row)}, _ms())
    for market in chosen:
        exchange._announcer.books(market)  # what the venue answers to a subscription
    fills = FillsProcess(get_tickstore(), latency_ms=latency_ms)
    began = next_tick = next_poll = time.monotonic()
    made = 0
    while (at := time.monotonic()) < began + longest_s and (made < ticks or not Fill.objects.exists()):
        exchange.step(_ms())
        if inbox:
            received_ns = time.time_ns()
            run.frames += [(received_ns, frame) for frame in inbox]
            engine.frames(inbox, received_ns)
            inbox.clear()
        engine.sample(_ms())
        engine.flush(_ms())
        if batch := engine.out.take_batch():
            writer.publish(batch)
        if at >= next_poll:
            next_poll = at + POLL_EVERY_S
            fills.step(block_ms=None)
        if at >= next_tick and at > began + 0.5:
            next_tick = at + TICK_EVERY_S
            made += tick([run.strategy.pk], now=now(), trigger=WakeKind.INTERVAL).ticked
        time.sleep(0.004)
    return run


def _ms() -> int:
    return time.time_ns() // 1_000_000


def _row(market: Any) -> Any:
    row = market_make(
        event=event_make(),
        condition_id=market.condition_id,
        slug=market.slug,
        question=market.question,
        tick=decimal_from_micro(market.tick),
        minimum_size=decimal_from_micro(market.min_size),
        synced_at=now(),
        closes_at=now() + timedelta(days=10),
    )
    for outcome in row.outcomes.all():
        outcome.token_id = market.token_ids[outcome.index]
        outcome.save(update_fields=["token_id"])
    return row


def _strategy(name: str, parameters: Mapping[str, Any]) -> StrategyConfig:
    config = strategy_make(name, account=desk_make(profile="moderate"), now=now(), parameters=dict(parameters))
    states.strategy_start(config.pk, by="test", now=now())
    return config


def _watched(row: Any) -> list[WatchedOutcome]:
    return [
        WatchedOutcome(
            outcome_id=outcome.pk,
            market_id=row.pk,
            token_id=outcome.token_id,
            condition_id=row.condition_id,
            tick=int(row.tick * 1_000_000),
            minimum_size=int(row.minimum_size * 1_000_000),
            neg_risk=row.neg_risk,
            takes_orders=True,
            urgent=True,
            label=outcome.label,
        )
        for outcome in row.outcomes.all()
    ]
