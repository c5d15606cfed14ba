"""A venue's catalogue in memory, with the records a test gives it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from markets.domain.instruments import Category, FeeSchedule, MarketState, Venue
from markets.venues.base import CataloguePage, EventRecord, MarketRecord, OutcomeRecord, TagRecord, VenueUnavailable


def market_record(n: int, **changes: Any) -> MarketRecord:
    values: dict[str, Any] = {
        "venue_id": f"m{n}",
        "condition_id": f"0x{n:064x}",
        "slug": f"market-{n}",
        "question": f"Will thing {n} happen?",
        "group_label": "",
        "rules_text": "By the book.",
        "resolution_source": "",
        "state": MarketState.OPEN,
        "neg_risk": False,
        "tick": 10_000,
        "minimum_size": 5_000_000,
        "fee": FeeSchedule(rate_ppm=40_000, rebate_ppm=250_000),
        "seconds_delay": 0,
        "opened_at": None,
        "closes_at": None,
        "resolved_at": None,
        "resolution_status": "",
        "volume": Decimal(n),
        "volume_24h": Decimal(n),
        "liquidity": Decimal(n),
        "reward_rate_per_day": Decimal(0),
        "reward_minimum_size": Decimal(0),
        "reward_maximum_spread": Decimal(0),
        "outcomes": tuple(
            OutcomeRecord(index=i, label=label, token_id=f"{n}{i:03d}", payout=None)
            for i, label in enumerate(("Yes", "No"))
        ),
    }
    return MarketRecord(**{**values, **changes})


def resolved(record: MarketRecord, *payouts: int) -> MarketRecord:
    values = {f: getattr(record, f) for f in record.__dataclass_fields__}
    outcomes = tuple(
        OutcomeRecord(index=o.index, label=o.label, token_id=o.token_id, payout=p)
        for o, p in zip(record.outcomes, payouts, strict=True)
    )
    return MarketRecord(**{**values, "state": MarketState.RESOLVED, "outcomes": outcomes})


def event_record_of(n: int, *markets: MarketRecord, **changes: Any) -> EventRecord:
    values: dict[str, Any] = {
        "venue_id": f"e{n}",
        "slug": f"event-{n}",
        "title": f"Event {n}",
        "category": Category.POLITICS,
        "neg_risk": False,
        "neg_risk_augmented": False,
        "closes_at": None,
        "tags": (TagRecord(slug="politics", label="Politics"), TagRecord(slug=f"tag-{n % 7}", label="Some")),
        "markets": markets,
    }
    return EventRecord(**{**values, **changes})


class FakeCatalogue:
    """Pages of 100 events. `fails_after` pages it stops answering."""

    venue = Venue.POLYMARKET

    def __init__(self, *events: EventRecord, fails_after: int | None = None) -> None:
        self.events = list(events)
        self.fails_after = fails_after
        self.asked: list[set[str]] = []

    def open_events(self) -> Iterator[CataloguePage]:
        for number, start in enumerate(range(0, max(1, len(self.events)), 100)):
            if self.fails_after is not None and number >= self.fails_after:
                raise VenueUnavailable("GET /events/keyset: ConnectError: refused")
            yield CataloguePage(events=tuple(self.events[start : start + 100]))

    def recent_events(self, *, limit: int) -> Iterator[CataloguePage]:
        yield CataloguePage(events=tuple(self.events[:limit]))

    def events_of_markets(self, condition_ids: Collection[str]) -> Iterator[CataloguePage]:
        self.asked.append(set(condition_ids))
        wanted = set(condition_ids)
        found = [e for e in self.events if any(m.condition_id in wanted for m in e.markets)]
        yield CataloguePage(events=tuple(found))


def gamma_json(**changes: Any) -> dict[str, Any]:
    """A market object as Gamma sends it; a value of ... removes the key."""
    values: dict[str, Any] = {
        "id": "12", "question": "Will it rain?", "conditionId": "0xAB", "slug": "rain", "active": True, "closed": False,
        "enableOrderBook": True, "acceptingOrders": True, "outcomes": '["Yes", "No"]', "clobTokenIds": '["71", "72"]',
        "outcomePrices": '["0.4", "0.6"]', "orderPriceMinTickSize": 0.01, "orderMinSize": 5, "volumeNum": 10.5,
        "volume24hr": 1, "liquidityNum": "3.25", "feesEnabled": True, "endDate": "2026-12-01T12:00:00Z",
        "feeSchedule": {"rate": 0.05, "exponent": 1, "takerOnly": True, "rebateRate": 0.15}, "negRisk": False,
        **changes,
    }  # fmt: skip
    kept = {k: v for k, v in values.items() if v is not ...}
    return msgspec.json.Decoder(float_hook=Decimal).decode(msgspec.json.encode(kept))
