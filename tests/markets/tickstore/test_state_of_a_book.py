"""A book's picture and the word on its freshness are stored apart; the word is the later one, whatever it says."""

from __future__ import annotations

from markets.domain.views import BookStatus
from markets.tickstore import codec
from tests.factories.markets import book_make


def test_a_picture_that_a_clock_ahead_has_dated_is_as_fresh_as_the_last_word_says() -> None:
    an_hour_ahead = book_make(7, confirmed_ms=1_795_200_000_000 + 3_600_000)
    raw = codec.book_encode(an_hour_ahead)
    state = codec.state_encode(BookStatus.LIVE, 1_795_200_000_000).encode()
    assert codec.book_with_state(raw, state).confirmed_ms == 1_795_200_000_000
    assert codec.book_with_state(raw, None).confirmed_ms == an_hour_ahead.confirmed_ms


def test_a_quiet_book_is_as_fresh_as_it_was_confirmed_last() -> None:
    raw = codec.book_encode(book_make(7, confirmed_ms=1_000))
    assert codec.book_with_state(raw, codec.state_encode(BookStatus.STALE, 9_000).encode()).confirmed_ms == 9_000
