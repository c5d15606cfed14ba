"""Which rule an event wakes, for whom, and what is held back."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from alerts.domain import routing
from alerts.domain.events import RepeatBy, Severity

NOW = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
ALL = [routing.Channel(id=1, minimum_severity=Severity.INFO)]


def event(kind: str = "order.filled", **values: Any) -> routing.JournalEvent:
    fields: dict[str, Any] = {"id": 1, "severity": Severity.INFO, "at": NOW, "payload": {}}
    return routing.JournalEvent(kind=kind, **{**fields, **values})


def rule(kind: str = "order.filled", **values: Any) -> routing.Rule:
    fields: dict[str, Any] = {"id": 1, "name": "r", "severity": Severity.WARNING}
    return routing.Rule(kind=kind, **{**fields, **values})


@pytest.mark.parametrize(
    ("pattern", "kind", "expected"),
    [
        ("order.filled", "order.filled", True),
        ("order.filled", "order.filled_late", False),
        ("order.*", "order.filled", True),
        ("order.*", "orders.filled", False),
        ("feed.down feed.stale", "feed.stale", True),
        ("*", "anything", True),
    ],
)
def test_kinds_match_exactly_or_by_their_beginning(pattern: str, kind: str, expected: bool) -> None:
    assert routing.matches(rule(pattern), event(kind)) is expected


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("gte", "500", True),
        ("gte", "499.999999", False),
        ("gt", 500, False),
        ("lt", "100", True),
        ("lte", "500.00", True),
        ("gte", None, False),
        ("gte", "NaN", False),
        ("gte", "Infinity", False),
        ("gte", "many", False),
        ("gte", True, False),
        ("like", "500", False),
    ],
)
def test_a_threshold_compares_a_number_of_the_payload(operator: str, value: object, expected: bool) -> None:
    large = rule(operator=operator, field="notional", threshold=Decimal(500))
    assert routing.matches(large, event(payload={"notional": value})) is expected


def test_a_rule_may_name_its_subject() -> None:
    one = rule(subject_kind="strategy", subject_id="3")
    assert routing.matches(one, event(subject_kind="strategy", subject_id="3"))
    assert not routing.matches(one, event(subject_kind="strategy", subject_id="4"))


@pytest.mark.parametrize(
    ("start", "end", "clock", "quiet"),
    [
        (time(22), time(7), time(23, 30), True),
        (time(22), time(7), time(6, 59), True),
        (time(22), time(7), time(7), False),
        (time(9), time(17), time(12), True),
        (time(9), time(17), time(17), False),
        (time(9), time(9), time(9), False),
        (None, time(9), time(8), False),
    ],
)
def test_quiet_hours_may_run_over_midnight(start: time | None, end: time, clock: time, quiet: bool) -> None:
    at = datetime.combine(NOW.date(), clock, tzinfo=UTC)
    assert routing.is_quiet(rule(quiet_from=start, quiet_until=end), at) is quiet


def test_a_critical_message_ignores_quiet_hours() -> None:
    night = {"quiet_from": time(22), "quiet_until": time(7)}
    (held,) = routing.route(event(), [rule(**night)], ALL, now=NOW)
    (told,) = routing.route(event(), [rule(severity=Severity.CRITICAL, **night)], ALL, now=NOW)
    assert (held.held, told.held) == ("quiet hours", "")


def test_a_channel_hears_only_what_is_serious_enough() -> None:
    pager = [routing.Channel(id=1, minimum_severity=Severity.CRITICAL)]
    assert routing.route(event(), [rule()], pager, now=NOW) == []
    assert len(routing.route(event(), [rule(severity=Severity.CRITICAL)], pager, now=NOW)) == 1


def test_of_several_rules_the_most_serious_one_speaks_once() -> None:
    rules = [rule(id=1), rule("order.*", id=2, severity=Severity.CRITICAL), rule(id=3)]
    (notice,) = routing.route(event(), rules, ALL, now=NOW)
    assert (notice.rule_id, notice.severity) == (2, Severity.CRITICAL)


def test_a_rule_that_waits_is_a_second_word_on_the_same_event() -> None:
    rules = [rule(id=1, wait_s=30), rule(id=2, wait_s=60, severity=Severity.CRITICAL), rule(id=3, wait_s=60)]
    notices = routing.route(event(), rules, ALL, now=NOW)
    assert [(n.rule_id, n.wait_s) for n in notices] == [(1, 30), (2, 60)]


def test_a_rule_may_name_its_channels() -> None:
    channels = [routing.Channel(id=n, minimum_severity=Severity.INFO) for n in (1, 2)]
    notices = routing.route(event(), [rule(channel_ids=frozenset({2}))], channels, now=NOW)
    assert [notice.channel_id for notice in notices] == [2]


@pytest.mark.parametrize(
    ("by", "other", "same"),
    [
        (RepeatBy.SUBJECT, {"subject_id": "2"}, False),
        (RepeatBy.SUBJECT, {"payload": {"x": 1}}, True),
        (RepeatBy.ACCOUNT, {"subject_id": "2"}, True),
        (RepeatBy.ACCOUNT, {"account_id": 8}, False),
        (RepeatBy.RULE, {"account_id": 8}, True),
    ],
)
def test_what_counts_as_the_same_thing(by: RepeatBy, other: dict[str, Any], same: bool) -> None:
    first = {"account_id": 7, "subject_kind": "order", "subject_id": "1"}
    one = routing.same_as(rule(repeat_by=by), event(**first), channel_id=1)
    two = routing.same_as(rule(repeat_by=by), event(**{**first, **other}), channel_id=1)
    assert (one == two) is same


def test_pauses_double_up_to_ten_minutes() -> None:
    assert [routing.backoff_s(n) for n in (1, 2, 3, 7, 8, 50)] == [5, 10, 20, 320, 600, 600]
