"""Is everything well around the order: permits, blocks, the account's streams and records, the venue?

Paper needs none of it but the blocks: a venue that changed without notice is not traded on paper either.
"""

from __future__ import annotations

from orders.domain.lifecycle import Environment
from orders.domain.readiness import Condition, conditions_check
from risk.domain.context import origin_ref
from risk.domain.question import Question
from risk.domain.verdicts import Check, Unit

_UNITS = {"s": Unit.SECONDS, "ms": Unit.MILLISECONDS, "count": Unit.COUNT, "flag": Unit.FLAG}
# The gate asks these with rules of its own, for paper too.
_ASKED_ELSEWHERE = frozenset({"venue_block", "market_block"})


def venue_block(question: Question) -> Check:
    """Entries stop while the venue is blocked, by a person or because it changed without notice. Exits pass."""
    return _block("venue_block", question, question.context.venue_blocks.get(_venue(question), ""), "venue")


def market_block(question: Question) -> Check:
    return _block(
        "market_block", question, question.context.market_blocks.get(question.placement.market_id, ""), "market"
    )


def live_checks(question: Question) -> list[Check]:
    """Return what an order of a sandbox or live account must meet besides (I11, I14); nothing for paper."""
    environment = question.context.portfolio.environment
    if environment is Environment.PAPER:
        return []
    checks = [_permitted(question)] if environment is Environment.LIVE else []
    known = question.context.conditions
    if known is None or known.environment is not environment:
        note = "nothing is known of the account's streams and of the venue"
        return [*checks, Check(rule="conditions_known", passed=False, value=0, limit=1, note=note)]
    found = conditions_check(
        known,
        side=question.placement.side,
        marketable=question.is_marketable,
        now=question.context.now,
        post_only=question.placement.post_only,
    )
    return [*checks, *(_check(one) for one in found if one.name not in _ASKED_ELSEWHERE)]


def _permitted(question: Question) -> Check:
    """Real money needs the permit of the installation, of the account and, for a strategy's order, of the strategy."""
    missing = question.context.permits_missing.get(origin_ref(question.placement.origin))
    if missing is None:
        return Check(rule="live_permits", passed=False, limit=0, unit=Unit.COUNT, note="the live permits were not read")
    passed = not missing
    note = "" if passed else "; ".join(missing)
    return Check(rule="live_permits", passed=passed, value=len(missing), limit=0, unit=Unit.COUNT, note=note)


def _block(rule: str, question: Question, reason: str, whom: str) -> Check:
    passed = not reason or not question.is_entry
    note = "" if passed else f"entries on this {whom} are blocked: {reason}"
    return Check(rule=rule, passed=passed, value=int(bool(reason)), limit=0, note=note)


def _venue(question: Question) -> str:
    return str(question.facts.venue) if question.facts else ""


def _check(condition: Condition) -> Check:
    return Check(
        rule=condition.name,
        passed=condition.passed,
        value=condition.value,
        limit=condition.limit,
        unit=_UNITS[condition.unit],
        note=condition.note,
    )
