"""What a replay leaves behind: orders, fills, equity and reasons as columns, the same from both modes.

Times are nanoseconds, money, prices and sizes millionths. `market` and `outcome` are positions in
`BacktestResult.markets` and in that market's outcomes, so that nothing here depends on database keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from markets.domain.instruments import MarketFacts
from markets.domain.tape import Fidelity

ORDER = np.dtype(
    [
        ("id", "<i8"),  # counts from 1 in the order of placing
        ("decided_ns", "<i8"),
        ("arrived_ns", "<i8"),  # 0: it never arrived
        ("ended_ns", "<i8"),  # 0: still open at the end
        ("price", "<i8"),
        ("size", "<i8"),
        ("filled", "<i8"),
        ("market", "<i4"),
        ("outcome", "u1"),
        ("side", "u1"),  # markets.domain.tape: BID bought, ASK sold
        ("state", "u1"),  # OrderEnd
        ("level", "i1"),  # of the quote; -1 for one-shot orders
    ]
)
FILL = np.dtype(
    [
        ("at_ns", "<i8"),
        ("order", "<i8"),
        ("price", "<i8"),
        ("size", "<i8"),
        ("fee", "<i8"),
        ("cash", "<i8"),  # change of cash, fee included
        ("realized", "<i8"),  # profit realised by a sell, without the fee; 0 for a buy
        ("mid", "<i8"),  # of the traded outcome at the fill; -1 where a side was missing
        ("market", "<i4"),
        ("outcome", "u1"),
        ("side", "u1"),
        ("taker", "u1"),
        ("inferred", "u1"),  # caused by a trade that an importer deduced
    ]
)
EQUITY = np.dtype(
    [
        ("at_ns", "<i8"),
        ("cash", "<i8"),
        ("positions", "<i8"),  # marked at the bid of what is held; at cost where no bid is known
        ("exposure", "<i8"),  # cost of what is held
        ("fees", "<i8"),  # paid so far
        ("rebates", "<i8"),
    ]
)
SETTLEMENT = np.dtype(
    [
        ("at_ns", "<i8"),
        ("market", "<i4"),
        ("outcome", "u1"),
        ("size", "<i8"),
        ("payout", "<i8"),  # dollars a share
        ("cash", "<i8"),
        ("realized", "<i8"),
    ]
)
FORECAST = np.dtype(
    [
        ("at_ns", "<i8"),
        ("fair", "<i8"),  # what the strategy held the outcome to be worth, dollars a share
        ("mid", "<i8"),  # of the outcome then; -1 where a side was missing
        ("market", "<i4"),
        ("outcome", "u1"),
    ]
)


class OrderEnd(IntEnum):
    OPEN = 0
    FILLED = 1
    CANCELED = 2
    EXPIRED = 3
    REJECTED = 4  # by the venue


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What was held at the end of one outcome, unsettled."""

    market: int
    outcome: int
    size: int
    cost: int
    realized: int
    fees: int
    mark: int | None  # last known bid


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """From ticks to fills, with the reasons on the way."""

    ticks: int = 0
    unchanged: int = 0
    decisions: int = 0
    wanted: int = 0  # placements that reached the gate
    refused: Mapping[str, int] = field(default_factory=dict)  # rule: count
    shrunk: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)  # by the venue, reason: count
    gates: Mapping[str, int] = field(default_factory=dict)  # the strategy's own failed gates, as in its trace
    placed: int = 0
    canceled: int = 0
    fills: int = 0
    errors: int = 0  # ticks on which the strategy raised
    first_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    markets: tuple[MarketFacts, ...]
    fidelity: tuple[Fidelity, ...]  # per market
    capital: int
    start_ns: int
    end_ns: int  # of the data; a stopped run ends earlier
    orders: npt.NDArray[Any]
    fills: npt.NDArray[Any]
    equity: npt.NDArray[Any]  # at least every `equity_step_ns`, after each settlement and at the end
    settlements: npt.NDArray[Any]
    holdings: tuple[Holding, ...]
    cash: int
    fees: int
    rebates: int
    funnel: Funnel
    events: int  # rows replayed
    # (decided_ns, hash of what was wanted) of each decision that differed from the one before
    decisions: tuple[tuple[int, str], ...] = ()
    gaps: tuple[tuple[int, int, int], ...] = ()  # (market, from ns, to ns)
    problems: tuple[str, ...] = ()  # what a reader must know: crossed books, missing outcomes, a strategy stopped
    # FORECAST rows of the decisions that traded, where the strategy states fair values
    forecasts: npt.NDArray[Any] | None = None
    stopped: str = ""  # why the run ended before its data did; "" when it did not
