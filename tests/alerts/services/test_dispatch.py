"""From journal row to message: every event once, at least one delivery, retries, no flood."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import time, timedelta

import pytest
from django.core import mail
from django.db import connection, transaction

from alerts import tasks
from alerts.domain.events import RepeatBy, Severity
from alerts.models import AlertChannel, AlertRule, Delivery, OutboxCursor
from alerts.services import defaults, dispatch, journal, routing
from alerts.services.channels import channel_test
from alerts.transports import registry
from alerts.transports.base import Message, TransportRefused, TransportRetry
from tests.factories.alerts import AT, channel_make, event_make, rule_make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def bare() -> None:
    """Without the default rules and channels, which every installation starts with."""
    AlertRule.objects.all().delete()
    AlertChannel.objects.all().delete()


class Flaky:
    """A transport that fails as told, then works."""

    name = "flaky"
    target_help = ""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.sent: list[Message] = []

    def send(self, message: Message, target: str) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(message)


@pytest.fixture
def flaky(monkeypatch: pytest.MonkeyPatch) -> Flaky:
    transport = Flaky()
    monkeypatch.setitem(registry.TRANSPORTS, "flaky", transport)
    return transport


def test_an_event_that_a_rule_is_about_reaches_the_channel() -> None:
    channel_make()
    rule_make()
    event_make(message="order 7 is filled: 10 at 0.48")
    event_make("order.live")
    tasks.deliver_alerts()
    assert [m.subject for m in mail.outbox] == ["[polybot warning] order 7 is filled: 10 at 0.48"]
    assert Delivery.objects.get().state == "sent"
    assert Delivery.objects.get().sent_at is not None


def test_running_the_task_again_tells_nothing_twice() -> None:
    channel_make()
    rule_make()
    event_make()
    for _ in range(3):
        tasks.deliver_alerts()
    assert len(mail.outbox) == 1


def test_each_stream_is_read_to_its_end_in_batches() -> None:
    channel_make()
    rule_make(repeat_after_s=0)
    for number in range(5):
        event_make(stream="account:1", subject_id=str(number))
    event_make(stream="desk", subject_id="x")
    assert [routing.deliveries_create(now=AT, batch=2) for _ in range(4)] == [3, 2, 1, 0]
    assert dict(OutboxCursor.objects.exclude(stream="").values_list("stream", "seq")) == {"account:1": 5, "desk": 1}


def test_the_same_thing_within_the_window_is_counted_not_told() -> None:
    channel_make()
    rule_make(repeat_after_s=300)
    for seconds in (0, 10, 299, 300, 310):
        event_make(now=AT + timedelta(seconds=seconds))
    event_make(subject_id="2", now=AT + timedelta(seconds=311))
    routing.deliveries_create(now=AT)
    rows = Delivery.objects.order_by("id")
    assert [(row.event.subject_id, row.repeats) for row in rows] == [("1", 2), ("1", 1), ("2", 0)]


def test_the_window_holds_over_several_rounds() -> None:
    channel_make()
    rule_make(repeat_after_s=300, repeat_by=RepeatBy.RULE)
    for seconds in (0, 100, 400):
        event_make(now=AT + timedelta(seconds=seconds), subject_id=str(seconds))
        routing.deliveries_create(now=AT + timedelta(seconds=seconds))
    assert [row.repeats for row in Delivery.objects.order_by("id")] == [1, 0]


def test_quiet_hours_are_logged_and_nothing_is_sent() -> None:
    channel_make()
    rule_make(quiet_from=time(11), quiet_until=time(13))
    event_make()
    routing.deliveries_create(now=AT)
    dispatch.deliveries_send(now=AT)
    row = Delivery.objects.get()
    assert (row.state, row.last_error, mail.outbox) == ("suppressed", "quiet hours", [])


def test_a_failure_is_tried_again_later_and_the_log_says_why(flaky: Flaky) -> None:
    flaky.failures = [TransportRetry("the server is busy")]
    channel_make("flaky")
    rule_make()
    event_make()
    routing.deliveries_create(now=AT)
    assert dispatch.deliveries_send(now=AT) == dispatch.Sent(again=1)
    row = Delivery.objects.get()
    assert (row.state, row.attempts, row.last_error) == ("pending", 1, "the server is busy")
    assert row.due_at == AT + timedelta(seconds=5)
    assert dispatch.deliveries_send(now=AT + timedelta(seconds=4)) == dispatch.Sent()
    assert dispatch.deliveries_send(now=AT + timedelta(seconds=5)) == dispatch.Sent(sent=1)
    assert len(flaky.sent) == 1


def test_the_other_sides_wait_is_honoured(flaky: Flaky) -> None:
    flaky.failures = [TransportRetry("slow down", after_s=37)]
    channel_make("flaky")
    rule_make()
    event_make()
    routing.deliveries_create(now=AT)
    dispatch.deliveries_send(now=AT)
    assert Delivery.objects.get().due_at == AT + timedelta(seconds=37)


def test_after_ten_attempts_it_is_given_up(flaky: Flaky) -> None:
    flaky.failures = [TransportRetry("down")] * 20
    channel_make("flaky")
    rule_make()
    event_make()
    routing.deliveries_create(now=AT)
    now = AT
    for _ in range(12):
        dispatch.deliveries_send(now=now)
        now += timedelta(minutes=11)
    row = Delivery.objects.get()
    assert (row.state, row.attempts, row.last_error) == ("failed", 10, "given up after 10 attempts: down")


def test_what_cannot_work_is_not_tried_again(flaky: Flaky) -> None:
    flaky.failures = [TransportRefused("no such chat")]
    channel_make("flaky")
    rule_make()
    event_make()
    routing.deliveries_create(now=AT)
    assert dispatch.deliveries_send(now=AT) == dispatch.Sent(failed=1)


def test_a_broken_transport_does_not_hold_up_the_others(flaky: Flaky) -> None:
    flaky.failures = [RuntimeError("bug")]
    channel_make("flaky")
    channel_make("email")
    rule_make()
    event_make()
    routing.deliveries_create(now=AT)
    assert dispatch.deliveries_send(now=AT) == dispatch.Sent(sent=1, again=1)
    assert len(mail.outbox) == 1


def test_a_sender_that_died_is_followed_after_a_minute(flaky: Flaky) -> None:
    channel_make("flaky")
    rule_make()
    event_make()
    routing.deliveries_create(now=AT)
    assert dispatch.delivery_claim(now=AT) is not None  # and then it died
    assert dispatch.deliveries_send(now=AT + timedelta(seconds=59)) == dispatch.Sent()
    assert dispatch.deliveries_send(now=AT + timedelta(seconds=60)) == dispatch.Sent(sent=1)


def test_a_channel_that_is_switched_off_sends_nothing_until_it_is_on_again(flaky: Flaky) -> None:
    channel = channel_make("flaky")
    rule_make()
    event_make()
    routing.deliveries_create(now=AT)
    AlertChannel.objects.update(enabled=False)
    assert dispatch.deliveries_send(now=AT) == dispatch.Sent()
    AlertChannel.objects.filter(pk=channel.pk).update(enabled=True)
    assert dispatch.deliveries_send(now=AT) == dispatch.Sent(sent=1)


@pytest.mark.django_db(transaction=True)
def test_eight_senders_at_once_route_once_and_send_once(flaky: Flaky) -> None:
    channel_make("flaky")
    rule_make(repeat_after_s=0)
    for number in range(40):
        event_make(subject_id=str(number), stream=f"account:{number % 4}")

    def work(_: int) -> None:
        try:
            for _ in range(6):
                routing.deliveries_create(now=AT, batch=3)
                dispatch.deliveries_send(now=AT)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert sorted(int(m.event_id) for m in flaky.sent) == sorted(Delivery.objects.values_list("event_id", flat=True))
    assert len(flaky.sent) == 40


@pytest.mark.django_db(transaction=True)
def test_an_event_committed_after_a_later_one_is_still_told() -> None:
    """Two streams: the older row id commits last. A reader of row ids would never see it."""
    channel_make()
    rule_make(repeat_after_s=0)
    with transaction.atomic():
        journal.event_record("order.filled", "slow", stream="account:1", now=AT)

        def quick() -> int:
            try:
                event_make(message="quick", stream="account:2")
                return routing.deliveries_create(now=AT)
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(quick).result() == 1
    assert routing.deliveries_create(now=AT) == 1
    assert [d.event.message for d in Delivery.objects.order_by("id")] == ["quick", "slow"]


def test_the_test_message_says_how_it_went(flaky: Flaky) -> None:
    working, broken = channel_make("flaky"), channel_make("flaky", enabled=False)
    assert channel_test(working.pk, by="ann").state == "sent"
    assert "test of" in flaky.sent[0].text
    flaky.failures = [TransportRefused("no such chat")]
    delivery = channel_test(broken.pk, by="ann")
    assert (delivery.state, delivery.last_error) == ("failed", "no such chat")
    routing.deliveries_create(now=AT)
    dispatch.deliveries_send(now=AT + timedelta(hours=1))
    assert len(flaky.sent) == 1


def test_an_unknown_transport_is_said_and_not_tried_for_ever() -> None:
    channel_make("pigeon")
    rule_make()
    event_make()
    routing.deliveries_create(now=AT)
    dispatch.deliveries_send(now=AT)
    assert Delivery.objects.get().last_error == "there is no transport 'pigeon': change the channel"


def test_the_defaults_are_installed_once_and_edits_survive() -> None:
    assert defaults.install() == (len(defaults.RULES), 3)
    AlertRule.objects.filter(name="large-fill").update(threshold=50, enabled=False)
    assert defaults.install() == (0, 0)
    rule = AlertRule.objects.get(name="large-fill")
    assert (rule.threshold, rule.enabled) == (50, False)


@pytest.mark.parametrize(
    ("kind", "payload", "severity"),
    [
        ("risk.killed", {}, Severity.CRITICAL),
        ("pnl.daily_loss", {}, Severity.CRITICAL),
        ("risk.over_limit", {}, Severity.CRITICAL),
        ("strategy.error", {}, Severity.CRITICAL),
        ("process.exit", {}, Severity.CRITICAL),
        ("feed.stale", {}, Severity.WARNING),
        ("venue.error_rate", {"rate_percent": "5.1"}, Severity.WARNING),
        ("order.refused", {}, Severity.WARNING),
        ("account.balance_low", {"free_cash": "99.99"}, Severity.WARNING),
        ("order.filled", {"notional": "500"}, Severity.INFO),
        ("order.partially_filled", {"notional": "500"}, Severity.INFO),
        ("backtest.finished", {}, Severity.INFO),
        ("desk.started", {}, Severity.INFO),
        ("desk.stopped", {}, Severity.INFO),
    ],
)
def test_every_default_rule_tells_at_its_severity(kind: str, payload: dict[str, object], severity: Severity) -> None:
    defaults.install()
    event_make(kind, payload=payload)
    routing.deliveries_create(now=AT)
    assert Delivery.objects.get().severity == severity


def test_a_feed_that_is_down_is_a_warning_after_30_s_and_critical_after_60(flaky: Flaky) -> None:
    defaults.install()
    AlertChannel.objects.all().delete()
    channel_make("flaky")
    event_make("feed.down", subject_kind="", subject_id="shard 1")
    routing.deliveries_create(now=AT)
    told = []
    for seconds in (29, 30, 59, 60):
        dispatch.deliveries_send(now=AT + timedelta(seconds=seconds))
        told.append([str(m.severity) for m in flaky.sent])
    assert told == [[], ["warning"], ["warning"], ["warning", "critical"]]


def test_what_is_over_by_itself_is_not_told(flaky: Flaky) -> None:
    defaults.install()
    AlertChannel.objects.all().delete()
    channel_make("flaky")
    event_make("feed.down", subject_kind="", subject_id="shard 1")
    routing.deliveries_create(now=AT)
    event_make("feed.recovered", subject_kind="", subject_id="shard 2")  # another one
    dispatch.deliveries_send(now=AT + timedelta(seconds=30))
    event_make("feed.recovered", subject_kind="", subject_id="shard 1")
    dispatch.deliveries_send(now=AT + timedelta(seconds=60))
    assert [str(m.severity) for m in flaky.sent] == ["warning"]
    late = Delivery.objects.get(state="suppressed")
    assert (late.severity, late.last_error) == ("critical", "over before it was due")


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("order.filled", {"notional": "499.99"}),
        ("account.balance_low", {"free_cash": "100"}),
        ("order.live", {}),
    ],
)
def test_what_is_below_a_threshold_is_not_told(kind: str, payload: dict[str, object]) -> None:
    defaults.install()
    event_make(kind, payload=payload)
    assert routing.deliveries_create(now=AT) == 0
