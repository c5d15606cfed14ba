"""Every strategy by name. A new one is a file in this folder and a line here."""

from __future__ import annotations

from strategies.domain.base import Strategy
from strategies.library.idle import Idle
from strategies.library.longshots import Longshots
from strategies.library.market_making import MarketMaking
from strategies.library.mean_reversion import MeanReversion
from strategies.library.random_entry import RandomEntry
from strategies.library.touch_maker import TouchMaker


class UnknownStrategy(LookupError):
    """No strategy of that name."""


_ALL: tuple[Strategy, ...] = (MarketMaking(), MeanReversion(), TouchMaker(), Longshots(), RandomEntry(), Idle())
STRATEGIES: dict[str, Strategy] = {strategy.name: strategy for strategy in _ALL}


def strategy_get(name: str) -> Strategy:
    try:
        return STRATEGIES[name]
    except KeyError:
        raise UnknownStrategy(f"there is no strategy {name!r}; known: {', '.join(sorted(STRATEGIES))}") from None


def strategy_choices() -> list[tuple[str, str]]:
    return [(strategy.name, strategy.title) for strategy in _ALL]
