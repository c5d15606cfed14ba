"""Settings that must not be wrong, each with an id and what to do. A serving process refuses to start on an error.

`manage.py check` shows them; web, workers, beat and `up` call `refuse_bad_configuration`.
"""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

SHORTEST_KEY = 32
PRODUCTION = "polymarket.com"


def configuration_problems(*, serving: bool) -> list[CheckMessage]:
    """Return everything wrong with the settings; `serving` adds what only matters to a process that answers."""
    problems: list[CheckMessage] = []
    key = settings.SECRET_KEY
    if key == "unset" or len(key) < SHORTEST_KEY:
        kind, name = (Error, "polybot.E001") if serving else (Warning, "polybot.W001")
        hint = "Set SECRET_KEY, or SECRET_KEY_FILE to a file with it, to 50 random characters. `up` does it for you."
        problems.append(kind(f"SECRET_KEY is {'not set' if key == 'unset' else 'too short'}.", hint=hint, id=name))
    problems += _hosts()
    problems += _tasks()
    problems += _addresses(serving=serving)
    return problems


def _hosts() -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    beyond = [host for host in settings.ALLOWED_HOSTS if not _is_loopback(host)]
    if "*" in settings.ALLOWED_HOSTS:
        hint = "Name the hosts in POLYBOT_ALLOWED_HOSTS, separated by commas."
        problems.append(Error("POLYBOT_ALLOWED_HOSTS allows every host name.", hint=hint, id="polybot.E002"))
    if settings.DEBUG and beyond:
        hint = "Set POLYBOT_DEBUG=false: its error pages show settings and local variables."
        problems.append(Error(f"POLYBOT_DEBUG is on and {beyond[0]} is served.", hint=hint, id="polybot.E003"))
    if beyond and not settings.SESSION_COOKIE_SECURE:
        hint = "Put a proxy that speaks TLS before it and set POLYBOT_HTTPS=true, or serve loopback only."
        message = f"{beyond[0]} is served without TLS: passwords and sessions would travel in clear text."
        problems.append(Error(message, hint=hint, id="polybot.E004"))
    return problems


def _tasks() -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    content = {*settings.CELERY_ACCEPT_CONTENT, *settings.CELERY_RESULT_ACCEPT_CONTENT, settings.CELERY_TASK_SERIALIZER}
    if content != {"json"}:
        hint = "Anything but JSON lets whoever reaches the broker run code."
        problems.append(Error(f"Celery accepts {sorted(content - {'json'})}.", hint=hint, id="polybot.E005"))
    visibility = settings.CELERY_BROKER_TRANSPORT_OPTIONS.get("visibility_timeout", 3600)
    if visibility < settings.CELERY_TASK_TIME_LIMIT * 3:
        hint = "Keep the time limit below a third of it, or running tasks are delivered a second time."
        message = f"CELERY_TASK_TIME_LIMIT is {settings.CELERY_TASK_TIME_LIMIT} s of a visibility of {visibility} s."
        problems.append(Error(message, hint=hint, id="polybot.E006"))
    if settings.TIME_ZONE != "UTC" or not settings.USE_TZ:
        hint = "Times are stored and compared in UTC; people's zones are a matter of display."
        problems.append(Error(f"TIME_ZONE is {settings.TIME_ZONE}.", hint=hint, id="polybot.E007"))
    return problems


def _addresses(*, serving: bool) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    addresses = {f"POLYMARKET_{name.upper()}_URL": url for name, url in settings.POLYMARKET.items()}
    addresses["TELEGRAM_BASE_URL"] = settings.TELEGRAM_BASE_URL
    if settings.HEARTBEAT_URL:
        addresses["HEARTBEAT_URL"] = settings.HEARTBEAT_URL
    for name, url in addresses.items():
        plain, safe = ("ws", "wss") if "_WS_" in name else ("http", "https")
        parts = urlsplit(url)
        if parts.scheme not in (plain, safe) or not parts.hostname:
            message, hint = f"{name} is not an address.", f"It begins with {safe}:// and names a host."
            problems.append(Error(message, hint=hint, id="polybot.E008"))
        elif parts.scheme == plain and not _is_private(parts.hostname):
            message, hint = f"{name} would talk to {parts.hostname} without TLS.", f"Use {safe}://."
            problems.append(Error(message, hint=hint, id="polybot.E009"))
        elif parts.username or parts.password:
            message, hint = f"{name} holds a user or password.", "Addresses are logged: keep secrets out of them."
            problems.append(Error(message, hint=hint, id="polybot.E010"))
    if serving and settings.POLYBOT_VENUE == "sandbox":
        real = [name for name, url in addresses.items() if (urlsplit(url).hostname or "").endswith(PRODUCTION)]
        if real:
            hint = "Start it with `manage.py up`, set the local exchange's addresses, or POLYBOT_VENUE=polymarket."
            message = f"POLYBOT_VENUE is sandbox and {real[0]} is production's."
            problems.append(Error(message, hint=hint, id="polybot.E011"))
    return problems


def refuse_bad_configuration() -> None:
    """Raise ImproperlyConfigured, with every reason and its remedy, when a process must not serve."""
    errors = [problem for problem in configuration_problems(serving=True) if isinstance(problem, Error)]
    if errors:
        raise ImproperlyConfigured(" ".join(f"{error.id}: {error.msg} {error.hint}" for error in errors))


@register("polybot")
def configuration_check(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    return configuration_problems(serving=False)


def _is_loopback(host: str) -> bool:
    name = host.strip("[]")
    if name in ("localhost", "testserver"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_private(host: str) -> bool:
    """A host of ours: loopback, a private address, or a bare name such as a compose service."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal"))
