"""Strategies that are one function on plain numbers: what they quote, and the orders that carry it out.

Such a strategy looks at the best prices and at the net position of one market and answers with prices for
its levels. The function takes and fills plain sequences of numbers, so the same one runs live (lists), in
exact backtests and, called or compiled, inside the fast mode (arrays). There is no second version of it.

There is no short sale: the part of an ask that is not held becomes a bid for the second outcome at one minus
the price, and the part of a bid that closes held shares of the second outcome becomes an offer of them.
Prices in the function are ticks of the first outcome; prices, sizes and ticks elsewhere are millionths.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from markets.domain.instruments import MarketFacts, MarketState, Side
from markets.domain.units import ONE, Price, Shares
from markets.domain.views import BookView
from orders.domain.intents import Quote
from strategies.domain.base import Base, Decision, TradingParameters
from strategies.domain.trace import TraceEntry
from strategies.domain.view import MarketView

LOT = 10_000  # sizes are whole hundredths of a share
WIDTH = 5  # numbers per order of `orders_fill`: outcome index, side, price, size, level
SOLD, BOUGHT = 0, 1  # the side of such an order; the same numbers as on tapes
_MEMORY = "memory"


class QuoteFunction(Protocol):
    """Fill `out` with `levels` bids, best first, then `levels` asks, in ticks; 0 where nothing is wanted.

    `memory` is what the function left there the last time it looked at this market. `bid` and `ask` are the
    best prices in ticks of `tick` millionths, a bid below an ask; `net` is the first outcome's shares less
    the second's, in millionths. Only these arguments may be read, and only `memory` and `out` written.
    """

    def __call__(  # noqa: PLR0917 - numba calls it by position
        self,
        memory: MutableSequence[float],
        numbers: Sequence[float],
        bid: int,
        ask: int,
        tick: int,
        net: float,
        out: MutableSequence[int],
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteTerms:
    """Everything about a quote strategy that its parameters decide, as numbers."""

    numbers: tuple[float, ...]  # the function's own
    memory: tuple[float, ...]  # of a market that was not looked at yet
    levels: int
    size: int  # shares of each quote, millionths
    book_age_ms: int  # older books are not quoted
    stop_ms: int  # before trading ends, when quotes are withdrawn


class QuoteStrategy(Base):
    """Base of the strategies that are one quote function. They tick by interval only."""

    params: type[TradingParameters]
    compiles = True  # False: the function needs Python itself, and fast backtests call it at every tick

    @property
    def quote(self) -> QuoteFunction:
        """The strategy's function: module-level, pure, on plain numbers. The fast mode compiles it where it can."""
        raise NotImplementedError

    def terms(self, params: Any) -> QuoteTerms:
        raise NotImplementedError

    def decide(self, view: MarketView) -> Decision:
        terms = self.terms(view.params)
        known = view.state.get(_MEMORY) or {}
        memories: dict[str, list[float]] = {key: list(values) for key, values in known.items()}
        quotes: list[Quote] = []
        trace: list[TraceEntry] = []
        for facts in view.markets.values():
            if len(facts.outcomes) != 2:
                continue
            yes = facts.outcomes[0].outcome_id
            book = view.books.get(yes)
            if stopped := _stopped(view, terms, facts, book, yes):
                trace.append(stopped)
                continue
            assert book is not None  # noqa: S101 - by _stopped
            memory = memories.setdefault(str(facts.market_id), list(terms.memory))
            made = self._quotes(view, terms, facts, book, memory)
            trace.append(TraceEntry("quoting", bool(made), len(made), None, "quotes", yes))
            quotes += made
        return Decision(quotes=tuple(quotes), trace=tuple(trace), state={**view.state, _MEMORY: memories})

    def _quotes(
        self, view: MarketView, terms: QuoteTerms, facts: MarketFacts, book: BookView, memory: list[float]
    ) -> list[Quote]:
        yes, no = (outcome.outcome_id for outcome in facts.outcomes)
        tick = book.tick
        prices = [0] * (2 * terms.levels)
        net = view.held(yes) - view.held(no)
        self.quote(memory, terms.numbers, book.bids[0][0] // tick, -(-book.asks[0][0] // tick), tick, net, prices)
        orders = [0] * (WIDTH * 4 * terms.levels)
        count = orders_fill(
            prices, terms.levels, terms.size, facts.minimum_size, tick, view.sellable(yes), view.sellable(no), orders
        )
        return [
            Quote(
                outcome_id=yes if orders[at] == 0 else no,
                side=Side.BUY if orders[at + 1] == BOUGHT else Side.SELL,
                price=Price(orders[at + 2]),
                size=Shares(orders[at + 3]),
                level=orders[at + 4],
                reason="quote",
            )
            for at in range(0, WIDTH * count, WIDTH)
        ]


def orders_fill(  # noqa: PLR0917 - numba calls it by position
    prices: Sequence[int],
    levels: int,
    size: int,
    minimum: int,
    tick: int,
    yes_free: int,
    no_free: int,
    orders: MutableSequence[int],
) -> int:
    """Write the orders that carry `prices` out, WIDTH numbers each, and return how many there are.

    What is held of the opposite outcome (`yes_free`, `no_free` may be sold) is offered first, the rest is
    bought. A part that the venue would call too small is left out; both outcomes are never served by it.
    """
    size = -(-max(size, minimum) // LOT) * LOT
    count = 0
    for index in range(2 * levels):
        price = prices[index] * tick
        if price < tick or price > ONE - tick:
            continue
        is_bid = index < levels
        free = no_free if is_bid else yes_free
        offered = min(size, free) // LOT * LOT
        bought = size - offered
        if offered < minimum or 0 < bought < minimum:
            # Two parts, one of them too small for the venue: whichever single part is allowed.
            offered = offered if offered >= minimum else 0
            bought = 0 if offered else size
        level = index if is_bid else index - levels
        if offered > 0:
            at = count * WIDTH
            orders[at] = 1 if is_bid else 0
            orders[at + 1] = SOLD
            orders[at + 2] = ONE - price if is_bid else price
            orders[at + 3] = offered
            orders[at + 4] = level
            count += 1
            if is_bid:
                no_free -= offered
            else:
                yes_free -= offered
        if bought > 0:
            at = count * WIDTH
            orders[at] = 0 if is_bid else 1
            orders[at + 1] = BOUGHT
            orders[at + 2] = price if is_bid else ONE - price
            orders[at + 3] = bought
            orders[at + 4] = level
            count += 1
    return count


def _stopped(
    view: MarketView, terms: QuoteTerms, facts: MarketFacts, book: BookView | None, yes: int
) -> TraceEntry | None:
    """Return why the market is not quoted now. The fast mode asks the same, in the same order."""
    if facts.state is not MarketState.OPEN:
        return TraceEntry("market_not_open", False, outcome_id=yes, note=str(facts.state))
    if facts.closes_at is not None:
        left = int(facts.closes_at.timestamp() * 1_000) - view.now_ms
        if left < terms.stop_ms:
            return TraceEntry("closing_soon", False, max(0, left), terms.stop_ms, "ms", yes)
    if book is None:
        return TraceEntry("book_missing", False, outcome_id=yes)
    if not book.is_fresh(view.now_ms, terms.book_age_ms):
        return TraceEntry("book_stale", False, book.age_ms(view.now_ms), terms.book_age_ms, "ms", yes, str(book.status))
    spread = book.spread
    if spread is None or spread <= 0:
        return TraceEntry("one_sided" if spread is None else "book_crossed", False, outcome_id=yes)
    return None
