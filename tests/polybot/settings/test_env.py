from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from polybot.settings import env


@pytest.fixture(autouse=True)
def only_what_a_test_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in env.Environment.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)
    monkeypatch.setitem(env.Environment.model_config, "env_file", None)


def test_the_example_names_every_setting_with_its_default() -> None:
    content = (env.PROJECT / ".env.example").read_text()
    named = dict(re.findall(r"^#? ?([A-Z][A-Z_]+)=(.*)$", content, re.MULTILINE))
    assert set(named) == {name.upper() for name in env.Environment.model_fields}
    defaults = env.Environment()
    for name, value in named.items():
        default = getattr(defaults, name.lower())
        if hasattr(default, "get_secret_value"):
            assert value == "" and default.get_secret_value() == ""
        elif default is None:
            assert value == ""
        elif isinstance(default, list):
            assert value.split(",") == default
        elif isinstance(default, bool):
            assert value == str(default).lower()
        elif isinstance(default, Path):
            assert env.PROJECT / value == default
        else:
            assert value == str(default)


def test_a_secret_may_be_kept_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text("from a file\n")
    monkeypatch.setenv("SECRET_KEY_FILE", str(file))
    assert env.load().secret_key.get_secret_value() == "from a file"


def test_a_secret_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY_FILE", "/nowhere/at/all")
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FILE cannot be read"):
        env.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POLYBOT_MODE", "everything"),
        ("POLYBOT_VENUE", "casino"),
        ("EMAIL_PORT", "99999"),
        ("POLYBOT_DEBUG", "perhaps"),
        ("DATABASE_URL", "sqlite:///hidden-part.db"),
        ("REDIS_URL", "memcached://hidden-part"),
    ],
)
def test_a_bad_value_is_refused_by_name_and_never_shown(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=name) as caught:
        env.load()
    assert "hidden-part" not in str(caught.value)


def test_host_names_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYBOT_ALLOWED_HOSTS", "desk.example, 127.0.0.1")
    assert env.load().polybot_allowed_hosts == ["desk.example", "127.0.0.1"]


@pytest.mark.parametrize(
    ("url", "name", "host"),
    [
        ("postgres://polybot@/postgres?host=/run/some where", "postgres", "/run/some where"),
        ("postgres://u:p%40ss@db.example:6432/desk", "desk", "db.example"),
    ],
)
def test_a_database_address_becomes_djangos(url: str, name: str, host: str) -> None:
    found = env.database_from_url(url)
    assert (found["NAME"], found["HOST"]) == (name, host)


def test_each_purpose_has_its_own_redis_database() -> None:
    assert env.redis_url_for("redis://:pw@host:6379", db=2) == "redis://:pw@host:6379/2"
    assert env.redis_url_for("unix:///run/v.sock", db=1) == "unix:///run/v.sock?db=1"
    assert env.broker_url_for("unix:///run/v.sock", db=0) == "redis+socket:///run/v.sock?virtual_host=0"
