"""Who may call what: one table of every route, method and role. A route that is not in it fails the test."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import get_resolver
from rest_framework.test import APIClient

from alerts.models import AlertChannel, AlertRule
from markets.models import Drift
from polybot.identity import keys
from risk.models import Halt
from tests.factories.desk import PASSWORD, DeskRows

ROLES = ("anonymous", "viewer", "owner", "staff")
ALL = (401, 200, 200, 200)  # everybody who is signed in
OWN = (401, 404, 200, 200)  # things of an account: a stranger's do not exist
TRADE = (401, 403, 200, 200)  # writes of somebody who may trade
STAFF = (401, 403, 403, 200)

# (method, route) → status per role, with a valid body where one is needed.
TABLE: dict[tuple[str, str], tuple[int, int, int, int]] = {
    ("get", "health"): ALL,
    ("get", "auth/me"): ALL,
    ("get", "auth/keys"): ALL,
    ("post", "auth/keys"): (401, 201, 201, 201),
    ("delete", "auth/keys/<int:key_id>"): (401, 404, 200, 200),
    ("get", "schema"): ALL,
    ("get", "docs"): ALL,
    ("get", "redoc"): ALL,
    ("get", "orders"): ALL,
    ("post", "orders"): (401, 403, 201, 201),
    ("post", "orders/cancel-all"): (401, 403, 202, 202),
    ("get", "orders/<int:order_id>"): OWN,
    ("post", "orders/<int:order_id>/cancel"): (401, 403, 202, 202),
    ("post", "orders/<int:order_id>/replace"): (401, 403, 400, 400),  # it is on its way out by now
    ("post", "orders/cancel-market"): (401, 403, 202, 202),
    ("get", "plans"): ALL,
    ("get", "plans/<int:plan_id>"): (401, 404, 404, 404),
    ("post", "plans/<int:plan_id>/cancel"): (401, 403, 404, 404),
    ("get", "rate-budget"): ALL,
    ("get", "heartbeat"): ALL,
    ("post", "heartbeat"): (401, 403, 400, 400),  # a paper account has no venue that could cancel its orders
    ("get", "chain/actions"): ALL,
    ("get", "chain/actions/<int:action_id>"): (401, 404, 404, 404),
    ("post", "chain/actions/<int:action_id>/confirm"): (401, 403, 404, 404),
    ("post", "chain/actions/<int:action_id>/cancel"): (401, 403, 404, 404),
    ("get", "chain/claims"): ALL,
    ("post", "chain/sets"): (401, 403, 400, 400),  # nor a wallet that could hold complete sets
    ("post", "chain/conversions"): (401, 403, 400, 400),
    ("get", "chain/allowances/<int:account_id>"): OWN,
    ("post", "chain/allowances"): (401, 403, 400, 400),
    ("get", "risk/flatten"): OWN,
    ("post", "risk/flatten"): (401, 403, 202, 202),
    ("get", "accounts"): ALL,
    ("post", "accounts/<int:account_id>/connect"): (401, 403, 400, 400),  # a paper account has no connection
    ("get", "fills"): ALL,
    ("get", "reconciliations"): ALL,
    ("get", "differences"): ALL,
    ("post", "differences/<int:difference_id>/settle"): (401, 403, 404, 404),
    ("get", "external-orders"): ALL,
    ("post", "external-orders/<int:external_id>/acknowledge"): (401, 403, 404, 404),
    ("get", "positions"): ALL,
    ("get", "portfolio"): ALL,
    ("get", "portfolio/history"): ALL,
    ("get", "archive/tapes"): ALL,
    ("get", "markets"): ALL,
    ("get", "markets/<int:market_id>"): ALL,
    ("get", "markets/<int:market_id>/book"): ALL,
    ("get", "markets/<int:market_id>/candles"): ALL,
    ("get", "markets/<int:market_id>/trades"): ALL,
    ("get", "risk/verdicts"): ALL,
    ("get", "risk/verdicts/<int:verdict_id>"): OWN,
    ("get", "risk/limits"): ALL,
    ("put", "risk/limits"): STAFF,
    ("get", "risk/exposure"): ALL,
    ("get", "risk/halts"): ALL,
    ("post", "risk/halts"): (401, 403, 201, 201),
    ("post", "risk/halts/<int:halt_id>/lift"): (401, 403, 200, 200),
    ("post", "risk/kill"): (401, 403, 403, 202),
    ("post", "risk/release"): STAFF,
    ("get", "doctor"): ALL,
    ("post", "doctor"): (401, 403, 202, 202),
    ("get", "explain"): (401, 400, 400, 400),
    ("get", "drift"): ALL,
    ("post", "drift/<int:drift_id>/accept"): STAFF,
    ("get", "risk/rehearsals"): ALL,
    ("post", "risk/rehearsals"): (401, 403, 202, 202),
    ("get", "strategies"): ALL,
    ("post", "strategies"): (401, 403, 201, 201),
    ("get", "strategy-classes"): ALL,
    ("get", "strategies/<int:strategy_id>"): OWN,
    ("patch", "strategies/<int:strategy_id>"): TRADE,
    ("post", "strategies/<int:strategy_id>/pause"): TRADE,
    ("post", "strategies/<int:strategy_id>/start"): TRADE,
    ("post", "strategies/<int:strategy_id>/stop"): TRADE,
    ("post", "strategies/<int:strategy_id>/toggle"): TRADE,
    ("get", "strategies/<int:strategy_id>/parameters"): OWN,
    ("put", "strategies/<int:strategy_id>/parameters"): TRADE,
    ("get", "strategies/<int:strategy_id>/versions"): OWN,
    ("get", "strategies/<int:strategy_id>/runs"): OWN,
    ("get", "strategies/<int:strategy_id>/decisions"): OWN,
    ("get", "strategies/<int:strategy_id>/universe"): OWN,
    ("get", "strategies/<int:strategy_id>/performance"): OWN,
    ("get", "backtests"): ALL,
    ("post", "backtests"): (401, 403, 400, 400),  # its body names no recording: tests/backtests/api has whole ones
    ("get", "backtests/options"): ALL,
    ("get", "backtests/<int:run_id>"): (401, 404, 404, 404),
    ("patch", "backtests/<int:run_id>"): (401, 403, 404, 404),
    ("post", "backtests/<int:run_id>/cancel"): (401, 403, 404, 404),
    ("post", "backtests/<int:run_id>/rerun"): (401, 403, 404, 404),
    ("get", "backtests/<int:run_id>/report"): (401, 404, 404, 404),
    ("get", "backtests/<int:run_id>/trades.csv"): (401, 404, 404, 404),
    ("get", "audit"): ALL,
    ("get", "notifications"): ALL,
    ("post", "notifications/seen"): ALL,
    ("get", "alerts/deliveries"): ALL,
    ("get", "alerts/rules"): ALL,
    ("post", "alerts/rules"): (401, 403, 403, 201),
    ("get", "alerts/rules/<int:rule_id>"): ALL,
    ("patch", "alerts/rules/<int:rule_id>"): STAFF,
    ("delete", "alerts/rules/<int:rule_id>"): (401, 403, 403, 204),
    ("get", "alerts/channels"): STAFF,
    ("post", "alerts/channels"): (401, 403, 403, 201),
    ("patch", "alerts/channels/<int:channel_id>"): STAFF,
    ("delete", "alerts/channels/<int:channel_id>"): (401, 403, 403, 204),
    ("post", "alerts/channels/<int:channel_id>/test"): STAFF,
}


def routes() -> set[tuple[str, str]]:
    """Every method of every address under /api/v1, in the order the resolver asks them."""
    found: dict[str, set[str]] = {}

    def walk(patterns: list[Any], prefix: str) -> None:
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if hasattr(pattern, "url_patterns"):
                walk(pattern.url_patterns, path)
            elif path.startswith("api/v1/") and path not in found:  # the first of two equal addresses answers
                view = pattern.callback.cls
                found[path] = {m for m in ("get", "post", "put", "patch", "delete") if hasattr(view, m)}

    walk(get_resolver().url_patterns, "")
    return {(method, path.removeprefix("api/v1/")) for path, methods in found.items() for method in methods}


def test_every_route_is_in_the_table() -> None:
    assert routes() == set(TABLE)


def bodies(desk: DeskRows) -> dict[tuple[str, str], dict[str, Any]]:
    other = desk.group[1].outcomes.get(index=0)
    reason = {"reason": "a test"}
    return {
        ("post", "auth/keys"): {"name": "script", "scopes": ["read"]},
        ("post", "orders"): {
            "account": desk.account.pk, "outcome": other.pk, "side": "buy", "price": "0.30", "size": "10",
        },
        ("post", "strategies"): {"account": desk.account.pk, "name": "other", "strategy_class": "mean_reversion"},
        ("patch", "strategies/<int:strategy_id>"): {"interval_s": 9},
        ("put", "strategies/<int:strategy_id>/parameters"): {"parameters": {"size": "25"}},
        ("post", "orders/cancel-all"): {"account": desk.account.pk},
        ("post", "orders/<int:order_id>/cancel"): {},
        ("post", "orders/<int:order_id>/replace"): {"price": "0.30", "size": "10"},
        ("post", "orders/cancel-market"): {"account": desk.account.pk, "market": other.market_id},
        ("post", "heartbeat"): {"account": desk.account.pk, "wanted": True},
        ("post", "chain/sets"): {
            "account": desk.account.pk, "market": other.market_id, "kind": "split", "amount": "1",
        },
        ("post", "chain/conversions"): {"account": desk.account.pk, "markets": [other.market_id], "amount": "1"},
        ("post", "chain/allowances"): {"account": desk.account.pk, "numbers": [0], "amount": "1"},
        ("get", "risk/flatten"): {"account": desk.account.pk},
        ("post", "risk/flatten"): {"account": desk.account.pk},
        ("put", "risk/limits"): {"account": desk.account.pk, "profile": "moderate"},
        ("post", "risk/halts"): {"account": desk.account.pk, "kind": "reduce_only", **reason},
        ("post", "risk/halts/<int:halt_id>/lift"): reason,
        ("post", "risk/kill"): reason,
        ("post", "doctor"): {"account": desk.account.pk},
        ("post", "risk/rehearsals"): {"account": desk.account.pk},
        ("post", "drift/<int:drift_id>/accept"): reason,
        ("post", "risk/release"): {"phrase": "trade again", "password": PASSWORD},
        ("post", "notifications/seen"): {"ids": [1]},
        ("post", "alerts/rules"): {"name": "mine", "kind": "order.filled", "severity": "info"},
        ("patch", "alerts/rules/<int:rule_id>"): {"enabled": False},
        ("post", "alerts/channels"): {"transport": "browser", "label": "other"},
        ("patch", "alerts/channels/<int:channel_id>"): {"enabled": False},
    }  # fmt: skip


def call(client: APIClient, desk: DeskRows, method: str, route: str, body: dict[str, Any] | None) -> Any:
    ids = {
        "order_id": desk.orders["open"].pk,
        "market_id": desk.market.pk,
        "verdict_id": desk.verdict.pk,
        "halt_id": Halt.objects.create(
            account_id=desk.account.pk, kind="reduce_only", cause="test", reason="x", by="x",
            created_at=desk.halt.created_at,
        ).pk if "halt_id" in route else 0,
        "rule_id": AlertRule.objects.first().pk,
        "channel_id": AlertChannel.objects.create(transport="browser", label=f"{method} {route}"[:80]).pk,
        "drift_id": Drift.objects.create(
            venue="polymarket", source="test", field=f"{method} {route} {Drift.objects.count()}", kind="unknown_field",
            first_at=desk.halt.created_at, last_at=desk.halt.created_at,
        ).pk if "drift_id" in route else 0,
        "key_id": keys.key_create(desk.owner, name="k", scopes=["read"])[0].pk if "key_id" in route else 0,
        "strategy_id": desk.strategy.pk,
        "account_id": desk.account.pk,
        "plan_id": 10**9,
        "action_id": 10**9,
        "run_id": 10**9,
        "difference_id": 10**9,
        "external_id": 10**9,
    }  # fmt: skip
    path = re.sub(r"<int:(\w+)>", lambda match: str(ids[match.group(1)]), route)
    return getattr(client, method)(f"/api/v1/{path}", body, format="json" if method != "get" else None)


@pytest.mark.parametrize("role", ROLES)
def test_every_role_gets_what_the_table_says(desk: DeskRows, callers: dict[str, APIClient], role: str) -> None:
    column = ROLES.index(role)
    wrong = {}
    for (method, route), expected in sorted(TABLE.items(), key=lambda item: item[0][0] == "delete"):
        answer = call(callers[role], desk, method, route, bodies(desk).get((method, route)))
        if answer.status_code != expected[column]:
            wrong[(method, route)] = (answer.status_code, answer.content[:300])
        if answer.status_code >= 400 and route not in ("docs", "redoc"):
            body = answer.json()
            assert body["success"] is False and body["error"]["code"] and body["error"]["hint"], (method, route, body)
    assert wrong == {}


def test_a_key_does_no_more_than_its_scopes(desk: DeskRows) -> None:
    _, secret = keys.key_create(desk.staff, name="reader", scopes=["read"])
    client = APIClient(headers={"Authorization": f"Bearer {secret}"})
    assert client.get("/api/v1/orders").status_code == 200
    for method, route in TABLE:
        if method != "get":
            answer = call(client, desk, method, route, bodies(desk).get((method, route)))
            assert answer.status_code in (403, 200) and (answer.status_code == 403 or route == "notifications/seen"), (
                route
            )


def test_a_key_never_does_more_than_its_person(desk: DeskRows) -> None:
    """Somebody who is no longer staff has keys that are no longer staff's either."""
    _, secret = keys.key_create(desk.staff, name="admin", scopes=["read", "trade", "admin"])
    client = APIClient(headers={"Authorization": f"Bearer {secret}"})
    desk.staff.is_staff = False
    desk.staff.save()
    assert client.put("/api/v1/risk/limits", {"account": 1, "profile": "moderate"}).status_code == 403


def test_keys_do_not_make_keys(desk: DeskRows) -> None:
    _, secret = keys.key_create(desk.owner, name="reader", scopes=["read", "trade"])
    client = APIClient(headers={"Authorization": f"Bearer {secret}"})
    assert client.post("/api/v1/auth/keys", {"name": "more", "scopes": ["read"]}).status_code == 403


def test_a_session_needs_the_csrf_token_and_a_key_does_not(desk: DeskRows) -> None:
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(desk.owner)
    assert browser.post("/api/v1/orders/cancel-all", {"account": desk.account.pk}).status_code == 403
    _, secret = keys.key_create(desk.owner, name="script", scopes=["trade", "read"])
    script = APIClient(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {secret}"})
    assert script.post("/api/v1/orders/cancel-all", {"account": desk.account.pk}).status_code == 202
