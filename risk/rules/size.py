"""How large may the order be, and is what remains of it large enough for the venue?"""

from __future__ import annotations

from markets.domain.units import Shares, notional_up
from risk.domain import words
from risk.domain.question import LOT, Question
from risk.domain.verdicts import Check, Unit


def lot(question: Question) -> Check:
    """Whole hundredths of a share; the rest is cut off."""
    size = question.size
    if size > 0 and size % LOT == 0:
        return Check(rule="lot", passed=True, value=size, limit=LOT, unit=Unit.SHARES)
    allowed = Shares(max(0, size // LOT * LOT))
    note = f"{words.shares(size)} is not a whole number of hundredths"
    return Check(
        rule="lot", passed=allowed > 0, value=size, limit=LOT, unit=Unit.SHARES, note=note, allowed_size=allowed
    )


def order_size(question: Question) -> Check:
    """Dollars in one entry, before fees: larger ones are cut. Leaving a position is never cut.

    A plan in slices is as many orders: the largest of them counts.
    """
    price, limit = question.placement.price, question.caps.order_size
    value = notional_up(price, _part(question, question.size))
    if not question.is_entry or value <= limit:
        return Check(rule="order_size", passed=True, value=value, limit=limit, unit=Unit.USD)
    allowed = question.largest(lambda size: notional_up(price, _part(question, size)) <= limit)
    note = f"an order of {words.usd(value)} is above {words.usd(limit)}"
    return Check(
        rule="order_size", passed=allowed > 0, value=value, limit=limit, unit=Unit.USD, note=note, allowed_size=allowed
    )


def minimum_size(question: Question) -> Check:
    """The venue's minimum for an order that may rest. One that takes and goes may be smaller."""
    rule, size = "minimum_size", question.size
    if question.facts is None:
        return Check(rule=rule, passed=False, value=size, unit=Unit.SHARES, note="the market is not in the catalogue")
    limit = question.facts.minimum_size if question.placement.order_type.rests else LOT
    size = Shares(size // question.placement.parts)
    passed = size >= limit
    note = "" if passed else f"{words.shares(size)} is below the minimum of {words.shares(limit)}"
    return Check(rule=rule, passed=passed, value=size, limit=limit, unit=Unit.SHARES, note=note)


def order_minimum(question: Question) -> Check:
    """Dollars at least in one entry; the venue refuses a marketable buy below $1."""
    limit = question.limits.order_minimum
    value = notional_up(question.placement.price, question.size // question.placement.parts)
    passed = value >= limit or not question.is_entry
    note = "" if passed else f"an order of {words.usd(value)} is below the minimum of {words.usd(limit)}"
    return Check(rule="order_minimum", passed=passed, value=value, limit=limit, unit=Unit.USD, note=note)


def _part(question: Question, size: int) -> int:
    """Return the largest single order that the placement is made as."""
    return -(-size // question.placement.parts)
