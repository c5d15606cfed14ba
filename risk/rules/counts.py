"""How many orders and positions may be open at once?"""

from __future__ import annotations

from orders.domain.intents import OriginKind
from risk.domain.context import origin_ref
from risk.domain.question import Question
from risk.domain.verdicts import Check, Unit


def open_orders(question: Question) -> Check:
    """Open orders of the account, this one included. An exit that never rests is not held back."""
    count = len(question.context.portfolio.open_orders) + 1
    return _check("open_orders", question, count, question.limits.open_orders, "the account")


def strategy_open_orders(question: Question) -> Check:
    origin = question.placement.origin
    if origin.kind is not OriginKind.STRATEGY:
        return Check(rule="strategy_open_orders", passed=True, unit=Unit.COUNT, note="not a strategy's order")
    mine = [o for o in question.context.portfolio.open_orders if origin_ref(o.origin) == origin_ref(origin)]
    return _check("strategy_open_orders", question, len(mine) + 1, question.caps.open_orders, "the strategy")


def open_positions(question: Question) -> Check:
    """Outcomes held or being bought, this one included. An exit opens none."""
    limit = question.limits.open_positions
    if not question.is_entry:
        return Check(rule="open_positions", passed=True, limit=limit, unit=Unit.COUNT)
    portfolio = question.context.portfolio
    held = {position.outcome_id for position in portfolio.positions.values() if position.size > 0}
    bought = {order.outcome_id for order in portfolio.open_orders if order.side is question.placement.side}
    before = held | bought
    count = len(before | {question.placement.outcome_id})
    passed = count <= limit or question.placement.outcome_id in before
    note = "" if passed else f"{count} positions held or being bought, at most {limit}"
    return Check(rule="open_positions", passed=passed, value=count, limit=limit, unit=Unit.COUNT, note=note)


def _check(rule: str, question: Question, count: int, limit: int, whose: str) -> Check:
    leaves_at_once = not question.is_entry and not question.placement.order_type.rests
    passed = count <= limit or leaves_at_once
    note = "" if passed else f"{whose} would have {count} open orders, at most {limit}"
    return Check(rule=rule, passed=passed, value=count, limit=limit, unit=Unit.COUNT, note=note)
