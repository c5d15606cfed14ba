"""Where an order of one market finds its counterpart: live orders, or the displayed depth of a recording.

Both kinds answer in the matching core's terms, so trading does not know which one it talks to.
Prices and sizes are millionths.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from markets.domain.instruments import Side
from markets.venues.simulated.matching import BookOrder, Match, MatchingBook, MatchKind
from markets.venues.simulated.paper import PaperBook
from markets.venues.simulated.queue import RestingOrder
from markets.venues.simulated.taker import Take


class MarketEngine(Protocol):
    def ready(self, outcome: int) -> bool:
        """Whether orders can be taken: a recording has no book before its first snapshot."""
        ...

    def plan(self, outcome: int, side: Side, limit: int, *, size: int | None, cash: int | None) -> list[Match]:
        """Return how an order would match now; changes nothing."""
        ...

    def execute(self, matches: list[Match], *, outcome: int, side: Side) -> None: ...

    def rest(self, order: BookOrder, now_ms: int) -> None: ...

    def remove(self, order_id: str) -> int:
        """Take an order off and return how much of it was left, 0 when it was not there."""
        ...


class LiveEngine:
    """Orders meet orders: the matching core itself."""

    def __init__(self) -> None:
        self.book = MatchingBook()

    def ready(self, outcome: int) -> bool:
        return True

    def plan(self, outcome: int, side: Side, limit: int, *, size: int | None, cash: int | None) -> list[Match]:
        return self.book.plan(outcome=outcome, side=side, limit=limit, size=size, cash=cash)

    def execute(self, matches: list[Match], *, outcome: int, side: Side) -> None:
        self.book.execute(matches)

    def rest(self, order: BookOrder, now_ms: int) -> None:
        self.book.rest(order)

    def remove(self, order_id: str) -> int:
        order = self.book.remove(order_id)
        return order.left if order else 0


class RecordedEngine:
    """Orders meet what a recording displayed; resting ones wait in its queue (markets.venues.simulated.paper).

    Users' orders meet neither each other nor the displayed book of anybody else.
    """

    def __init__(self, papers: tuple[PaperBook, PaperBook], *, house: str, new_id: Callable[[], str]) -> None:
        self.papers = papers
        self._house = house
        self._new_id = new_id

    def ready(self, outcome: int) -> bool:
        return self.papers[outcome].known

    def plan(self, outcome: int, side: Side, limit: int, *, size: int | None, cash: int | None) -> list[Match]:
        paper = self.papers[outcome]
        if paper.is_crossed():
            return []
        opposite = paper.displayed(side.opposite)
        takes = opposite.plan(size, limit) if size is not None else opposite.plan_cash(cash or 0, limit)
        return [
            Match(
                maker=BookOrder(
                    order_id=self._new_id(),
                    account=self._house,
                    outcome=outcome,
                    side=side.opposite,
                    price=take.price,
                    left=take.size,
                ),
                size=take.size,
                price=take.price,
                kind=MatchKind.TRANSFER,
            )
            for take in takes
        ]

    def execute(self, matches: list[Match], *, outcome: int, side: Side) -> None:
        takes = [Take(price=match.price, size=match.size) for match in matches]
        self.papers[outcome].displayed(side.opposite).take(takes)

    def rest(self, order: BookOrder, now_ms: int) -> None:
        paper = self.papers[order.outcome]
        paper.restore(
            RestingOrder(
                key=order.order_id,
                side=order.side,
                price=order.price,
                size=order.left,
                placed_ms=now_ms,
                ahead=paper.displayed(order.side).size_at(order.price),
            )
        )

    def remove(self, order_id: str) -> int:
        for paper in self.papers:
            order = paper.cancel(order_id)
            if order is not None:
                return order.remaining
        return 0
