"""Makes the demo catalogue: which events exist, from a seed alone, so that a restart finds the same ones.

The catalogue has fixed slots; each holds one event at a time, generation after generation. An event depends on
seed, slot, generation and the moment it was listed, on nothing else. Fair values are floats: they are opinions
of house traders, never money.
"""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from markets.domain.instruments import Category
from markets.domain.units import ONE
from markets.venues.simulated.fees import CATEGORY_FEES
from polybot.sandbox import invented_names as names
from polybot.sandbox.catalogue import Event, Market, Rewards, Tag

MINUTE = 60_000
DAY = 1_440 * MINUTE
_SHARE = ONE
_LEAST_TOKEN = 10**76  # token ids are printed with 77 digits

SLOTS: tuple[tuple[str, int], ...] = (
    *(("group", i) for i in range(5)),
    *(("game", i) for i in range(10)),
    *(("strikes", i) for i in range(6)),
    *(("updown", i) for i in range(4)),
    *(("single", i) for i in range(10)),
    *(("ladder", i) for i in range(3)),
)
# Listed on request only: events whose outcomes are Protocol V2 position ids, traded on Exchange V3.
POSITION_SLOTS: tuple[tuple[str, int], ...] = (("positions", 0), ("positions", 1))
ALL_SLOTS = SLOTS + POSITION_SLOTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Invention:
    event: Event
    markets: list[Market]
    fair: list[float]  # the house's first opinion of outcome 0, market by market
    exclusive: bool  # exactly one market of the event settles to Yes
    together: bool  # one cause moves all markets of the event
    weight: float  # how busy it is


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    question: str
    slug: str
    fair: float
    title: str = ""
    outcomes: tuple[str, str] = ("Yes", "No")
    rules: str = ""
    other: bool = False
    sports_type: str = ""
    line: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    title: str
    slug: str
    category: Category
    tags: tuple[str, ...]
    parts: list[_Part]
    life_ms: int
    rules: str
    source: str
    weight: float = 1.0
    exclusive: bool = False
    augmented: bool = False
    together: bool = False
    series: str = ""
    game_in_ms: int | None = None
    version: str = "v1"


def lifetime_ms(seed: int, slot: int, generation: int) -> int:
    """Return how long an event of this slot stays listed before it ends."""
    kind, number = ALL_SLOTS[slot]
    rng = random.Random(f"{seed}:{slot}:{generation}:life")
    if kind == "updown":
        return (5 if number < 2 else 15) * MINUTE
    if kind == "game" and number < 3:
        return rng.randrange(20, 46) * MINUTE
    if kind == "single" and names.SINGLES[number][0] is Category.MENTIONS:
        return rng.randrange(30, 61) * MINUTE
    return rng.randrange(6, 200) * DAY


def invent(seed: int, slot: int, generation: int, created_ms: int) -> Invention:
    kind, number = ALL_SLOTS[slot]
    rng = random.Random(f"{seed}:{slot}:{generation}")
    plan = _PLANS[kind](rng, number, lifetime_ms(seed, slot, generation), created_ms)
    return _build(plan, seed=seed, slot=slot, generation=generation, created_ms=created_ms, rng=rng)


def identity(seed: int, *parts: object) -> int:
    """Return a 256-bit number that depends on the seed and the parts."""
    text = ":".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")


def token_number(seed: int, *parts: object) -> str:
    """Return a 77-digit token id."""
    return str(_LEAST_TOKEN + identity(seed, *parts) % (9 * _LEAST_TOKEN))


def position_identity(seed: int, *parts: object, neg_risk: bool) -> tuple[str, tuple[str, str]]:
    """Return a Protocol V2 condition id, in its 32-byte form, and its two position ids.

    A position id is a module byte, 18 bytes of hash, eight zero bytes, four of hash and the outcome's byte;
    the condition is the same number without its outcome.
    """
    number = identity(seed, *parts, "position")
    module = 2 if neg_risk else 1
    base = module << 248 | (number % (1 << 144)) << 104 | (number >> 144) % (1 << 32) << 8
    return f"0x{base:064x}", (str(base), str(base | 1))


def slug_of(text: str) -> str:
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower())
    return "-".join(filter(None, kept.split("-")))[:80]


def _build(plan: _Plan, *, seed: int, slot: int, generation: int, created_ms: int, rng: random.Random) -> Invention:
    event_id = 10_000 + generation * 100 + slot
    mark = f"{event_id}"
    fee = CATEGORY_FEES[plan.category]
    group = identity(seed, slot, generation, "neg-risk") >> 8 << 8  # its questions have its number plus their place
    negative = f"0x{group:064x}"
    end_ms = created_ms + plan.life_ms
    event = Event(
        id=event_id,
        slug=f"{plan.slug}-{mark}",
        title=plan.title,
        description=plan.rules,
        category=plan.category,
        tags=tuple(_tag(label) for label in plan.tags),
        created_ms=created_ms,
        start_ms=created_ms,
        end_ms=end_ms,
        neg_risk=plan.exclusive,
        neg_risk_augmented=plan.augmented,
        neg_risk_market_id=negative if plan.exclusive else "",
        series_slug=plan.series,
        game_start_ms=None if plan.game_in_ms is None else created_ms + plan.game_in_ms,
        updated_ms=created_ms,
        version=plan.version,
    )
    weight = plan.weight * math.exp(rng.gauss(0.0, 0.7))  # some events are much busier than others
    markets = []
    for index, part in enumerate(plan.parts):
        key = (slot, generation, index)
        condition_id = f"0x{identity(seed, *key, 'condition'):064x}"
        token_ids = (token_number(seed, *key, "token", 0), token_number(seed, *key, "token", 1))
        if plan.version == "v2":
            condition_id, token_ids = position_identity(seed, *key, neg_risk=plan.exclusive)
        long_shot = not 0.045 <= part.fair <= 0.955
        volume = int(60_000 * activity(weight, index) * rng.uniform(0.7, 1.4)) * ONE
        markets.append(
            Market(
                id=event_id * 100 + index,
                event_id=event_id,
                condition_id=condition_id,
                question_id=f"0x{group + index if plan.exclusive else identity(seed, *key, 'question'):064x}",
                slug=f"{part.slug}-{mark}",
                question=part.question,
                description=part.rules or plan.rules,
                outcomes=part.outcomes,
                token_ids=token_ids,
                version=plan.version,
                category=plan.category,
                fee=fee if fee.rate_ppm else None,
                tick=1_000 if long_shot else 10_000,
                min_size=5 * _SHARE,
                neg_risk=plan.exclusive,
                neg_risk_other=part.other,
                neg_risk_request_id=f"0x{identity(seed, *key, 'request'):064x}" if plan.exclusive else "",
                group_item_title=part.title,
                group_item_threshold=index,
                created_ms=created_ms,
                start_ms=created_ms,
                end_ms=end_ms,
                sports_market_type=part.sports_type,
                line=part.line,
                game_start_ms=event.game_start_ms,
                resolution_source=plan.source,
                rewards=_rewards(rng) if rng.random() < 0.3 else None,
                volume=volume,
                volume_24h=volume // rng.randrange(5, 9),
                updated_ms=created_ms,
            )
        )
    return Invention(
        event=event,
        markets=markets,
        fair=[part.fair for part in plan.parts],
        exclusive=plan.exclusive,
        together=plan.together,
        weight=weight,
    )


def activity(weight: float, index: int) -> float:
    """Return a market's share of attention: an event's first markets get most of it."""
    return weight / (1 + 0.4 * index)


def _tag(label: str) -> Tag:
    return Tag(id=100 + identity(0, "tag", label) % 100_000, label=label, slug=slug_of(label))


def _rewards(rng: random.Random) -> Rewards:
    return Rewards(
        daily_rate=rng.choice((5, 10, 25, 50)) * ONE,
        min_size=rng.choice((20, 50, 100)) * _SHARE,
        max_spread_cents=rng.choice((3, 4)),
    )


def _group(rng: random.Random, number: int, life_ms: int, created_ms: int) -> _Plan:
    category, title, question, tags = names.GROUPS[number]
    place = rng.choice(names.CITIES)
    pool = (names.PEOPLE, names.TEAMS, names.FILMS, names.LABS, names.RATES)[number]
    count = rng.randrange(7, 11) if number != 1 else 10
    labels = sorted(pool[:count]) if number == 4 else rng.sample(pool, count)
    augmented = number == 0
    raw = [rng.random() ** 3 + 0.01 for _ in labels] + ([0.02, 0.015, 0.03] if augmented else [])
    shares = [value / sum(raw) for value in raw]
    parts = [
        _Part(
            question=question.format(name=label, place=place),
            slug=slug_of(f"{label} {title.format(place=place)}"),
            fair=fair,
            title=label,
        )
        for label, fair in zip(labels, shares, strict=False)
    ]
    if augmented:
        for index, label in enumerate(("Person A", "Person B", "Other")):
            parts.append(
                _Part(
                    question=question.format(name=label, place=place),
                    slug=slug_of(f"{label} {title.format(place=place)}"),
                    fair=shares[len(labels) + index],
                    title=label,
                    other=label == "Other",
                )
            )
    source = f"the official announcement for {place}"
    rules = names.GROUP_RULES.format(source=source.capitalize()) + (names.AUGMENTED_RULES if augmented else "")
    name = title.format(place=place)
    return _Plan(
        title=name, slug=slug_of(name), category=category, tags=tags, parts=parts, life_ms=life_ms, rules=rules,
        source=source, weight=2.0, exclusive=True, augmented=augmented,
    )  # fmt: skip


def _game(rng: random.Random, number: int, life_ms: int, created_ms: int) -> _Plan:
    (place_a, place_b), (team_a, team_b) = rng.sample(names.CITIES, 2), rng.sample(names.TEAMS, 2)
    title = f"{place_a} {team_a} vs. {place_b} {team_b}"
    fair, line, total = rng.uniform(0.25, 0.75), rng.choice((1.5, 2.5, 3.5)), rng.choice((4.5, 6.5, 8.5))
    slug = slug_of(f"{team_a} {team_b}")
    parts = [
        _Part(question=title, slug=slug, fair=fair, outcomes=(team_a, team_b), sports_type="moneyline", title="Winner"),
        _Part(
            question=f"Spread: {team_a} (-{line})", slug=f"{slug}-spread", fair=fair * 0.6, outcomes=(team_a, team_b),
            sports_type="spreads", line=f"-{line}", title=f"Spread {line}",
        ),
        _Part(
            question=f"{title}: O/U {total}", slug=f"{slug}-total", fair=rng.uniform(0.4, 0.6),
            outcomes=("Over", "Under"), sports_type="totals", line=f"{total}", title=f"O/U {total}",
        ),
    ]  # fmt: skip
    live = number < 3
    return _Plan(
        title=title, slug=slug, category=Category.SPORTS, tags=("Sports", "Games"), parts=parts, life_ms=life_ms,
        rules=names.GAME_RULES, source="the league's result sheet", weight=3.0 if live else 1.0, series="league-games",
        game_in_ms=0 if live else life_ms - 180 * MINUTE,
    )  # fmt: skip


def _strikes(rng: random.Random, number: int, life_ms: int, created_ms: int) -> _Plan:
    coin, code, price, step = names.COINS[number % 3]
    day = _date(created_ms + life_ms)
    title = f"{coin} above ___ on {day}?"
    near = (rng.uniform(-0.5, 0.5), 3.2)[number >= 4]  # two of the six start near an end, where ticks change
    parts = []
    for index in range(4):
        strike = price + (index - 1) * step * (number + 1)
        fair = 1 / (1 + 2.718281828 ** -(near - (index - 1.5) * 0.9))
        parts.append(
            _Part(
                question=f"Will {coin} be above ${strike:,} on {day}?", slug=slug_of(f"{code} above {strike} {day}"),
                fair=fair, title=f"${strike:,}", rules=names.STRIKE_RULES.format(coin=coin),
            )
        )  # fmt: skip
    return _Plan(
        title=title, slug=slug_of(f"{code} above {day}"), category=Category.CRYPTO, tags=("Crypto", coin), parts=parts,
        life_ms=life_ms, rules=names.STRIKE_RULES.format(coin=coin), source=f"{code}/USD reference feed", weight=1.5,
        together=True,
    )  # fmt: skip


def _updown(rng: random.Random, number: int, life_ms: int, created_ms: int) -> _Plan:
    coin, code, _, _ = names.COINS[number % 2]
    minutes = life_ms // MINUTE
    start = datetime.fromtimestamp(created_ms / 1000, tz=UTC)
    until = start + timedelta(milliseconds=life_ms)
    title = f"{coin} Up or Down: {start:%H:%M:%S} to {until:%H:%M:%S} UTC, {start:%d %B}"
    part = _Part(
        question=title, slug=f"{code.lower()}-updown-{minutes}m", fair=0.5, outcomes=("Up", "Down"), title="",
        rules=names.UPDOWN_RULES.format(coin=coin),
    )  # fmt: skip
    return _Plan(
        title=title, slug=f"{code.lower()}-updown-{minutes}m", category=Category.CRYPTO, parts=[part], life_ms=life_ms,
        tags=("Crypto", coin, f"{minutes}M"), rules=part.rules, source=f"{code}/USD reference feed", weight=4.0,
        series=f"{code.lower()}-up-or-down-{minutes}m",
    )  # fmt: skip


def _single(rng: random.Random, number: int, life_ms: int, created_ms: int) -> _Plan:
    category, question, fair, tags = names.SINGLES[number]
    place, other = rng.sample(names.CITIES, 2)
    title = question.format(
        place=place,
        other=other,
        person=rng.choice(names.PEOPLE),
        lab=rng.choice(names.LABS),
        film=rng.choice(names.FILMS),
    )
    source = f"the official record of {place}"
    rules = names.YES_NO_RULES.format(source=source.capitalize())
    part = _Part(question=title, slug=slug_of(title), fair=fair)
    return _Plan(
        title=title, slug=slug_of(title), category=category, tags=tags, parts=[part], life_ms=life_ms, rules=rules,
        source=source, weight=2.0,
    )  # fmt: skip


def _ladder(rng: random.Random, number: int, life_ms: int, created_ms: int) -> _Plan:
    category, title, question, tags = names.LADDERS[number]
    words = {"place": rng.choice(names.CITIES), "person": rng.choice(names.PEOPLE), "lab": rng.choice(names.LABS)}
    name = title.format(**words)
    parts = []
    fair = rng.uniform(0.05, 0.2)
    for index in range(4):
        day = _date(created_ms + life_ms * (index + 1) // 4)
        asked = question.format(**words, name=day)
        parts.append(_Part(question=asked, slug=slug_of(asked), fair=fair, title=day))
        fair += rng.uniform(0.08, 0.2)
    rules = names.YES_NO_RULES.format(source="The first public announcement")
    return _Plan(
        title=name, slug=slug_of(name), category=category, tags=tags, parts=parts, life_ms=life_ms, rules=rules,
        source="public announcements", together=True,
    )  # fmt: skip


def _positions(rng: random.Random, number: int, life_ms: int, created_ms: int) -> _Plan:
    """Return the plan of a Protocol V2 event: one binary question, or an exclusive group."""
    plan = (_single if number == 0 else _group)(rng, 0 if number == 0 else 1, life_ms, created_ms)
    return replace(plan, slug=f"{plan.slug}-v2", version="v2")


def _date(at_ms: int) -> str:
    day = datetime.fromtimestamp(at_ms / 1000, tz=UTC)
    return f"{day:%B} {day.day}, {day.year}"


_PLANS = {
    "group": _group,
    "game": _game,
    "strikes": _strikes,
    "updown": _updown,
    "single": _single,
    "ladder": _ladder,
    "positions": _positions,
}
