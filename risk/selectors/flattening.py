"""What a flatten would sell now, at which floor, and what it cannot sell. Reads only; asks no rule of the gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from markets.domain.instruments import MarketFacts, MarketState, Side
from markets.domain.units import notional_down
from markets.domain.views import BookStatus, BookView
from markets.selectors.catalogue import market_facts
from orders.domain.closing import floor_price
from orders.domain.equity import day_start
from orders.domain.intents import OpenOrder, Origin
from orders.domain.ledger import Position
from orders.domain.plans import LOT
from orders.selectors.origins import origin_trades
from orders.selectors.portfolio import open_order_list, position_list
from risk.selectors.limits import limits_get
from risk.selectors.picture import books_read

DEFAULT_SLIPPAGE_BPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One position and what would become of it. Millionths; `reason` says why it cannot be sold, if so."""

    outcome_id: int
    market_id: int
    held: int
    size: int  # what would be sold
    bid: int | None = None
    floor: int | None = None
    reason: str = ""
    note: str = ""  # of what is sold: how much of it the book takes now

    @property
    def proceeds(self) -> int:
        """Dollars that the sale brings at worst, before fees."""
        return 0 if self.floor is None else int(notional_down(self.floor, self.size))


@dataclass(frozen=True, slots=True, kw_only=True)
class FlattenPreview:
    """What a flatten would do now."""

    slippage_bps: int
    holdings: tuple[Holding, ...]
    open_orders: int  # asked to end first

    @property
    def sold(self) -> tuple[Holding, ...]:
        return tuple(holding for holding in self.holdings if not holding.reason)

    @property
    def kept(self) -> tuple[Holding, ...]:
        return tuple(holding for holding in self.holdings if holding.reason)

    @property
    def proceeds(self) -> int:
        return sum(holding.proceeds for holding in self.sold)


def flatten_preview(
    account_id: int, *, strategy: Origin | None = None, slippage_bps: int | None = None, now: datetime
) -> FlattenPreview:
    """Return what would be sold, at which floor, and what cannot be. Reads only; asks no rule of the gate."""
    positions = position_list(account_id)
    orders = scope_orders(open_order_list(account_id), strategy)
    wanted = {outcome_id: int(position.size) for outcome_id, position in positions.items()}
    if strategy is not None:
        wanted = _own(account_id, strategy, positions, now=now)
    facts = market_facts({position.market_id for position in positions.values()})
    books = books_read(wanted)
    slippage = _slippage(account_id, slippage_bps)
    holdings = [
        _holding(
            positions[outcome_id],
            size,
            leaving=orders,
            known=facts.get(positions[outcome_id].market_id),
            book=books.get(outcome_id),
            slippage_bps=slippage,
        )
        for outcome_id, size in sorted(wanted.items())
    ]
    return FlattenPreview(slippage_bps=slippage, holdings=tuple(holdings), open_orders=len(orders))


def scope_orders(orders: Iterable[OpenOrder], strategy: Origin | None) -> list[OpenOrder]:
    """Return the open orders that a flatten ends: all, or those of one strategy."""
    if strategy is None:
        return list(orders)
    return [o for o in orders if (o.origin.kind, o.origin.id) == (strategy.kind, strategy.id)]


def _own(account_id: int, strategy: Origin, positions: Mapping[int, Position], *, now: datetime) -> dict[int, int]:
    """Return the shares that the strategy bought and has not sold, as far as the account still has them."""
    ref = (strategy.kind.value, strategy.id)
    trades = origin_trades(account_id, [ref], since=day_start(now))[ref]
    own = {t.outcome_id: t.bought - t.sold for t in trades if t.bought > t.sold}
    return {i: min(size, int(positions[i].size)) for i, size in own.items() if i in positions}


def _holding(
    position: Position,
    held: int,
    *,
    leaving: list[OpenOrder],
    known: MarketFacts | None,
    book: BookView | None,
    slippage_bps: int,
) -> Holding:
    mine = sum(o.remaining for o in leaving if o.outcome_id == position.outcome_id and o.side is Side.SELL)
    free = max(0, int(position.confirmed) - max(0, int(position.reserved) - mine))
    size = min(held, free) // LOT * LOT
    tick = book.tick if book is not None else 0
    bid = book.best_bid if book is not None else None
    floor = floor_price(bid, slippage_bps=slippage_bps, tick=tick) if bid else None
    reasons = (
        (
            known is None or known.state is not MarketState.OPEN,
            "the market is shut; it pays when it is decided",
        ),
        (book is None or book.status is BookStatus.MISSING, "there is no book of it yet"),
        (book is not None and book.is_crossed, "its book is crossed, so no price of it can be right"),
        (bid is None, "nobody bids for it"),
        (held < LOT, "it is less than a hundredth of a share"),
        (size < LOT, "the shares are not settled yet, or promised to an order of somebody else"),
    )
    reason = next((text for stands, text in reasons if stands), "")
    return Holding(
        outcome_id=position.outcome_id,
        market_id=position.market_id,
        held=held,
        size=0 if reason else size,
        bid=bid,
        floor=None if reason else floor,
        reason=reason,
        note="" if reason or floor is None or book is None else _depth(book, floor, size),
    )


def _depth(book: BookView, floor: int, size: int) -> str:
    there = sum(shares for price, shares in book.bids if price >= floor)
    return "" if there >= size else f"bids down to the floor take {there / 1_000_000:g} shares now"


def _slippage(account_id: int, asked: int | None) -> int:
    limits = limits_get(account_id)
    cap = DEFAULT_SLIPPAGE_BPS if limits is None else limits.slippage_bps
    return cap if asked is None else max(0, min(asked, cap))
