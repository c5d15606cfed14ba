from __future__ import annotations

import json
import logging
import sys

import pytest

from polybot import logs

KEY = "0x" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"signed with {KEY}", KEY),
        (f"raw {'cd' * 32} key", "cd" * 32),
        ("Authorization: Bearer abc.def-123456", "abc.def-123456"),
        ("headers {'POLY_PASSPHRASE': 'open sesame', 'POLY_API_KEY': 'k1'}", "open"),
        ("POLY_SIGNATURE=c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ("postgres://polybot:hunter2@db.example/desk", "hunter2"),
        ("redis://:hunter2@db.example:6379", "hunter2"),
        ("password=hunter2&next=/", "hunter2"),
        ('{"secret": "hunter2"}', "hunter2"),
        ("POST https://api.telegram.org/bot12345:AAAAAAAAAAAAAAAAAAAAAAAAAAAA/sendMessage", "AAAAAAAAAAAA"),
        ("signature 0x" + "1f" * 65, "1f1f1f"),
    ],
)
def test_secrets_never_reach_a_log(text: str, hidden: str) -> None:
    assert hidden not in logs.redacted(text)


@pytest.mark.parametrize("text", ["order 12 at 0.41", "token 7131…", "0x" + "ab" * 20, "https://clob.example/book?x=1"])
def test_ordinary_words_stay(text: str) -> None:
    assert logs.redacted(text) == text


def _record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    record = logging.LogRecord("orders.execution", logging.INFO, __file__, 1, message, arguments, None)
    vars(record).update(extra)
    logs.CorrelationFilter().filter(record)
    return record


def test_a_line_has_its_numbers_and_the_id_of_what_it_belongs_to() -> None:
    token = logs.correlation_id.set("req-1")
    try:
        line = logs.TextFormatter().format(_record("order %s", "submitted", order=12))
    finally:
        logs.correlation_id.reset(token)
    assert line.endswith("INFO    orders.execution order submitted order=12 [req-1]")


def test_a_message_cannot_forge_a_second_line() -> None:
    line = logs.TextFormatter().format(_record("name is %s", "x\n12:00:00 CRITICAL all is lost"))
    assert "\n" not in line


def test_json_lines_are_objects_and_redacted() -> None:
    try:
        raise ValueError(f"bad key {KEY}")
    except ValueError:
        record = _record("failed", order=12)
        record.exc_info = sys.exc_info()
    content = json.loads(logs.JsonFormatter().format(record))
    assert (content["message"], content["order"], content["correlation"]) == ("failed", 12, "-")
    assert KEY not in content["exception"]


def test_the_id_of_whoever_starts_a_task_travels_with_it() -> None:
    from celery.signals import before_task_publish, task_postrun, task_prerun

    from polybot.celery import app

    headers: dict[str, object] = {}
    token = logs.correlation_id.set("req-77")
    try:
        before_task_publish.send(sender="x", headers=headers)
    finally:
        logs.correlation_id.reset(token)
    assert headers["correlation"] == "req-77"
    task = app.tasks["polybot.tasks.heartbeat_default"]
    task.push_request(correlation="req-77")
    try:
        task_prerun.send(sender=task, task=task)
        assert logs.correlation_id.get() == "req-77"
        task_postrun.send(sender=task, task=task)
        assert logs.correlation_id.get() == "-"
    finally:
        task.pop_request()


def test_formats_are_chosen_by_setting() -> None:
    for name, formatter in (("json", "polybot.logs.JsonFormatter"), ("text", "polybot.logs.TextFormatter")):
        assert logs.logging_settings(level="INFO", format=name)["formatters"]["line"]["()"] == formatter
