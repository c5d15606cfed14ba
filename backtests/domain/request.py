"""What a backtest is asked to do: everything that changes its result stands here and nowhere else.

A request is plain values, so that it can be stored, hashed and run again exactly. Dollars, shares and prices are
millionths, times are milliseconds unless the name says otherwise.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from markets.domain.units import ONE, Usd

_CAPITAL = Usd(1_000 * ONE)


class Mode(StrEnum):
    EXACT = "exact"  # cycle, gate, matching, fees and ledger of paper
    FAST = "fast"  # limits and ledger compiled into the kernel; strategies that return quotes only


class QueueAssumption(StrEnum):
    """What is assumed of the shares that stand before ours at a price."""

    PESSIMISTIC = "pessimistic"  # who cancels stood behind us
    NEUTRAL = "neutral"  # cancels are spread evenly
    OPTIMISTIC = "optimistic"  # who cancels stood before us


class Slippage(StrEnum):
    """For price series only, where no book says what an order would have got."""

    NONE = "none"
    FIXED = "fixed"  # `slippage_amount` millionths of a dollar a share, against us
    PROPORTIONAL = "proportional"  # `slippage_amount` millionths of the price, against us


class Fees(StrEnum):
    BY_DATE = "by date"  # the schedule of the market's category on the day of the fill
    MARKET = "market"  # what the tape's facts say
    NONE = "none"
    FIXED = "fixed"  # `fee_rate_ppm`, exponent 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """`feed`: from the venue's event to our view. `order`: from our decision to the venue, and a cancel's way too.

    The answer takes `answer` back. A market's own taker delay comes on top from its facts.
    """

    feed_ms: int = 0  # added to the recorded receive time
    order_ms: int = 150
    answer_ms: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRef:
    """One market's tape of one day (UTC, YYYY-MM-DD) in the archive, with the digest that it must have."""

    market: str  # the archive's key
    day: str
    digest: str = ""  # "" takes whatever is there and is filled in when the run starts


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestRequest:
    strategy: str  # a name in strategies.library.registry
    params: Mapping[str, Any]  # as JSON, validated against the strategy's schema
    data: tuple[DataRef, ...]
    capital: Usd = _CAPITAL
    mode: Mode = Mode.EXACT
    start_ns: int | None = None  # None: from the first event
    end_ns: int | None = None
    interval_ms: int = 1_000  # between interval ticks of the strategy
    queue: QueueAssumption = QueueAssumption.PESSIMISTIC
    bands: bool = True  # also run the other queue assumptions, as bands
    latency: Latency = field(default_factory=Latency)
    fees: Fees = Fees.BY_DATE
    fee_rate_ppm: int = 0
    slippage: Slippage = Slippage.NONE
    slippage_amount: int = 0
    rebates: bool = False  # maker rebates, estimated: our share of the pool is not in any recording
    profile: str = "moderate"  # the risk profile whose limits hold
    seed: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def digest(self) -> str:
        """SHA-256 of everything above: equal requests on equal code and data give equal results."""
        text = json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


class RequestError(ValueError):
    """A request that cannot be run. `field` names the part at fault, for the form."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field
