"""Verdicts on what is wanted whole: rather nothing than less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from markets.domain.units import Shares
from orders.domain.drafts import PlanDraft
from risk.domain import words
from risk.domain.verdicts import Decision, Verdict


def whole_or_refused(verdict: Verdict) -> Verdict:
    """Refuse an order that was made smaller, and say how large it may be."""
    if verdict.decision is not Decision.SHRUNK:
        return verdict
    message = f"{verdict.message.rpartition(': cut to')[0]}; at most {words.shares(verdict.allowed_size)} now"
    return replace(verdict, decision=Decision.REFUSED, message=message)


def together_or_refused(draft: PlanDraft, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Refuse all legs of a draft that wants them whole when one of them is not."""
    if not draft.whole:
        return list(verdicts)
    verdicts = [whole_or_refused(verdict) for verdict in verdicts]
    refused = next((n for n, verdict in enumerate(verdicts) if verdict.refused), None)
    if refused is None:
        return verdicts
    note = f"leg {refused + 1} of the plan was refused: {verdicts[refused].message}"
    return [
        replace(v, decision=Decision.REFUSED, allowed_size=Shares(0), rule="whole_plan", message=note)
        if v.approved
        else v
        for v in verdicts
    ]
