"""Strategies over HTTP: create, switch, parameters, history, results; what is refused and how."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from orders.models import Order
from orders.services.paper import paper_sync
from polybot.identity import keys
from strategies.library.registry import STRATEGIES
from strategies.models import StrategyConfig
from strategies.services import states
from strategies.services.runner import tick
from tests.factories.orders import paper_order, paper_trade
from tests.factories.strategies import desk_make, live_market, pair_publish, strategy_make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean")]


def _client(user: Any) -> Client:
    made = Client()
    made.force_login(user)
    return made


def _stranger() -> Client:
    return _client(get_user_model().objects.create_user(username=f"stranger{uuid.uuid4().hex[:6]}"))


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


@pytest.fixture
def account() -> Any:
    return desk_make()


@pytest.fixture
def client(account: Any) -> Client:
    return _client(account.owner)


def _draft(account: Any, **values: Any) -> dict[str, Any]:
    return {"name": "mine", "strategy_class": "market_making", "account": account.pk, **values}


def test_a_draft_is_made_started_and_stopped(client: Client, account: Any) -> None:
    status, made = call(client, "post", "strategies", _draft(account, parameters={"half_spread": "0.02"}))
    assert (status, made["state"], made["version"], made["title"]) == (201, "draft", 1, "Market making")
    status, done = call(client, "post", f"strategies/{made['id']}/start", {})
    assert (status, done["state"], done["cancelled"]) == (200, "running", 0)
    status, refused = call(client, "post", f"strategies/{made['id']}/start", {})
    assert (status, refused["code"], refused["message"]) == (409, "conflict", "mine is running already")
    assert call(client, "post", f"strategies/{made['id']}/stop", {"reason": "done"})[1]["state"] == "stopped"
    assert [run["end_reason"] for run in call(client, "get", f"strategies/{made['id']}/runs")[1]] == ["done"]
    assert call(client, "post", f"strategies/{made['id']}/toggle", {})[1]["state"] == "running"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "Has Spaces"}, "name"),
        ({"interval_s": 0}, "interval_s"),
        ({"strategy_class": "martingale"}, "strategy_class"),
        ({"parameters": {"half_spread": "NaN"}}, "parameters.half_spread"),
        ({"parameters": {"universe": {"maximum": 501}}}, "parameters.universe.maximum"),
        ({"parameters": []}, "parameters"),
        ({"priority": "high"}, "priority"),
    ],
)
def test_a_bad_draft_is_refused_at_its_field(client: Client, account: Any, values: dict[str, Any], field: str) -> None:
    status, error = call(client, "post", "strategies", _draft(account, **values))
    assert (status, list(error["details"])) == (400, [field])
    assert StrategyConfig.objects.count() == 0


def test_parameters_come_with_their_schema_and_are_replaced_as_a_version(client: Client, account: Any) -> None:
    row = strategy_make("market_making", account=account)
    status, found = call(client, "get", f"strategies/{row.pk}/parameters")
    assert (status, found["version"], found["parameters"]["half_spread"]) == (200, 1, "0.01")
    half = next(field for field in found["fields"] if field["path"] == "half_spread")
    assert (half["minimum"], half["maximum"], half["unit"], half["sweep"]) == (
        "0.001", "0.2", "usd/share", ["0.005", "0.03", "0.005"],
    )  # fmt: skip
    assert found["schema"]["properties"]["half_spread"]["format"] == "decimal"
    status, done = call(client, "put", f"strategies/{row.pk}/parameters", {"parameters": {"half_spread": "0.02"}})
    assert (status, done["version"]) == (200, 2)
    assert done["changes"] == [
        {"path": "half_spread", "title": "Half spread", "unit": "usd/share", "before": "0.01", "after": "0.02"}
    ]
    status, error = call(client, "put", f"strategies/{row.pk}/parameters", {"parameters": {"half_spread": "1"}})
    assert (status, error["details"]) == (400, {"half_spread": ["Input should be less than or equal to 0.2"]})


def test_settings_change_by_patch(client: Client, account: Any) -> None:
    row = strategy_make("idle", account=account)
    assert call(client, "patch", f"strategies/{row.pk}", {"interval_s": 30})[1]["interval_s"] == 30
    assert call(client, "patch", f"strategies/{row.pk}", {"interval_s": 0})[0] == 400
    status, _ = call(client, "patch", f"strategies/{row.pk}", {"state": "running", "account_id": 999})
    row.refresh_from_db()
    assert (status, row.state, row.account_id) == (200, "draft", account.pk)


def test_decisions_universe_and_results_of_a_traded_strategy(client: Client, account: Any) -> None:
    now = timezone.now()
    market = live_market(now=now)
    pair_publish(market, "0.48", "0.52", now=now)
    row = strategy_make("market_making", account=account, parameters={"half_spread": "0.02", "fair_value": "mid"})
    states.strategy_start(row.pk, by="test", now=now)
    tick([row.pk], now=now)
    order = Order.objects.order_by("pk").first()
    paper_order(order, filled="10")
    paper_trade(order, "10", "0.48")
    paper_sync(order.venue_order_id, now=now)
    (decision,) = call(client, "get", f"strategies/{row.pk}/decisions")[1]
    assert (decision["outcome"], decision["trigger"], len(decision["wanted"])) == ("2 placed", "interval", 2)
    assert call(client, "get", f"strategies/{row.pk}/universe")[1] == [
        {"market_id": market.pk, "included": True, "reason": "every open market"}
    ]
    status, found = call(client, "get", f"strategies/{row.pk}/performance")
    # Bought 10 at 0.48, and the middle is 0.50: 20 cents up.
    assert (status, found["profit"], found["turnover"], found["orders"], found["fills"]) == (
        200, "0.200000", "4.800000", 2, 1,
    )  # fmt: skip
    assert found["outcomes"][0]["held"] == "10.000000"


def test_the_kinds_of_strategies_are_described(client: Client) -> None:
    status, found = call(client, "get", "strategy-classes")
    assert (status, [one["name"] for one in found]) == (200, list(STRATEGIES))
    assert {"market_making", "mean_reversion", "idle"} < set(STRATEGIES)
    assert "book" in found[0]["wakes"]


@pytest.mark.parametrize("path", ["", "/parameters", "/decisions", "/runs", "/versions", "/universe", "/performance"])
def test_what_belongs_to_somebody_else_does_not_exist(account: Any, path: str) -> None:
    row = strategy_make("idle", account=account)
    assert call(_stranger(), "get", f"strategies/{row.pk}{path}")[0] == 404
    assert call(_stranger(), "get", "strategies")[1] == []


@pytest.mark.parametrize("path", ["start", "stop", "pause", "toggle"])
def test_switching_needs_the_scope_and_the_account(account: Any, path: str) -> None:
    row = strategy_make("idle", account=account)
    assert call(_stranger(), "post", f"strategies/{row.pk}/{path}", {})[0] in (403, 404)
    secret = keys.key_create(user=account.owner, name="reader", scopes=["read"])[1]
    status, error = call(Client(), "post", f"strategies/{row.pk}/{path}", {}, Authorization=f"Bearer {secret}")
    assert (status, "scope `trade`" in error["message"]) == (403, True)
    row.refresh_from_db()
    assert row.state == "draft"


def test_a_draft_on_somebody_elses_account_is_refused(account: Any) -> None:
    other = desk_make()
    status, _ = call(_client(other.owner), "post", "strategies", _draft(account))
    assert (status, StrategyConfig.objects.count()) == (404, 0)


@pytest.mark.parametrize(("query", "status"), [("state=running", 200), ("state=flying", 400), ("account=x", 400)])
def test_filters_are_checked(client: Client, query: str, status: int) -> None:
    assert call(client, "get", f"strategies?{query}")[0] == status
