"""Is the book recent enough to act on? (design.md §3, contract.md I14)"""

from __future__ import annotations

from datetime import datetime

from markets.domain.views import BookStatus, BookView
from orders.domain.lifecycle import Environment
from risk.domain.question import Question
from risk.domain.verdicts import Check, Unit

# A person or a stop-loss may leave a position on a book that an entry would not trust.
EXIT_BOOK_AGE_MS = 60_000


def book_fresh(question: Question) -> Check:
    """Live socket, and confirmed within 3 s for an order that may take, 15 s for one that rests.

    An exit also accepts a book read by REST or a doubtful one, confirmed within 60 s: holding
    on to a position because of a stall is worse than selling it at a limit. Accounts that send to a venue
    make no exception.
    """
    book, limits = question.book, question.limits
    limit = limits.book_age_marketable_ms if question.is_marketable else limits.book_age_resting_ms
    lenient = not question.is_entry and question.context.portfolio.environment is Environment.PAPER
    if lenient:
        limit = EXIT_BOOK_AGE_MS
    if book is None or book.status is BookStatus.MISSING or not book.confirmed_ms:
        note = "no recent book: nothing received from the venue yet"
        return Check(rule="book_fresh", passed=False, limit=limit, unit=Unit.MILLISECONDS, note=note)
    age = book.age_ms(milliseconds(question.context.now))
    note = _doubt(book, lenient=lenient)
    if not note and age > limit:
        kind = "an exit" if lenient else "an order that may take" if question.is_marketable else "a resting order"
        note = f"the book was confirmed {_seconds(age)} ago, {kind} allows {_seconds(limit)}"
    return Check(rule="book_fresh", passed=not note, value=age, limit=limit, unit=Unit.MILLISECONDS, note=note)


def _doubt(book: BookView, *, lenient: bool) -> str:
    """Return why the book cannot be trusted whatever its age, or nothing."""
    if book.status is BookStatus.CLOSED:
        return "the book is closed: the market takes no orders"
    if book.is_crossed:
        return "the book is crossed: a bid stands at or above an ask, so it cannot be right"
    if book.status is not BookStatus.LIVE and not lenient:
        return f"the book is {book.status}: its socket is in doubt"
    return ""


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _seconds(age_ms: int) -> str:
    return f"{age_ms / 1000:.1f} s"
