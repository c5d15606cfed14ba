"""Telegram: one message per alert through the bot API.

The token comes from TELEGRAM_BOT_TOKEN and stands in the address of every request, so
this module uses the standard library's client, which logs no address, and builds every
error text itself. TELEGRAM_BASE_URL points tests and proxies elsewhere.
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.request
from typing import Any

from django.conf import settings

from alerts.transports.base import Message, TransportRefused, TransportRetry

TIMEOUT_S = 8
LONGEST = 4096
_MAX_ANSWER = 64_000
_TOKEN = re.compile(r"[A-Za-z0-9:_-]+", re.ASCII)


class TelegramTransport:
    name = "telegram"
    target_help = "the chat id, for example 123456789 or -100123456789; write /start to your bot first"

    def send(self, message: Message, target: str) -> None:
        token = settings.TELEGRAM_BOT_TOKEN
        if not token:
            raise TransportRefused("no bot token: set TELEGRAM_BOT_TOKEN and restart the worker")
        if not _TOKEN.fullmatch(token):
            raise TransportRefused("TELEGRAM_BOT_TOKEN holds characters that no bot token has")
        if not target.strip():
            raise TransportRefused("the channel has no chat id: write one into its target")
        text = f"{message.title}\n\n{message.body}"[:LONGEST]
        body = json.dumps({"chat_id": target.strip(), "text": text, "disable_web_page_preview": True}).encode()
        base = settings.TELEGRAM_BASE_URL.rstrip("/")
        if not base.startswith(("https://", "http://")):
            raise TransportRefused("TELEGRAM_BASE_URL must start with https:// or http://")
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
            f"{base}/bot{token}/sendMessage", data=body, headers={"Content-Type": "application/json"}
        )
        status, answer, retry_header = _post(request)
        if status == 200 and answer.get("ok") is True:
            return
        said = str(answer.get("description", ""))[:160].replace(token, "***")
        if status == 429:
            raise TransportRetry(f"telegram asks to wait: {said}", after_s=_retry_after(answer, retry_header))
        if status in (400, 401, 403, 404):
            raise TransportRefused(f"telegram refused ({status}): {said or 'check the token and the chat id'}")
        raise TransportRetry(f"telegram answered {status}: {said or 'nothing readable'}")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to another host."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _post(request: urllib.request.Request) -> tuple[int, dict[str, Any], str]:
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=TIMEOUT_S) as response:
            return response.status, _json(response.read(_MAX_ANSWER)), ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _json(error.read(_MAX_ANSWER)), error.headers.get("Retry-After", "")
    except (OSError, ValueError, http.client.HTTPException) as error:
        # `from None`: the chained error would show the address, and with it the token, in a traceback.
        raise TransportRetry(f"telegram could not be reached: {type(error).__name__}") from None


def _json(raw: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(raw)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _retry_after(answer: dict[str, Any], header: str) -> float | None:
    parameters = answer.get("parameters")
    asked = parameters.get("retry_after") if isinstance(parameters, dict) else None
    for value in (asked, header):
        try:
            seconds = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue
        if 0 <= seconds <= 3600:
            return seconds
    return None
