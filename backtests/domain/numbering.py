"""Numbers for the markets of one replay: 1, 2, 3 … in order of appearance, outcomes 2i+1 and 2i+2, events likewise.

An archive's tapes carry numbers of their own time and machine. A replay gives new ones, so that the same tapes in
the same order always give the same decisions, and markets of one event share its number whoever recorded them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from backtests.domain.request import RequestError
from markets.domain.instruments import MarketFacts
from markets.domain.tape import Tape

OUTCOMES = 2


def market_identity(facts: MarketFacts) -> tuple[str, str]:
    """Return what tells markets apart: the venue and its own name for the market."""
    return (str(facts.venue), facts.condition_id or facts.slug)


def markets_number(tapes: Sequence[Tape]) -> tuple[Tape, ...]:
    """Return the tapes with new numbers, in the order given. Several days of one market share its numbers.

    Raises RequestError for a market that is not binary.
    """
    markets: dict[tuple[str, str], int] = {}
    events: dict[tuple[str, str], int] = {}
    numbered = []
    for tape in tapes:
        facts = tape.facts
        if len(facts.outcomes) != OUTCOMES:
            words = f"{facts.question or facts.slug} has {len(facts.outcomes)} outcomes; only two can be replayed"
            raise RequestError(words, field="data")
        index = markets.setdefault(market_identity(facts), len(markets))
        event = events.setdefault(_event(facts), len(events) + 1)
        outcomes = tuple(
            replace(outcome, outcome_id=OUTCOMES * index + 1 + place, index=place)
            for place, outcome in enumerate(facts.outcomes)
        )
        numbered.append(replace(tape, facts=replace(facts, market_id=index + 1, event_id=event, outcomes=outcomes)))
    return tuple(numbered)


def markets_group(tapes: Sequence[Tape]) -> tuple[tuple[Tape, ...], ...]:
    """Return the numbered tapes per market, oldest first. Raises RequestError where two of one market overlap."""
    parts: dict[int, list[Tape]] = {}
    for tape in tapes:
        parts.setdefault(tape.facts.market_id, []).append(tape)
    groups = []
    for _, group in sorted(parts.items()):
        ordered = sorted((tape for tape in group if len(tape)), key=lambda tape: tape.start_ns) or group[:1]
        for before, after in pairwise(ordered):
            if after.start_ns < before.end_ns:
                raise RequestError(f"two tapes of {after.facts.question or after.facts.slug} overlap", field="data")
        groups.append(tuple(ordered))
    return tuple(groups)


def _event(facts: MarketFacts) -> tuple[str, str]:
    if facts.event_slug:
        return (str(facts.venue), facts.event_slug)
    if facts.event_id:
        return (str(facts.venue), f"#{facts.event_id}")
    return ("market", "/".join(market_identity(facts)))  # nothing is known of its event: it stands alone
