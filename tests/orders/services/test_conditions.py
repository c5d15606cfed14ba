"""Clocks, places and modes: measured, remembered, and told once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from alerts.models import AuditEvent
from markets.models import Drift
from markets.venues.base import VenueUnavailable
from orders.domain.readiness import VenueMode, mode_now
from orders.models import Account, VenueCondition
from orders.services.conditions import clock_read, conditions_measure, venue_mode_note
from tests.factories.orders import account_make, venue_account_make

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


class Probe:
    """A venue whose clock runs `ahead_ms` before ours and whose answers take `trips_ms`, one after the other."""

    def __init__(self, ahead_ms: int = 0, trips_ms: tuple[int, ...] = (40, 20, 30)) -> None:
        self.ahead_ms, self.trips = ahead_ms, list(trips_ms)
        self.ns = NOW_MS * 1_000_000 + 7_000_000
        self.blocked, self.country, self.named = False, "PT", "2"
        self.fails: set[str] = set()
        self.asked: list[str] = []

    def clock_ns(self) -> int:
        return self.ns

    def clock_ms(self) -> int:
        self._maybe("clock")
        trip = self.trips.pop(0) if self.trips else 10
        told = self.ns // 1_000_000 + trip // 2 + self.ahead_ms
        self.ns += trip * 1_000_000
        return told

    def geoblock(self) -> tuple[bool, str]:
        self._maybe("place")
        return self.blocked, self.country

    def version(self) -> str:
        self._maybe("version")
        return self.named

    def is_up(self) -> bool:
        return True

    def _maybe(self, what: str) -> None:
        self.asked.append(what)
        if what in self.fails:
            raise VenueUnavailable("no answer")


def measure(probe: Probe, at: datetime = NOW) -> int:
    return conditions_measure(at, probe_of=lambda _: probe, clock_ns=probe.clock_ns)


def row(environment: str = "live") -> VenueCondition:
    return VenueCondition.objects.get(environment=environment)


@pytest.fixture
def live() -> Account:
    return venue_account_make("live")


def test_half_the_round_trip_is_taken_off_and_the_quickest_answer_counts() -> None:
    probe = Probe(ahead_ms=1_203, trips_ms=(400, 20, 900))
    reading = clock_read(probe, clock_ns=probe.clock_ns)
    assert (reading.offset_ms, reading.round_trip_ms) == (1_203, 20)


def test_a_clock_of_whole_seconds_stands_for_the_middle_of_its_second() -> None:
    class Seconds(Probe):
        def clock_ms(self) -> int:
            return super().clock_ms() // 1_000 * 1_000

    probe = Seconds(trips_ms=(0, 0, 0))
    assert abs(clock_read(probe, clock_ns=probe.clock_ns).offset_ms) <= 500


def test_paper_alone_asks_nobody() -> None:
    account_make("100")
    probe = Probe()
    assert measure(probe) == 0 and probe.asked == []


def test_the_clock_is_asked_each_minute_and_the_rest_every_ten(live: Account) -> None:
    probe = Probe(ahead_ms=-300)
    assert measure(probe) == 1
    found = row()
    assert (found.clock_offset_ms, found.clock_at, found.blocked, found.country) == (-300, NOW, False, "PT")
    assert (found.version, found.round_trip_ms, found.error) == ("2", 20, "")
    measure(probe, NOW + timedelta(minutes=9))
    assert (probe.asked.count("place"), probe.asked.count("version")) == (1, 1)
    measure(probe, NOW + timedelta(minutes=10))
    assert (probe.asked.count("place"), probe.asked.count("version")) == (2, 2)


def test_what_does_not_answer_keeps_its_old_value_and_says_so(live: Account) -> None:
    probe = Probe()
    measure(probe)
    probe.fails = {"clock", "place"}
    assert measure(probe, NOW + timedelta(minutes=11)) == 0
    assert (row().clock_at, row().blocked_at) == (NOW, NOW)
    assert row().error == "clock: no answer; place: no answer"


def test_a_clock_that_drifts_is_told_at_two_and_at_five_seconds_and_when_it_is_well(live: Account) -> None:
    for minute, ahead in enumerate((0, 1_900, 2_100, 2_200, 5_100, 100)):
        measure(Probe(ahead_ms=ahead), NOW + timedelta(minutes=minute))
    told = AuditEvent.objects.filter(kind="venue.clock").order_by("pk").values_list("severity", "message")
    assert [severity for severity, _ in told] == ["warning", "critical", "info"]
    assert "2.1 s" in told[0][1] and "5.1 s" in told[1][1] and "agrees" in told[2][1]


def test_a_blocked_place_is_told(live: Account) -> None:
    probe = Probe()
    probe.blocked, probe.country = True, "US"
    measure(probe)
    event = AuditEvent.objects.get(kind="venue.place")
    assert event.severity == "critical" and "(US)" in event.message


def test_another_version_of_the_venue_is_drift(live: Account) -> None:
    probe = Probe()
    measure(probe)
    probe.named = "3"
    measure(probe, NOW + timedelta(minutes=10))
    assert list(Drift.objects.values_list("source", "field", "before", "after")) == [
        ("rest.version", "version", "2", "3")
    ]


def note(mode: str, after_s: float | None = None, at: datetime = NOW) -> bool:
    return venue_mode_note("polymarket", "sandbox", mode, after_s, at)


def mode_at(seconds: float) -> VenueMode:
    found = row("sandbox")
    return mode_now(found.mode, found.mode_until, NOW + timedelta(seconds=seconds))[0]


def test_a_restart_is_followed_by_two_minutes_of_post_only() -> None:
    assert note("restarting", 15)
    assert mode_at(14) is VenueMode.RESTARTING
    assert mode_at(15) is mode_at(134) is VenueMode.POST_ONLY
    assert mode_at(135) is VenueMode.NORMAL
    assert AuditEvent.objects.get(kind="venue.mode").payload["after"] == "restarting"


def test_each_further_425_moves_the_end_and_is_no_news() -> None:
    note("restarting", 10)
    assert not note("restarting", 10, NOW + timedelta(seconds=9))
    assert mode_at(18) is VenueMode.RESTARTING


def test_an_accepted_order_ends_a_cancel_only_mode_but_not_the_quiet_after_a_restart() -> None:
    note("cancel_only")
    assert note("normal") and mode_at(0) is VenueMode.NORMAL
    note("restarting", 10)
    assert not note("normal", at=NOW + timedelta(seconds=60)) and mode_at(60) is VenueMode.POST_ONLY


@pytest.mark.parametrize(("mode", "lasts_s"), [("post_only", 120), ("cancel_only", 30), ("disabled", 60)])
def test_without_a_word_of_the_venue_a_mode_is_believed_for_a_while(mode: str, lasts_s: int) -> None:
    note(mode)
    assert mode_at(lasts_s - 1) == mode and mode_at(lasts_s) is VenueMode.NORMAL


def test_an_absurd_pause_is_cut() -> None:
    note("disabled", 1e9)
    assert mode_at(901) is VenueMode.NORMAL


def test_a_mode_that_ended_by_the_clock_is_written_down_by_the_next_measurement() -> None:
    venue_account_make("sandbox")
    note("cancel_only", 5)
    measure(Probe(), NOW + timedelta(seconds=3))
    assert row("sandbox").mode == "cancel_only"
    measure(Probe(), NOW + timedelta(seconds=6))
    assert row("sandbox").mode == "normal"
    assert "normal again" in AuditEvent.objects.filter(kind="venue.mode").latest("pk").message


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError):
        note("sleepy")
    assert not VenueCondition.objects.exists()
