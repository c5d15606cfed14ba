from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from polybot import checks

LOCAL = {name: "http://127.0.0.1:1" for name in ("clob", "gamma", "data", "relayer", "rpc")} | {
    name: "ws://127.0.0.1:1/ws" for name in ("ws_market", "ws_user")
}


@pytest.fixture
def sound(settings: Settings) -> Settings:
    settings.SECRET_KEY = "k" * 50
    settings.ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
    settings.DEBUG = False
    settings.SESSION_COOKIE_SECURE = False
    settings.POLYMARKET = dict(LOCAL)
    settings.POLYBOT_VENUE = "sandbox"
    return settings


def _ids() -> list[str | None]:
    return [problem.id for problem in checks.configuration_problems(serving=True)]


def test_a_sound_configuration_has_nothing_to_say(sound: Settings) -> None:
    assert _ids() == []
    checks.refuse_bad_configuration()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SECRET_KEY", "unset", "polybot.E001"),
        ("SECRET_KEY", "short", "polybot.E001"),
        ("ALLOWED_HOSTS", ["*"], "polybot.E002"),
        ("CELERY_ACCEPT_CONTENT", ["json", "pickle"], "polybot.E005"),
        ("CELERY_TASK_SERIALIZER", "yaml", "polybot.E005"),
        ("CELERY_BROKER_TRANSPORT_OPTIONS", {"visibility_timeout": 60}, "polybot.E006"),
        ("TIME_ZONE", "America/Chicago", "polybot.E007"),
        ("TELEGRAM_BASE_URL", "api.telegram.org", "polybot.E008"),
        ("HEARTBEAT_URL", "http://pings.example/1", "polybot.E009"),
        ("POLYMARKET", {**LOCAL, "clob": "ws://127.0.0.1:1"}, "polybot.E008"),
        ("POLYMARKET", {**LOCAL, "ws_user": "ws://far.example/ws"}, "polybot.E009"),
        ("POLYMARKET", {**LOCAL, "rpc": "https://me:pw@rpc.example"}, "polybot.E010"),
        ("POLYMARKET", {**LOCAL, "clob": "https://clob.polymarket.com"}, "polybot.E011"),
    ],
)
def test_each_bad_setting_is_refused(sound: Settings, name: str, value: Any, expected: str) -> None:
    setattr(sound, name, value)
    assert expected in _ids()
    with pytest.raises(ImproperlyConfigured, match=expected):
        checks.refuse_bad_configuration()


def test_another_host_needs_tls_and_no_debug(sound: Settings) -> None:
    sound.ALLOWED_HOSTS = ["desk.example"]
    sound.DEBUG = True
    assert _ids() == ["polybot.E003", "polybot.E004"]
    sound.DEBUG = False
    sound.SESSION_COOKIE_SECURE = True
    assert _ids() == []


def test_commands_beside_a_desk_are_only_warned_about_the_key(sound: Settings) -> None:
    sound.SECRET_KEY = "unset"
    assert [problem.id for problem in checks.configuration_check()] == ["polybot.W001"]


def test_a_service_name_of_a_private_network_needs_no_tls(sound: Settings) -> None:
    sound.POLYMARKET = {**LOCAL, "clob": "http://sandbox:8100"}
    assert _ids() == []
