"""Mean reversion: buys the outcome that fell unusually far below its recent mean, sells when it came back.

The z-score is the distance of YES's mid from the window's mean in standard deviations. Far
below: buy YES. Far above: buy NO, because there is no short sale. Prices and sizes are
millionths, z-scores too (2,000,000 is two deviations).

State, per market id: `asked_ms` (the last intent, so that one is out at a time), `entered_ms` and
`exited_ms` (the last own buy and sell).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from math import isqrt
from typing import Any, Literal, cast

from markets.domain.instruments import FeeSchedule, MarketFacts, MarketState, Side
from markets.domain.units import ONE, Price, Shares, round_down_to_tick, round_up_to_tick
from orders.domain.intents import OpenOrder, OrderIntent, Urgency
from risk.rules.terms import MINIMUM_LIFE_S
from strategies.domain.base import Base, Decision, OwnFill, Resolved, State, TradingParameters, Wake, WakeKind
from strategies.domain.parameters import Amount, Count, micro, param
from strategies.domain.trace import TraceEntry
from strategies.domain.view import MarketView, Needs

_Answer = tuple[OrderIntent | None, Mapping[str, Any]]  # at most one intent, and what to remember
_LOT = 10_000  # sizes are whole hundredths of a share
_URGENCIES = {"medium": "rest at the limit, may take", "high": "take what is there up to the limit"}


class MeanReversionParameters(TradingParameters):
    window: Count = param(
        120, title="Window", help="Price samples that make the mean and the deviation.",
        unit="samples", ge=10, le=900, sweep=("60", "300", "60"),
    )  # fmt: skip
    period: Literal["1s", "1m"] = param(
        "1s", title="Sample period", help="One sample a second (15 minutes at most) or a minute (24 hours).",
        choices={"1s": "one second", "1m": "one minute"},
    )  # fmt: skip
    minimum_samples: Count = param(
        60, title="Minimum samples", help="No trade before the window holds this many.", unit="samples", ge=10, le=900
    )
    entry_z: Amount = param(
        Decimal(2), title="Entry", help="Buy when the price is at least this far from its mean.",
        unit="z", ge="0.5", le=10, places=2, sweep=("1.5", "3", "0.25"),
    )  # fmt: skip
    exit_z: Amount = param(
        Decimal("0.5"), title="Exit", help="Sell when the price is back within this distance.",
        unit="z", ge=0, le=5, places=2, sweep=("0", "1", "0.25"),
    )  # fmt: skip
    stop_z: Amount = param(
        Decimal(5), title="Stop", help="Sell at once when the price went this far the wrong way.",
        unit="z", ge=1, le=50, places=2, sweep=("3", "6", "1"),
    )  # fmt: skip
    minimum_deviation: Amount = param(
        Decimal("0.002"), title="Minimum deviation", help="Standard deviation under which a market counts as asleep.",
        unit="usd/share", ge="0.0001", le="0.5", places=4,
    )  # fmt: skip
    minimum_edge: Amount = param(
        Decimal("0.005"), title="Minimum edge", help="Mean minus the price paid and the fee must be at least this.",
        unit="usd/share", ge=0, le="0.5", places=4, sweep=("0", "0.02", "0.005"),
    )  # fmt: skip
    maximum_spread: Amount = param(
        Decimal("0.04"), title="Maximum spread", help="Wider ones are left alone.", unit="usd/share", ge="0.001", le=1
    )  # fmt: skip
    slippage_bps: Count = param(
        100, title="Slippage", help="How much worse than the best price an order may trade; the gate caps it too.",
        unit="bps", ge=0, le=1_000,
    )  # fmt: skip
    size: Amount = param(
        Decimal(20), title="Size", help="Shares of one entry.", unit="shares", ge=1, le=100_000, places=2,
        sweep=("10", "50", "10"),
    )  # fmt: skip
    maximum_holding_s: Count = param(
        900, title="Longest holding", help="Seconds after which a position is sold whatever the price.",
        unit="s", ge=10, le=604_800, sweep=("300", "1800", "300"),
    )  # fmt: skip
    cooldown_s: Count = param(
        60, title="Cooldown", help="Seconds without a new entry after an exit.", unit="s", ge=0, le=86_400
    )
    order_life_s: Count = param(
        60, title="Order life", unit="s",
        help="Seconds until a resting order ends (two minutes at least) and until a refused one is tried again.",
        ge=5, le=3_600,
    )  # fmt: skip
    entry_urgency: Literal["medium", "high"] = param(
        "high", title="Entry order", help="How an entry is placed.", choices=_URGENCIES
    )
    exit_urgency: Literal["medium", "high"] = param(
        "high", title="Exit order", help="How an exit is placed; a stop always takes.", choices=_URGENCIES
    )
    lowest_price: Amount = param(
        Decimal("0.05"), title="Lowest price", help="Outcomes below it are not bought.", unit="usd/share", ge=0, le=1
    )
    highest_price: Amount = param(
        Decimal("0.95"), title="Highest price", help="Outcomes above it are not bought.", unit="usd/share", ge=0, le=1
    )
    maximum_book_age_s: Count = param(
        3, title="Maximum book age", help="Older books are not traded on.", unit="s", ge=1, le=60
    )
    stop_before_close_min: Count = param(
        30, title="No entry before close", help="Minutes before trading ends.", unit="min", ge=0, le=100_000
    )

    @cached_property
    def exact(self) -> Exact:
        return Exact(
            entry=micro(self.entry_z),
            exit=micro(self.exit_z),
            stop=micro(self.stop_z),
            deviation=micro(self.minimum_deviation),
            edge=micro(self.minimum_edge),
            spread=micro(self.maximum_spread),
            size=micro(self.size),
            lowest=micro(self.lowest_price),
            highest=micro(self.highest_price),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """The amounts of the parameters in millionths, converted once."""

    entry: int
    exit: int
    stop: int
    deviation: int
    edge: int
    spread: int
    size: int
    lowest: int
    highest: int


@dataclass(frozen=True, slots=True)
class Score:
    """Where the price stands in its window, in millionths."""

    mean: int
    deviation: int
    z: int


def score(mids: list[int], mid: int) -> Score | None:
    """Return the z-score of `mid` against `mids`; None when they do not vary at all."""
    count = len(mids)
    total = sum(mids)
    deviation = isqrt((count * sum([value * value for value in mids]) - total * total) // (count * count))
    if deviation == 0:
        return None
    mean = total // count
    return Score(mean, deviation, (mid - mean) * ONE // deviation)


class MeanReversion(Base):
    name = "mean_reversion"
    title = "Mean reversion"
    description = (
        "Buys an outcome whose price fell unusually far below its recent mean and sells when it returns, "
        "with a stop, a longest holding time and a cooldown."
    )
    params = MeanReversionParameters
    wakes = (
        Wake(kind=WakeKind.INTERVAL),
        Wake(kind=WakeKind.BOOK, threshold=10_000),
        Wake(kind=WakeKind.FILL),
        Wake(kind=WakeKind.RESOLUTION),
    )

    def needs(self, params: MeanReversionParameters) -> Needs:
        return Needs(samples_1s=params.window) if params.period == "1s" else Needs(samples_1m=params.window)

    def decide(self, view: MarketView) -> Decision:
        params = cast(MeanReversionParameters, view.params)
        intents: list[OrderIntent] = []
        trace: list[TraceEntry] = []
        changed: dict[str, Any] = {}
        ending: list[int] = []
        for facts in view.markets.values():
            if len(facts.outcomes) != 2:
                continue
            memory: Mapping[str, Any] = view.state.get(str(facts.market_id)) or {}
            market = _Market(view=view, params=params, facts=facts, memory=memory, trace=trace, ending=ending)
            intent, after = market.decide()
            if intent is not None:
                intents.append(intent)
            if after is not memory:
                changed[str(facts.market_id)] = after
        state = {**view.state, **changed} if changed else None
        return Decision(intents=tuple(intents), trace=tuple(trace), state=state, cancels=tuple(ending))

    def on_fill(self, state: State, fill: OwnFill) -> State:
        """Remember when a market was last entered and left: for holding time, cooldown and the next intent."""
        key = next((k for k, memory in state.items() if fill.outcome_id in memory.get("outcomes", ())), None)
        if key is None:
            return state  # a market that was forgotten at its resolution
        what = "entered_ms" if fill.side is Side.BUY else "exited_ms"
        return {**state, key: {**state[key], what: int(fill.at.timestamp() * 1000)}}

    def on_resolved(self, state: State, resolved: Resolved) -> State:
        return {key: memory for key, memory in state.items() if key != str(resolved.market_id)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Market:
    """One evaluation of one market."""

    view: MarketView
    params: MeanReversionParameters
    facts: MarketFacts
    memory: Mapping[str, Any]
    trace: list[TraceEntry]
    ending: list[int]  # own resting orders that stand in the way of a stop

    def decide(self) -> _Answer:  # noqa: PLR0911 - one return per gate
        """Return at most one intent and what to remember (the same object when nothing changed)."""
        yes = self.facts.outcomes[0].outcome_id
        book = self.view.books.get(yes)
        if self.facts.state is not MarketState.OPEN:
            return self._stop("market_not_open", note=str(self.facts.state))
        if book is None:
            return self._stop("book_missing")
        limit_ms = self.params.maximum_book_age_s * 1000
        if not book.is_fresh(self.view.now_ms, limit_ms):
            return self._stop("book_stale", book.age_ms(self.view.now_ms), limit_ms, "ms", note=str(book.status))
        mid = book.mid
        if mid is None:
            return self._stop("one_sided")
        working = [order for order in self.view.open_orders if order.market_id == self.facts.market_id]
        if working:
            return self._behind(working, mid)
        waited = self.view.now_ms - int(self.memory.get("asked_ms", 0))
        if waited < self.params.order_life_s * 1000 and "asked_ms" in self.memory and not self._answered():
            return self._stop("order_asked", waited // 1000, self.params.order_life_s, "s")
        mids = self._mids()
        held = self._held()
        if len(mids) < min(self.params.minimum_samples, self.params.window):
            if held is None or not self._overdue():
                return self._stop("few_samples", len(mids), self.params.minimum_samples, "samples")
            return self._exit(held, "holding time over")
        found = score(mids, mid)
        if held is not None:
            return self._holding(held, found)
        return self._entry(found)

    def _behind(self, working: list[OpenOrder], mid: int) -> _Answer:
        """Wait for an own order, but not at the stop: there a resting exit is ended, so that a taking one follows."""
        held = self._held()
        exits = [o for o in working if o.outcome_id == held and o.side is Side.SELL and o.order_type.rests]
        if held is None or len(exits) < len(working) or not self._at_stop(held, mid):
            return self._stop("order_working")
        self.ending.extend(order.order_id for order in exits if not order.cancel_requested)
        self.trace.append(TraceEntry("stop_ends_resting_exit", True, outcome_id=held))
        return None, {key: value for key, value in self.memory.items() if key != "asked_ms"}

    def _at_stop(self, held: int, mid: int) -> bool:
        mids = self._mids()
        found = score(mids, mid) if len(mids) >= min(self.params.minimum_samples, self.params.window) else None
        if found is None:
            return False
        return self._distance(held, found) <= -self.params.exact.stop

    def _distance(self, held: int, found: Score) -> int:
        """Return how far the held outcome is above its mean: NO is the mirror image of YES."""
        return found.z if held == self.facts.outcomes[0].outcome_id else -found.z

    def _mids(self) -> list[int]:
        samples = self.view.samples_1s if self.params.period == "1s" else self.view.samples_1m
        return [sample.mid for sample in samples.get(self.facts.outcomes[0].outcome_id, ())][-self.params.window :]

    def _answered(self) -> bool:
        """Whether a fill came after the last intent: what it asked for has happened."""
        last = max(int(self.memory.get("entered_ms", 0)), int(self.memory.get("exited_ms", 0)))
        return last >= int(self.memory.get("asked_ms", 0))

    def _held(self) -> int | None:
        """Return the outcome that is held; None without a position."""
        return next((o.outcome_id for o in self.facts.outcomes if self.view.held(o.outcome_id) >= _LOT), None)

    def _overdue(self) -> bool:
        age_ms = self.view.now_ms - int(self.memory.get("entered_ms", 0))
        return age_ms >= self.params.maximum_holding_s * 1000

    def _slippage(self, price: int) -> int:
        return price * self.params.slippage_bps // 10_000

    def _entry(self, found: Score | None) -> _Answer:
        exact, now = self.params.exact, self.view.now
        stop = timedelta(minutes=self.params.stop_before_close_min)
        if self.facts.closes_at is not None and self.facts.closes_at - now < stop:
            left = max(0, int((self.facts.closes_at - now).total_seconds()))
            return self._stop("closing_soon", left, int(stop.total_seconds()), "s")
        rested = (self.view.now_ms - int(self.memory.get("exited_ms", 0))) // 1000
        if rested < self.params.cooldown_s:
            return self._stop("cooldown", rested, self.params.cooldown_s, "s")
        if found is None or found.deviation < exact.deviation:
            return self._stop("too_quiet", 0 if found is None else found.deviation, exact.deviation, "price")
        if abs(found.z) < exact.entry:
            return self._stop("z_under_entry", abs(found.z), exact.entry, "z")
        if abs(found.z) >= exact.stop:
            return self._stop("z_beyond_stop", abs(found.z), exact.stop, "z")
        cheap = self.facts.outcomes[0 if found.z < 0 else 1].outcome_id
        mean = found.mean if found.z < 0 else ONE - found.mean
        return self._buy(cheap, mean, found.z)

    def _buy(self, outcome_id: int, mean: int, z: int) -> _Answer:
        exact, book = self.params.exact, self.view.books.get(outcome_id)
        if book is None or book.best_ask is None or book.spread is None:
            return self._stop("one_sided", outcome_id=outcome_id)
        if book.spread > exact.spread:
            return self._stop("spread_too_wide", book.spread, exact.spread, "price", outcome_id=outcome_id)
        price = book.best_ask
        if not exact.lowest <= price <= exact.highest:
            bound = exact.lowest if price < exact.lowest else exact.highest
            return self._stop("price_out_of_range", price, bound, "price", outcome_id=outcome_id)
        edge = mean - price - fee_per_share(price, self.facts.fee)
        if edge < exact.edge:
            return self._stop("edge_under_minimum", edge, exact.edge, "price", outcome_id=outcome_id)
        limit = min(round_down_to_tick(price + self._slippage(price), self.facts.tick), Price(ONE - self.facts.tick))
        size = -(-max(exact.size, self.facts.minimum_size) // _LOT) * _LOT
        self.trace.append(TraceEntry("entry", True, abs(z), exact.entry, "z", outcome_id))
        why, urgency = f"entry at z {_z(z)}", self.params.entry_urgency
        return self._ask(outcome_id, Side.BUY, size, limit, urgency=urgency, fair=mean, reason=why)

    def _holding(self, held: int, found: Score | None) -> _Answer:
        """Stay, or leave: at the exit, at the stop, or when the time is over."""
        if self._overdue():
            return self._exit(held, "holding time over")
        if found is None:
            return self._stop("too_quiet", 0, self.params.exact.deviation, "price")
        z = self._distance(held, found)
        if z >= -self.params.exact.exit:
            return self._exit(held, f"back at z {_z(z)}")
        if z <= -self.params.exact.stop:
            return self._exit(held, f"stop at z {_z(z)}", urgent=True)
        return self._stop("waiting_for_exit", z, -self.params.exact.exit, "z", outcome_id=held)

    def _exit(self, outcome_id: int, why: str, *, urgent: bool = False) -> _Answer:
        size = self.view.sellable(outcome_id) // _LOT * _LOT
        book = self.view.books.get(outcome_id)
        if size <= 0:
            return self._stop("nothing_sellable", 0, _LOT, "shares", outcome_id=outcome_id)
        if book is None or book.best_bid is None:
            return self._stop("no_bid", outcome_id=outcome_id)
        limit = max(round_up_to_tick(book.best_bid - self._slippage(book.best_bid), self.facts.tick), self.facts.tick)
        urgency = "high" if urgent or size < self.facts.minimum_size else self.params.exit_urgency
        self.trace.append(TraceEntry("exit", True, outcome_id=outcome_id, note=why))
        return self._ask(outcome_id, Side.SELL, size, Price(limit), urgency=urgency, fair=None, reason=why)

    def _ask(
        self, outcome_id: int, side: Side, size: int, limit: Price, *, urgency: str, fair: int | None, reason: str
    ) -> _Answer:
        resting = urgency == "medium"
        life_s = max(self.params.order_life_s, MINIMUM_LIFE_S)  # a shorter dated order would be refused for ever
        intent = OrderIntent(
            outcome_id=outcome_id,
            side=side,
            size=Shares(size),
            limit_price=limit,
            urgency=Urgency(urgency),
            expires_at=self.view.now + timedelta(seconds=life_s) if resting else None,
            fair_value=None if fair is None else Price(fair),
            reason=f"mean reversion: {reason}",
        )
        outcomes = [outcome.outcome_id for outcome in self.facts.outcomes]
        return intent, {**self.memory, "asked_ms": self.view.now_ms, "outcomes": outcomes}

    def _stop(
        self,
        gate: str,
        value: int | None = None,
        threshold: int | None = None,
        unit: str = "",
        *,
        outcome_id: int = 0,
        note: str = "",
    ) -> tuple[None, Mapping[str, Any]]:
        outcome_id = outcome_id or self.facts.outcomes[0].outcome_id
        self.trace.append(TraceEntry(gate, False, value, threshold, unit, outcome_id, note))
        return None, self.memory


def fee_per_share(price: int, fee: FeeSchedule | None) -> int:
    """Return the taker fee of one share in millionths of a dollar, rounded up; 0 when unknown (the gate refuses)."""
    if fee is None or not fee.rate_ppm:
        return 0
    scale: int = ONE ** (2 * fee.exponent)
    return -(-fee.rate_ppm * int((price * (ONE - price)) ** fee.exponent) // scale)


def _z(z: int) -> str:
    return f"{Decimal(z).scaleb(-6):.2f}"
