"""Universes: who is selected, who is filtered out, and the reason in words for both."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from markets.domain.instruments import Category, MarketState
from strategies.domain.universe import Candidate, UniverseParameters, included_ids, universe_resolve
from tests.factories.markets import AT
from tests.factories.risk import facts
from tests.factories.strategies import micro


def _candidate(market_id: int = 1, *, mid: str | None = "0.5", spread: str | None = "0.02", **values: Any) -> Candidate:
    reward = values.pop("reward_rate", 0)
    return Candidate(
        facts=facts(market_id, **values),
        mid=None if mid is None else micro(mid),
        spread=None if spread is None else micro(spread),
        reward_rate=reward,
    )


def _one(spec: dict[str, Any], candidate: Candidate, **more: Any) -> tuple[bool, str]:
    (member,) = universe_resolve(UniverseParameters(**spec), [candidate], now=AT, **more)
    return member.included, member.reason


NBA = {"slug": "nba-lakers-celtics", "event_slug": "nba-finals", "category": Category.SPORTS, "tags": ("Basketball",)}


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({}, "every open market"),
        ({"markets": "nba-lakers-celtics"}, "named market"),
        ({"markets": "1"}, "named market"),
        ({"events": "nba-finals"}, "event nba-finals"),
        ({"tags": "sports"}, "category sports"),
        ({"tags": "basketball"}, "tag basketball"),
        ({"slug_patterns": "nba-*"}, "pattern nba-*"),
        ({"slug_patterns": "nfl-*, nba-f*"}, "pattern nba-f*"),
    ],
)
def test_a_market_is_taken_for_a_named_reason(spec: dict[str, Any], reason: str) -> None:
    assert _one(spec, _candidate(**NBA)) == (True, reason)


@pytest.mark.parametrize(
    ("spec", "values", "reason"),
    [
        ({"tags": "crypto"}, NBA, "not selected by markets, events, tags or patterns"),
        ({}, {"state": MarketState.CLOSED}, "market is closed"),
        ({"exclude_patterns": "nba-*"}, NBA, "excluded by pattern nba-*"),
        ({"skip_augmented": True}, {"neg_risk_augmented": True}, "augmented neg-risk group"),
        ({"minimum_volume_24h": 1000}, {"volume_24h": micro("999.5")}, "24 h volume $999.5 under $1000"),
        ({"minimum_liquidity": 50}, {"liquidity": micro("49")}, "liquidity $49 under $50"),
        ({"reward_eligible": True}, {}, "pays no rewards"),
        ({"closes_after_h": 96}, {}, "closes 2026-11-23 12:00 UTC, sooner than 96 h"),
        ({"closes_within_h": 48}, {}, "closes 2026-11-23 12:00 UTC, later than 48 h"),
        ({"closes_within_h": 48}, {"closes_at": None}, "no end date known"),
        ({"maximum_spread": "0.01"}, {}, "spread 0.02 over 0.01"),
        ({"maximum_spread": "0.01"}, {"spread": None}, "no two-sided book to measure the spread"),
        ({"minimum_price": "0.6"}, {}, "price 0.5 outside 0.6 to 1"),
        ({"maximum_price": "0.4"}, {"mid": None}, "no two-sided book to measure the price"),
    ],
)
def test_a_market_is_left_out_for_a_named_reason(spec: dict[str, Any], values: dict[str, Any], reason: str) -> None:
    assert _one(spec, _candidate(**values)) == (False, reason)


def test_a_filter_at_its_bound_lets_the_market_in() -> None:
    candidate = _candidate(volume_24h=micro("1000"), liquidity=micro("50"), reward_rate=1)
    spec = {"minimum_volume_24h": 1000, "minimum_liquidity": 50, "maximum_spread": "0.02", "reward_eligible": True}
    assert _one(spec, candidate)[0]


def test_only_the_most_liquid_are_taken_and_named_markets_first() -> None:
    candidates = [
        _candidate(1, slug="small", liquidity=1),
        _candidate(2, slug="large", liquidity=9),
        _candidate(3, slug="middle", liquidity=5),
    ]
    spec = UniverseParameters(markets=("small",), slug_patterns=("*",), maximum=2)
    members = universe_resolve(spec, candidates, now=AT)
    assert set(included_ids(members)) == {1, 2}
    left = next(m for m in members if not m.included)
    assert (left.market_id, left.reason) == (3, "over the maximum of 2: more liquid ones come first")


def test_a_market_with_a_position_is_kept_until_it_is_resolved() -> None:
    closing = _candidate(closes_at=AT + timedelta(minutes=1))
    spec = {"closes_after_h": 5}
    assert _one(spec, closing)[0] is False
    assert _one(spec, closing, keep=frozenset({1})) == (True, "kept: the account holds a position or an order here")
    assert _one({}, _candidate(state=MarketState.RESOLVED), keep=frozenset({1}))[0] is False


def test_kept_markets_use_up_the_maximum() -> None:
    members = universe_resolve(
        UniverseParameters(maximum=1), [_candidate(1), _candidate(2)], now=AT, keep=frozenset({1})
    )
    assert included_ids(members) == (1,)
