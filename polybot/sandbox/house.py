"""What house makers and takers do in one market, given an opinion of it.

Makers quote around the opinion and move towards it a step at a time; takers cross the spread, more often on the
side the opinion favours. Where a user's order stands in the way it is traded with. Prices and sizes are millionths.
"""

from __future__ import annotations

import math
import random

from markets.domain.instruments import MarketState, Side
from markets.domain.units import ONE
from markets.venues.simulated.matching import BookOrder
from polybot.sandbox.accounts import Wallet
from polybot.sandbox.catalogue import Market
from polybot.sandbox.core import Core
from polybot.sandbox.engines import LiveEngine
from polybot.sandbox.execution import Execution, Taker

LEVELS = 8  # that a maker likes to see on a side
FINE_TICK = 1_000
_SHARE = ONE
_MOST_AT_LEVEL = 4


class House:
    def __init__(self, core: Core, execution: Execution, rng: random.Random) -> None:
        self._core = core
        self._execution = execution
        self.rng = rng
        self._makers = [core.house(f"maker {n}") for n in range(6)]
        self._takers = [core.house(f"taker {n}") for n in range(4)]

    def open_book(self, market: Market, fair: float) -> None:
        """Give a market its first quotes on both sides, never into a user's order."""
        if market.state is not MarketState.OPEN:
            return
        book = self._engine(market).book
        bid, ask = _targets(market, fair)
        for level in range(LEVELS):
            for is_bid in (True, False):
                price = bid - level * market.tick if is_bid else ask + level * market.tick
                for _ in range(1 + self.rng.randrange(2)):
                    opposite = book.best(not is_bid)
                    crosses = opposite is not None and (price >= opposite if is_bid else price <= opposite)
                    if market.tick <= price <= ONE - market.tick and not crosses:
                        self._quote(market, is_bid, price)
        self._execution.announce_books(market, traded=True)

    def requote(self, market: Market, fair: float) -> None:
        """Bring the makers' quotes a step nearer to the opinion, or stir the depth, as one batch."""
        book = self._engine(market).book
        bid, ask = _targets(market, fair)
        is_bid = self.rng.random() < 0.5
        slack = 0 if market.tick > FINE_TICK else 2 * market.tick
        for side, target in ((is_bid, bid if is_bid else ask), (not is_bid, ask if is_bid else bid)):
            best = book.best(side)
            ahead = 0 if best is None else (best - target if side else target - best)
            if best is None or ahead < -slack:
                self._quote(market, side, target)
            elif ahead > slack:
                self._withdraw(market, side, best)
                self._quote_if_thin(market, side, target)
            else:
                continue
            break
        else:
            self._stir(market, is_bid, bid if is_bid else ask)
        for side, target in ((True, bid), (False, ask)):
            if book.best(side) is None:
                self._quote(market, side, target)
        self._execution.announce_books(market, traded=False)

    def take(self, market: Market, fair: float) -> None:
        book = self._engine(market).book
        rng = self.rng
        best_bid, best_ask = book.best(True), book.best(False)
        if best_bid is None or best_ask is None:
            self.requote(market, fair)
            return
        lean = fair * ONE - (best_bid + best_ask) / 2
        buys = rng.random() < 0.5 + max(-0.3, min(0.3, lean / 40_000))
        reach = rng.choice((0, 0, 1, 2)) * market.tick
        limit = min(best_ask + reach, ONE - market.tick) if buys else max(best_bid - reach, market.tick)
        outcome = rng.randrange(2)
        side = Side.BUY if buys == (outcome == 0) else Side.SELL
        own_limit = limit if outcome == 0 else ONE - limit
        wallet = rng.choice(self._takers)
        self._trade(market, wallet, outcome=outcome, side=side, limit=own_limit, size=self._size(taker=True))

    # Inside -----------------------------------------------------------------------------------------

    def _quote_if_thin(self, market: Market, is_bid: bool, target: int) -> None:
        """After a withdrawal: keep the side from running empty."""
        levels = self._engine(market).book.side(is_bid)
        if len(levels) < LEVELS // 2 and (not levels or levels[0][0] != target):
            behind = (target, target - market.tick if is_bid else target + market.tick)
            for price in behind:
                best = self._engine(market).book.best(is_bid)
                if market.tick <= price <= ONE - market.tick and (best is None or (best < price) is is_bid):
                    self._quote(market, is_bid, price)

    def _stir(self, market: Market, is_bid: bool, target: int) -> None:
        """Change something at or behind the best price: more, less, or a missing level."""
        book = self._engine(market).book
        rng = self.rng
        step = market.tick if market.tick > FINE_TICK else FINE_TICK * rng.choice((1, 1, 2, 5))
        offset = int(rng.expovariate(0.4)) * step
        price = target - offset if is_bid else target + offset
        if not market.tick <= price <= ONE - market.tick:
            price = target
        levels = book.side(is_bid)
        if len(levels) > LEVELS and rng.random() < 0.6:
            self._withdraw(market, is_bid, levels[rng.randrange(LEVELS // 2, len(levels))][0])
            return
        queue = book.queue(is_bid, price)
        # The best level is thinned but seldom emptied: an opinion that has not moved does not move the price.
        if len(queue) >= _MOST_AT_LEVEL or (len(queue) > (price == target) and rng.random() < 0.45):
            self._withdraw(market, is_bid, price)
        else:
            self._quote(market, is_bid, price)

    def _withdraw(self, market: Market, is_bid: bool, price: int) -> bool:
        """Cancel a house order of a level, the newest first. Users' orders stay."""
        book = self._engine(market).book
        for order in reversed(book.queue(is_bid, price)):
            if order.order_id not in self._core.open:
                book.remove(order.order_id)
                return True
        return False

    def _quote(self, market: Market, is_bid: bool, price: int) -> None:
        """Rest a house order; what stands in its way is withdrawn if it is the house's, else taken."""
        book = self._engine(market).book
        rng = self.rng
        opposite = book.best(not is_bid)
        if opposite is not None and (price >= opposite if is_bid else price <= opposite):
            if not self._withdraw(market, not is_bid, opposite):
                side = Side.BUY if is_bid else Side.SELL
                self._trade(market, rng.choice(self._makers), outcome=0, side=side, limit=price, size=self._size())
            return
        outcome = rng.randrange(2)
        book.rest(
            BookOrder(
                order_id=self._core.house_order_id(),
                account=rng.choice(self._makers).address,
                outcome=outcome,
                side=Side.BUY if is_bid == (outcome == 0) else Side.SELL,
                price=price if outcome == 0 else ONE - price,
                left=self._size(),
            )
        )

    def _trade(self, market: Market, wallet: Wallet, *, outcome: int, side: Side, limit: int, size: int) -> None:
        matches = self._engine(market).plan(outcome, side, limit, size=size, cash=None)
        if not matches:
            return
        taker = Taker(order_id=self._core.house_order_id(), owner="", wallet=wallet, outcome=outcome, side=side)
        self._execution.take(market, taker, matches)
        self._execution.announce_books(market, traded=True)

    def _size(self, *, taker: bool = False) -> int:
        """Return an order size: mostly whole shares, many small and few large."""
        shares = math.exp(self.rng.gauss(3.6 if taker else 4.1, 0.9))
        if self.rng.random() < 0.3:
            return max(5 * _SHARE, int(shares * 100) * (_SHARE // 100))
        return max(5, min(5_000, int(shares))) * _SHARE

    def _engine(self, market: Market) -> LiveEngine:
        engine = self._core.engines[market.condition_id]
        if not isinstance(engine, LiveEngine):
            raise TypeError(f"market {market.slug} is a recording; the house does not quote there")
        return engine


def _targets(market: Market, fair: float) -> tuple[int, int]:
    """Return the best YES bid and ask that makers want, in the market's ticks."""
    tick = market.tick
    middle = int(fair * ONE)
    # On a fine tick makers keep a wider spread except near the ends, where all prices are small.
    half = 6_000 if tick < 10_000 and 40_000 < middle < 960_000 else tick * 6 // 10
    bid = min(max((middle - half) // tick * tick, tick), ONE - 2 * tick)
    ask = -(-(middle + half) // tick) * tick
    return bid, min(max(ask, bid + tick), ONE - tick)
