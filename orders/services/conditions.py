"""Measuring a venue: its clock against ours, whether it lets this place trade, its version, the mode it is in.

Clock every minute, place and version every ten minutes. Modes are not measured but learned from the answers
to orders (`venue_mode_note`) and end by the clock. What changes is written into the journal once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from markets.domain.instruments import Venue
from markets.services import drift
from markets.venues.base import VenueError
from markets.venues.trading import VenueProbe
from orders.domain.lifecycle import Environment
from orders.domain.readiness import (
    CLOCK_LIMIT_MS,
    CLOCK_WARNING_MS,
    POST_ONLY_AFTER_RESTART_S,
    VenueMode,
    mode_now,
)
from orders.models import Account, VenueCondition

log = logging.getLogger(__name__)

PLACE_EVERY = timedelta(minutes=10)
SAMPLES = 3  # the one with the shortest round trip counts
# How long a mode is believed when the venue does not say: after that the next order asks again.
_MODE_S = {
    VenueMode.RESTARTING: 10.0,
    VenueMode.POST_ONLY: float(POST_ONLY_AFTER_RESTART_S),
    VenueMode.CANCEL_ONLY: 30.0,
    VenueMode.DISABLED: 60.0,
}
_LONGEST_MODE_S = 900.0

ClockNs = Callable[[], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """The venue's clock minus ours, and how long the request took: the error is half of that at most."""

    offset_ms: int
    round_trip_ms: int


def clock_read(probe: VenueProbe, *, clock_ns: ClockNs = time.time_ns, samples: int = SAMPLES) -> ClockReading:
    """Return the venue's clock against the middle of the quickest of some requests. Raises VenueError."""
    best: ClockReading | None = None
    for _ in range(samples):
        before = clock_ns()
        theirs = probe.clock_ms()
        after = clock_ns()
        if theirs % 1_000 == 0:
            theirs += 500  # told in whole seconds: it is somewhere inside that second
        middle_ms, trip_ms = (before + after) // 2_000_000, (after - before) // 1_000_000
        if best is None or trip_ms < best.round_trip_ms:
            best = ClockReading(offset_ms=theirs - middle_ms, round_trip_ms=trip_ms)
    assert best is not None  # noqa: S101 - samples is at least 1
    return best


def conditions_measure(
    now: datetime | None = None,
    *,
    probe_of: Callable[[Venue], VenueProbe] | None = None,
    clock_ns: ClockNs = time.time_ns,
) -> int:
    """Measure every venue that a sandbox or live account uses; return how many answered."""
    now = now or timezone.now()
    answered = 0
    for venue, environment in venues_used():
        answered += venue_measure(venue, environment, now, probe_of=probe_of, clock_ns=clock_ns)
    return answered


def venues_used() -> list[tuple[Venue, Environment]]:
    pairs = Account.objects.exclude(environment=Environment.PAPER).values_list("venue", "environment").distinct()
    return sorted((Venue(venue), Environment(environment)) for venue, environment in pairs)


def venue_measure(
    venue: Venue,
    environment: Environment,
    now: datetime,
    *,
    probe_of: Callable[[Venue], VenueProbe] | None = None,
    clock_ns: ClockNs = time.time_ns,
    everything: bool = False,
) -> bool:
    """Measure one venue; return whether it told the time. `everything`: place and version even when not due."""
    row = VenueCondition.objects.filter(venue=venue, environment=environment).first()
    probe = (probe_of or _probe)(venue)
    found: dict[str, object] = {}
    problems: list[str] = []
    try:
        reading = clock_read(probe, clock_ns=clock_ns)
        found |= {"clock_offset_ms": reading.offset_ms, "round_trip_ms": reading.round_trip_ms, "clock_at": now}
    except VenueError as error:
        problems.append(f"clock: {error}")
    if everything or row is None or row.blocked_at is None or row.blocked_at <= now - PLACE_EVERY:
        try:
            blocked, country = probe.geoblock()
            found |= {"blocked": blocked, "country": country[:8], "blocked_at": now}
        except VenueError as error:
            problems.append(f"place: {error}")
    if everything or row is None or row.version_at is None or row.version_at <= now - PLACE_EVERY:
        try:
            found |= {"version": probe.version()[:60], "version_at": now}
        except VenueError as error:
            problems.append(f"version: {error}")
    found["error"] = "; ".join(problems)[:240]
    _store(venue, environment, found, now)
    venue_mode_expire(venue, environment, now)
    return "clock_at" in found


@transaction.atomic
def venue_mode_expire(venue: str, environment: str, now: datetime) -> bool:
    """Write down that a mode ended by the clock; return whether one did."""
    row = VenueCondition.objects.select_for_update().filter(venue=venue, environment=environment).first()
    if row is None or row.mode in ("", VenueMode.NORMAL):
        return False
    if mode_now(row.mode, row.mode_until, now)[0] is not VenueMode.NORMAL:
        return False
    before, row.mode, row.mode_until = row.mode, VenueMode.NORMAL, None
    row.save(update_fields=["mode", "mode_until"])
    _tell(
        "venue.mode",
        f"{venue} ({environment}) is taken as normal again, was {before.replace('_', '-')}",
        severity=Severity.INFO,
        venue=venue,
        payload={"before": before, "after": "normal", "environment": str(environment)},
        now=now,
    )
    return True


def venue_mode_note(
    venue: str, environment: str, mode: str, retry_after_s: float | None, now: datetime, *, said: str = ""
) -> bool:
    """Remember the mode that an answer showed; return whether that is news.

    "restarting" for 425, "post_only", "cancel_only" or "disabled" for a 503 that says so, "normal" for an
    accepted order. A restart that is over leaves two minutes of post-only by itself (V13).
    """
    asked = VenueMode(mode)
    with transaction.atomic():
        row, _ = VenueCondition.objects.select_for_update().get_or_create(venue=venue, environment=environment)
        before, _ = mode_now(row.mode, row.mode_until, now)
        if asked is VenueMode.NORMAL:
            if row.mode in ("", VenueMode.NORMAL):
                return False
            if row.mode == VenueMode.RESTARTING and before is not VenueMode.NORMAL:
                return False  # an accepted post-only order: the two minutes go on by themselves
            if before is VenueMode.POST_ONLY:
                return False  # such an order may be accepted in this mode
            row.mode, row.mode_until = VenueMode.NORMAL, None
        else:
            lasts = min(retry_after_s if retry_after_s and retry_after_s > 0 else _MODE_S[asked], _LONGEST_MODE_S)
            row.mode, row.mode_until = asked, now + timedelta(seconds=lasts)
        row.save(update_fields=["mode", "mode_until"])
        after, _ = mode_now(row.mode, row.mode_until, now)
        if after is before:
            return False
        _tell(
            "venue.mode",
            f"{venue} ({environment}) is {after.replace('_', '-')} now, was {before.replace('_', '-')}"
            + (f": {said}" if said else ""),
            severity=Severity.INFO if after is VenueMode.NORMAL else Severity.WARNING,
            venue=venue,
            payload={"before": str(before), "after": str(after), "environment": str(environment)},
            now=now,
        )
    return True


def _probe(venue: Venue) -> VenueProbe:
    from markets.venues import trading_registry

    return trading_registry.probe(venue)


@transaction.atomic
def _store(venue: Venue, environment: Environment, found: dict[str, object], now: datetime) -> None:
    row, _ = VenueCondition.objects.select_for_update().get_or_create(venue=venue, environment=environment)
    before = {name: getattr(row, name) for name in ("clock_offset_ms", "blocked", "version", "country")}
    for name, value in found.items():
        setattr(row, name, value)
    row.save(update_fields=list(found))
    _clock_tell(row, before["clock_offset_ms"], now)
    if row.blocked is not None and row.blocked != before["blocked"] and environment is Environment.LIVE:
        word = "does not let this place trade" if row.blocked else "lets this place trade"
        _tell(
            "venue.place",
            f"{venue} {word}{f' ({row.country})' if row.country else ''}",
            severity=Severity.CRITICAL if row.blocked else Severity.INFO,
            venue=venue,
            payload={"blocked": row.blocked, "country": row.country},
            now=now,
        )
    if before["version"] and row.version != before["version"]:
        drift.drift_note(
            venue, "rest.version", "version", "changed_fact", before=before["version"], after=row.version, now=now
        )


def _clock_tell(row: VenueCondition, before_ms: int | None, now: datetime) -> None:
    """Say when the clock passes the warning or the limit, and when it is well again."""
    after, before = _clock_level(row.clock_offset_ms), _clock_level(before_ms)
    if row.clock_at != now or after == before:
        return
    apart = f"{abs(row.clock_offset_ms or 0) / 1000:.1f} s"
    words = (
        f"our clock agrees with {row.venue} again: {apart} apart",
        f"our clock is {apart} from {row.venue}'s: orders stop at {CLOCK_LIMIT_MS // 1000} s",
        f"our clock is {apart} from {row.venue}'s: no order leaves until it is set right",
    )
    _tell(
        "venue.clock",
        words[after],
        severity=(Severity.INFO, Severity.WARNING, Severity.CRITICAL)[after],
        venue=row.venue,
        payload={"offset_ms": row.clock_offset_ms, "round_trip_ms": row.round_trip_ms},
        now=now,
    )


def _clock_level(offset_ms: int | None) -> int:
    if offset_ms is None or abs(offset_ms) <= CLOCK_WARNING_MS:
        return 0
    return 1 if abs(offset_ms) <= CLOCK_LIMIT_MS else 2


def _tell(
    kind: str, message: str, *, severity: Severity, venue: str, payload: dict[str, object], now: datetime
) -> None:
    event_record(
        kind,
        message[:500],
        severity=severity,
        subject_kind="venue",
        subject_id=str(venue),
        subject_label=str(venue),
        payload=payload,
        now=now,
    )
