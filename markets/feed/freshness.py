"""When to ask the venue for a book beside the socket, and what its answer says of ours.

A socket can fall silent for one market while its pings are answered, so silence proves nothing and a
ping proves little: only the venue's own book does. Quiet books are compared with it every few seconds
(that is what keeps a quiet market fresh), busy ones now and then. A difference is no proof either: the
answer may be ahead of the socket by a moment. It becomes one when the socket still has not delivered
what the venue showed two probes ago (stalled), or when both are of the same moment and differ twice.
"""

from __future__ import annotations

from enum import StrEnum

from markets.domain.events import BookSnapshot
from markets.domain.instruments import Side
from markets.domain.views import BookStatus
from markets.feed.tracked import Doubt, Tracked

URGENT_EVERY_MS = 1_800  # a marketable order wants a confirmation of at most 3 s
QUIET_EVERY_MS = 3_000  # nobody trades it: stalls must still be found within 15 s
BUSY_EVERY_MS = 10_000
PATIENCE_MS = 1_500  # a difference must last this long to count
SNAPSHOT_LIMIT_MS = 5_000


class Finding(StrEnum):
    AGREES = "agrees"
    WAIT = "wait"
    STALLED = "stalled"
    DIFFERS = "differs"


def is_due(tracked: Tracked, now_ms: int) -> bool:
    """Whether this outcome's book should be read from the venue now."""
    since_probe = now_ms - tracked.probed_ms
    if since_probe < 0 or now_ms < tracked.confirmed_ms:
        return True  # the clock was set back: what it said before means nothing now
    if not tracked.ready:  # a snapshot is under way: asking beside it would only be ignored
        return needs_polling(tracked, now_ms) and since_probe >= URGENT_EVERY_MS
    if tracked.suspect or tracked.doubt is not None:
        return since_probe >= URGENT_EVERY_MS
    every = URGENT_EVERY_MS if tracked.outcome.urgent else QUIET_EVERY_MS
    quiet = now_ms - max(tracked.confirmed_ms, tracked.probed_ms) >= every
    return quiet or since_probe >= BUSY_EVERY_MS


def judge(tracked: Tracked, theirs: BookSnapshot, *, asked_ms: int) -> Finding:
    """Compare our book with the venue's, asked for at `asked_ms`; remembers a doubt on `tracked`."""
    book = tracked.book
    if book.levels(Side.BUY) == theirs.bids and book.levels(Side.SELL) == theirs.asks:
        tracked.doubt = None
        return Finding.AGREES
    if tracked.received_ms >= asked_ms:
        return Finding.WAIT  # the socket spoke while the answer was under way
    doubt = tracked.doubt
    if doubt is None or (tracked.venue_ms >= doubt.venue_ms and theirs.venue_ms > doubt.venue_ms):
        tracked.doubt = Doubt(theirs.venue_ms, asked_ms)  # new, or the socket has caught up with the old one
        return Finding.WAIT
    if asked_ms - doubt.since_ms < PATIENCE_MS:
        return Finding.WAIT
    return Finding.DIFFERS if tracked.venue_ms >= doubt.venue_ms else Finding.STALLED


def needs_polling(tracked: Tracked, now_ms: int) -> bool:
    """Whether no socket gives this book, so that the venue's answer must serve."""
    if tracked.ready and tracked.status is BookStatus.LIVE:
        return False
    tracked.waiting_ms = min(tracked.waiting_ms, now_ms)  # the clock may have been set back
    return now_ms - tracked.waiting_ms > SNAPSHOT_LIMIT_MS
