"""Invents, openly, the catalogue facts that a recording lacks: event, question, outcomes, tick, fees, end.

A recording of our own carries them in its header; otherwise names come from the file name, the tick from the
prices seen first, the category from the slug, and the description says that it is so. A token recorded without
its complement gets one whose book is the mirror image.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markets.domain.events import Level
from markets.domain.instruments import Category, Side
from markets.domain.units import ONE, micro_from_text
from markets.venues.simulated.fees import CATEGORY_FEES
from polybot.sandbox.catalogue import Event, Market, Tag
from polybot.sandbox.core import Core
from polybot.sandbox.recordings import (
    Message,
    RecordedBook,
    RecordedChanges,
    RecordedTrade,
    Recording,
    RecordingError,
    outcome_names,
)

DAY_MS = 86_400_000
_LEAST_TOKEN = 10**76
_SPORTS = ("mlb", "nba", "nfl", "nhl", "epl", "ucl", "cfb", "cbb", "wnba", "ufc", "atp", "wta", "mls", "cricket", "lol")
_CRYPTO = ("btc", "bitcoin", "eth", "ethereum", "sol", "solana", "xrp", "crypto", "updown")
_EVENT_IDS = 900_000
_NOTE = (
    "Replay of a recording ({file}). The recording has no rules, fees or outcome: what is shown besides its prices "
    "was made up for the replay, and nothing here will be settled."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """A recorded market on the exchange."""

    event: Event
    market: Market
    has_trades: bool
    mirrors: bool  # only the first token was recorded

    def infers(self, token_id: str) -> bool:
        """Whether falls of this token's best levels are told as trades. One token is enough: the other mirrors it."""
        return not self.has_trades and token_id == self.market.token_ids[0]

    def mirrored_book(
        self, token_id: str, bids: tuple[Level, ...], asks: tuple[Level, ...]
    ) -> Iterator[tuple[str, tuple[Level, ...], tuple[Level, ...]]]:
        yield token_id, bids, asks
        if self.mirrors:
            other = tuple((ONE - p, s) for p, s in asks), tuple((ONE - p, s) for p, s in bids)
            yield self.market.token_ids[1], *other

    def mirrored_change(
        self, token_id: str, side: Side, price: int, size: int
    ) -> Iterator[tuple[str, tuple[Side, int, int]]]:
        yield token_id, (side, price, size)
        if self.mirrors:
            yield self.market.token_ids[1], (side.opposite, ONE - price, size)


@dataclass(slots=True)
class _Found:
    """What a first reading of a file shows of one market."""

    recording: Recording
    market: str
    tokens: list[str]
    tick: int = 10_000
    booked: bool = False
    has_trades: bool = False

    def join(self, later: _Found) -> None:
        """Take in a later file of the same market, as a recorder that rotates its files leaves them."""
        self.tokens += [token for token in later.tokens if token not in self.tokens]
        self.tick = min(self.tick, later.tick)
        self.has_trades = self.has_trades or later.has_trades
        self.check()

    def check(self) -> None:
        if len(self.tokens) > 2:
            name = self.recording.path.name
            raise RecordingError(f"{name} gives market {self.market or '?'} more than two tokens")


def cast_markets(core: Core, recordings: list[Recording]) -> list[Cast]:
    """Read every file once and return its markets, ready to be listed."""
    found: list[_Found] = []
    for recording in recordings:
        seen = _survey(recording)
        if not seen:
            raise RecordingError(f"{recording.path.name} holds no readable market message")
        for each in seen:
            earlier = next((f for f in found if set(f.tokens) & set(each.tokens)), None)
            if earlier is None:
                found.append(each)
            else:
                earlier.join(each)
    slugs: dict[str, int] = {}
    casts = []
    for number, each in enumerate(found):
        cast = _cast(core, number, each, several=sum(f.recording is each.recording for f in found) > 1)
        slugs[cast.market.slug] = slugs.get(cast.market.slug, 0) + 1
        if slugs[cast.market.slug] > 1:
            cast.market.slug = cast.event.slug = f"{cast.market.slug}-{slugs[cast.market.slug]}"
        casts.append(cast)
    return casts


def _survey(recording: Recording) -> list[_Found]:
    by_token: dict[str, _Found] = {}
    by_market: dict[str, _Found] = {}
    for _, message in recording.messages():
        for token, market in _tokens(message):
            found = by_token.get(token)
            if found is None:
                found = by_market.setdefault(market, _Found(recording, market, []))
                found.tokens.append(token)
                by_token[token] = found
            if isinstance(message, RecordedTrade):
                found.has_trades = True
            elif isinstance(message, RecordedBook) and not found.booked:
                found.booked = True
                for price, _ in (*message.bids, *message.asks):
                    while price % found.tick:
                        found.tick //= 10
    for found in by_market.values():
        found.check()
    return list(by_market.values())


def _tokens(message: Message) -> list[tuple[str, str]]:
    if isinstance(message, RecordedChanges):
        return list({change.token_id: (change.token_id, message.market) for change in message.changes}.values())
    return [(message.token_id, message.market)]


def _cast(core: Core, number: int, found: _Found, *, several: bool) -> Cast:
    path = found.recording.path
    facts = _facts(found)
    slug = facts.get("slug") or found.recording.slug or slug_from(path)
    if several and not facts:
        slug = f"{slug}-{found.market.removeprefix('0x')[:8]}"
    names = {**outcome_names(path), **found.recording.names}
    tokens = list(facts.get("token_ids") or sorted(found.tokens, key=lambda t: _rank(t, names, found.tokens)))
    mirrors = len(tokens) == 1
    if mirrors:
        tokens.append(str(_LEAST_TOKEN + _number("complement", tokens[0]) % _LEAST_TOKEN))
    labels = facts.get("outcomes") or [names.get(t, d) for t, d in zip(tokens, ("Yes", "No"), strict=True)]
    category = Category(facts["category"]) if "category" in facts else category_from(slug)
    event_id = _EVENT_IDS + number
    title = facts.get("question") or title_from(slug)
    condition = found.market if re.fullmatch(r"0x[0-9a-f]{62,64}", found.market) else f"0x{_number(*tokens):064x}"
    fee = CATEGORY_FEES[category]
    end_ms = core.now + 30 * DAY_MS
    note = _NOTE.format(file=path.name)
    event = Event(
        id=event_id,
        slug=slug,
        title=title,
        description=note,
        category=category,
        tags=(Tag(id=1, label="Replay", slug="replay"), _tag(category)),
        neg_risk=bool(facts.get("neg_risk", False)),
        created_ms=core.now,
        start_ms=core.now,
        end_ms=end_ms,
        updated_ms=core.now,
    )
    market = Market(
        id=event_id * 10,
        event_id=event_id,
        condition_id=condition,
        question_id=f"0x{_number('question', *tokens):064x}",
        slug=slug,
        question=title,
        description=note,
        outcomes=(str(labels[0]), str(labels[1])),
        token_ids=(tokens[0], tokens[1]),
        category=category,
        fee=fee if fee.rate_ppm else None,
        tick=micro_from_text(facts["tick"], field="tick") if "tick" in facts else found.tick,
        min_size=micro_from_text(facts.get("minimum_size", "5"), field="minimum_size"),
        neg_risk=bool(facts.get("neg_risk", False)),
        resolution_source="none: a replay",
        recorded=True,
        created_ms=core.now,
        start_ms=core.now,
        end_ms=end_ms,
        updated_ms=core.now,
    )
    return Cast(event=event, market=market, has_trades=found.has_trades, mirrors=mirrors)


def _facts(found: _Found) -> dict[str, Any]:
    for entry in found.recording.header.get("markets", []):
        if set(found.tokens) <= set(entry["token_ids"]):
            return dict(entry)
    return {}


def _rank(token: str, names: dict[str, str], seen: list[str]) -> tuple[int, int]:
    """Order tokens as the metadata lists them, then as they were seen."""
    named = list(names)
    return (named.index(token) if token in named else len(named), seen.index(token))


def slug_from(path: Path) -> str:
    """Return the market slug a file name suggests: its longest part with words in it."""
    stem = path.name.split(".")[0]
    words = [part for part in stem.split("_") if not part.isdecimal()]
    return max(words, key=lambda part: (part.count("-"), len(part)), default=stem).lower()


def title_from(slug: str) -> str:
    return f"Replay: {slug.replace('-', ' ')}"


def category_from(slug: str) -> Category:
    words = set(slug.split("-"))
    if words & set(_SPORTS):
        return Category.SPORTS
    return Category.CRYPTO if words & set(_CRYPTO) else Category.OTHER


def _tag(category: Category) -> Tag:
    return Tag(id=2 + list(Category).index(category), label=category.value.capitalize(), slug=category.value)


def _number(*parts: str) -> int:
    return int.from_bytes(hashlib.sha256(":".join(("replay", *parts)).encode()).digest(), "big")
