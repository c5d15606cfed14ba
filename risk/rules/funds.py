"""Is there money for the buy, are there shares for the sale?"""

from __future__ import annotations

from risk.domain import words
from risk.domain.question import Question
from risk.domain.verdicts import Check, Unit


def cash_available(question: Question) -> Check:
    """Cash that no open order has set aside must cover price times size and the worst taker fee."""
    rule = "cash_available"
    if not question.is_entry:
        return Check(rule=rule, passed=True, unit=Unit.USD, note="a sale needs no cash")
    free = question.context.portfolio.free_cash
    needed = question.cost(question.size)
    if needed <= free:
        return Check(rule=rule, passed=True, value=needed, limit=free, unit=Unit.USD)
    allowed = question.largest(lambda size: question.cost(size) <= free)
    note = f"costs up to {words.usd(needed)} with fees, {words.usd(free)} is free"
    return Check(
        rule=rule, passed=allowed > 0, value=needed, limit=free, unit=Unit.USD, note=note, allowed_size=allowed
    )


def shares_available(question: Question) -> Check:
    """A sale takes settled shares that no other order has promised (I10). There is no shorting."""
    rule = "shares_available"
    if question.is_entry:
        return Check(rule=rule, passed=True, unit=Unit.SHARES, note="a buy needs no shares")
    position = question.context.portfolio.positions.get(question.placement.outcome_id)
    available = position.available if position else 0
    if question.size <= available:
        return Check(rule=rule, passed=True, value=question.size, limit=available, unit=Unit.SHARES)
    allowed = question.largest(lambda size: size <= available)
    note = f"{words.shares(available)} can be sold, not {words.shares(question.size)}"
    return Check(
        rule=rule,
        passed=allowed > 0,
        value=question.size,
        limit=available,
        unit=Unit.SHARES,
        note=note,
        allowed_size=allowed,
    )
