"""The feed's mind: applies what shards and probes deliver to the books, and collects what must go out.

No sockets, no Redis, no database and no clock: every method takes `now_ms`, and what must be done is
put into `out` (see `outbox.Outbox`). One thread calls it. Times are milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from markets.domain.book import BookError
from markets.domain.events import (
    BookSnapshot,
    FeedEvent,
    FeedGap,
    GapReason,
    LevelChange,
    MarketResolved,
    TickSizeChange,
    TradePrint,
)
from markets.domain.instruments import Side
from markets.domain.views import BookStatus, Wake
from markets.feed import freshness, sampling
from markets.feed.freshness import Finding
from markets.feed.outbox import Outbox
from markets.feed.prints import Prints
from markets.feed.tracked import NEVER_PUBLISHED, Tracked, tracked_new
from markets.selectors.watch import WatchedOutcome
from markets.venues.base import Check, FeedProtocol, ParseError

_CHECKS_PER_PASS = 10
_BATCH_OVER_MS = 300  # a venue batch comes in several frames of one moment; after this much quiet it is complete


class Engine:
    def __init__(self, protocol: FeedProtocol, *, epoch: str = "") -> None:
        self.out = Outbox()
        self.epoch = epoch
        self.tracked: dict[int, Tracked] = {}
        self.frames_read = 0
        self.events_applied = 0
        self.frames_refused = 0
        self.hashes_agreed = 0
        self.last_delay_ms = 0
        self._protocol = protocol
        self._by_token: dict[str, Tracked] = {}
        self._by_condition: dict[str, list[Tracked]] = {}
        self._conditions: frozenset[str] = frozenset()
        self._dirty: dict[int, Tracked] = {}
        self._prints = Prints()
        self._subscriptions = 0
        self._sampler = sampling.Sampler()

    # ---- what to follow -----------------------------------------------------------------------

    def watch(self, outcomes: Mapping[int, WatchedOutcome], now_ms: int) -> set[int]:
        """Follow exactly these; returns the new ones. Books that nobody wants any more are forgotten."""
        for outcome_id in self.tracked.keys() - outcomes.keys():
            gone = self.tracked.pop(outcome_id)
            self._dirty.pop(outcome_id, None)
            self.out.forget(outcome_id)
            self.out.finish_candle(gone.candle.finish())
            self.out.batch.books.pop(outcome_id, None)
            self.out.batch.gone.append(outcome_id)
        new = outcomes.keys() - self.tracked.keys()
        for outcome_id, outcome in outcomes.items():
            if outcome_id in new:
                tracked = self.tracked[outcome_id] = tracked_new(outcome, now_ms)
                self._publish_state(tracked)  # whatever an earlier feed left behind counts no more
                continue
            tracked = self.tracked[outcome_id]
            reopened = tracked.outcome.takes_orders != outcome.takes_orders
            tracked.outcome = outcome
            if reopened and tracked.ready:
                self._dirty[outcome_id] = tracked
        self._by_token = {t.outcome.token_id: t for t in self.tracked.values()}
        self._by_condition = {}
        for tracked in self.tracked.values():
            self._by_condition.setdefault(tracked.outcome.condition_id, []).append(tracked)
        self._conditions = frozenset(self._by_condition)
        return set(new)

    # ---- what shards say ------------------------------------------------------------------------

    def subscribed(self, tokens: Iterable[str], now_ms: int) -> None:
        """A socket was asked for these; until its snapshot arrives nothing is known of them."""
        self._subscriptions += 1
        for token in tokens:
            if tracked := self._by_token.get(token):
                tracked.connected, tracked.waiting_ms = True, now_ms
                tracked.subscription = self._subscriptions
                if tracked.ready and tracked.status is not BookStatus.POLLED:
                    self._gap(tracked, GapReason.RECONNECTED, now_ms)

    def lost(self, tokens: Iterable[str], now_ms: int) -> int:
        """The socket of these is gone; returns how many books became stale by it.

        A failed attempt to connect says so again: what REST gave meanwhile is no worse for that.
        """
        stale = 0
        for token in tokens:
            if (tracked := self._by_token.get(token)) and tracked.connected:
                tracked.connected = False
                tracked.waiting_ms = now_ms if tracked.ready else tracked.waiting_ms
                stale += tracked.ready
                self._gap(tracked, GapReason.RECONNECTED, now_ms)
        return stale

    def frames(self, frames: Iterable[bytes], received_ns: int) -> None:
        """Apply socket frames in order."""
        received_ms = received_ns // 1_000_000
        read, by_token = self._protocol.read, self._by_token
        stream = self.out.batch.events
        dirty = self._dirty
        for frame in frames:
            self.frames_read += 1
            events: list[FeedEvent] = []
            if problems := read(frame, received_ns, events):
                self._refused(problems.errors, problems.doubtful)
            for event in events:
                if type(event) is not LevelChange:
                    self._apply(event, received_ms)
                    continue
                tracked = by_token.get(event.token_id)
                if tracked is None or not tracked.ready:
                    continue
                try:
                    tracked.book.level_set(event.side is Side.BUY, event.price, event.size)
                except BookError as error:
                    self._refused([ParseError("price", str(error), source="ws.price_change")], [event.token_id])
                    continue
                tracked.venue_ms = event.venue_ms
                tracked.received_ms = tracked.confirmed_ms = received_ms
                tracked.seen_ns = received_ns
                tracked.last_frame = frame
                tracked.unchecked = True
                stream.append((tracked.outcome.outcome_id, event))
                dirty[tracked.outcome.outcome_id] = tracked
                self.events_applied += 1

    def _apply(self, event: FeedEvent, received_ms: int) -> None:
        if isinstance(event, MarketResolved):
            for tracked in self._by_condition.get(event.condition_id, ()):
                tracked.resolved = True
                self._publish_state(tracked)
                if tracked.ready:
                    self._dirty[tracked.outcome_id] = tracked
                self.out.batch.events.append((tracked.outcome_id, event))
                self._wake(tracked, "resolved", received_ms)
            return
        tracked = self._by_token.get(event.token_id)
        if tracked is None:
            return
        if isinstance(event, BookSnapshot):
            self._snapshot(tracked, event, received_ms, BookStatus.LIVE)
        elif isinstance(event, TradePrint):
            self._trade(tracked, event, received_ms)
        elif isinstance(event, TickSizeChange):
            self._tick(tracked, event)
        self.events_applied += 1

    def _snapshot(self, tracked: Tracked, event: BookSnapshot, received_ms: int, status: BookStatus) -> None:
        try:
            tracked.book.apply_snapshot(event)
        except BookError as error:
            self._refused([ParseError("price", str(error), source="ws.book")], [event.token_id])
            return
        tracked.ready = True
        tracked.venue_ms = event.venue_ms
        tracked.received_ms = tracked.confirmed_ms = received_ms
        tracked.seen_ns = event.received_ns
        tracked.venue_hash, tracked.last_frame = event.venue_hash, b""
        tracked.unchecked = status is BookStatus.LIVE
        tracked.doubt, tracked.suspect = None, False
        if event.last_trade_price is not None:
            tracked.last_trade = event.last_trade_price
        self.out.batch.events.append((tracked.outcome_id, event))
        self._status(tracked, status, received_ms)
        self._dirty[tracked.outcome_id] = tracked

    def _trade(self, tracked: Tracked, event: TradePrint, received_ms: int) -> None:
        occurrence = self._prints.occurrence(event, tracked.subscription)
        if occurrence is None:
            return
        if occurrence:
            event = msgspec.structs.replace(event, occurrence=occurrence)
        tracked.last_trade = event.price
        tracked.received_ms = max(tracked.received_ms, received_ms)
        tracked.seen_ns = event.received_ns
        tracked.traded_second += event.size
        tracked.traded_minute += event.size
        self.out.batch.events.append((tracked.outcome_id, event))
        self.out.batch.trades.append((tracked.outcome_id, event))
        self.out.trades.append((tracked.outcome_id, event))
        self.out.finish_candle(tracked.candle.trade(event.price, event.size, received_ms))
        self._wake(tracked, "trade", received_ms)
        if tracked.ready:
            self._dirty[tracked.outcome_id] = tracked

    def _tick(self, tracked: Tracked, event: TickSizeChange) -> None:
        """Take the new tick at once; the levels on the old grid are compared with the venue's at the next probe."""
        try:
            tracked.book.tick_set(event.new_tick)
        except BookError as error:
            self._refused([ParseError("new_tick_size", str(error), source="ws.tick_size_change")], [event.token_id])
            return
        tracked.suspect = True
        self.out.ticks.append((tracked.outcome.market_id, event.new_tick))
        self.out.batch.events.append((tracked.outcome_id, event))
        if tracked.ready:
            self._dirty[tracked.outcome_id] = tracked

    def _refused(self, errors: Iterable[ParseError], doubtful: Iterable[str]) -> None:
        self.frames_refused += 1
        self.out.issues.extend(errors)
        for token in doubtful:
            if tracked := self._by_token.get(token):
                tracked.suspect = True

    # ---- what probes say --------------------------------------------------------------------------

    def probes_due(self, now_ms: int, *, limit: int = 500) -> list[str]:
        """Return the tokens whose book should be read from the venue now, those in doubt first."""
        due = [t for t in self.tracked.values() if freshness.is_due(t, now_ms)]
        due.sort(key=lambda t: (not (t.suspect or t.doubt), not t.outcome.urgent, t.probed_ms))
        chosen = due[:limit]
        for tracked in chosen:
            tracked.probed_ms = now_ms
        return [t.outcome.token_id for t in chosen]

    def probed(self, books: Mapping[str, BookSnapshot], asked_ms: int, now_ms: int) -> None:
        """Hold the venue's books, asked for at `asked_ms`, against ours."""
        for token, theirs in books.items():
            tracked = self._by_token.get(token)
            if tracked is None:
                continue
            if tracked.confirmed_ms > now_ms:  # the clock was set back: what is noted in its future is undone
                tracked.confirmed_ms = tracked.received_ms = asked_ms - 1
                tracked.doubt, tracked.renew_after_ms = None, 0
                if tracked.ready:
                    self._dirty[tracked.outcome_id] = tracked
            if freshness.needs_polling(tracked, now_ms):
                self._snapshot(tracked, theirs, now_ms, BookStatus.POLLED)
                self._renew(tracked, now_ms)
            elif tracked.ready:
                self._judged(tracked, freshness.judge(tracked, theirs, asked_ms=asked_ms), asked_ms, now_ms)

    def _judged(self, tracked: Tracked, finding: Finding, asked_ms: int, now_ms: int) -> None:
        if finding is Finding.AGREES:
            tracked.suspect = False
            tracked.confirmed_ms = max(tracked.confirmed_ms, asked_ms)
            if tracked.status is BookStatus.LIVE:
                tracked.renewals = 0 if now_ms > tracked.renew_after_ms else tracked.renewals
                self._publish_state(tracked)
        elif finding is not Finding.WAIT:
            reason = GapReason.STALLED if finding is Finding.STALLED else GapReason.HASH_MISMATCH
            behind = tracked.doubt.venue_ms - tracked.venue_ms if tracked.doubt else 0
            self._gap(tracked, reason, now_ms)
            self.out.notice_stale(tracked, reason, behind)
            tracked.waiting_ms = now_ms
            self._renew(tracked, now_ms)  # at once the first time; one that stalls again is polled meanwhile

    def _renew(self, tracked: Tracked, now_ms: int) -> None:
        """Ask the socket for a new snapshot, less and less often."""
        if not tracked.connected or now_ms < tracked.renew_after_ms:
            return
        tracked.renewals = min(tracked.renewals + 1, 6)
        tracked.renew_after_ms = now_ms + 5_000 * 2**tracked.renewals
        self.out.renew.append(tracked.outcome.token_id)

    # ---- by the clock -------------------------------------------------------------------------------

    def checks(self, now_ms: int) -> None:
        """Hold some quiet books against the hash and best prices that came with their last frame."""
        due = [t for t in self.tracked.values() if t.unchecked and t.ready and now_ms - t.received_ms >= _BATCH_OVER_MS]
        due.sort(key=lambda t: t.checked_ms)  # so that everyone's turn comes
        for tracked in due[:_CHECKS_PER_PASS]:
            tracked.unchecked, tracked.checked_ms = False, now_ms
            found = self._protocol.check(tracked.claim(), tracked.last_frame)
            self.hashes_agreed += found is Check.AGREES
            if found is Check.CONTRADICTS:
                tracked.suspect = True

    def sample(self, now_ms: int) -> None:
        """Collect ring samples and finished candles; call about once a second."""
        self._sampler.sample(self.tracked.values(), now_ms, self.out)

    def flush(self, now_ms: int) -> None:
        """Put the books that changed into the batch, with the wakes that follow from them."""
        for outcome_id, tracked in self._dirty.items():
            view = tracked.view(self.epoch)
            self.out.batch.books[outcome_id] = view
            self.out.batch.states.pop(outcome_id, None)
            mid = view.mid
            if mid is not None and tracked.status is BookStatus.LIVE:
                self.out.finish_candle(tracked.candle.price(mid, now_ms))
            if mid != tracked.woken_mid:
                tracked.woken_mid = mid
                self._wake(tracked, "book", now_ms)
            self.last_delay_ms = tracked.received_ms - tracked.venue_ms
        self._dirty.clear()

    def republish(self, now_ms: int, *, epoch: str) -> None:
        """Say everything again, under a new epoch: whoever reads has lost something."""
        self.epoch = epoch
        for tracked in self.tracked.values():
            tracked.published = NEVER_PUBLISHED
            if not tracked.ready:
                self._publish_state(tracked)
                continue
            self._dirty[tracked.outcome_id] = tracked
            snapshot = BookSnapshot(
                token_id=tracked.outcome.token_id,
                bids=tracked.book.levels(Side.BUY),
                asks=tracked.book.levels(Side.SELL),
                venue_ms=tracked.venue_ms,
                received_ns=now_ms * 1_000_000,
                tick=tracked.book.tick,
                last_trade_price=tracked.last_trade,
            )
            self.out.batch.events.append((tracked.outcome_id, snapshot))

    def stop(self, now_ms: int) -> None:
        """Leave nothing behind that looks alive, and hand over the minutes collected so far."""
        for tracked in self.tracked.values():
            if tracked.ready:
                self._gap(tracked, GapReason.RECONNECTED, now_ms)
            self.out.finish_candle(tracked.candle.finish())

    # ---- for the recorder -------------------------------------------------------------------------

    def condition_ids(self) -> frozenset[str]:
        return self._conditions

    def books_text(self) -> list[bytes]:
        """Return every known book as the venue would send it."""
        return [self._protocol.book_text(t.claim()) for t in self.tracked.values() if t.ready]

    # ---- helpers --------------------------------------------------------------------------------------

    def _gap(self, tracked: Tracked, reason: GapReason, now_ms: int) -> None:
        if tracked.ready:
            gap = FeedGap(
                token_id=tracked.outcome.token_id, reason=reason, venue_ms=now_ms, received_ns=now_ms * 1_000_000
            )
            self.out.batch.events.append((tracked.outcome_id, gap))
            tracked.candle.interrupt()
        tracked.ready = False
        tracked.doubt, tracked.suspect, tracked.unchecked = None, False, False
        self._dirty.pop(tracked.outcome_id, None)
        self._status(tracked, BookStatus.STALE, now_ms)

    def _status(self, tracked: Tracked, status: BookStatus, now_ms: int) -> None:
        if tracked.status is status:
            return
        before, tracked.status = tracked.status, status
        if status is BookStatus.LIVE and before is not BookStatus.MISSING:
            self.out.notice_recovered(tracked)
        self._wake(tracked, "status", now_ms)
        self._publish_state(tracked)

    def _publish_state(self, tracked: Tracked) -> None:
        state = (tracked.shown_status, tracked.confirmed_ms)
        if state != tracked.published:
            tracked.published = state
            self.out.batch.states[tracked.outcome_id] = state

    def _wake(self, tracked: Tracked, kind: str, now_ms: int) -> None:
        self.out.batch.wakes.append(
            Wake(outcome_id=tracked.outcome_id, kind=kind, mid=tracked.book.mid(), at_ms=now_ms)
        )
