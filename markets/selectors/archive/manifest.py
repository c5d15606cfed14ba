"""What stands beside a tape's columns: one JSON object that says what they are, where from, and what they lack.

Amounts in it are millionths and times nanoseconds unless they are ISO texts. `TapeInfo` is what lists and forms need.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from markets.domain.instruments import Category, FeeSchedule, MarketFacts, MarketState, OutcomeFacts, Venue
from markets.domain.tape import Fidelity
from markets.selectors.archive.files import ArchiveError

FORMAT, VERSION = "polybot-tape", 1
DAY_NS = 86_400 * 10**9
_KEY = re.compile(r"[a-z0-9][a-z0-9_.-]{0,150}")
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeInfo:
    """One market's tape of one day, without its columns."""

    market: str
    day: str  # UTC, YYYY-MM-DD
    digest: str
    rows: int
    trades: int
    start_ns: int
    end_ns: int
    step: int
    fidelity: Fidelity
    source: str
    question: str
    outcomes: tuple[str, ...]
    tags: tuple[str, ...]
    category: str
    gaps: tuple[tuple[int, int], ...]
    coverage: float  # share of the day's 24 hours for which something is known
    size_bytes: int
    resolved: bool  # the tape ends with the market's payouts
    counts: Mapping[str, int] = field(default_factory=dict)  # rows by kind
    inferred: int = 0  # trades that an importer deduced
    venue: str = ""
    condition_id: str = ""
    event: str = ""
    tick: int = 0
    minimum_size: int = 0
    seconds_delay: int = 0
    neg_risk: bool = False
    closes_at: datetime | None = None
    payouts: tuple[int, ...] = ()  # per outcome, as far as known, even if only after this day; facts never say it
    notes: tuple[str, ...] = ()  # what the importer wants a reader to know
    extra: Mapping[str, str] = field(default_factory=dict)  # what only one kind of source has, such as a strike


def market_key(prefix: str, slug: str, condition_id: str) -> str:
    """Return the archive's name of a market: `polymarket.<slug>`, or the start of its condition id if it has none."""
    words = re.sub(r"[^a-z0-9]+", "-", slug.lower()).strip("-") or condition_id.lower()[:18]
    return key_check(f"{prefix}.{words[:130]}")


def key_check(market: str) -> str:
    """Return `market` unless it is no name of the archive: keys become file names."""
    if not _KEY.fullmatch(market) or ".." in market:
        raise ArchiveError(f"{market!r:.80} is no name of a recorded market; `manage.py data` lists them")
    return market


def day_check(day: str) -> str:
    """Return `day` unless it is not written YYYY-MM-DD."""
    try:
        if date.fromisoformat(day).isoformat() == day:
            return day
    except ValueError:
        pass
    raise ArchiveError(f"{day!r:.40} is no day; write it as 2026-07-11")


def day_of(ns: int) -> str:
    """Return the UTC day of a time."""
    return datetime.fromtimestamp(ns // 10**9, tz=UTC).date().isoformat()


def day_start_ns(day: str) -> int:
    return (date.fromisoformat(day_check(day)) - _EPOCH).days * DAY_NS


def number_of(text: str) -> int:
    """Return a number that is always the same for the same text, for ids that no database gave."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") + 1


def info_from_manifest(manifest: Mapping[str, Any]) -> TapeInfo:
    """Return what a manifest says. Raises ArchiveError for one that this code cannot read."""
    if manifest.get("format") != FORMAT:
        raise ArchiveError("it is no manifest of a tape")
    if manifest.get("version") != VERSION:
        raise ArchiveError(f"its format version is {manifest.get('version')!r}, this code reads {VERSION}")
    try:
        facts = manifest["facts"]
        gaps = tuple((int(a), int(b)) for a, b in manifest["gaps"])
        start, end = int(manifest["start_ns"]), int(manifest["end_ns"])
        return TapeInfo(
            market=key_check(manifest["market"]),
            day=day_check(manifest["day"]),
            digest=str(manifest["digest"]),
            rows=int(manifest["rows"]),
            trades=int(manifest["counts"].get("trade", 0)),
            start_ns=start,
            end_ns=end,
            step=int(manifest["step"]),
            fidelity=Fidelity(manifest["fidelity"]),
            source=str(manifest["source"]),
            question=facts["question"],
            outcomes=tuple(o["label"] for o in facts["outcomes"]),
            tags=tuple(facts["tags"]),
            category=facts["category"],
            gaps=gaps,
            coverage=(end - start - sum(b - a for a, b in gaps)) / DAY_NS,
            size_bytes=int(manifest["size_bytes"]),
            resolved=bool(manifest["counts"].get("resolved", 0)),
            counts=dict(manifest["counts"]),
            inferred=int(manifest["inferred"]),
            venue=facts["venue"],
            condition_id=facts["condition_id"],
            event=facts["event_slug"],
            tick=facts["tick"],
            minimum_size=facts["minimum_size"],
            seconds_delay=facts["seconds_delay"],
            neg_risk=facts["neg_risk"],
            closes_at=_time(facts["closes_at"]),
            payouts=tuple(int(payout) for payout in manifest["payouts"]),
            notes=tuple(manifest["notes"]),
            extra=dict(manifest["extra"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArchiveError(f"its manifest is damaged ({type(error).__name__}: {error}); import it again") from None


def facts_as_json(facts: MarketFacts) -> dict[str, Any]:
    """Return a market's facts as a manifest holds them."""
    found = asdict(facts)
    found["closes_at"] = facts.closes_at.isoformat() if facts.closes_at else None
    found["synced_at"] = facts.synced_at.isoformat()
    return found


def facts_from_json(found: Mapping[str, Any]) -> MarketFacts:
    """Return the facts that a manifest holds."""
    return MarketFacts(
        **{
            **found,
            "venue": Venue(found["venue"]),
            "category": Category(found["category"]),
            "state": MarketState(found["state"]),
            "fee": FeeSchedule(**found["fee"]) if found["fee"] else None,
            "closes_at": _time(found["closes_at"]),
            "synced_at": datetime.fromisoformat(found["synced_at"]),
            "outcomes": tuple(OutcomeFacts(**outcome) for outcome in found["outcomes"]),
            "tags": tuple(found["tags"]),
        }
    )


def facts_of_the_day(facts: MarketFacts) -> MarketFacts:
    """Return the facts as they were while the market traded, with the tape's own ids: market 1, outcomes 1 and 2."""
    outcomes = tuple(replace(o, outcome_id=o.index + 1, payout=None) for o in facts.outcomes)
    return replace(facts, market_id=1, state=MarketState.OPEN, outcomes=outcomes)


def facts_text(facts: MarketFacts, step: int) -> str:
    """Return what a digest covers besides the columns: facts change results as much as events do."""
    return json.dumps({"step": step, "facts": facts_as_json(facts)}, sort_keys=True, separators=(",", ":"))


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
