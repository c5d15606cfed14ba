"""How much could be lost in this market, event, strategy and account if everything open were filled?

An order that does not raise the worst loss passes even above the limit: it may be the way back.
So an ordinary sale always passes; one that gives up a hedge is measured like an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orders.domain.intents import OriginKind
from risk.domain import exposure, words
from risk.domain.exposure import Risked
from risk.domain.question import Question
from risk.domain.verdicts import Check, Unit


def market_exposure(question: Question) -> Check:
    market_id, facts = question.placement.market_id, question.context.facts
    positions = question.context.portfolio.positions.values()
    return _check(
        "market_exposure",
        question,
        question.limits.market_exposure,
        lambda orders: exposure.market_exposure(market_id, positions, orders, facts),
        "this market",
    )


def event_exposure(question: Question) -> Check:
    """The whole event: in a neg-risk group the worst single winner, or none of the known ones."""
    if question.facts is None:
        return Check(rule="event_exposure", passed=False, unit=Unit.USD, note="the market is not in the catalogue")
    event_id, facts = question.facts.event_id, question.context.facts
    positions = question.context.portfolio.positions.values()
    return _check(
        "event_exposure",
        question,
        question.limits.event_exposure,
        lambda orders: exposure.event_exposure(event_id, positions, orders, facts),
        "this event",
    )


def account_exposure(question: Question) -> Check:
    facts = question.context.facts
    positions = question.context.portfolio.positions.values()
    return _check(
        "account_exposure",
        question,
        question.limits.account_exposure,
        lambda orders: exposure.account_exposure(positions, orders, facts),
        "the account",
    )


def strategy_exposure(question: Question) -> Check:
    """Cost of what the strategy holds and may still buy. Nothing is netted here: it is a budget."""
    rule, origin = "strategy_exposure", question.placement.origin
    if origin.kind is not OriginKind.STRATEGY:
        return Check(rule=rule, passed=True, unit=Unit.USD, note="not a strategy's order")
    used, limit = question.context.usage(origin).exposure, question.caps.exposure
    after = used + question.cost(question.size)
    if not question.is_entry or after <= limit:
        return Check(rule=rule, passed=True, value=after, limit=limit, unit=Unit.USD)
    allowed = question.largest(lambda size: used + question.cost(size) <= limit)
    note = f"the strategy would use {words.usd(after)}, at most {words.usd(limit)}"
    return Check(
        rule=rule, passed=allowed > 0, value=after, limit=limit, unit=Unit.USD, note=note, allowed_size=allowed
    )


def _check(rule: str, question: Question, limit: int, worst: Callable[[Sequence[Risked]], int], whose: str) -> Check:
    open_orders = question.open_risks()

    def after(size: int) -> int:
        return worst([*open_orders, question.risked(size)]) if size else worst(open_orders)

    value = after(question.size)
    if value <= limit:
        return Check(rule=rule, passed=True, value=value, limit=limit, unit=Unit.USD)
    bound = max(limit, after(0))
    allowed = question.largest(lambda size: after(size) <= bound)
    if allowed == question.size:
        note = f"{whose} stands at {words.usd(bound)} of {words.usd(limit)}; this order does not raise it"
        return Check(rule=rule, passed=True, value=value, limit=limit, unit=Unit.USD, note=note)
    note = f"{whose} could lose {words.usd(value)}, at most {words.usd(limit)}"
    return Check(
        rule=rule, passed=allowed > 0, value=value, limit=limit, unit=Unit.USD, note=note, allowed_size=allowed
    )
