"""Has too much been lost already? Losses stop entries; exits stay possible.

A loss counts from midnight UTC, a drawdown from the highest equity so far.
"""

from __future__ import annotations

from orders.domain.intents import OriginKind
from risk.domain import words
from risk.domain.losses import day_loss, drawdown_bps
from risk.domain.question import Question
from risk.domain.verdicts import Check, Unit


def daily_loss(question: Question) -> Check:
    return _loss(
        "daily_loss", question, day_loss(question.context.portfolio), question.limits.daily_loss, "the account"
    )


def strategy_daily_loss(question: Question) -> Check:
    origin = question.placement.origin
    if origin.kind is not OriginKind.STRATEGY:
        return Check(rule="strategy_daily_loss", passed=True, unit=Unit.USD, note="not a strategy's order")
    lost = question.context.usage(origin).day_loss
    return _loss("strategy_daily_loss", question, lost, question.caps.daily_loss, "the strategy")


def drawdown(question: Question) -> Check:
    value, limit = drawdown_bps(question.context.portfolio), question.limits.drawdown_stop_bps
    passed = value < limit or not question.is_entry
    note = "" if passed else f"equity is {words.percent(value)} below its peak; entries stop at {words.percent(limit)}"
    return Check(rule="drawdown", passed=passed, value=value, limit=limit, unit=Unit.BPS, note=note)


def _loss(rule: str, question: Question, lost: int, limit: int, whose: str) -> Check:
    passed = lost < limit or not question.is_entry
    note = "" if passed else f"{whose} lost {words.usd(lost)} since midnight UTC; entries stop at {words.usd(limit)}"
    return Check(rule=rule, passed=passed, value=lost, limit=limit, unit=Unit.USD, note=note)
