"""One shape for every API answer: `{success, data, error, meta, request_id, timestamp}`.

Views return plain data and raise; the renderer wraps, the handler turns any exception into
`{code, message, details, hint}`. Decimals are strings, times ISO-8601 in UTC.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.http import Http404
from django.utils import timezone
from rest_framework import exceptions, status
from rest_framework.pagination import PageNumberPagination
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

log = logging.getLogger(__name__)

# What to do next, per error code.
HINTS = {
    "not_authenticated": "send `Authorization: Bearer pb_…` or sign in",
    "authentication_failed": "check that the key is complete, not revoked, and sent as `Authorization: Bearer pb_…`",
    "permission_denied": "use a key or a person that holds the needed scope and owns the account",
    "not_found": "list the collection first: ids you may not see answer the same way",
    "method_not_allowed": "look at /api/v1/docs for the methods of this address",
    "throttled": "wait as many seconds as Retry-After says",
    "invalid": "correct the fields named in `details` and send it again",
    "parse_error": "send a JSON object with Content-Type: application/json",
    "unsupported_media_type": "send Content-Type: application/json",
    "not_acceptable": "ask for application/json",
    "conflict": "read it again: its state changed, or it is there already",
    "internal": "look for the request id in the log of the web process",
}


def envelope(
    request: object, *, data: Any = None, error: Mapping[str, Any] | None = None, meta: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "success": error is None,
        "data": data,
        "error": error,
        "meta": dict(meta or {}),
        "request_id": getattr(getattr(request, "_request", request), "request_id", ""),
        "timestamp": timezone.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def error_body(code: str, message: str, *, details: Any = None, hint: str = "") -> dict[str, Any]:
    return {
        "code": code,
        "message": message,
        "details": details or {},
        "hint": hint or HINTS.get(code, "read the message; /api/v1/docs describes this address"),
    }


class EnvelopeRenderer(JSONRenderer):
    """Wraps what a view returned, unless the error handler or an idempotent replay already did."""

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        context = renderer_context or {}
        response: Response | None = context.get("response")
        if response is not None and response.status_code == status.HTTP_204_NO_CONTENT:
            return b""
        if getattr(response, "is_enveloped", False):
            return super().render(data, accepted_media_type, renderer_context)
        meta = getattr(response, "meta", None)
        if response is not None and response.status_code >= 400:
            # A view answered an error status by hand; `data` may be its own {code, message, …}.
            body = dict(data) if isinstance(data, Mapping) else {"message": str(data)}
            message = str(body.pop("message", body.pop("detail", "refused")))
            error = error_body(
                str(body.pop("code", "refused")),
                message,
                hint=str(body.pop("hint", "")),
                details=body.pop("details", None) or body,
            )
            return super().render(
                envelope(context.get("request"), error=error, meta=meta), accepted_media_type, renderer_context
            )
        return super().render(
            envelope(context.get("request"), data=data, meta=meta), accepted_media_type, renderer_context
        )


class EnvelopePagination(PageNumberPagination):
    """`?page=` and `?limit=` (at most 200); the numbers stand in `meta`, `data` is the list."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"

    def get_paginated_response(self, data: Any) -> Response:
        response = Response(data)
        if self.page is None:  # a list that was not paged
            return response
        response.meta = {  # type: ignore[attr-defined]
            "page": self.page.number,
            "limit": self.page.paginator.per_page,
            "total": self.page.paginator.count,
            "cursor": None,
        }
        return response

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return schema


def error_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return the enveloped answer for an exception, or None for a fault of ours (which then is a logged 500)."""
    request: Request | None = context.get("request")
    if isinstance(error, Http404 | ObjectDoesNotExist):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, ValidationError):
        detail = error.message_dict if hasattr(error, "error_dict") else {"non_field_errors": error.messages}
        error = exceptions.ValidationError(detail)
    if isinstance(error, exceptions.APIException):
        answer = _known(error)
    else:
        log.exception("api request failed", extra={"request": getattr(request, "path", "")})
        answer = Response(
            error_body("internal", "the desk failed while answering; look at the result before you repeat a write"),
            status=status.HTTP_500_INTERNAL_SERVER_ERROR,
        )
    from rest_framework.views import set_rollback  # it reads this module from the settings: a circle above

    set_rollback()
    answer.data = envelope(request, error=answer.data)
    answer.is_enveloped = True  # type: ignore[attr-defined]
    return answer


def _known(error: exceptions.APIException) -> Response:
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    if getattr(error, "wait", None) is not None:
        headers["Retry-After"] = f"{error.wait:.0f}"
    code = error.get_codes() if isinstance(error.get_codes(), str) else "invalid"
    if isinstance(error, exceptions.ValidationError):
        fields = error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
        names = ", ".join(str(name) for name in fields)
        body = error_body("invalid", f"not accepted: {names}", details=fields)
    else:
        body = error_body(str(code), str(error.detail))
    return Response(body, status=error.status_code, headers=headers)
