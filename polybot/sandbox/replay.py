"""Plays recordings on the exchange instead of life, several files on one clock, at a chosen speed.

Faithful: every recorded message is sent, in order, and after each one the served book is what the recording says,
crossed states included. What a recording lacks is invented openly (see `casting`); frames carry the present time
and fresh hashes; a silence of more than ten recorded seconds is cut to ten. Where a file has no trades, depth
taken at the touch is told as trades marked `inferred`. Users trade against what is displayed.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markets.domain.events import BookSnapshot, Level, LevelChange, TradePrint
from markets.domain.instruments import Side
from markets.venues.simulated.paper import PaperBook, PaperFill
from polybot.sandbox.announce import Announcer
from polybot.sandbox.casting import Cast, cast_markets
from polybot.sandbox.catalogue import Market
from polybot.sandbox.core import Core
from polybot.sandbox.display import TokenBook
from polybot.sandbox.engines import RecordedEngine
from polybot.sandbox.execution import Execution
from polybot.sandbox.recordings import (
    Message,
    RecordedBook,
    RecordedChange,
    RecordedChanges,
    RecordedTick,
    RecordedTrade,
    Recording,
    find,
)

LONGEST_GAP_MS = 10_000
MESSAGES_PER_STEP = 1_000  # a step must not hold up the servers for more than some 30 ms

_Ordered = tuple[int, int, int, Message]  # (ms, file number, message number, message)


class Replay:
    def __init__(
        self, core: Core, announcer: Announcer, execution: Execution, *, paths: tuple[Path, ...], speed: float
    ) -> None:
        if speed <= 0:
            raise ValueError(f"the speed of a replay must be more than 0, not {speed}")
        self._core = core
        self._announcer = announcer
        self._execution = execution
        self.speed = speed
        self.paused = False
        self._held_until = core.now
        self._recordings = find(paths)
        self._casts = cast_markets(core, self._recordings)
        self._papers: dict[str, PaperBook] = {}
        self._house = core.house("recording")
        for cast in self._casts:
            self._list(cast)
        self._cast_of = {token: cast for cast in self._casts for token in cast.market.token_ids}
        self._stream = self._merged()
        self._next = next(self._stream, None)
        self._recorded_ms = self._next[0] if self._next else 0  # of the last message played
        self._waited = 0.0  # recorded ms passed since then
        self._stepped_ms = core.now
        self._heard_ms: dict[str, int] = {}  # token -> recorded time of its last book message
        self.played = 0
        self.inferred = 0
        self.cut_ms = 0

    def _list(self, cast: Cast) -> None:
        market = cast.market
        first, second = (
            PaperBook(
                token,
                complement_id=market.token_ids[1 - index],
                tick=market.tick,
                minimum_size=market.min_size,
                fee=market.fee,
            )
            for index, token in enumerate(market.token_ids)
        )
        self._papers.update({market.token_ids[0]: first, market.token_ids[1]: second})
        engine = RecordedEngine((first, second), house=self._house.address, new_id=self._core.house_order_id)
        self._core.list_event(cast.event, [market], [engine])

    def _merged(self) -> Iterator[_Ordered]:
        def numbered(index: int, recording: Recording) -> Iterator[_Ordered]:
            latest = 0
            for number, (ms, message) in enumerate(recording.messages()):
                latest = max(latest, ms)  # a clock that steps back does not reorder a file
                yield latest, index, number, message

        return heapq.merge(*(numbered(i, r) for i, r in enumerate(self._recordings)), key=lambda item: item[:3])

    # Interface of a source --------------------------------------------------------------------------

    def open_books(self) -> None:
        """Nothing to do: books come with the recording."""

    def start(self, saved: dict[str, Any] | None) -> None:
        """Go on where an earlier run of the same files was: what it played is applied again, unheard."""
        if not saved or saved.get("files") != [r.path.name for r in self._recordings]:
            return
        while self.played < saved["played"] and self._next is not None:
            self._advance()

    def hold(self, wait_ms: int) -> None:
        """Wait for the first watcher, so that a desk that starts together with the replay misses nothing."""
        self._held_until = self._core.now + wait_ms

    def watched(self) -> None:
        self._held_until = min(self._held_until, self._core.now)

    def saved(self) -> dict[str, Any] | None:
        return {"files": [r.path.name for r in self._recordings], "played": self.played}

    def status(self) -> dict[str, object]:
        refused = {r.path.name: r.refused for r in self._recordings}
        return {
            "kind": "replay",
            "speed": self.speed,
            "paused": self.paused,
            "waiting": self._core.now < self._held_until,
            "files": [str(r.path) for r in self._recordings],
            "played": self.played,
            "inferred_trades": self.inferred,
            "cut_s": self.cut_ms // 1000,
            "recorded_ms": self._recorded_ms,
            "finished": self._next is None,
            "refused_lines": {name: r.lines for name, r in refused.items() if r.lines},
            "refused_examples": [text for r in refused.values() for text in r.examples],
            "ignored_frames": sum(r.ignored for r in refused.values()),
        }

    def step(self) -> None:
        passed = self._core.now - self._stepped_ms
        self._stepped_ms = self._core.now
        if self.paused or self._core.now < self._held_until:
            return
        self._waited += passed * self.speed
        for _ in range(MESSAGES_PER_STEP):
            upcoming = self._next
            if upcoming is None:
                return
            wait = min(upcoming[0] - self._recorded_ms, LONGEST_GAP_MS)
            if wait > self._waited:
                return
            self._waited -= wait
            self._advance()
        self._waited = min(self._waited, 1_000 * self.speed)  # what cannot be sent now is not owed for ever

    def _advance(self) -> None:
        """Play the next message, whenever it was due."""
        if self._next is None:
            return
        gap = self._next[0] - self._recorded_ms
        self.cut_ms += max(0, gap - LONGEST_GAP_MS)
        self._recorded_ms = self._next[0]
        self._play(self._next[3])
        self.played += 1
        self._next = next(self._stream, None)

    # Messages ---------------------------------------------------------------------------------------

    def _play(self, message: Message) -> None:
        if isinstance(message, RecordedBook):
            self._book(message)
        elif isinstance(message, RecordedChanges):
            self._changes(message)
        elif isinstance(message, RecordedTrade):
            self._trade(message)
        elif isinstance(message, RecordedTick):
            market = self._cast_of[message.token_id].market
            if market.tick != message.tick:
                self._tick(market, message.tick)

    def _book(self, message: RecordedBook) -> None:
        cast, now = self._cast_of[message.token_id], self._core.now
        market = cast.market
        self._fit_tick(cast, (price for price, _ in (*message.bids, *message.asks)))
        book = self._core.books[message.token_id]
        # After a silence of its own the recorder had restarted: what the book lost then proves no trade.
        silence = self._recorded_ms - self._heard_ms.get(message.token_id, 0)
        if cast.infers(message.token_id) and silence <= LONGEST_GAP_MS:
            for side, levels in ((Side.BUY, message.bids), (Side.SELL, message.asks)):
                for price, size in _taken_by_snapshot(book, side, levels):
                    self._infer(market, message.token_id, side, price, size)
        for token_id, bids, asks in cast.mirrored_book(message.token_id, message.bids, message.asks):
            shown = self._core.books[token_id]
            shown.replace(bids, asks)
            shown.updated_ms = now
            if message.last_trade is not None:
                shown.last_trade = (
                    message.last_trade if token_id == message.token_id else 1_000_000 - message.last_trade
                )
            self._announcer.books(market, (token_id,))
            self._heard_ms[token_id] = self._recorded_ms
            snapshot = BookSnapshot(token_id=token_id, bids=bids, asks=asks, venue_ms=now, received_ns=0)
            self._fills(market, self._papers[token_id].on_snapshot(snapshot))

    def _changes(self, message: RecordedChanges) -> None:
        now = self._core.now
        cast = self._cast_of[message.changes[0].token_id] if message.changes else None
        if cast is None:
            return
        market = cast.market
        self._fit_tick(cast, (change.price for change in message.changes))
        for change in message.changes:
            if cast.infers(change.token_id):
                self._infer_from(market, change)
        mirrored = [m for c in message.changes for m in cast.mirrored_change(c.token_id, c.side, c.price, c.size)]
        self._announcer.levels(market, mirrored)
        for token_id, (side, price, size) in mirrored:
            self._heard_ms[token_id] = self._recorded_ms
            level = LevelChange(token_id=token_id, side=side, price=price, size=size, venue_ms=now, received_ns=0)
            self._fills(market, self._papers[token_id].on_change(level))

    def _trade(self, message: RecordedTrade) -> None:
        market = self._cast_of[message.token_id].market
        self._announcer.trade(
            market, token_id=message.token_id, side=message.side, price=message.price, size=message.size, alone=True
        )
        self._print(market, message.token_id, message.side, (message.price, message.size), inferred=False)

    def _infer_from(self, market: Market, change: RecordedChange) -> None:
        """A fall of the best level counts as taken."""
        book = self._core.books[change.token_id]
        if change.price != book.best(change.side):
            return
        fallen = book.levels[change.side][change.price] - change.size
        if fallen > 0:
            self._infer(market, change.token_id, change.side, change.price, fallen)

    def _infer(self, market: Market, token_id: str, hit: Side, price: int, size: int) -> None:
        self.inferred += 1
        side = hit.opposite
        self._announcer.trade(market, token_id=token_id, side=side, price=price, size=size, inferred=True, alone=True)
        self._print(market, token_id, side, (price, size), inferred=True)

    def _print(self, market: Market, token_id: str, side: Side, level: Level, *, inferred: bool) -> None:
        trade = TradePrint(
            token_id=token_id,
            side=side,
            price=level[0],
            size=level[1],
            venue_ms=self._core.now,
            received_ns=0,
            inferred=inferred,
        )
        for token in market.token_ids:
            self._fills(market, self._papers[token].on_trade(trade))

    def _fills(self, market: Market, fills: list[PaperFill]) -> None:
        for fill in fills:
            record = self._core.open.get(fill.key)
            if record is not None:
                self._execution.maker_fill(market, record, fill.size, house=self._house, inferred=fill.inferred)

    def _fit_tick(self, cast: Cast, prices: Iterator[int]) -> None:
        """Make the tick finer when the recording shows a price between ticks."""
        tick = cast.market.tick
        for price in prices:
            while price % tick:
                tick //= 10
        if tick != cast.market.tick:
            self._tick(cast.market, tick)

    def _tick(self, market: Market, tick: int) -> None:
        self._announcer.tick(market, tick)
        for token_id in market.token_ids:
            self._papers[token_id].on_tick(tick)


def _taken_by_snapshot(book: TokenBook, side: Side, levels: tuple[Level, ...]) -> list[Level]:
    """Return what a new snapshot lacks at the touch: best levels gone whole, then the fall of the first that stays."""
    new = dict(levels)
    old = book.levels[side]
    taken: list[Level] = []
    for price in reversed(book.worst_first(side)):
        left = new.get(price, 0)
        if left < old[price]:
            taken.append((price, old[price] - left))
        if left:
            break
    return taken if new else []
