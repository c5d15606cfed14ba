"""Routing: which rules an event wakes, to which channels it goes, and what is held back.

Pure: the shell brings events, rules and channels as values, and the time. Quiet hours are
UTC. A critical message ignores quiet hours and is never below a channel's minimum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from alerts.domain.events import RepeatBy, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEvent:
    """The part of a journal row that routing reads."""

    id: int
    kind: str
    severity: Severity
    at: datetime
    account_id: int | None = None
    subject_kind: str = ""
    subject_id: str = ""
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    id: int
    name: str
    kind: str  # kinds separated by blanks; a trailing * matches any rest
    severity: Severity
    subject_kind: str = ""
    subject_id: str = ""
    operator: str = ""
    field: str = ""
    threshold: Decimal | None = None
    channel_ids: frozenset[int] = frozenset()  # empty: every channel
    wait_s: int = 0  # told so much later, and only if it was not cleared meanwhile
    cleared_by: str = ""  # the kind of event that clears it
    quiet_from: time | None = None
    quiet_until: time | None = None
    repeat_after_s: int = 300
    repeat_by: RepeatBy = RepeatBy.SUBJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    id: int
    minimum_severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One event for one channel. `held` says why it is not sent now, and is empty when it is."""

    channel_id: int
    rule_id: int
    severity: Severity
    same_as: str
    wait_s: int = 0
    held: str = ""


_COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "gt": lambda value, threshold: value > threshold,
    "gte": lambda value, threshold: value >= threshold,
    "lt": lambda value, threshold: value < threshold,
    "lte": lambda value, threshold: value <= threshold,
}
OPERATORS = tuple(_COMPARE)


def matches(rule: Rule, event: JournalEvent) -> bool:
    """Whether `rule` is about `event`. A number that is missing or no number matches no threshold."""
    if not any(kind_matches(pattern, event.kind) for pattern in rule.kind.split()):
        return False
    if rule.subject_kind and rule.subject_kind != event.subject_kind:
        return False
    if rule.subject_id and rule.subject_id != event.subject_id:
        return False
    if not rule.operator:
        return True
    value = number_of(event.payload.get(rule.field))
    if value is None or rule.threshold is None or rule.operator not in _COMPARE:
        return False
    return _COMPARE[rule.operator](value, rule.threshold)


def kind_matches(pattern: str, kind: str) -> bool:
    return kind.startswith(pattern[:-1]) if pattern.endswith("*") else kind == pattern


def number_of(value: object) -> Decimal | None:
    """Return a payload's number as a finite Decimal, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def is_quiet(rule: Rule, at: datetime) -> bool:
    """Whether `at` falls into the rule's quiet hours. They may run over midnight; equal ends mean none."""
    start, end = rule.quiet_from, rule.quiet_until
    if start is None or end is None or start == end:
        return False
    clock = at.time()
    return start <= clock < end if start < end else clock >= start or clock < end


def route(event: JournalEvent, rules: Iterable[Rule], channels: Iterable[Channel], *, now: datetime) -> list[Notice]:
    """Return the notices for each channel. Of the rules that match, the most serious one speaks.

    Rules that wait are a second, later word on the same event, so each waiting time has its own speaker.
    """
    woken = sorted((rule for rule in rules if matches(rule, event)), key=lambda rule: (-rule.severity.rank, rule.id))
    notices = []
    for channel in channels:
        speakers: dict[int, Rule] = {}
        for rule in woken:
            if not rule.channel_ids or channel.id in rule.channel_ids:
                speakers.setdefault(rule.wait_s, rule)
        for wait_s, rule in sorted(speakers.items()):
            if rule.severity.rank >= channel.minimum_severity.rank:
                notices.append(_notice(rule, event, channel_id=channel.id, wait_s=wait_s, now=now))
    return notices


def _notice(rule: Rule, event: JournalEvent, *, channel_id: int, wait_s: int, now: datetime) -> Notice:
    quiet = rule.severity is not Severity.CRITICAL and is_quiet(rule, now)
    return Notice(
        channel_id=channel_id,
        rule_id=rule.id,
        severity=rule.severity,
        same_as=same_as(rule, event, channel_id=channel_id),
        wait_s=wait_s,
        held="quiet hours" if quiet else "",
    )


def same_as(rule: Rule, event: JournalEvent, *, channel_id: int) -> str:
    """Return the text that two notices share when they tell the same thing."""
    who = {
        RepeatBy.SUBJECT: f"{event.account_id or ''}:{event.subject_kind}:{event.subject_id}",
        RepeatBy.ACCOUNT: str(event.account_id or ""),
        RepeatBy.RULE: "",
    }[rule.repeat_by]
    return f"{channel_id}:{rule.id}:{who}"[:160]


def backoff_s(attempts: int) -> int:
    """Return how long to wait after the nth failed attempt: 5 s, doubling, at most ten minutes."""
    return int(min(600, 5 * 2 ** min(attempts - 1, 10)))
