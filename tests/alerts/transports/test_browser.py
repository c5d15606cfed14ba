"""Open pages hear that there is something new, and never the text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer

from alerts.domain.events import Severity
from alerts.transports import browser
from alerts.transports.base import Message
from alerts.transports.registry import TRANSPORTS

MESSAGE = Message(
    delivery_id=4, event_id=9, kind="risk.killed", severity=Severity.CRITICAL, text="private", subject_label="",
    at=datetime(2026, 11, 20, tzinfo=UTC), account_id=3,
)  # fmt: skip


def test_a_page_hears_that_something_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = InMemoryChannelLayer()
    monkeypatch.setattr(browser, "get_channel_layer", lambda: layer)
    async_to_sync(layer.group_add)(browser.GROUP, "page")
    browser.BrowserTransport().send(MESSAGE, "")
    heard: dict[str, Any] = async_to_sync(layer.receive)("page")
    assert heard == {"type": "alerts.changed", "delivery_id": 4, "severity": "critical", "account_id": 3}


def test_a_broken_layer_does_not_fail_the_notification(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        async def group_send(self, *_: object) -> None:
            raise ConnectionError("redis is away")

    monkeypatch.setattr(browser, "get_channel_layer", Broken)
    browser.BrowserTransport().send(MESSAGE, "")


def test_every_transport_says_what_its_target_is() -> None:
    assert set(TRANSPORTS) == {"browser", "email", "telegram"}
    assert all(transport.target_help for transport in TRANSPORTS.values())
