"""Is the process alive, can it serve, can the desk trade, and if not why.

`/healthz` answers while the process lives. `/readyz` answers 200 when the stores do, 503 otherwise.
`/api/v1/health` adds, for people who may read it, every reason that keeps the desk from trading.
"""

from __future__ import annotations

from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from drf_spectacular.utils import OpenApiTypes, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from polybot.dashboard.frame import accounts_for
from polybot.dashboard.readiness import ready_get

STORE_TIMEOUT_S = 2


def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "alive"})


def stores_check() -> dict[str, str]:
    """Return `ok` or the reason per store."""
    found: dict[str, str] = {}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        found["postgres"] = "ok"
    except DatabaseError as error:
        found["postgres"] = f"does not answer: {type(error).__name__}"
    try:
        client = redis.Redis.from_url(settings.TICKSTORE_URL, socket_timeout=STORE_TIMEOUT_S)
        client.ping()
        client.close()
        found["redis"] = "ok"
    except redis.RedisError as error:
        found["redis"] = f"does not answer: {type(error).__name__}"
    return found


def readyz(request: HttpRequest) -> JsonResponse:
    stores = stores_check()
    is_ready = all(state == "ok" for state in stores.values())
    return JsonResponse(
        {"status": "ready" if is_ready else "not ready", "stores": stores}, status=200 if is_ready else 503
    )


class HealthView(APIView):
    """Whether the desk can trade now, per account the caller may see, with each check's value and limit."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        accounts: list[dict[str, Any]] = []
        for account in accounts_for(request.user):
            ready = ready_get(account.id)
            accounts.append(
                {
                    "account": account.id,
                    "name": account.name,
                    "environment": account.environment,
                    "can_trade": ready.yes,
                    "why_not": [check.reason for check in ready.checks if not check.passed],
                    "checks": [check.as_dict() for check in ready.checks],
                }
            )
        return Response({"stores": stores_check(), "mode": settings.POLYBOT_MODE, "accounts": accounts})
