"""What the OpenAPI description must say besides what the views say: the envelope around every JSON answer."""

from __future__ import annotations

from typing import Any

from alerts.domain.events import Severity
from markets.domain.instruments import MarketState
from orders.domain.lifecycle import OrderState

# Sets of words that several serializers share, so that the description names each once.
SEVERITIES = [(word.value, word.value) for word in Severity]
ORDER_STATES = [(word.value, word.value) for word in OrderState]
MARKET_STATES = [(word.value, word.value) for word in MarketState]

ERROR = {
    "type": "object",
    "properties": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "details": {"type": "object", "additionalProperties": True},
        "hint": {"type": "string"},
    },
    "required": ["code", "message", "details", "hint"],
}
META = {
    "type": "object",
    "properties": {
        "page": {"type": "integer"},
        "limit": {"type": "integer"},
        "total": {"type": "integer"},
        "cursor": {"type": "string", "nullable": True},
    },
}
_REFUSALS = {
    "400": "a field is missing or wrong; `details` names it",
    "401": "not signed in",
    "403": "the scope is missing, or the account is somebody else's",
    "404": "there is no such thing for you",
    "429": "too many requests; wait as Retry-After says",
}


def _enveloped(data: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "success": {"type": "boolean"},
            "data": data or {"nullable": True},
            "error": {"allOf": [{"$ref": "#/components/schemas/ApiError"}], "nullable": True},
            "meta": {"$ref": "#/components/schemas/ApiMeta"},
            "request_id": {"type": "string"},
            "timestamp": {"type": "string", "format": "date-time"},
        },
        "required": ["success", "data", "error", "meta", "request_id", "timestamp"],
    }


def envelope_hook(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Wrap every 2xx JSON answer, add the common refusals and the Idempotency-Key of writes."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas["ApiError"], schemas["ApiMeta"] = ERROR, META
    for path, methods in result.get("paths", {}).items():
        if path.endswith("/schema"):
            continue
        for method, operation in methods.items():
            responses = operation.setdefault("responses", {})
            for status, response in responses.items():
                if not status.startswith("2") or status == "204":
                    continue
                content = response.setdefault("content", {}).setdefault("application/json", {})
                content["schema"] = _enveloped(content.get("schema"))
            for status, words in _REFUSALS.items():
                responses.setdefault(
                    status, {"description": words, "content": {"application/json": {"schema": _enveloped(None)}}}
                )
            if method != "get":
                operation.setdefault("parameters", []).append(
                    {
                        "in": "header",
                        "name": "Idempotency-Key",
                        "schema": {"type": "string", "minLength": 8, "maxLength": 100},
                        "description": "a repeat with the same key and body gets the first answer back",
                    }
                )
    return result
