"""The demo desk's strategies: two that trade, two drafts to try. Fit for the conservative profile.

The maker and the reverter share one account, so they are given different kinds of markets:
what one holds the other does not sell.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from markets.domain.instruments import MarketState
from markets.selectors.catalogue import market_rows
from strategies.models import StrategyConfig
from strategies.services.configs import strategy_create
from strategies.services.states import ACTIVE, strategy_start

_CALM = ["politics", "economics", "culture", "tech", "finance", "weather", "geopolitics", "mentions", "other"]
_LIVELY = ["sports", "crypto"]

MAKER: dict[str, Any] = {
    "fair_value": "microprice",
    "half_spread": "0.005",
    "minimum_edge": "0.002",
    "size": "10",
    "levels": 1,
    "inventory_skew": "0.01",
    "maximum_inventory": "50",
    "volatility_window_s": 60,
    "volatility_factor": "0.5",
    "maximum_market_spread": "0.15",
    "lowest_price": "0.1",
    "highest_price": "0.9",
    "universe": {
        "maximum": 4,
        "tags": _CALM,
        "closes_after_h": "2",
        "minimum_price": "0.1",
        "maximum_price": "0.9",
    },
}
REVERTER: dict[str, Any] = {
    "window": 120,
    "minimum_samples": 30,
    "entry_z": "1.5",
    "exit_z": "0.25",
    "stop_z": "6",
    "minimum_deviation": "0.001",
    "minimum_edge": "0",
    "maximum_spread": "0.05",
    "size": "15",
    "maximum_holding_s": 300,
    "cooldown_s": 30,
    "order_life_s": 30,
    "universe": {"maximum": 8, "tags": _LIVELY, "closes_after_h": "0.5"},
}
WIDE_MAKER: dict[str, Any] = {
    **MAKER,
    "half_spread": "0.02",
    "levels": 2,
    "level_step": "0.01",
    "stay_in_reward_band": True,
    "universe": {"maximum": 5, "reward_eligible": True, "closes_after_h": "24"},
}
SLOW_REVERTER: dict[str, Any] = {
    **REVERTER,
    "period": "1m",
    "window": 240,
    "entry_z": "2.5",
    "maximum_holding_s": 7200,
    "universe": {"maximum": 10, "tags": _CALM, "closes_after_h": "48"},
}


def demo_create(*, account_id: int, owner: Any, by: str, now: datetime) -> list[int]:
    """Create what is missing of the four demo strategies, start the two that trade; return all four ids.

    Safe to repeat: a strategy that exists, whatever its state now, is left as it is.
    """
    maker = _everything_if_few(MAKER)
    wanted = (
        ("maker", "market_making", maker, 2, True),
        ("reverter", "mean_reversion", REVERTER, 2, True),
        ("reward-maker", "market_making", WIDE_MAKER, 5, False),
        ("slow-reverter", "mean_reversion", SLOW_REVERTER, 30, False),
    )
    ids: list[int] = []
    for name, strategy_class, parameters, interval_s, runs in wanted:
        known = StrategyConfig.objects.filter(name=name).first()
        if known is None:
            known = strategy_create(
                name=name,
                strategy_class=strategy_class,
                account_id=account_id,
                owner=owner,
                parameters=parameters,
                interval_s=interval_s,
                by=by,
                now=now,
            )
            if runs:
                strategy_start(known.pk, by=by, now=now)
        ids.append(known.pk)
    return ids


def demo_is_running() -> bool:
    return StrategyConfig.objects.filter(state__in=ACTIVE).exists()


def _everything_if_few(parameters: dict[str, Any]) -> dict[str, Any]:
    """Let the maker quote whatever there is when a replay lists only a handful of markets, of unknown kind."""
    kinds = market_rows(state=MarketState.OPEN).filter(category__in=_CALM)
    if kinds.count() >= 3:
        return parameters
    return {**parameters, "universe": {"maximum": 4}}
