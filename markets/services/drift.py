"""The drift sentinel: what changed at a venue without notice stops entries there until a person has looked.

A new difference is stored, journalled with the field's name, and blocks the market it is about, or else the
venue. Sales stay possible. Accepting the difference lifts the block, and the same one never blocks again. A
changed tick is everyday life of a market: it blocks until book and catalogue agree on the new one.

Call it outside the locks of accounts and orders: it writes the journal in a transaction of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from markets.domain.drift import Difference, DriftKind, Shape, differences
from markets.domain.instruments import Venue
from markets.models import Block, Drift, Market
from markets.tickstore import TickstoreUnavailable, get_tickstore
from markets.venues.base import Drifted, FactChange
from markets.venues.registry import SHAPES

CAUSE = "drift"
MANUAL = "manual"
SENTINEL = "sentinel"
TICK = "tick"
TICK_SETTLES_AFTER = timedelta(seconds=60)
MOST_MARKETS = 20  # the same difference on more markets of one reading is about the venue
MOST_OPEN = 500  # rows without a person's answer: a venue that sends garbage must not fill the disk
_AGAIN_AFTER = timedelta(seconds=30)  # the same difference is counted at most this often by one process

_noted: dict[tuple[object, ...], datetime] = {}
_uncounted: Counter[tuple[object, ...]] = Counter()


class DriftError(ValueError):
    """A drift or block that is not there, or is dealt with already."""


def shapes_get(venue: str) -> Mapping[str, Shape]:
    """Return the declared shapes of a venue by source."""
    return SHAPES.get(Venue(venue), {})


def drift_check(venue: str, source: str, observed: object, *, now: datetime, market_id: int | None = None) -> int:
    """Compare one observed object with the shape declared for `source` and note what differs; return how much does."""
    declared = shapes_get(venue).get(source)
    if declared is None:
        return 0
    found = differences(observed, declared)
    for difference in found:
        difference_note(venue, source, difference, now=now, market_id=market_id)
    return len(found)


def difference_note(
    venue: str, source: str, difference: Difference, *, now: datetime, market_id: int | None = None
) -> bool:
    """Like `drift_note`, for what a comparison found.

    Written at most twice a minute by each process: what comes in between is counted in memory and added then.
    """
    key = (venue, source, difference.field, difference.kind, market_id)
    last = _noted.get(key)
    if last is not None and timedelta(0) <= now - last < _AGAIN_AFTER:
        _uncounted[key] += 1
        return False
    if len(_noted) > 5_000:
        _noted.clear()
        _uncounted.clear()
    _noted[key] = now
    times = 1 + _uncounted.pop(key, 0)
    return drift_note(
        venue,
        source,
        difference.field,
        difference.kind,
        sample=difference.sample,
        market_id=market_id,
        times=times,
        now=now,
    )


def drifted_note(venue: str, found: Iterable[Drifted], *, now: datetime) -> int:
    """Note what a reading of the catalogue found; return how many kinds of difference there were.

    What a few markets lack blocks those; what many lack, and every unknown field, blocks the venue. A market that
    we do not have needs no block.
    """
    by_kind: dict[Difference, list[str]] = {}
    sources: dict[Difference, str] = {}
    samples: dict[Difference, str] = {}
    for one in found:
        bare = Difference(kind=one.difference.kind, field=one.difference.field)
        by_kind.setdefault(bare, []).append(one.condition_id)
        sources.setdefault(bare, one.source)
        samples.setdefault(bare, one.difference.sample)
    for bare, conditions in by_kind.items():
        shown = Difference(kind=bare.kind, field=bare.field, sample=samples[bare])
        named = {condition.lower() for condition in conditions if condition}
        if bare.kind is DriftKind.UNKNOWN_FIELD or not named or len(named) > MOST_MARKETS:
            difference_note(venue, sources[bare], shown, now=now)
            continue
        known = Market.objects.filter(venue=venue, condition_id__in=named)
        for market_id in known.values_list("pk", flat=True):
            difference_note(venue, sources[bare], shown, now=now, market_id=market_id)
    return len(by_kind)


def facts_note(venue: str, changes: Iterable[FactChange], *, source: str, now: datetime) -> int:
    """Note changed fees, ticks and minimum sizes; return how many blocked their market."""
    return sum(
        drift_note(
            venue,
            source,
            change.field,
            DriftKind.CHANGED_FACT,
            before=change.before,
            after=change.after,
            market_id=change.market_id,
            now=now,
        )
        for change in changes
    )


@transaction.atomic
def drift_note(
    venue: str,
    source: str,
    field: str,
    kind: str,
    *,
    now: datetime,
    market_id: int | None = None,
    sample: str = "",
    before: str = "",
    after: str = "",
    times: int = 1,
) -> bool:
    """Store one difference, seen so many times; return whether it is new, and so blocked entries there."""
    names = {"venue": venue, "source": source[:60], "field": field[:120], "kind": str(kind), "market_id": market_id}
    accepted = Drift.objects.filter(**names, accepted_at__isnull=False)
    if kind == DriftKind.CHANGED_FACT:
        accepted = accepted.filter(after=after[:120], last_at__gt=now - timedelta(minutes=5))
    if accepted.update(count=F("count") + times, last_at=now):
        return False
    if Drift.objects.filter(**names, accepted_at=None).update(count=F("count") + times, last_at=now, after=after[:120]):
        return False
    if Drift.objects.filter(venue=venue, accepted_at=None).count() >= MOST_OPEN:
        return False
    _, created = Drift.objects.get_or_create(
        **names,
        accepted_at=None,
        defaults={
            "sample": sample[:500],
            "before": before[:120],
            "after": after[:120],
            "first_at": now,
            "last_at": now,
        },
    )
    if not created:
        return False
    said = drift_words(kind, source, field, before=before, after=after)
    _block(venue, market_id, CAUSE, said, now)
    market = Market.objects.filter(pk=market_id).values_list("question", flat=True).first() if market_id else None
    event_record(
        "venue.drift",
        f"{market or venue}: {said}; entries stop until a person accepts it"[:500],
        severity=Severity.WARNING if field == TICK else Severity.CRITICAL,
        subject_kind="market" if market_id else "venue",
        subject_id=str(market_id or venue),
        subject_label=(market or venue)[:240],
        actor=SENTINEL,
        payload={"source": source, "field": field, "kind": str(kind), "before": before, "after": after},
        now=now,
    )
    return True


def drift_words(kind: str, source: str, field: str, *, before: str = "", after: str = "") -> str:
    """Return a difference in words that name the field."""
    if kind == DriftKind.UNKNOWN_FIELD:
        return f"{source} has a field that we do not know: {field}"
    if kind == DriftKind.MISSING_FIELD:
        return f"{source} no longer has the field {field}"
    if kind == DriftKind.RETYPED_FIELD:
        return f"{source} sends the field {field} as another type"
    return f"{field} went from {before} to {after} ({source})"


@transaction.atomic
def drift_accept(drift_id: int, *, by: str, now: datetime, reason: str = "") -> bool:
    """Say that a difference is fine; return whether that let entries go again. Raises DriftError."""
    row = Drift.objects.select_for_update().filter(pk=drift_id).first()
    if row is None:
        raise DriftError(f"there is no drift {drift_id}")
    if row.accepted_at is not None:
        raise DriftError(f"drift {drift_id} was accepted by {row.accepted_by} already")
    row.accepted_at, row.accepted_by = now, by[:120]
    row.save(update_fields=["accepted_at", "accepted_by"])
    lifted = False
    if not Drift.objects.filter(venue=row.venue, market_id=row.market_id, accepted_at=None).exists():
        blocks = Block.objects.filter(venue=row.venue, market_id=row.market_id, cause=CAUSE, lifted_at=None)
        lifted = bool(blocks.update(lifted_at=now, lifted_by=by[:120]))
    said = drift_words(row.kind, row.source, row.field, before=row.before, after=row.after)
    event_record(
        "venue.drift_accepted",
        f"{said}: accepted by {by}"
        + (f": {reason}" if reason else "")
        + ("; entries may go again" if lifted else "; entries stay blocked by other differences"),
        subject_kind="market" if row.market_id else "venue",
        subject_id=str(row.market_id or row.venue),
        actor=by,
        payload={"drift": row.pk, "source": row.source, "field": row.field, "kind": row.kind, "lifted": lifted},
        now=now,
    )
    return lifted


def drift_accept_alike(drift_id: int, *, by: str, now: datetime, reason: str = "") -> int:
    """Accept the same difference wherever it stands open, such as a new fee on every market; return how many."""
    row = Drift.objects.filter(pk=drift_id).first()
    if row is None:
        raise DriftError(f"there is no drift {drift_id}")
    alike = Drift.objects.filter(venue=row.venue, source=row.source, field=row.field, kind=row.kind, accepted_at=None)
    if row.kind == DriftKind.CHANGED_FACT:
        alike = alike.filter(after=row.after)
    ids = list(alike.order_by("pk").values_list("pk", flat=True))
    for pk in ids:
        drift_accept(pk, by=by, now=now, reason=reason)
    return len(ids)


@transaction.atomic
def block_create(venue: str, market_id: int | None, reason: str, *, by: str, now: datetime) -> bool:
    """Keep entries out of a venue or a market by hand; return whether that is new."""
    if not reason.strip():
        raise DriftError("a block needs a reason")
    if not _block(venue, market_id, MANUAL, f"{reason} ({by})", now):
        return False
    _block_tell("venue.blocked", f"entries blocked by {by}: {reason}", venue=venue, market_id=market_id, by=by, now=now)
    return True


@transaction.atomic
def block_lift(block_id: int, *, by: str, now: datetime) -> bool:
    """Lift a block made by hand; return whether it was open. One of the sentinel ends with its differences."""
    row = Block.objects.filter(pk=block_id).first()
    if row is None:
        raise DriftError(f"there is no block {block_id}")
    if row.cause == CAUSE:
        raise DriftError("this block ends when its differences are accepted")
    if not Block.objects.filter(pk=block_id, lifted_at=None).update(lifted_at=now, lifted_by=by[:120]):
        return False
    said = f"entries may go again: {by} lifted the block"
    _block_tell("venue.unblocked", said, venue=row.venue, market_id=row.market_id, by=by, now=now)
    return True


def ticks_settle(now: datetime) -> int:
    """Accept changed ticks on which the catalogue and the live book have agreed for a while; return how many."""
    rows = Drift.objects.filter(
        kind=DriftKind.CHANGED_FACT, field=TICK, accepted_at=None, last_at__lte=now - TICK_SETTLES_AFTER
    ).select_related("market")
    settled = 0
    for row in rows:
        if row.market is not None and _tick_agreed(row.market):
            drift_accept(row.pk, by=SENTINEL, now=now, reason="catalogue and book agree")
            settled += 1
    return settled


def _tick_agreed(market: Market) -> bool:
    outcomes = list(market.outcomes.values_list("pk", flat=True))
    try:
        books = get_tickstore().books_get(outcomes)
    except (TickstoreUnavailable, OSError):
        return False
    micro = int(market.tick * 1_000_000)
    return all(book.tick == micro for book in books.values())


def _block(venue: str, market_id: int | None, cause: str, reason: str, now: datetime) -> bool:
    _, created = Block.objects.get_or_create(
        venue=venue, market_id=market_id, cause=cause, lifted_at=None,
        defaults={"reason": reason[:240], "created_at": now},
    )  # fmt: skip
    return created


def _block_tell(kind: str, message: str, *, venue: str, market_id: int | None, by: str, now: datetime) -> None:
    event_record(
        kind,
        message[:500],
        severity=Severity.WARNING,
        subject_kind="market" if market_id else "venue",
        subject_id=str(market_id or venue),
        actor=by,
        now=now,
    )
