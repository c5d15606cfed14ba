"""Is this market known well enough, open, and far enough from its end?"""

from __future__ import annotations

from markets.domain.instruments import MarketState
from orders.domain.lifecycle import Environment
from orders.domain.readiness import METADATA_LIMIT_S
from risk.domain import words
from risk.domain.question import Question
from risk.domain.verdicts import Check, Unit


def market_known(question: Question) -> Check:
    facts = question.facts
    if facts is None:
        return Check(
            rule="market_known", passed=False, value=0, limit=1, note="the market is not in the catalogue: sync markets"
        )
    if all(outcome.outcome_id != question.placement.outcome_id for outcome in facts.outcomes):
        return Check(
            rule="market_known", passed=False, value=0, limit=1, note="the outcome does not belong to this market"
        )
    return Check(rule="market_known", passed=True, value=1, limit=1)


def market_open(question: Question) -> Check:
    if question.facts is None:
        return _unknown("market_open")
    state = question.facts.state
    if state is MarketState.OPEN:
        return Check(rule="market_open", passed=True, value=1, limit=1)
    return Check(
        rule="market_open", passed=False, value=0, limit=1, note=f"the market is {state}: it takes no orders now"
    )


def time_to_close(question: Question) -> Check:
    """Entries keep a distance from the end; exits may use the last minute. No end known: nothing to keep."""
    rule, limit = "time_to_close", question.limits.minimum_seconds_to_close
    if question.facts is None:
        return _unknown(rule, Unit.SECONDS)
    if question.facts.closes_at is None:
        return Check(rule=rule, passed=True, limit=limit, unit=Unit.SECONDS, note="no closing time is published")
    left = int((question.facts.closes_at - question.context.now).total_seconds())
    passed = left >= limit or not question.is_entry
    note = "" if passed else f"the market closes in {max(0, left)} s; entries stop {limit} s before"
    return Check(rule=rule, passed=passed, value=left, limit=limit, unit=Unit.SECONDS, note=note)


def metadata_age(question: Question) -> Check:
    """Tick, fee and state must be recent for an entry. An exit goes ahead: the venue judges its price itself.

    An account that sends to a venue makes no exception, and allows 60 s at most (I14).
    """
    is_paper = question.context.portfolio.environment is Environment.PAPER
    rule, limit = "metadata_age", question.limits.metadata_age_s
    limit = limit if is_paper else min(limit, METADATA_LIMIT_S)
    if question.facts is None:
        return _unknown(rule, Unit.SECONDS)
    age = int((question.context.now - question.facts.synced_at).total_seconds())
    passed = age <= limit or (is_paper and not question.is_entry)
    note = "" if passed else f"the market's facts are {age} s old, at most {limit} s: the catalogue sync is late"
    return Check(rule=rule, passed=passed, value=age, limit=limit, unit=Unit.SECONDS, note=note)


def fee_known(question: Question) -> Check:
    if question.facts is None:
        return _unknown("fee_known")
    known = question.facts.fee is not None
    passed = known or not question.is_entry
    note = "" if known else "the fee of this market is not known" + ("" if passed else ", so its cost is not known")
    return Check(rule="fee_known", passed=passed, value=int(known), limit=1, note=note)


def _unknown(rule: str, unit: Unit = Unit.FLAG) -> Check:
    return Check(rule=rule, passed=False, unit=unit, note="the market is not in the catalogue")


def liquidity(question: Question) -> Check:
    """Dollars that rest in the market: below the floor an entry is hard to leave again."""
    return _floor("liquidity", question, question.limits.minimum_liquidity, "rest in this market")


def volume_24h(question: Question) -> Check:
    """Dollars traded within a day."""
    return _floor("volume_24h", question, question.limits.minimum_volume_24h, "were traded here within 24 hours")


def _floor(rule: str, question: Question, limit: int, what: str) -> Check:
    if question.facts is None:
        return _unknown(rule, Unit.USD)
    value = getattr(question.facts, rule)
    passed = value >= limit or not question.is_entry
    note = "" if passed else f"{words.usd(value)} {what}, entries need {words.usd(limit)}"
    return Check(rule=rule, passed=passed, value=value, limit=limit, unit=Unit.USD, note=note)
