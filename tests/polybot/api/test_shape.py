"""Every answer has one shape: envelope, request id, errors that name the field, paging, replays."""

from __future__ import annotations

from datetime import datetime

import pytest
from rest_framework.test import APIClient

from orders.models import Order
from polybot.identity.models import IdempotentRequest
from tests.factories.desk import DeskRows


def order_body(desk: DeskRows, **values: object) -> dict[str, object]:
    other = desk.group[1].outcomes.get(index=0)
    fields = {"account": desk.account.pk, "outcome": other.pk, "side": "buy", "price": "0.30", "size": "10"}
    return {**fields, "post_only": True, **values}


def test_an_answer_is_wrapped(callers: dict[str, APIClient]) -> None:
    body = callers["owner"].get("/api/v1/orders?limit=2").json()
    assert set(body) == {"success", "data", "error", "meta", "request_id", "timestamp"}
    assert body["success"] is True and body["error"] is None
    assert body["meta"] == {"page": 1, "limit": 2, "total": 5, "cursor": None}
    assert len(body["data"]) == 2 and isinstance(body["data"][0]["price"], str)
    assert datetime.fromisoformat(body["timestamp"]).utcoffset().total_seconds() == 0  # type: ignore[union-attr]


def test_a_request_id_is_kept_when_plain_and_made_when_not(callers: dict[str, APIClient]) -> None:
    answer = callers["owner"].get("/api/v1/auth/me", headers={"X-Request-ID": "abc-12345"})
    assert answer["X-Request-ID"] == answer.json()["request_id"] == "abc-12345"
    answer = callers["owner"].get("/api/v1/auth/me", headers={"X-Request-ID": "x\ny" * 40})
    assert len(answer["X-Request-ID"]) == 32


@pytest.mark.parametrize("path", ["/api/orders", "/api/v1/orders"])
def test_an_unversioned_address_is_version_one(callers: dict[str, APIClient], path: str) -> None:
    assert callers["owner"].get(path).json()["meta"]["total"] == 5


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"price": "NaN"}, "price"),
        ({"price": "Infinity"}, "price"),
        ({"price": "1e400"}, "price"),
        ({"price": None}, "price"),
        ({"price": "0.5555555"}, "price"),
        ({"size": "-5"}, "size"),
        ({"size": [1]}, "size"),
        ({"side": "hold"}, "side"),
        ({"outcome": 10**30}, "outcome"),
        ({"account": "x"}, "account"),
        ({"order_type": "ioc"}, "order_type"),
    ],
)
def test_a_bad_field_is_named(
    desk: DeskRows, callers: dict[str, APIClient], change: dict[str, object], field: str
) -> None:
    answer = callers["owner"].post("/api/v1/orders", order_body(desk, **change))
    assert answer.status_code in (400, 422), answer.content
    assert field in answer.json()["error"]["details"]


@pytest.mark.parametrize("body", ["{", "[1]", '"x"', "null", "\xff"])
def test_a_body_that_is_no_object_is_a_client_error(desk: DeskRows, callers: dict[str, APIClient], body: str) -> None:
    answer = callers["owner"].post("/api/v1/orders", body.encode("latin-1"), content_type="application/json")
    assert answer.status_code == 400 and answer.json()["success"] is False


def test_a_nul_in_the_query_is_a_client_error(callers: dict[str, APIClient]) -> None:
    for path in ("markets?q=%00", "orders?origin_kind=%00", "audit?kind=%00"):
        assert callers["owner"].get(f"/api/v1/{path}").status_code in (200, 400), path


def test_an_unknown_address_is_json_too(callers: dict[str, APIClient]) -> None:
    answer = callers["owner"].get("/api/v1/nothing")
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "not_found"


def test_the_same_key_places_one_order(desk: DeskRows, callers: dict[str, APIClient]) -> None:
    owner, headers = callers["owner"], {"Idempotency-Key": "key-0001"}
    first = owner.post("/api/v1/orders", order_body(desk), headers=headers)
    again = owner.post("/api/v1/orders", order_body(desk), headers=headers)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json() and again["Idempotency-Replayed"] == "true"
    assert Order.objects.filter(origin_kind="manual").count() == 1


def test_the_same_key_with_another_body_is_refused(desk: DeskRows, callers: dict[str, APIClient]) -> None:
    owner, headers = callers["owner"], {"Idempotency-Key": "key-0002"}
    owner.post("/api/v1/orders", order_body(desk), headers=headers)
    answer = owner.post("/api/v1/orders", order_body(desk, size="11"), headers=headers)
    assert answer.status_code == 422 and answer.json()["error"]["code"] == "idempotency_mismatch"


def test_a_key_whose_first_request_is_under_way_is_refused(desk: DeskRows, callers: dict[str, APIClient]) -> None:
    owner, headers = callers["owner"], {"Idempotency-Key": "key-0003"}
    owner.post("/api/v1/orders", order_body(desk), headers=headers)
    IdempotentRequest.objects.update(status=None)
    answer = owner.post("/api/v1/orders", order_body(desk), headers=headers)
    assert answer.status_code == 409 and answer.json()["error"]["code"] == "idempotency_pending"
    assert Order.objects.filter(origin_kind="manual").count() == 1


def test_two_people_may_use_the_same_key(desk: DeskRows, callers: dict[str, APIClient]) -> None:
    for role in ("owner", "staff"):
        answer = callers[role].post("/api/v1/orders", order_body(desk), headers={"Idempotency-Key": "key-0004"})
        assert "Idempotency-Replayed" not in answer


def test_a_manual_order_that_the_gate_refuses_says_which_rule(desk: DeskRows, callers: dict[str, APIClient]) -> None:
    answer = callers["owner"].post("/api/v1/orders", order_body(desk, size="500"))
    error = answer.json()["error"]
    assert answer.status_code == 422 and error["code"] == "refused_by_gate"
    assert error["details"]["rule"] and str(desk.account.pk) not in error["code"]


def test_the_description_wraps_every_answer(callers: dict[str, APIClient]) -> None:
    described = callers["staff"].get("/api/v1/schema").json()
    operations = [op for path, methods in described["paths"].items() for op in methods.values()]
    assert len(operations) > 35
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            if path.endswith("/schema"):
                continue
            good = next(code for code in operation["responses"] if code.startswith("2"))
            if good != "204":
                wrapped = operation["responses"][good]["content"]["application/json"]["schema"]
                assert "request_id" in wrapped["properties"], (path, method)


def test_health_says_why_an_account_cannot_trade(desk: DeskRows, callers: dict[str, APIClient]) -> None:
    from risk.services import halts

    halts.kill("a test", "test")
    (account,) = callers["owner"].get("/api/v1/health").json()["data"]["accounts"]
    assert account["can_trade"] is False
    assert any(reason.startswith("Kill switch: set") for reason in account["why_not"])


def test_the_process_answers_strangers_with_one_word(client: APIClient, db: None) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json()["status"] == "ready"
