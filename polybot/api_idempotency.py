"""Writes with an `Idempotency-Key` happen once: a repeat gets the first answer back.

The key belongs to the credential that sent it. The same key with another body is refused (422); one whose
first request has not answered is refused too (409): it is never run a second time. Answers are kept a day.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from polybot.api_envelope import envelope, error_body
from polybot.identity.models import IdempotentRequest

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
_KEY = re.compile(r"[\x21-\x7e]{8,100}", re.ASCII)
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def _refusal(request: HttpRequest, status: int, code: str, message: str, hint: str) -> JsonResponse:
    return JsonResponse(envelope(request, error=error_body(code, message, hint=hint)), status=status)


def _caller(request: HttpRequest) -> str:
    credential = request.headers.get("Authorization") or request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    return hashlib.sha256(credential.encode()).hexdigest() if credential else ""


class IdempotencyMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        key = request.headers.get(HEADER)
        caller = _caller(request)
        if key is None or request.method not in _WRITES or not request.path_info.startswith("/api/") or not caller:
            return self.get_response(request)
        if not _KEY.fullmatch(key):
            return _refusal(
                request, 400, "invalid", f"{HEADER} must be 8 to 100 visible ASCII characters", "send a UUID"
            )
        fingerprint = hashlib.sha256(
            b"\n".join([str(request.method).encode(), request.get_full_path().encode(), request.body])
        ).hexdigest()
        record, is_first = self._claim(caller, key, fingerprint)
        if is_first:
            return self._run(request, record)
        if record.fingerprint != fingerprint:
            return _refusal(
                request, 422, "idempotency_mismatch", "this key was used for another request", "use a new key"
            )
        if record.status is None:
            return _refusal(
                request,
                409,
                "idempotency_pending",
                "the first request with this key has not answered",
                "read the collection to see what it did; it is not run again",
            )
        response = HttpResponse(record.body, status=record.status, content_type="application/json")
        response["Idempotency-Replayed"] = "true"
        return response

    def _claim(self, caller: str, key: str, fingerprint: str) -> tuple[IdempotentRequest, bool]:
        now = timezone.now()
        with transaction.atomic():
            IdempotentRequest.objects.filter(caller=caller, key=key, started_at__lt=now - KEPT).delete()
            created = IdempotentRequest.objects.bulk_create(
                [IdempotentRequest(caller=caller, key=key, fingerprint=fingerprint, started_at=now)],
                ignore_conflicts=True,
            )
        record = IdempotentRequest.objects.get(caller=caller, key=key)
        return record, bool(created) and record.started_at == now and record.fingerprint == fingerprint

    def _run(self, request: HttpRequest, record: IdempotentRequest) -> HttpResponse:
        response = self.get_response(request)
        stored = IdempotentRequest.objects.filter(pk=record.pk)
        # Not a verdict on the request itself: signing in or waiting may let it pass next time. A fault of
        # ours stays on file: part of the work may have been done, so it is not run again.
        if response.status_code in (401, 403, 429):
            stored.delete()
        else:
            stored.update(status=response.status_code, body=_text(response))
        return response


def _text(response: HttpResponse) -> str:
    try:
        return json.dumps(json.loads(response.content))
    except ValueError:
        return ""
