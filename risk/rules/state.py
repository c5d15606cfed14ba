"""May anything be sent at all? The kill switch, the account's trading state, its master switch, its limits."""

from __future__ import annotations

from orders.domain.intents import OriginKind
from orders.domain.lifecycle import TradingState
from risk.domain.question import Question
from risk.domain.verdicts import Check


def kill_switch(question: Question) -> Check:
    """Set, or unreadable, stops everything, exits included (I13)."""
    killed = question.context.killed
    if killed is False:
        return Check(rule="kill_switch", passed=True, value=0, limit=0)
    reason = question.context.kill_reason or "no reason on file"
    note = "the kill switch cannot be read" if killed is None else f"the kill switch is set: {reason}"
    return Check(rule="kill_switch", passed=False, value=None if killed is None else 1, limit=0, note=note)


def trading_state(question: Question) -> Check:
    state = question.context.portfolio.trading_state
    if state is TradingState.ACTIVE or (state is TradingState.REDUCE_ONLY and not question.is_entry):
        return Check(rule="trading_state", passed=True, value=0, limit=0, note=str(state))
    words = {
        TradingState.REDUCE_ONLY: "the account only reduces positions: it may sell, not buy",
        TradingState.HALTED: "the account is halted: nothing is placed until the halt is lifted",
    }
    return Check(rule="trading_state", passed=False, value=1, limit=0, note=words[state])


def auto_trade(question: Question) -> Check:
    """The account's master switch holds back strategies, not people and not protective exits."""
    if question.placement.origin.kind is not OriginKind.STRATEGY or question.context.auto_trade:
        return Check(rule="auto_trade", passed=True, value=1, limit=1)
    return Check(
        rule="auto_trade", passed=False, value=0, limit=1, note="automatic trading is switched off on this account"
    )
