"""Is the price one the venue takes, and not worse than it must be?"""

from __future__ import annotations

from markets.domain.instruments import Side
from markets.domain.units import ONE, is_on_tick
from risk.domain import words
from risk.domain.question import Question
from risk.domain.verdicts import Check, Unit


def price_tick(question: Question) -> Check:
    """On the tick, and at least one tick away from 0 and 1."""
    rule, price, tick = "price_tick", question.placement.price, question.tick
    if tick is None or tick <= 0:
        return Check(rule=rule, passed=False, value=price, unit=Unit.PRICE, note="the tick of this market is not known")
    if is_on_tick(price, tick):
        return Check(rule=rule, passed=True, value=price, limit=tick, unit=Unit.PRICE)
    low, high = words.price(tick), words.price(ONE - tick)
    note = f"price {words.price(price)} is not a multiple of the tick {low} between {low} and {high}"
    return Check(rule=rule, passed=False, value=price, limit=tick, unit=Unit.PRICE, note=note)


def post_only(question: Question) -> Check:
    """A post-only order that would take is refused by the venue; say so before it costs a request."""
    if not question.placement.post_only:
        return Check(rule="post_only", passed=True, value=0, limit=0)
    if not question.placement.order_type.rests:
        note = f"post-only does not go with {question.placement.order_type}: such an order never rests"
        return Check(rule="post_only", passed=False, value=1, limit=0, note=note)
    if question.crosses:
        return Check(rule="post_only", passed=False, value=1, limit=0, note="a post-only order would cross the book")
    return Check(rule="post_only", passed=True, value=0, limit=0)


def slippage(question: Question) -> Check:
    """How far the worst price it accepts lies beyond the best one there is, in basis points of the best.

    An order that cannot take pays no slippage. The cap also binds people and exits: a limit
    can always be moved closer, and the order sent again.
    """
    rule, limit = "slippage", question.limits.slippage_bps
    if question.placement.post_only:
        return Check(rule=rule, passed=True, value=0, limit=limit, unit=Unit.BPS)
    if question.book is None:
        return Check(rule=rule, passed=False, limit=limit, unit=Unit.BPS, note="no book to compare the price with")
    is_buy = question.placement.side is Side.BUY
    best = question.book.best_ask if is_buy else question.book.best_bid
    if best is None:
        rests = question.placement.order_type.rests
        note = "" if rests else f"nobody {'sells' if is_buy else 'buys'}: there is nothing to take"
        return Check(rule=rule, passed=rests, value=0 if rests else None, limit=limit, unit=Unit.BPS, note=note)
    beyond = question.placement.price - best if is_buy else best - question.placement.price
    # Up: a fraction of a basis point over the cap is over the cap.
    bps = max(0, -(-beyond * 10_000 // best))
    passed = bps <= limit
    side = "above the best ask" if is_buy else "below the best bid"
    note = (
        ""
        if passed
        else (
            f"limit {words.price(question.placement.price)} is {bps} bps {side} {words.price(best)}; "
            f"at most {limit} bps"
        )
    )
    return Check(rule=rule, passed=passed, value=bps, limit=limit, unit=Unit.BPS, note=note)
