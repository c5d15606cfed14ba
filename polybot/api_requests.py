"""What every API request gets before a view sees it: an id, and a version.

An unversioned `/api/…` address is answered by version 1. The request id comes from the caller
(`X-Request-ID`) when it is a plain token, is made here otherwise, and stands in answers and logs.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

_TOKEN = re.compile(r"[A-Za-z0-9._-]{8,80}", re.ASCII)
_VERSIONED = re.compile(r"/api/v\d+(/|$)")
API = "/api/"


class ApiRequestMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asked = request.headers.get("X-Request-ID", "")
        request.request_id = asked if _TOKEN.fullmatch(asked) else uuid.uuid4().hex  # type: ignore[attr-defined]
        if request.path_info.startswith(API) and not _VERSIONED.match(request.path_info):
            request.path_info = f"/api/v1/{request.path_info[len(API) :]}"
            request.path = request.path_info
        response = self.get_response(request)
        response["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
        if request.path_info.startswith(API):
            response.headers.setdefault("Cache-Control", "no-store")
        return response
