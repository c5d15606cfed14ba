"""`manage.py send_test_alert` says how it went."""

from __future__ import annotations

import io

import pytest
from django.core import mail
from django.core.management import CommandError, call_command

from alerts.models import AlertChannel
from tests.factories.alerts import channel_make

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("send_test_alert", *arguments, stdout=out)
    return out.getvalue()


def test_one_channel_is_tried() -> None:
    channel = channel_make("email", enabled=False)
    assert "sent" in run("--channel", str(channel.pk))
    assert len(mail.outbox) == 1


def test_without_a_number_every_enabled_channel_is_tried() -> None:
    AlertChannel.objects.all().delete()
    channel_make("email")
    channel_make("email", enabled=False)
    run()
    assert len(mail.outbox) == 1


def test_a_failure_is_an_error() -> None:
    channel = channel_make("email", target="")
    with pytest.raises(CommandError, match="not every test message"):
        run("--channel", str(channel.pk))


def test_an_unknown_channel_lists_the_known_ones() -> None:
    AlertChannel.objects.all().delete()
    with pytest.raises(CommandError, match="none, add one"):
        run()
