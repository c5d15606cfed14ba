"""What goes wrong between us and the exchange: one fault drawn per request, laid into the exchange right before it.

Names are those of the exchange's own catalogue where it has the class; each is a rule of its control endpoint.
"""

from __future__ import annotations

from typing import Any

from tests.orders.model.luck import Draws

POST: dict[str, dict[str, Any]] = {
    "post_refused_425": {"kind": "status", "status": 425},
    "post_refused_429": {"kind": "status", "status": 429, "retry_after": 1},
    "post_refused_500": {"kind": "status", "status": 500},
    "post_error_after": {"kind": "status", "status": 500, "when": "after", "body": '{"error":"order timed out"}'},
    "post_502_after": {"kind": "status", "status": 502, "when": "after"},
    "post_refused_503": {"kind": "status", "status": 503, "retry_after": 1},
    "post_lost_before": {"kind": "hang", "latency_ms": 5},
    "post_lost_after": {"kind": "hang", "latency_ms": 5, "when": "after"},
    "post_late": {"kind": "late", "latency_ms": 5},
    "post_reset_before": {"kind": "reset"},
    "post_reset_after": {"kind": "reset", "when": "after"},
    "post_truncated_after": {"kind": "truncated", "when": "after"},
    "post_malformed_after": {"kind": "malformed", "when": "after"},
    "post_empty_after": {"kind": "empty", "when": "after"},
    "post_wrong_type_after": {
        "kind": "status", "status": 200, "when": "after", "body": '{"success":"yes","orderID":17,"status":null}',
    },
    "post_cloudflare": {"kind": "html"},
    "post_unauthorized": {"kind": "status", "status": 401, "body": '{"error":"Unauthorized/Invalid api key"}'},
}  # fmt: skip
RARE = ("post_cloudflare", "post_unauthorized")  # they halt the account
CANCEL: dict[str, dict[str, Any]] = {
    "cancel_lost_before": {"kind": "hang", "latency_ms": 5},
    "cancel_lost_after": {"kind": "hang", "latency_ms": 5, "when": "after"},
    "cancel_error": {"kind": "status", "status": 500},
    "cancel_malformed": {"kind": "malformed", "when": "after"},
}
READ: dict[str, dict[str, Any]] = {
    "read_error": {"kind": "status", "status": 500},
    "read_truncated": {"kind": "truncated"},
    "read_html": {"kind": "html"},
    "read_malformed": {"kind": "malformed"},
}
ENGINE: dict[str, dict[str, Any]] = {
    "failed": {"kind": "failed"},
    "failed_after_mined": {"kind": "failed_after_mined"},
    "retrying": {"kind": "retrying"},
    "read_lag": {"kind": "read_lag", "latency_ms": 1_500},
    "page_small": {"kind": "page_small"},
    "page_overlap": {"kind": "page_overlap"},
    "stale_balance": {"kind": "stale_balance", "latency_ms": 1_500},
    "confirmed_after_failed": {"kind": "confirmed_after_failed"},
    "reorg": {"kind": "reorg"},
    "partial": {"kind": "partial"},
    "slow_settlement": {"kind": "slow_settlement", "latency_ms": 400},
    "phantom_reservation": {"kind": "phantom_reservation", "latency_ms": 1_000},
    "page_tail": {"kind": "page_tail"},
}
# Of transactions outside the book: the relayer, the node, and what becomes of them there.
RELAY: dict[str, dict[str, Any]] = {
    "relay_lost_after": {"kind": "hang", "latency_ms": 5, "when": "after"},
    "relay_error": {"kind": "status", "status": 500},
    "relay_malformed": {"kind": "malformed", "when": "after"},
    "relay_failed": {"scope": "engine", "kind": "relay_failed"},
    "relay_busy": {"scope": "engine", "kind": "relay_busy"},
    "relay_slow": {"scope": "engine", "kind": "relay_slow", "latency_ms": 800},
}
ALL = (*POST, *CANCEL, *READ, *ENGINE, *RELAY)
MOST_LATE_MS = 1_500


def post_rule(name: str, draws: Draws) -> dict[str, Any]:
    rule = {"method": "POST", "path": "/order*", "service": "clob", "times": 1, **POST[name]}
    if name == "post_late":
        rule["effect_ms"] = draws.randint(50, MOST_LATE_MS)
    return rule


def cancel_rule(name: str) -> dict[str, Any]:
    return {"method": "DELETE", "path": "/*", "service": "clob", "times": 1, **CANCEL[name]}


def read_rule(name: str) -> dict[str, Any]:
    return {"method": "GET", "path": "/data/*", "service": "clob", "times": 1, **READ[name]}


def engine_rule(name: str) -> dict[str, Any]:
    return {"scope": "engine", "times": 1, **ENGINE[name]}


def relay_rule(name: str, *, is_relayed: bool) -> dict[str, Any]:
    rule = RELAY[name]
    if rule.get("scope") == "engine":
        return {"times": 1, **rule}
    where = {"service": "relayer", "path": "/submit"} if is_relayed else {"service": "rpc", "path": "*"}
    return {"method": "POST", "times": 1, **where, **rule}
