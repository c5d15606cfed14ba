"""How every process logs: one event per line, with the id of the request or job it belongs to, and no secrets.

The id travels from a web request or a periodic job through the headers of every task it starts.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="-")

# The fields every LogRecord has; whatever else is on one came through `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "correlation", "taskName"}

_HIDDEN = "[hidden]"
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{6,}"), rf"\1 {_HIDDEN}"),
    (re.compile(r"(?i)\b(poly_[a-z_]+)(['\"]?\s*[:=]\s*['\"]?)[^\s'\",}]+"), rf"\1\2{_HIDDEN}"),
    (re.compile(r"(?i)\b((?:api[_-]?)?(?:secret|passphrase|password|token|private_key))(['\"]?\s*[:=]\s*['\"]?)[^\s'\",}&]+"),
     rf"\1\2{_HIDDEN}"),
    (re.compile(r"\b([a-z][a-z0-9+.-]*://)[^/\s:@]*:[^/\s@]+@"), rf"\1{_HIDDEN}@"),
    (re.compile(r"\b(?:0x)?[0-9a-fA-F]{130}\b"), _HIDDEN),  # a signature
    (re.compile(r"\b(0x)?[0-9a-fA-F]{64}\b"), _HIDDEN),  # a private key looks like any other 32 bytes
    (re.compile(r"/bot\d+:[A-Za-z0-9_-]{20,}"), f"/bot{_HIDDEN}"),  # a Telegram address holds its token
)  # fmt: skip


def redacted(text: str) -> str:
    """Return `text` without anything that could be a key, a token, a signature or a password."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def correlation_new() -> str:
    return secrets.token_hex(6)


class CorrelationFilter(logging.Filter):
    """Puts the current id on every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.correlation = correlation_id.get()
        return True


class TextFormatter(logging.Formatter):
    """`12:03:10 INFO  orders.execution order submitted order=12 [3f9a…]`, on one line, redacted."""

    def format(self, record: logging.LogRecord) -> str:
        clock = datetime.fromtimestamp(record.created, tz=UTC).strftime("%H:%M:%S")
        extras = "".join(f" {name}={value}" for name, value in _extras(record).items())
        which = getattr(record, "correlation", "-")
        suffix = "" if which == "-" else f" [{which}]"
        # A line break inside a message could forge a second log line.
        message = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        text = f"{clock} {record.levelname:<7} {record.name} {message}{extras}{suffix}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return redacted(text)


class JsonFormatter(logging.Formatter):
    """One JSON object per line, redacted."""

    def format(self, record: logging.LogRecord) -> str:
        content: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "correlation": getattr(record, "correlation", "-"),
            "process": record.process,
            **_extras(record),
        }
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return redacted(json.dumps(content, default=str))


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD and not name.startswith("_")}


def logging_settings(*, level: str, format: str) -> dict[str, Any]:
    """Return Django's LOGGING."""
    formatter = "polybot.logs.JsonFormatter" if format == "json" else "polybot.logs.TextFormatter"
    quiet = ("httpx", "httpcore", "websocket", "asyncio", "kombu", "amqp", "daphne", "twisted", "eth_account")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"correlation": {"()": "polybot.logs.CorrelationFilter"}},
        "formatters": {"line": {"()": formatter}},
        "handlers": {
            "lines": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["correlation"]},
        },
        "root": {"level": level, "handlers": ["lines"]},
        "loggers": {
            # Client libraries print requests with their headers at DEBUG and INFO.
            **{name: {"level": "WARNING"} for name in quiet},
            # Two lines for each of several tasks a second are noise; failures are still ERROR.
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "django_celery_beat": {"level": "WARNING"},
            "axes": {"level": "WARNING"},
            "django.request": {"level": "ERROR"},  # each 404 is a warning
        },
    }


def connect_tasks() -> None:
    """Let the id of whoever starts a task travel with it, and give periodic messages one of their own."""
    from celery.signals import before_task_publish, setup_logging, task_postrun, task_prerun

    @before_task_publish.connect(weak=False)
    def send(headers: dict[str, Any] | None = None, **_: Any) -> None:
        if headers is not None:
            current = correlation_id.get()
            headers["correlation"] = current if current != "-" else correlation_new()

    @task_prerun.connect(weak=False)
    def receive(task: Any = None, **_: Any) -> None:
        correlation_id.set(getattr(task.request, "correlation", None) or correlation_new())

    @task_postrun.connect(weak=False)
    def forget(**_: Any) -> None:
        correlation_id.set("-")

    @setup_logging.connect(weak=False)
    def keep_ours(**_: Any) -> None:
        """Celery leaves logging alone when somebody answers this signal: Django's LOGGING is in force."""


class CorrelationMiddleware:
    """Puts the request's id on every line that is logged while it is answered."""

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        token = correlation_id.set(getattr(request, "request_id", None) or correlation_new())
        try:
            return self.get_response(request)
        finally:
            correlation_id.reset(token)
