"""E-mail through Django's mail settings."""

from __future__ import annotations

import smtplib
from datetime import UTC, datetime

import pytest
from django.core import mail

from alerts.domain.events import Severity
from alerts.transports.base import Message, TransportRefused, TransportRetry
from alerts.transports.email import EmailTransport


def message(text: str = "the kill switch was set") -> Message:
    return Message(
        delivery_id=1, event_id=9, kind="risk.killed", severity=Severity.CRITICAL, text=text, subject_label="",
        at=datetime(2026, 11, 20, 12, 0, tzinfo=UTC),
    )  # fmt: skip


def test_every_address_gets_the_mail() -> None:
    EmailTransport().send(message(), "ann@example.com, bob@example.com")
    assert mail.outbox[0].to == ["ann@example.com", "bob@example.com"]
    assert mail.outbox[0].subject == "[polybot critical] the kill switch was set"


def test_a_line_break_in_the_text_does_not_become_a_header() -> None:
    EmailTransport().send(message("market\nBcc: thief@example.com"), "ann@example.com")
    assert mail.outbox[0].subject == "[polybot critical] market Bcc: thief@example.com"


@pytest.mark.parametrize(("target", "says"), [("", "no address"), ("ann", "not an e-mail address")])
def test_a_bad_target_is_named(target: str, says: str) -> None:
    with pytest.raises(TransportRefused, match=says):
        EmailTransport().send(message(), target)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (smtplib.SMTPServerDisconnected("bye"), TransportRetry),
        (TimeoutError(), TransportRetry),
        (smtplib.SMTPAuthenticationError(535, b"secret detail"), TransportRefused),
        (smtplib.SMTPRecipientsRefused({}), TransportRefused),
    ],
)
def test_failures_of_the_mail_server_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, error: Exception, expected: type[Exception]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    with pytest.raises(expected) as caught:
        EmailTransport().send(message(), "ann@example.com")
    assert "secret" not in str(caught.value)
