"""Which markets a strategy watches: a pure filter that gives a reason for every market it takes or leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase

from markets.domain.instruments import Category, MarketFacts, MarketState
from markets.domain.units import text_from_micro
from strategies.domain.parameters import Amount, Count, Parameters, Words, micro, param

NO_BOOK = "no two-sided book"  # how the reasons begin that a look at the book would settle
_CATEGORIES = frozenset(str(category) for category in Category)


class UniverseParameters(Parameters):
    """Selectors (any of them may match; none given: every open market) and filters (all must hold)."""

    markets: Words = param((), title="Markets", help="Market slugs, separated by commas. Always tried first.")
    events: Words = param((), title="Events", help="Event slugs: every market of these events.")
    tags: Words = param((), title="Tags or categories", help="Markets with any of these tags or categories.")
    slug_patterns: Words = param((), title="Slug patterns", help="Patterns such as nba-* for market or event slugs.")
    exclude_patterns: Words = param((), title="Except", help="Patterns of slugs that are never watched.")
    minimum_volume_24h: Amount = param(
        Decimal(0), title="Minimum 24 h volume", help="Dollars traded in the last day.", unit="usd", ge=0, le=10**9
    )
    minimum_liquidity: Amount = param(
        Decimal(0),
        title="Minimum liquidity",
        help="Dollars in the book, as the venue reports.",
        unit="usd",
        ge=0,
        le=10**9,
    )
    maximum_spread: Amount = param(
        Decimal(1), title="Maximum spread", help="Widest gap between best bid and ask; needs a book when below 1.",
        unit="usd/share", ge=0, le=1, places=6,
    )  # fmt: skip
    minimum_price: Amount = param(
        Decimal(0), title="Minimum price", help="Lowest mid price of the first outcome.", unit="usd/share", ge=0, le=1
    )
    maximum_price: Amount = param(
        Decimal(1), title="Maximum price", help="Highest mid price of the first outcome.", unit="usd/share", ge=0, le=1
    )
    closes_after_h: Amount = param(
        Decimal(0), title="Closes not before", help="Hours from now until trading may end.", unit="h", ge=0, le=87_600
    )
    closes_within_h: Amount = param(
        Decimal(0), title="Closes within", help="Hours from now; 0 means at any time.", unit="h", ge=0, le=87_600
    )
    reward_eligible: bool = param(
        False, title="Reward markets only", help="Only markets that pay rewards to resting orders."
    )
    skip_augmented: bool = param(
        False, title="Skip augmented groups", help="Leave out neg-risk groups to which outcomes can be added."
    )
    maximum: Count = param(
        20, title="At most", help="Markets watched at the same time, most liquid first.", unit="markets", ge=1, le=500
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A market with what the filters need. Prices in millionths; None where no book is known."""

    facts: MarketFacts
    mid: int | None = None
    spread: int | None = None
    reward_rate: int = 0  # dollars a day, millionths


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A market and why it is, or is not, watched."""

    market_id: int
    included: bool
    reason: str


def universe_resolve(
    spec: UniverseParameters,
    candidates: Iterable[Candidate],
    *,
    now: datetime,
    keep: frozenset[int] = frozenset(),
) -> tuple[Member, ...]:
    """Return one member per candidate. Markets in `keep` (with a position) stay whatever the filters say.

    They stay so that a strategy can still see, and leave, what it holds.
    """
    chosen: list[tuple[tuple[int, int, int, int], Candidate, str]] = []
    out: list[Member] = []
    for candidate in candidates:
        facts = candidate.facts
        if facts.market_id in keep and facts.state is not MarketState.RESOLVED:
            out.append(_member(facts, True, "kept: the account holds a position or an order here"))
            continue
        selected = _selected(spec, facts)
        problem = (
            "not selected by markets, events, tags or patterns" if selected is None else _refused(spec, candidate, now)
        )
        if selected is None or problem is not None:
            out.append(_member(facts, False, problem or ""))
            continue
        rank = (0 if facts.slug in spec.markets else 1, -facts.liquidity, -facts.volume_24h, facts.market_id)
        chosen.append((rank, candidate, selected))
    room = max(0, spec.maximum - len([member for member in out if member.included]))
    for place, (_, candidate, selected) in enumerate(sorted(chosen, key=lambda item: item[0])):
        if place < room:
            out.append(_member(candidate.facts, True, selected))
        else:
            out.append(
                _member(candidate.facts, False, f"over the maximum of {spec.maximum}: more liquid ones come first")
            )
    return tuple(out)


def _member(facts: MarketFacts, included: bool, reason: str) -> Member:
    return Member(market_id=facts.market_id, included=included, reason=reason[:160])


def _selected(spec: UniverseParameters, facts: MarketFacts) -> str | None:
    if not (spec.markets or spec.events or spec.tags or spec.slug_patterns):
        return "every open market"
    if facts.slug in spec.markets or str(facts.market_id) in spec.markets:
        return "named market"
    if facts.event_slug in spec.events:
        return f"event {facts.event_slug}"
    for tag in spec.tags:
        if tag.lower() == facts.category or tag.lower() in (known.lower() for known in facts.tags):
            return f"{'category' if tag.lower() in _CATEGORIES else 'tag'} {tag}"
    for pattern in spec.slug_patterns:
        if fnmatchcase(facts.slug, pattern) or fnmatchcase(facts.event_slug, pattern):
            return f"pattern {pattern}"
    return None


def _refused(spec: UniverseParameters, candidate: Candidate, now: datetime) -> str | None:
    """Return the first filter that leaves the market out, with its numbers."""
    facts = candidate.facts
    if facts.state is not MarketState.OPEN:
        return f"market is {facts.state}"
    for pattern in spec.exclude_patterns:
        if fnmatchcase(facts.slug, pattern) or fnmatchcase(facts.event_slug, pattern):
            return f"excluded by pattern {pattern}"
    if spec.skip_augmented and facts.neg_risk_augmented:
        return "augmented neg-risk group"
    if spec.reward_eligible and candidate.reward_rate <= 0:
        return "pays no rewards"
    return _thin(spec, facts) or _closing(spec, facts, now) or _prices(spec, candidate)


def _thin(spec: UniverseParameters, facts: MarketFacts) -> str | None:
    if facts.volume_24h < micro(spec.minimum_volume_24h):
        return f"24 h volume ${text_from_micro(facts.volume_24h)} under ${spec.minimum_volume_24h}"
    if facts.liquidity < micro(spec.minimum_liquidity):
        return f"liquidity ${text_from_micro(facts.liquidity)} under ${spec.minimum_liquidity}"
    return None


def _closing(spec: UniverseParameters, facts: MarketFacts, now: datetime) -> str | None:
    if facts.closes_at is None:
        return "no end date known" if spec.closes_within_h else None
    if facts.closes_at < now + timedelta(hours=float(spec.closes_after_h)):
        return f"closes {facts.closes_at:%Y-%m-%d %H:%M} UTC, sooner than {spec.closes_after_h} h"
    if spec.closes_within_h and facts.closes_at > now + timedelta(hours=float(spec.closes_within_h)):
        return f"closes {facts.closes_at:%Y-%m-%d %H:%M} UTC, later than {spec.closes_within_h} h"
    return None


def _prices(spec: UniverseParameters, candidate: Candidate) -> str | None:
    if spec.maximum_spread < 1:
        if candidate.spread is None:
            return f"{NO_BOOK} to measure the spread"
        if candidate.spread > micro(spec.maximum_spread):
            return f"spread {text_from_micro(candidate.spread)} over {spec.maximum_spread}"
    if spec.minimum_price > 0 or spec.maximum_price < 1:
        if candidate.mid is None:
            return f"{NO_BOOK} to measure the price"
        if not micro(spec.minimum_price) <= candidate.mid <= micro(spec.maximum_price):
            return f"price {text_from_micro(candidate.mid)} outside {spec.minimum_price} to {spec.maximum_price}"
    return None


def included_ids(members: Iterable[Member]) -> tuple[int, ...]:
    return tuple(member.market_id for member in members if member.included)


def counts(members: Iterable[Member]) -> Mapping[bool, int]:
    found = {True: 0, False: 0}
    for member in members:
        found[member.included] += 1
    return found
