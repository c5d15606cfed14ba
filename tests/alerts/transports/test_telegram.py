"""Telegram against a bot API on loopback. The token never leaves the request's address."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.domain.events import Severity
from alerts.models import AlertChannel, AlertRule, Delivery
from alerts.services import dispatch, routing
from alerts.transports.base import Message, TransportRefused, TransportRetry
from alerts.transports.telegram import TelegramTransport
from tests.factories.alerts import AT, channel_make, event_make, rule_make
from tests.fakes.telegram import FakeTelegram, fake_telegram

TOKEN = "12345:canary-Token_do-not-show"


@pytest.fixture
def telegram(settings: Any) -> Iterator[FakeTelegram]:
    with fake_telegram() as fake:
        settings.TELEGRAM_BASE_URL = fake.url
        settings.TELEGRAM_BOT_TOKEN = TOKEN
        yield fake


def message(text: str = "order 7 is filled") -> Message:
    return Message(
        delivery_id=1,
        event_id=9,
        kind="order.filled",
        severity=Severity.WARNING,
        text=text,
        subject_label="buy 10 at 0.48",
        at=datetime(2026, 11, 20, 12, 0, tzinfo=UTC),
        account_id=3,
    )


def test_a_message_reaches_the_chat(telegram: FakeTelegram) -> None:
    TelegramTransport().send(message(), "-100123")
    ((path, body),) = telegram.requests
    assert path == f"/bot{TOKEN}/sendMessage"
    assert body["chat_id"] == "-100123"
    assert body["text"].startswith("[polybot warning] order 7 is filled")
    assert "account: 3" in body["text"]


def test_a_long_text_is_cut_to_what_telegram_takes(telegram: FakeTelegram) -> None:
    TelegramTransport().send(message("x" * 9_000), "1")
    assert len(telegram.requests[0][1]["text"]) <= 4096


@pytest.mark.parametrize(
    ("answer", "after_s"),
    [
        ((429, {"ok": False, "description": "Too Many Requests", "parameters": {"retry_after": 14}}), 14),
        ((429, {"ok": False, "parameters": {"retry_after": "soon"}}), None),
        ((429, {"ok": False, "parameters": []}), None),
        ((500, b"<html>bad gateway</html>"), None),
        ((200, b"not json"), None),
        ((200, {"ok": False}), None),
        ((302, {}), None),
    ],
)
def test_what_may_work_later_is_worth_another_try(telegram: FakeTelegram, answer: Any, after_s: float | None) -> None:
    telegram.answers = [answer]
    with pytest.raises(TransportRetry) as caught:
        TelegramTransport().send(message(), "1")
    assert caught.value.after_s == after_s
    assert len(telegram.requests) == 1  # a redirect is not followed: it would carry the token elsewhere


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_telegram_refuses_for_good_is_not_tried_again(telegram: FakeTelegram, status: int) -> None:
    telegram.answers = [(status, {"ok": False, "description": f"chat not found for {TOKEN}"})]
    with pytest.raises(TransportRefused, match="chat not found") as caught:
        TelegramTransport().send(message(), "1")
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "target", "says"),
    [
        (("TELEGRAM_BOT_TOKEN", ""), "1", "set TELEGRAM_BOT_TOKEN"),
        (("TELEGRAM_BOT_TOKEN", "a b\n"), "1", "no bot token has"),
        (("TELEGRAM_BASE_URL", "file:///etc/passwd"), "1", "must start with"),
        (("TELEGRAM_BOT_TOKEN", TOKEN), " ", "chat id"),
    ],
)
def test_missing_settings_are_named(
    telegram: FakeTelegram, settings: Any, setting: tuple[str, str], target: str, says: str
) -> None:
    setattr(settings, *setting)
    with pytest.raises(TransportRefused, match=says):
        TelegramTransport().send(message(), target)
    assert telegram.requests == []


def test_the_token_is_in_no_log_and_no_error(telegram: FakeTelegram, settings: Any, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    settings.TELEGRAM_BASE_URL = "http://127.0.0.1:1"
    with pytest.raises(TransportRetry) as caught:
        TelegramTransport().send(message(), "1")
    settings.TELEGRAM_BASE_URL = telegram.url
    TelegramTransport().send(message(), "1")
    assert TOKEN not in caplog.text
    assert TOKEN not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__suppress_context__}"
    assert caught.value.__suppress_context__


@pytest.mark.django_db
def test_an_alert_waits_as_long_as_telegram_asks_and_then_arrives(telegram: FakeTelegram) -> None:
    AlertRule.objects.all().delete()
    AlertChannel.objects.all().delete()
    channel_make("telegram", target="77")
    rule_make()
    event_make()
    telegram.answers = [(429, {"ok": False, "parameters": {"retry_after": 14}})]
    routing.deliveries_create(now=AT)
    dispatch.deliveries_send(now=AT)
    row = Delivery.objects.get()
    assert (row.state, row.due_at) == ("pending", AT + timedelta(seconds=14))
    dispatch.deliveries_send(now=AT + timedelta(seconds=13))
    assert len(telegram.requests) == 1
    dispatch.deliveries_send(now=AT + timedelta(seconds=14))
    assert len(telegram.requests) == 2
    assert Delivery.objects.get().state == "sent"
