"""Market making: two-sided quotes around a fair value, leaned against what we hold and widened when prices move.

All prices here are of the first outcome (YES), in millionths. There is no short sale: the
part of an ask that we do not hold becomes a bid for NO at one minus the price, and the part
of a bid that closes held NO becomes an offer of NO.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from math import isqrt
from typing import TYPE_CHECKING, Literal, cast

from markets.domain.instruments import MarketFacts, MarketState, Side
from markets.domain.units import (
    ONE,
    Price,
    Shares,
    complement,
    is_on_tick,
    round_down_to_tick,
    round_up_to_tick,
)
from orders.domain.intents import Quote
from strategies.domain.base import Base, Decision, TradingParameters, Wake, WakeKind
from strategies.domain.parameters import Amount, Count, micro, param
from strategies.domain.trace import TraceEntry
from strategies.domain.view import MarketView, Needs

if TYPE_CHECKING:
    from markets.domain.views import BookView

_LOT = 10_000  # sizes are whole hundredths of a share


class MarketMakingParameters(TradingParameters):
    fair_value: Literal["mid", "microprice"] = param(
        "microprice",
        title="Fair value",
        help="The middle of the best prices, or the middle weighted by the sizes behind them.",
        choices={"mid": "middle of the best prices", "microprice": "weighted by size"},
    )
    half_spread: Amount = param(
        Decimal("0.01"), title="Half spread", help="Distance of the first quote from fair value.",
        unit="usd/share", ge="0.001", le="0.2", places=4, sweep=("0.005", "0.03", "0.005"),
    )  # fmt: skip
    minimum_edge: Amount = param(
        Decimal("0.005"), title="Minimum edge", help="A quote nearer to fair value than this is not placed.",
        unit="usd/share", ge=0, le="0.2", places=4, sweep=("0", "0.01", "0.0025"),
    )  # fmt: skip
    size: Amount = param(
        Decimal(20), title="Size", help="Shares of each quote.",
        unit="shares", ge=1, le=100_000, places=2, sweep=("10", "50", "10"),
    )  # fmt: skip
    minimum_notional: Amount = param(
        Decimal(1), title="Smallest quote", help="Cheap outcomes are quoted in more shares until a quote costs this.",
        unit="usd", ge=0, le=1_000, places=2,
    )  # fmt: skip
    levels: Count = param(
        1, title="Levels", help="Quotes on each side.", unit="quotes", ge=1, le=5, sweep=("1", "3", "1")
    )
    level_step: Amount = param(
        Decimal("0.01"), title="Step between levels", help="Distance from one level to the next.",
        unit="usd/share", ge="0.001", le="0.2", places=4,
    )  # fmt: skip
    inventory_skew: Amount = param(
        Decimal("0.01"), title="Inventory skew", help="How far quotes lean against a full inventory.",
        unit="usd/share", ge=0, le="0.2", places=4, sweep=("0", "0.03", "0.01"),
    )  # fmt: skip
    maximum_inventory: Amount = param(
        Decimal(100), title="Maximum inventory", help="Net shares per market (YES minus NO) at which one side stops.",
        unit="shares", ge=1, le=1_000_000, places=2, sweep=("50", "200", "50"),
    )  # fmt: skip
    volatility_window_s: Count = param(
        60, title="Volatility window", help="Seconds over which price changes are measured; 0 switches widening off.",
        unit="s", ge=0, le=900,
    )  # fmt: skip
    volatility_factor: Amount = param(
        Decimal(1), title="Volatility factor", help="Quotes widen by this many standard deviations of the price.",
        unit="x", ge=0, le=10, places=2, sweep=("0", "2", "0.5"),
    )  # fmt: skip
    maximum_widening: Amount = param(
        Decimal("0.05"), title="Maximum widening", help="Volatility never adds more than this.",
        unit="usd/share", ge=0, le="0.5", places=4,
    )  # fmt: skip
    minimum_market_spread: Amount = param(
        Decimal(0), title="Minimum market spread", help="A market tighter than this is left alone.",
        unit="usd/share", ge=0, le="0.5", places=4,
    )  # fmt: skip
    maximum_market_spread: Amount = param(
        Decimal("0.2"), title="Maximum market spread", help="A market wider than this has no fair value to trust.",
        unit="usd/share", ge="0.001", le=1, places=4,
    )  # fmt: skip
    lowest_price: Amount = param(
        Decimal("0.05"),
        title="Lowest fair value",
        help="Markets below it are not quoted.",
        unit="usd/share",
        ge=0,
        le=1,
    )
    highest_price: Amount = param(
        Decimal("0.95"),
        title="Highest fair value",
        help="Markets above it are not quoted.",
        unit="usd/share",
        ge=0,
        le=1,
    )
    requote_ticks: Count = param(
        1, title="Requote after", help="A resting quote stays while at most so many ticks from its new price.",
        unit="ticks", ge=0, le=20,
    )  # fmt: skip
    maximum_book_age_s: Count = param(
        15, title="Maximum book age", help="Older books are not quoted.", unit="s", ge=1, le=60
    )
    stop_before_close_min: Count = param(
        30, title="Stop before close", help="Minutes before trading ends at which quotes are withdrawn.",
        unit="min", ge=0, le=100_000,
    )  # fmt: skip
    stay_in_reward_band: bool = param(
        False,
        title="Stay in the reward band",
        help="Where the venue pays resting orders, quote within its maximum spread and at least its minimum size.",
    )

    @cached_property
    def exact(self) -> Exact:
        return Exact(
            half=micro(self.half_spread),
            edge=micro(self.minimum_edge),
            size=micro(self.size),
            notional=micro(self.minimum_notional),
            step=micro(self.level_step),
            skew=micro(self.inventory_skew),
            inventory=micro(self.maximum_inventory),
            factor=micro(self.volatility_factor),
            widening=micro(self.maximum_widening),
            tightest=micro(self.minimum_market_spread),
            widest=micro(self.maximum_market_spread),
            lowest=micro(self.lowest_price),
            highest=micro(self.highest_price),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """The amounts of the parameters in millionths, converted once."""

    half: int
    edge: int
    size: int
    notional: int
    step: int
    skew: int
    inventory: int
    factor: int
    widening: int
    tightest: int
    widest: int
    lowest: int
    highest: int


class MarketMaking(Base):
    name = "market_making"
    title = "Market making"
    description = (
        "Rests bids and asks around a fair value, leans them against what it holds, widens when prices move, "
        "and buys the other outcome instead of selling short."
    )
    params = MarketMakingParameters
    wakes = (
        Wake(kind=WakeKind.INTERVAL),
        Wake(kind=WakeKind.BOOK, threshold=5_000),
        Wake(kind=WakeKind.FILL),
        Wake(kind=WakeKind.RESOLUTION),
    )

    def needs(self, params: MarketMakingParameters) -> Needs:
        return Needs(samples_1s=params.volatility_window_s if params.volatility_factor else 0)

    def decide(self, view: MarketView) -> Decision:
        params = cast(MarketMakingParameters, view.params)
        quotes: list[Quote] = []
        trace: list[TraceEntry] = []
        for facts in view.markets.values():
            if len(facts.outcomes) == 2:
                quotes += _market_quotes(view, params, facts, trace)
        return Decision(quotes=tuple(quotes), trace=tuple(trace))


def _market_quotes(
    view: MarketView, params: MarketMakingParameters, facts: MarketFacts, trace: list[TraceEntry]
) -> list[Quote]:
    """Return the quotes of one market; none, with one failed gate in `trace`, when it is left alone."""
    yes, no = facts.outcomes[0].outcome_id, facts.outcomes[1].outcome_id
    exact, book = params.exact, view.books.get(yes)
    if stopped := _closed(view, params, facts, yes) or _unusable(view, params, book, yes):
        trace.append(stopped)
        return []
    assert book is not None and book.mid is not None and book.microprice is not None  # noqa: S101 - by _unusable
    fair = book.microprice if params.fair_value == "microprice" else book.mid
    if not exact.lowest <= fair <= exact.highest:
        bound = exact.lowest if fair < exact.lowest else exact.highest
        trace.append(TraceEntry("price_out_of_range", False, fair, bound, "price", yes))
        return []
    net = view.held(yes) - view.held(no)
    half = exact.half + _widening(exact, (sample.mid for sample in view.samples_1s.get(yes, ())))
    centre = fair - exact.skew * max(-ONE, min(ONE, net * ONE // exact.inventory)) // ONE
    maker = _Maker(view=view, params=params, facts=facts, book=book, fair=fair, trace=trace)
    quotes: list[Quote] = []
    for side in (Side.BUY, Side.SELL):
        room = exact.inventory - net if side is Side.BUY else exact.inventory + net
        holding = view.sellable(no) if side is Side.BUY else view.sellable(yes)
        if room <= 0:
            trace.append(TraceEntry("inventory_cap", False, abs(net), exact.inventory, "shares", yes, side))
            continue
        for level in range(params.levels):
            distance = half + level * exact.step
            # Leaning may bring the side that reduces the inventory near fair value, never nearer than the minimum edge.
            near = min(distance, exact.edge)
            wanted = min(centre - distance, fair - near) if side is Side.BUY else max(centre + distance, fair + near)
            price = maker.price(side, wanted, level)
            if price is None:
                break
            made = maker.quotes(side, price, level, room=room, holding=holding)
            room -= sum(quote.size for quote in made)
            holding -= sum(quote.size for quote in made if quote.side is Side.SELL)
            quotes += made
    if quotes:
        trace.append(TraceEntry("quoting", True, len(quotes), None, "quotes", yes))
    return quotes


def _closed(view: MarketView, params: MarketMakingParameters, facts: MarketFacts, yes: int) -> TraceEntry | None:
    if facts.state is not MarketState.OPEN:
        return TraceEntry("market_not_open", False, outcome_id=yes, note=str(facts.state))
    stop = timedelta(minutes=params.stop_before_close_min)
    if facts.closes_at is not None and facts.closes_at - view.now < stop:
        left = max(0, int((facts.closes_at - view.now).total_seconds()))
        return TraceEntry("closing_soon", False, left, int(stop.total_seconds()), "s", yes)
    return None


def _unusable(view: MarketView, params: MarketMakingParameters, book: BookView | None, yes: int) -> TraceEntry | None:
    """Return why no fair value can be read from the book."""
    if book is None:
        return TraceEntry("book_missing", False, outcome_id=yes)
    limit_ms = params.maximum_book_age_s * 1000
    if not book.is_fresh(view.now_ms, limit_ms):
        return TraceEntry("book_stale", False, book.age_ms(view.now_ms), limit_ms, "ms", yes, str(book.status))
    spread = book.spread
    if spread is None or spread <= 0:
        return TraceEntry("one_sided" if spread is None else "book_crossed", False, outcome_id=yes)
    if spread < params.exact.tightest:
        return TraceEntry("spread_too_tight", False, spread, params.exact.tightest, "price", yes)
    if spread > params.exact.widest:
        return TraceEntry("spread_too_wide", False, spread, params.exact.widest, "price", yes)
    return None


def _widening(exact: Exact, mids: Iterable[int]) -> int:
    """Return factor times the standard deviation of the sampled mids, within the maximum."""
    values = list(mids)
    count = len(values)
    if count < 2 or not exact.factor:
        return 0
    total = sum(values)
    deviation = isqrt((count * sum(value * value for value in values) - total * total) // (count * count))
    return min(exact.widening, exact.factor * deviation // ONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    """Turns a wanted YES price into quotes the venue takes."""

    view: MarketView
    params: MarketMakingParameters
    facts: MarketFacts
    book: BookView
    fair: int
    trace: list[TraceEntry]

    def price(self, side: Side, wanted: int, level: int) -> Price | None:
        """Return the price on the tick, away from fair value, never crossing; None when a gate stops it."""
        tick, yes, needed = self.facts.tick, self.facts.outcomes[0].outcome_id, self.params.exact.edge
        band = self.facts.reward_maximum_spread if self.params.stay_in_reward_band else 0
        if side is Side.BUY:
            price = min(round_down_to_tick(wanted, tick), self.book.asks[0][0] - tick)
            if band and self.fair - price > band:
                price = round_up_to_tick(self.fair - band, tick)
        else:
            price = max(round_up_to_tick(wanted, tick), self.book.bids[0][0] + tick)
            if band and price - self.fair > band:
                price = round_down_to_tick(self.fair + band, tick)
        if (rests := self._resting(side, price, level)) is not None:
            price = Price(rests)
        if not is_on_tick(price, tick):
            self.trace.append(TraceEntry("price_bounds", False, price, tick, "price", yes, side))
            return None
        if self._edge(side, price) < needed:
            self.trace.append(
                TraceEntry("edge_under_minimum", False, self._edge(side, price), needed, "price", yes, side)
            )
            return None
        return Price(price)

    def _edge(self, side: Side, price: int) -> int:
        return self.fair - price if side is Side.BUY else price - self.fair

    def _resting(self, side: Side, price: int, level: int) -> int | None:
        """Return the price of the quote that rests at this level, when it is near enough to stay."""
        yes, no = (outcome.outcome_id for outcome in self.facts.outcomes)
        tick = self.facts.tick
        for order in self.view.open_orders:
            if order.level != level or order.cancel_requested or order.outcome_id not in (yes, no):
                continue
            if (order.side is Side.BUY) != ((side is Side.BUY) == (order.outcome_id == yes)):
                continue
            rests = int(order.price if order.outcome_id == yes else complement(order.price))
            near = abs(rests - price) <= self.params.requote_ticks * tick and rests % tick == 0
            crosses = rests >= self.book.asks[0][0] if side is Side.BUY else rests <= self.book.bids[0][0]
            if near and not crosses and self._edge(side, rests) >= self.params.exact.edge:
                return rests
        return None

    def quotes(self, side: Side, price: Price, level: int, *, room: int, holding: int) -> list[Quote]:
        """Return one or two quotes that together move the net position by at most the size and `room`.

        First what we hold of the opposite outcome is offered, then the rest is bought.
        """
        yes, no = (outcome.outcome_id for outcome in self.facts.outcomes)
        buys, offers = (yes, no) if side is Side.BUY else (no, yes)
        bid = price if side is Side.BUY else complement(price)
        size = self.params.exact.size
        if self.params.exact.notional and bid * size // ONE < self.params.exact.notional:
            size = -(-self.params.exact.notional * ONE // bid)
        smallest = self.facts.minimum_size
        if self.params.stay_in_reward_band:
            size = max(size, self.facts.reward_minimum_size)
        size = min(-(-max(size, smallest) // _LOT), room // _LOT) * _LOT
        offered = min(size, holding) // _LOT * _LOT
        if offered < smallest or 0 < size - offered < smallest:
            # Two parts, one of them too small for the venue: use whichever single part is allowed.
            offered = offered if offered >= smallest else 0
            bought = 0 if offered else size
        else:
            bought = size - offered
        if not offered and bought < smallest:
            self.trace.append(TraceEntry("size_under_minimum", False, bought, smallest, "shares", yes, side))
            return []
        out: list[Quote] = []
        if offered:
            out.append(self._quote(offers, Side.SELL, complement(bid), offered, level))
        if bought:
            out.append(self._quote(buys, Side.BUY, bid, bought, level))
        return out

    def _quote(self, outcome_id: int, side: Side, price: int, size: int, level: int) -> Quote:
        fair = self.fair if outcome_id == self.facts.outcomes[0].outcome_id else ONE - self.fair
        return Quote(
            outcome_id=outcome_id,
            side=side,
            price=Price(price),
            size=Shares(size),
            level=level,
            fair_value=Price(fair),
            reason="market making",
        )
