"""A throw-away ordered stream, written as the feed writes it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.conf import settings

from markets.domain.events import BookSnapshot, FeedEvent, FeedGap, GapReason, LevelChange, TradePrint
from markets.domain.instruments import Side
from markets.domain.views import BookView
from markets.models import Outcome
from markets.tickstore import Batch, TickstoreWriter, get_tickstore
from tests.factories.orders import micro

Levels = list[tuple[str, str]]


class Stream:
    """Says what happens at the venue; one call is one batch."""

    def __init__(self) -> None:
        self.writer = TickstoreWriter(settings.TICKSTORE_URL)
        self.writer.redis.flushdb()
        self.writer.epoch_open(int(time.time() * 1000))

    def resume(self) -> None:
        """Go on after what another process published in this epoch."""
        self.writer._number = int(get_tickstore().stream_head().cursor.partition("-")[2])

    def now_ms(self) -> int:
        return int(time.time() * 1000)

    def publish(self, outcome: Outcome, *events: FeedEvent, books: dict[int, BookView] | None = None) -> None:
        self.writer.publish(Batch(events=[(outcome.pk, event) for event in events], books=books or {}))

    def snapshot(self, outcome: Outcome, *, bids: Levels, asks: Levels, view: bool = True) -> None:
        """Show a whole book, in the stream and (with `view`) as the published book."""
        now_ms = self.now_ms()
        sides = [tuple((micro(p), micro(s)) for p, s in side) for side in (bids, asks)]
        event = BookSnapshot(
            token_id=outcome.token_id, bids=sides[0], asks=sides[1], venue_ms=now_ms, received_ns=now_ms * 10**6
        )
        book = BookView(
            outcome_id=outcome.pk,
            bids=sides[0],
            asks=sides[1],
            epoch=self.writer.epoch,
            venue_ms=now_ms,
            received_ms=now_ms,
            confirmed_ms=now_ms,
        )
        self.publish(outcome, event, books={outcome.pk: book} if view else None)

    def level(self, outcome: Outcome, side: Side, price: str, size: str) -> None:
        now_ms = self.now_ms()
        self.publish(
            outcome,
            LevelChange(
                token_id=outcome.token_id,
                side=side,
                price=micro(price),
                size=micro(size),
                venue_ms=now_ms,
                received_ns=now_ms * 10**6,
            ),
        )

    def trade(self, outcome: Outcome, side: Side, price: str, size: str) -> None:
        now_ms = self.now_ms()
        self.publish(
            outcome,
            TradePrint(
                token_id=outcome.token_id,
                side=side,
                price=micro(price),
                size=micro(size),
                venue_ms=now_ms,
                received_ns=now_ms * 10**6,
            ),
        )

    def gap(self, outcome: Outcome) -> None:
        now_ms = self.now_ms()
        self.publish(
            outcome,
            FeedGap(token_id=outcome.token_id, reason=GapReason.STALLED, venue_ms=now_ms, received_ns=now_ms * 10**6),
        )


@pytest.fixture
def stream() -> Iterator[Stream]:
    get_tickstore().redis.flushdb()
    yield Stream()
