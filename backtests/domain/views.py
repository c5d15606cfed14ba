"""What we see of one market while its tape is replayed: books, trades, samples, each as old as the feed makes it.

Prices and sizes are millionths, times nanoseconds unless a name says otherwise. Rows are applied only up to the
moment asked for, so nothing here knows more than a feed would have told by then.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from backtests.domain.clock import LEVELS, NEVER, SECOND_NS, Rows
from backtests.domain.samples import Prices, Sampler, second_after
from markets.domain.events import Level, TradePrint
from markets.domain.instruments import MarketFacts, Side
from markets.domain.tape import INFERRED, LAST, Kind
from markets.domain.units import ONE, Price
from markets.domain.views import VIEW_DEPTH, BookStatus, BookView
from strategies.domain.view import Needs

PROBE_MS = 1_800  # the feed compares a traded quiet book with the venue's so often
SHOWN_SIZE = 1_000_000 * ONE  # beside a price without a book
MS = 10**6
Levels = tuple[Level, ...]
_TRADE, _CLEAR, _TICK, _GAP, _RESOLVED, _PRICE = Kind.TRADE, Kind.CLEAR, Kind.TICK, Kind.GAP, Kind.RESOLVED, Kind.PRICE


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What wakes the strategy: a middle that moved by `book` (None: nothing does), a trade."""

    book: int | None = None
    trade: bool = False

    @property
    def is_idle(self) -> bool:
        return self.book is None and not self.trade


class _Side:
    """One side of a book: sizes by price, and the prices rising."""

    __slots__ = ("levels", "prices")

    def __init__(self) -> None:
        self.levels: dict[int, int] = {}
        self.prices: list[int] = []

    def clear(self) -> None:
        self.levels.clear()
        self.prices.clear()


class _Seen:
    """What is seen of one outcome."""

    __slots__ = (
        "asks", "bids", "last_trade", "mid", "received_ms", "seq", "shown", "status", "tick", "venue_ms", "void",
    )  # fmt: skip

    def __init__(self, tick: int) -> None:
        self.bids, self.asks = _Side(), _Side()
        self.void = _Side()  # where levels go that nobody may see: after a gap
        self.status = BookStatus.MISSING
        self.seq = 0
        self.tick = tick
        self.venue_ms = self.received_ms = 0
        self.last_trade: int | None = None
        self.mid: int | None = None  # where it last woke us
        self.shown: tuple[int, Levels, Levels] = (-1, (), ())  # the best levels at change number n


class SeenMarket:
    """One market as we see it. `mirrored` is the outcome that was not recorded, if any."""

    def __init__(
        self, facts: MarketFacts, rows: Rows, *, mirrored: int | None, needs: Needs, watching: Watching
    ) -> None:
        self.facts = facts
        self.rows = rows
        self.crossed = 0  # looks at a crossed book
        self.changes = 0
        self.woken_ns = 0  # when the last message that was watched for was seen
        self.gaps: list[tuple[int, int]] = []  # of the first recorded outcome: unsure from, until its next book
        self._unsure_ns = 0
        self._mirrored = mirrored
        self._watching = watching
        self._seen = (_Seen(facts.tick), _Seen(facts.tick))
        self._sides = [side for seen in self._seen for side in (seen.void, seen.void)]  # by op
        self._at = [0, 0]  # per outcome the last row of this block that changed its book, plus one
        self._changed = [0, 0]  # and how many rows did
        self._trades: deque[tuple[int, int, int, int, int, int]] = deque(maxlen=max(1, needs.trades))
        self._trades_shown: tuple[TradePrint, ...] = ()
        self._trades_at = -1
        self._traded = 0
        sampled = needs.samples_1s or needs.samples_1m
        self.sampler = Sampler(seconds=needs.samples_1s, minutes=needs.samples_1m) if sampled else None
        self._due = second_after(rows.next_ns) if sampled else NEVER

    # Time -------------------------------------------------------------------------------------------

    def advance(self, limit_ns: int) -> None:
        """See everything up to `limit_ns`."""
        sampler = self.sampler
        if sampler is None:
            if self.rows.next_ns <= limit_ns:
                self._apply(limit_ns)
            return
        while self._due <= limit_ns:
            sampler.caught_up(self._due - SECOND_NS)
            self._apply(self._due - 1)
            sampler.take(self._due, self._prices())
            self._due = second_after(self.rows.next_ns)
        sampler.caught_up(min(self._due - SECOND_NS, limit_ns))
        if self.rows.next_ns <= limit_ns:
            self._apply(limit_ns)

    def advance_watching(self, limit_ns: int) -> str:
        """See up to `limit_ns`, or to the first message that wakes the strategy; return what woke it, or nothing."""
        while (at := self.rows.next_ns) <= limit_ns:
            trades = self._traded
            self.advance(at)
            self.woken_ns = at
            if self._watching.book is not None and self._moved():
                return "book"
            if self._watching.trade and self._traded != trades:
                return "trade"
        return ""

    def _moved(self) -> bool:
        """Whether a middle moved far enough since it last woke us; as the waker, a missing middle wakes."""
        moved = False
        for index, seen in enumerate(self._seen):
            if seen.status is not BookStatus.LIVE or index == self._mirrored:
                continue
            bids, asks = seen.bids.prices, seen.asks.prices
            mid = (bids[-1] + asks[0]) // 2 if bids and asks else None
            before = seen.mid
            if mid == before:
                continue
            if mid is None or before is None or abs(mid - before) >= (self._watching.book or 0):
                seen.mid = mid
                moved = True
        return moved

    def _prices(self) -> Prices | None:
        """Return middle and microprice of the first outcome's live book."""
        view = self.book(0, 0)
        if view is None or view.status is not BookStatus.LIVE or view.mid is None or view.microprice is None:
            return None
        return view.mid, view.microprice

    # Rows -------------------------------------------------------------------------------------------

    def _apply(self, limit_ns: int) -> None:
        rows = self.rows
        while rows.next_ns <= limit_ns:
            start, stop = rows.i, rows.until(limit_ns)
            sides, at, changed = self._sides, self._at, self._changed
            k = start
            for op, price, size in zip(
                rows.ops[start:stop], rows.prices[start:stop], rows.sizes[start:stop], strict=True
            ):
                k += 1
                if op < LEVELS:
                    side = sides[op]
                    levels = side.levels
                    if size:
                        if price not in levels:
                            insort(side.prices, price)
                        levels[price] = size
                    elif price in levels:
                        del levels[price]
                        del side.prices[bisect_left(side.prices, price)]
                    changed[op >> 1] += 1
                    at[op >> 1] = k
                else:
                    self._special(op, k - 1, price, size)
            self._noted(0)
            self._noted(1)
            rows.move(stop)
        self.changes += 1

    def _noted(self, outcome: int) -> None:
        """Note the changes of an outcome's book and when it was last heard of; count one that cannot be right."""
        after = self._at[outcome]
        if not after:
            return
        seen, rows = self._seen[outcome], self.rows
        if seen.status is BookStatus.LIVE or seen.status is BookStatus.CLOSED:
            seen.seq += self._changed[outcome]
            seen.venue_ms = rows.venue[after - 1] // MS
            seen.received_ms = rows.times[after - 1] // MS
            bids, asks = seen.bids.prices, seen.asks.prices
            if bids and asks and bids[-1] >= asks[0]:
                self.crossed += 1
        self._at[outcome] = self._changed[outcome] = 0

    def _special(self, op: int, k: int, price: int, size: int) -> None:
        kind, outcome = op >> 2, op >> 1 & 1
        seen = self._seen[outcome]
        if kind == _TRADE:
            self._trade(outcome, op & 1, k, price, size)
        elif kind == _CLEAR:
            self._clear(outcome, k)
        elif kind == _TICK:
            seen.tick = price
            seen.seq += 1
            self.facts = replace(self.facts, tick=Price(price))
        elif kind == _GAP:
            self._noted(outcome)
            if seen.status is BookStatus.LIVE:
                seen.status = BookStatus.STALE
                if outcome == (self._mirrored == 0):
                    self._unsure_ns = self.rows.times[k]
                seen.void.clear()
                self._sides[2 * outcome] = self._sides[2 * outcome + 1] = seen.void
        elif kind == _RESOLVED:
            for each in self._seen:
                if each.status is not BookStatus.MISSING:
                    each.status = BookStatus.CLOSED
        elif kind == _PRICE:
            self._price(seen, price)
            self._at[outcome] = k + 1

    def _clear(self, outcome: int, k: int) -> None:
        """Begin a new book. Its levels follow in the same message and are one change together."""
        self._noted(outcome)  # what was ignored since a gap stays uncounted
        seen, rows = self._seen[outcome], self.rows
        seen.bids.clear()
        seen.asks.clear()
        self._sides[2 * outcome], self._sides[2 * outcome + 1] = seen.asks, seen.bids
        if seen.status is not BookStatus.CLOSED:
            seen.status = BookStatus.LIVE
        if self._unsure_ns and outcome == (self._mirrored == 0):
            self._sure(rows.times[k])
        levels, row = 0, k
        while not rows.flags[row] & LAST:
            row += 1
            levels += rows.ops[row] < LEVELS and rows.ops[row] >> 1 == outcome
        seen.seq += 1 - levels
        self._at[outcome] = k + 1

    def _sure(self, at_ns: int) -> None:
        self.gaps.append((self._unsure_ns, at_ns))
        self._unsure_ns = 0

    def unsure(self, until_ns: int) -> list[tuple[int, int]]:
        """Return when the books were not sure, up to the end of the replay."""
        return [*self.gaps, (self._unsure_ns, until_ns)] if self._unsure_ns else self.gaps

    def _trade(self, outcome: int, side: int, k: int, price: int, size: int) -> None:
        rows = self.rows
        self._seen[outcome].last_trade = price
        self._traded += 1
        if outcome == 0:
            if self.sampler is not None:
                self.sampler.traded += size
            inferred = rows.flags[k] & INFERRED
            self._trades.appendleft((side, price, size, rows.venue[k] // MS, rows.times[k], inferred))

    def _price(self, seen: _Seen, price: int) -> None:
        """Show a price without a book as one level a tick away on each side."""
        tick = seen.tick
        bid, ask = max(tick, price - tick), min(ONE - tick, price + tick)
        seen.bids.clear()
        seen.asks.clear()
        if bid < ask:
            for side, at in ((seen.bids, bid), (seen.asks, ask)):
                side.levels[at] = SHOWN_SIZE
                side.prices.append(at)
        seen.last_trade = price
        seen.seq += 1
        if seen.status is not BookStatus.CLOSED:
            seen.status = BookStatus.LIVE

    # Reading ----------------------------------------------------------------------------------------

    def book(self, outcome: int, now_ms: int) -> BookView | None:
        """Return the book of an outcome (0 or 1) as a reader finds it at `now_ms`; None before it was first seen."""
        mirrored = outcome == self._mirrored
        seen = self._seen[1 - outcome if mirrored else outcome]
        if seen.status is BookStatus.MISSING:
            return None
        heard_ms = seen.received_ms
        if seen.status is BookStatus.LIVE and now_ms - heard_ms >= PROBE_MS:
            heard_ms += (now_ms - heard_ms) // PROBE_MS * PROBE_MS
        bids, asks = self._levels(seen, mirrored=mirrored)
        last = self._seen[outcome].last_trade
        if last is None and mirrored and seen.last_trade is not None:
            last = ONE - seen.last_trade
        return BookView(
            outcome_id=self.facts.outcomes[outcome].outcome_id,
            bids=bids,
            asks=asks,
            seq=seen.seq,
            epoch="replay",
            venue_ms=seen.venue_ms,
            received_ms=seen.received_ms,
            confirmed_ms=heard_ms,
            status=seen.status,
            tick=seen.tick,
            last_trade_price=last,
        )

    def _levels(self, seen: _Seen, *, mirrored: bool) -> tuple[Levels, Levels]:
        if seen.shown[0] != self.changes:
            bids, asks = seen.bids, seen.asks
            seen.shown = (
                self.changes,
                tuple([(price, bids.levels[price]) for price in bids.prices[: -VIEW_DEPTH - 1 : -1]]),
                tuple([(price, asks.levels[price]) for price in asks.prices[:VIEW_DEPTH]]),
            )
        _, shown_bids, shown_asks = seen.shown
        if mirrored:
            return (
                tuple([(ONE - price, size) for price, size in shown_asks]),
                tuple([(ONE - price, size) for price, size in shown_bids]),
            )
        return shown_bids, shown_asks

    def bid(self, outcome: int) -> int | None:
        """Return the best bid that was last seen of an outcome."""
        if outcome == self._mirrored:
            asks = self._seen[1 - outcome].asks.prices
            return ONE - asks[0] if asks else None
        bids = self._seen[outcome].bids.prices
        return bids[-1] if bids else None

    def trades(self) -> tuple[TradePrint, ...]:
        """Return the recent trades of the first outcome, newest first."""
        if self._trades_at != self._traded:
            self._trades_at = self._traded
            token = self.facts.outcomes[0].token_id
            self._trades_shown = tuple(
                TradePrint(
                    token_id=token,
                    side=Side.BUY if side else Side.SELL,
                    price=price,
                    size=size,
                    venue_ms=venue_ms,
                    received_ns=received_ns,
                    inferred=bool(inferred),
                )
                for side, price, size, venue_ms, received_ns, inferred in self._trades
            )
        return self._trades_shown


class Books(Mapping[int, BookView]):
    """The books of one tick by outcome id, made when they are looked at. After the tick nothing new can be seen."""

    __slots__ = ("_known", "_made", "_markets", "_now_ms", "_over")

    def __init__(self, markets: Mapping[int, SeenMarket], now_ms: int) -> None:
        self._markets = markets  # by outcome id
        self._now_ms = now_ms
        self._made: dict[int, BookView | None] = {}
        self._over = False

    def close(self) -> None:
        self._over = True

    def get(self, outcome_id: int, default: BookView | None = None) -> BookView | None:  # type: ignore[override]
        made = self._made
        if outcome_id not in made:
            market = None if self._over else self._markets.get(outcome_id)
            made[outcome_id] = None if market is None else market.book((outcome_id - 1) & 1, self._now_ms)
        view = made[outcome_id]
        return default if view is None else view

    def __getitem__(self, outcome_id: int) -> BookView:
        view = self.get(outcome_id)
        if view is None:
            raise KeyError(outcome_id)
        return view

    def __iter__(self) -> Iterator[int]:
        return (outcome_id for outcome_id in self._markets if self.get(outcome_id) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
