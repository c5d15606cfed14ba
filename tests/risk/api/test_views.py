"""The gate over HTTP: manual orders, verdicts, limits, exposure, halts, kill."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from markets.models import Market, Outcome
from orders.models import Account, Order
from orders.services import kill as switch
from polybot.identity import keys
from risk.models import Halt, RiskVerdict
from risk.selectors import picture
from risk.services import halts
from tests.factories.markets import book_make
from tests.factories.orders import account_make, venue_account_make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_books(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms = int(timezone.now().timestamp() * 1000)
    monkeypatch.setattr(picture, "books_read", lambda ids: {i: book_make(i, confirmed_ms=now_ms) for i in ids})


@pytest.fixture
def client(account: Account, outcome: Outcome) -> Client:
    Market.objects.update(synced_at=timezone.now())
    return client_of(account.owner)


def client_of(user: Any) -> Client:
    made = Client()
    made.force_login(user)
    return made


PASSWORD = "correct horse battery"


def staff() -> Client:
    name = f"chief{uuid.uuid4().hex[:6]}"
    return client_of(get_user_model().objects.create_user(username=name, password=PASSWORD, is_staff=True))


def call(client: Client, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    answer = client.generic(
        method.upper(),
        f"/api/v1/{path}",
        data=b"" if body is None else json.dumps(body).encode(),
        content_type="application/json",
        headers=headers or None,
    )
    told = answer.json() if answer.content else {}
    return answer.status_code, told.get("data") if answer.status_code < 400 else told.get("error")


def order(owner: Account, of: Outcome, **values: Any) -> dict[str, Any]:
    return {"account": owner.pk, "outcome": of.pk, "side": "buy", "price": "0.50", "size": "10", **values}


def test_a_manual_order_goes_through_the_gate_and_is_sent(client: Client, account: Account, outcome: Outcome) -> None:
    status, data = call(client, "post", "orders", order(account, outcome))
    assert status == 201
    placed = Order.objects.get(pk=data["order_id"])
    assert (placed.origin_kind, placed.origin_id, placed.state) == ("manual", account.owner_id, "sending")
    assert data["verdict"]["decision"] == "approved"
    assert {check["rule"] for check in data["verdict"]["checks"]} >= {"kill_switch", "account_exposure"}
    assert [row["id"] for row in call(client, "get", "orders")[1]] == [placed.pk]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"price": "0.505"}, "price"),
        ({"price": "1"}, "price"),
        ({"price": "-0.5"}, "price"),
        ({"price": "NaN"}, "price"),
        ({"price": "0.5000001"}, "price"),
        ({"price": None}, "price"),
        ({"price": [1]}, "price"),
        ({"size": "0"}, "size"),
        ({"size": "1e30"}, "size"),
        ({"size": "Infinity"}, "size"),
        ({"size": "10.001"}, "size"),
        ({"size": "2"}, "size"),
        ({"size": "100"}, "size"),
        ({"side": "short"}, "side"),
        ({"outcome": 999_999}, "outcome"),
        ({"outcome": "x"}, "outcome"),
        ({"order_type": "market"}, "order_type"),
        ({"order_type": "gtd"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00Z"}, "expires_at"),
        ({"order_type": "gtd", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"order_type": "fak", "post_only": True}, "post_only"),
        ({"price": "0.52", "post_only": True}, "post_only"),
    ],
)
def test_a_bad_order_is_refused_with_the_field(
    client: Client,
    account: Account,
    outcome: Outcome,
    values: dict[str, Any],
    field: str,
) -> None:
    status, error = call(client, "post", "orders", order(account, outcome, **values))
    assert status in (400, 422)
    assert field in error["details"]
    assert not Order.objects.exists()


@pytest.mark.parametrize("body", [[], "x", 3, None, {}])
def test_a_body_that_is_no_order_is_refused(client: Client, body: Any) -> None:
    assert call(client, "post", "orders", body)[0] == 400


def test_a_refusal_names_the_rule_and_the_largest_size(client: Client, account: Account, outcome: Outcome) -> None:
    status, error = call(client, "post", "orders", order(account, outcome, size="100"))
    assert (status, error["code"], error["details"]["rule"]) == (422, "refused_by_gate", "order_size")
    assert error["message"] == "an order of $50.00 is above $25.00; at most 50 shares now"
    verdict = call(client, "get", f"risk/verdicts/{error['details']['verdict_id']}")[1]
    (check,) = [c for c in verdict["checks"] if c["rule"] == "order_size"]
    assert (check["value"], check["limit"]) == ("50.000000", "25.000000")


def test_who_wants_what_the_limits_leave_says_so(client: Client, account: Account, outcome: Outcome) -> None:
    status, data = call(client, "post", "orders", order(account, outcome, size="100", allow_smaller=True))
    assert (status, data["verdict"]["decision"]) == (201, "shrunk")
    assert Order.objects.get().size == Decimal(50)


def test_the_same_idempotency_key_places_one_order(client: Client, account: Account, outcome: Outcome) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first = call(client, "post", "orders", order(account, outcome), **headers)
    second = call(client, "post", "orders", order(account, outcome), **headers)
    assert first[1]["order_id"] == second[1]["order_id"]
    assert Order.objects.count() == 1
    assert call(client, "post", "orders", order(account, outcome, size="11"), **headers)[0] == 422


def test_nobody_trades_on_the_account_of_another(client: Client, outcome: Outcome) -> None:
    other = account_make("100")
    assert call(client, "post", "orders", order(other, outcome))[0] == 404
    assert call(client, "post", "risk/halts", {"account": other.pk, "kind": "halted", "reason": "x"})[0] == 404
    verdicts = call(client, "get", f"risk/verdicts?account={other.pk}")
    assert verdicts[0] == 404


def test_strangers_are_asked_to_sign_in(client: Client) -> None:
    for path in ("orders", "risk/verdicts", "risk/limits", "risk/exposure", "risk/halts"):
        assert Client().get(f"/api/v1/{path}").status_code in (401, 403)


def test_verdicts_are_filtered(client: Client, account: Account, outcome: Outcome) -> None:
    call(client, "post", "orders", order(account, outcome))
    call(client, "post", "orders", order(account, outcome, price="0.505"))
    assert len(call(client, "get", "risk/verdicts")[1]) == 2
    (refused,) = call(client, "get", "risk/verdicts?decision=refused&rule=price_tick")[1]
    assert refused["message"].startswith("price 0.505 is not a multiple")
    assert call(client, "get", "risk/verdicts?decision=maybe")[0] == 400
    assert call(client, "get", "risk/verdicts/999999")[0] == 404


def test_limits_and_exposure_stand_side_by_side(client: Client, account: Account, outcome: Outcome) -> None:
    call(client, "post", "orders", order(account, outcome, size="20", post_only=False))
    (limits,) = call(client, "get", "risk/limits")[1]
    assert (limits["profile"]["name"], limits["profile"]["order_size"]) == ("conservative", "25.000000")
    (exposure,) = call(client, "get", "risk/exposure")[1]
    caps = {cap["name"]: (cap["value"], cap["limit"]) for cap in exposure["caps"]}
    assert caps["account"] == ("10.000000", "500.000000")
    assert caps[f"market:{outcome.market_id}"] == ("10.000000", "100.000000")


def test_only_staff_change_limits(client: Client, account: Account) -> None:
    wanted = {"account": account.pk, "profile": "moderate"}
    assert call(client, "put", "risk/limits", wanted)[0] == 403
    assert call(staff(), "put", "risk/limits", wanted)[1]["profile"]["name"] == "moderate"
    status, error = call(staff(), "put", "risk/limits", {**wanted, "profile": "reckless"})
    assert (status, list(error["details"])) == (400, ["profile"])


def test_the_owner_halts_and_lifts_the_own_account(client: Client, account: Account, outcome: Outcome) -> None:
    status, halt = call(client, "post", "risk/halts", {"account": account.pk, "kind": "reduce_only", "reason": "odd"})
    assert (status, halt["kind"], halt["by"]) == (201, "reduce_only", str(account.owner))
    assert call(client, "post", "orders", order(account, outcome))[1]["details"]["rule"] == "trading_state"
    assert len(call(client, "get", "risk/halts?open=true")[1]) == 1
    assert call(client, "post", f"risk/halts/{halt['id']}/lift", {"reason": "fine again"})[1]["lifted_at"]
    assert call(client, "get", "risk/halts?open=true")[1] == []
    assert call(client, "post", "orders", order(account, outcome))[0] == 201


def test_a_key_that_may_trade_may_halt_but_not_lift(client: Client, account: Account) -> None:
    _, secret = keys.key_create(account.owner, name="bot", scopes=["read", "trade"])
    bearer = {"Authorization": f"Bearer {secret}"}
    status, halt = call(
        Client(), "post", "risk/halts", {"account": account.pk, "kind": "halted", "reason": "odd"}, **bearer
    )
    assert status == 201
    assert call(Client(), "post", f"risk/halts/{halt['id']}/lift", {"reason": "x"}, **bearer)[0] == 403


def test_everything_is_stopped_and_released_by_staff_only(client: Client, account: Account) -> None:
    assert call(client, "post", "risk/halts", {"kind": "halted", "reason": "x"})[0] == 403
    assert call(client, "post", "risk/kill", {"reason": "x"})[0] == 403
    assert call(client, "post", "risk/release", {"phrase": "trade again"})[0] == 403
    chief = staff()
    assert call(chief, "post", "risk/kill", {"reason": "fire"})[0] == 202
    assert switch.killed()
    assert call(chief, "post", "risk/release", {"phrase": "please"})[0] == 400
    for wrong in ({}, {"password": "wrong"}):
        status, error = call(chief, "post", "risk/release", {"phrase": "trade again", **wrong})
        assert (status, list(error["details"])) == (400, ["password"]) and switch.killed()
    again = {"phrase": "trade again", "password": PASSWORD}
    assert call(chief, "post", "risk/release", again)[1] == {"killed": False, "was_set": True}
    halt = halts.halt_create(None, Halt.Kind.HALTED, "all", "chief")
    assert call(client, "post", f"risk/halts/{halt.pk}/lift", {"reason": "x"})[0] == 403
    assert call(client, "post", "risk/halts/999999/lift", {"reason": "x"})[0] == 404
    assert RiskVerdict.objects.count() == 0


def test_no_api_key_releases_the_kill_switch_whatever_it_sends(client: Client, account: Account) -> None:
    chief = get_user_model().objects.create_user(username="boss", password=PASSWORD, is_staff=True)
    _, secret = keys.key_create(chief, name="root", scopes=["read", "trade", "admin"])
    bearer = {"Authorization": f"Bearer {secret}"}
    assert call(Client(), "post", "risk/kill", {"reason": "fire"}, **bearer)[0] == 202
    again = {"phrase": "trade again", "password": PASSWORD}
    status, error = call(Client(), "post", "risk/release", again, **bearer)
    assert status == 403 and "may not release" in error["message"] and switch.killed()


def test_a_halt_before_real_money_is_lifted_with_the_password_again(client: Client, account: Account) -> None:
    owner = get_user_model().objects.create_user(username="rich", password=PASSWORD)
    rich = client_of(owner)
    live = venue_account_make("live", owner=owner)
    halt = halts.halt_create(live.pk, Halt.Kind.HALTED, "odd", "rich")
    for body in ({"reason": "x"}, {"reason": "x", "password": "wrong"}):
        assert call(rich, "post", f"risk/halts/{halt.pk}/lift", body)[0] == 400
    assert call(rich, "post", f"risk/halts/{halt.pk}/lift", {"reason": "x", "password": PASSWORD})[1]["lifted_at"]
