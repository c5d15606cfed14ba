"""One placement with everything a rule may look at, and the small sums that several rules share.

An entry is a buy; an exit is a sell, which can only give up shares that are held, because
there is no shorting. Exits stay possible where an entry would be refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markets.domain.instruments import MarketFacts, Side
from markets.domain.units import Price, Shares, Usd
from markets.domain.views import BookStatus, BookView
from orders.domain.intents import Placement
from orders.domain.reserve import cash_to_reserve
from risk.domain.context import GateContext
from risk.domain.exposure import Risked, risked, risked_order
from risk.domain.limits import Limits, OriginCaps, tightened

LOT = 10_000  # venues take sizes of a hundredth of a share


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the rules are asked: may this placement, of this size, be made in this context?"""

    placement: Placement
    context: GateContext
    limits: Limits
    size: Shares
    facts: MarketFacts | None
    book: BookView | None
    risks: tuple[Risked, ...] | None = None  # of the open orders, where somebody has worked them out already

    @property
    def is_entry(self) -> bool:
        return self.placement.side is Side.BUY

    @property
    def caps(self) -> OriginCaps:
        return tightened(self.limits, self.context.override(self.placement.origin))

    @property
    def tick(self) -> int | None:
        """The tick now: the book's, which follows tick changes at once, else the catalogue's."""
        if self.book is not None and self.book.status is BookStatus.LIVE:
            return self.book.tick
        return self.facts.tick if self.facts else None

    @property
    def crosses(self) -> bool:
        """Whether the price reaches the other side of the book as it is now."""
        if self.book is None:
            return False
        if self.placement.side is Side.BUY:
            return self.book.best_ask is not None and self.placement.price >= self.book.best_ask
        return self.book.best_bid is not None and self.placement.price <= self.book.best_bid

    @property
    def is_marketable(self) -> bool:
        """Whether it may take: by its type, by what it was decided on, or by the book now."""
        if self.placement.post_only:
            return False
        return self.placement.marketable or not self.placement.order_type.rests or self.crosses

    def cost(self, size: int) -> Usd:
        """Return the dollars that `size` would set aside, the worst taker fee included."""
        return cash_to_reserve(
            side=self.placement.side,
            price=Price(self.placement.price),
            size=Shares(size),
            may_take=not self.placement.post_only,
            fee=self.facts.fee if self.facts else None,
        )

    def risked(self, size: int) -> Risked:
        return risked(
            market_id=self.placement.market_id,
            outcome_id=self.placement.outcome_id,
            side=self.placement.side,
            price=self.placement.price,
            size=size,
            may_take=not self.placement.post_only,
            facts=self.facts,
        )

    def open_risks(self) -> Sequence[Risked]:
        if self.risks is not None:
            return self.risks
        facts = self.context.facts
        return [risked_order(order, facts.get(order.market_id)) for order in self.context.portfolio.open_orders]

    def largest(self, fits: Callable[[int], bool]) -> Shares:
        """Return the largest size, in whole lots and not above the one asked, for which `fits` holds.

        `fits` must not come back once it is lost with growing size. Zero when nothing fits.
        """
        if fits(self.size):
            return self.size
        low, high = 0, self.size // LOT  # low fits (nothing always does), high does not
        if fits(high * LOT) and high * LOT < self.size:
            return Shares(high * LOT)
        while high - low > 1:
            middle = (low + high) // 2
            if fits(middle * LOT):
                low = middle
            else:
                high = middle
        return Shares(low * LOT)
