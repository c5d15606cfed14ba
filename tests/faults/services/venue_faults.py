"""What goes wrong between us and the exchange: one fault drawn per request, laid into the exchange right before it.

Names are the catalogue's of contract.md §5.3 F7 and F14; each is a rule of the exchange's control endpoint.
"""

from __future__ import annotations

from typing import Any

from tests.orders.model.luck import Draws

POST: dict[str, dict[str, Any]] = {
    "refused 425": {"kind": "status", "status": 425},
    "refused 429": {"kind": "status", "status": 429, "retry_after": 1},
    "error 500 before": {"kind": "status", "status": 500},
    "error 500 after": {"kind": "status", "status": 500, "when": "after", "body": '{"error":"order timed out"}'},
    "error 502 after": {"kind": "status", "status": 502, "when": "after"},
    "unavailable 503": {"kind": "status", "status": 503, "retry_after": 1},
    "lost before": {"kind": "hang", "latency_ms": 5},
    "lost after": {"kind": "hang", "latency_ms": 5, "when": "after"},
    "late": {"kind": "late", "latency_ms": 5},
    "reset before": {"kind": "reset"},
    "reset after": {"kind": "reset", "when": "after"},
    "truncated after": {"kind": "truncated", "when": "after"},
    "malformed after": {"kind": "malformed", "when": "after"},
    "empty after": {"kind": "empty", "when": "after"},
    "wrong types after": {
        "kind": "status", "status": 200, "when": "after", "body": '{"success":"yes","orderID":17,"status":null}',
    },
    "html 403": {"kind": "html"},
    "unauthorized 401": {"kind": "status", "status": 401, "body": '{"error":"Unauthorized/Invalid api key"}'},
}  # fmt: skip
RARE = ("html 403", "unauthorized 401")  # they halt the account
CANCEL: dict[str, dict[str, Any]] = {
    "cancel lost before": {"kind": "hang", "latency_ms": 5},
    "cancel lost after": {"kind": "hang", "latency_ms": 5, "when": "after"},
    "cancel error": {"kind": "status", "status": 500},
    "cancel malformed": {"kind": "malformed", "when": "after"},
}
READ: dict[str, dict[str, Any]] = {
    "read error": {"kind": "status", "status": 500},
    "read truncated": {"kind": "truncated"},
    "read html": {"kind": "html"},
    "read malformed": {"kind": "malformed"},
}
ENGINE: dict[str, dict[str, Any]] = {
    "trade failed": {"kind": "failed"},
    "trade failed after mined": {"kind": "failed_after_mined"},
    "trade retried": {"kind": "retrying"},
    "read lag": {"kind": "read_lag", "latency_ms": 1_500},
    "small pages": {"kind": "page_small"},
    "overlapping pages": {"kind": "page_overlap"},
    "stale balance": {"kind": "stale_balance", "latency_ms": 1_500},
}
ALL = (*POST, *CANCEL, *READ, *ENGINE)
MOST_LATE_MS = 1_500


def post_rule(name: str, draws: Draws) -> dict[str, Any]:
    rule = {"method": "POST", "path": "/order*", "service": "clob", "times": 1, **POST[name]}
    if name == "late":
        rule["effect_ms"] = draws.randint(50, MOST_LATE_MS)
    return rule


def cancel_rule(name: str) -> dict[str, Any]:
    return {"method": "DELETE", "path": "/*", "service": "clob", "times": 1, **CANCEL[name]}


def read_rule(name: str) -> dict[str, Any]:
    return {"method": "GET", "path": "/data/*", "service": "clob", "times": 1, **READ[name]}


def engine_rule(name: str) -> dict[str, Any]:
    return {"scope": "engine", "times": 1, **ENGINE[name]}
