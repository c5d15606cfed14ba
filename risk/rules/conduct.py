"""Does this order repeat, collide with, or crowd out our own orders?"""

from __future__ import annotations

from datetime import timedelta

from markets.domain.instruments import Side
from markets.domain.units import ONE
from orders.domain.intents import INTENT_LEVEL, OpenOrder, OriginKind
from orders.domain.lifecycle import OrderState
from risk.domain import words
from risk.domain.context import origin_ref
from risk.domain.question import Question
from risk.domain.verdicts import Check, Unit

_UNSETTLED = frozenset({OrderState.UNKNOWN, OrderState.QUARANTINED})


def unknown_order(question: Question) -> Check:
    """While the fate of an order is unknown, its origin places no other on that outcome and side (I5)."""
    placement = question.placement
    waiting = [
        order
        for order in question.context.portfolio.open_orders
        if order.state in _UNSETTLED
        and order.outcome_id == placement.outcome_id
        and order.side is placement.side
        and origin_ref(order.origin) == origin_ref(placement.origin)
    ]
    if not waiting:
        return Check(rule="unknown_order", passed=True, value=0, limit=0, unit=Unit.COUNT)
    note = f"the fate of order {waiting[0].order_id} on the same side is unknown: wait for reconciliation"
    return Check(rule="unknown_order", passed=False, value=len(waiting), limit=0, unit=Unit.COUNT, note=note)


def plan_working(question: Question) -> Check:
    """While a strategy's plan still works on an outcome and side, its one-shot orders there would be a second one."""
    placement = question.placement
    one_shot = placement.origin.kind is OriginKind.STRATEGY and placement.level == INTENT_LEVEL
    working = [
        order
        for order in question.context.portfolio.open_orders
        if order.state == OrderState.NEW  # what a plan may still order
        and order.outcome_id == placement.outcome_id
        and order.side is placement.side
        and origin_ref(order.origin) == origin_ref(placement.origin)
    ]
    if not (one_shot and working):
        return Check(rule="plan_working", passed=True, value=0, limit=0, unit=Unit.COUNT)
    note = "a plan of this strategy already works on this outcome and side"
    return Check(rule="plan_working", passed=False, value=len(working), limit=0, unit=Unit.COUNT, note=note)


def self_trade(question: Question) -> Check:
    """Two of our own orders never trade with each other, nor YES with NO by minting or merging a pair."""
    meets = [order for order in question.context.portfolio.open_orders if _would_trade(question, order)]
    if not meets:
        return Check(rule="self_trade", passed=True, value=0, limit=0, unit=Unit.COUNT)
    other = meets[0]
    name = "another order of the same decision"
    if other.order_id:
        name = f"our order {other.order_id}" if other.order_id > 0 else "what a plan of ours may order"
    note = f"would trade with {name}: {other.side} at {words.price(other.price)}"
    return Check(rule="self_trade", passed=False, value=len(meets), limit=0, unit=Unit.COUNT, note=note)


def _would_trade(question: Question, order: OpenOrder) -> bool:
    placement = question.placement
    if order.market_id != placement.market_id or order.remaining <= 0:
        return False
    buys = placement.side is Side.BUY
    if order.outcome_id == placement.outcome_id:
        if order.side is placement.side:
            return False
        return placement.price >= order.price if buys else placement.price <= order.price
    if order.side is not placement.side:
        return False
    # The two outcomes of one market share one book: both bought mint a pair, both sold merge one.
    total = placement.price + order.price
    return total >= ONE if buys else total <= ONE


def duplicate(question: Question) -> Check:
    """The same one-shot order twice within a moment is a mistake. Quotes are told apart by their diff."""
    placement, limit = question.placement, question.limits.duplicate_window_ms
    rule = "duplicate"
    if placement.origin.kind is OriginKind.STRATEGY and placement.level != INTENT_LEVEL:
        return Check(rule=rule, passed=True, limit=limit, unit=Unit.MILLISECONDS)
    since = question.context.now - timedelta(milliseconds=limit)
    same = [
        recent
        for recent in question.context.recent_orders
        if recent.at > since
        and recent.origin == origin_ref(placement.origin)
        and (recent.outcome_id, recent.side, recent.price) == (placement.outcome_id, placement.side, placement.price)
        and recent.size == placement.size
    ]
    if not same:
        return Check(rule=rule, passed=True, limit=limit, unit=Unit.MILLISECONDS)
    age = int((question.context.now - same[-1].at).total_seconds() * 1000)
    note = f"the same order was placed {age} ms ago; send it again after {limit} ms if you mean it"
    return Check(rule=rule, passed=False, value=age, limit=limit, unit=Unit.MILLISECONDS, note=note)


def order_rate(question: Question) -> Check:
    """New orders per minute, this one included. Protective exits are not held back."""
    count, limit = question.context.orders_last_minute + 1, question.limits.orders_per_minute
    passed = count <= limit or question.placement.origin.kind is OriginKind.EXIT
    note = "" if passed else f"{count} orders within a minute, at most {limit}"
    return Check(rule="order_rate", passed=passed, value=count, limit=limit, unit=Unit.COUNT, note=note)
