"""Plans over HTTP: chase, slices, replace, flatten, reading and cancelling them."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from markets.models import Market, Outcome
from orders.domain.intents import OrderType
from orders.models import Account, ExecutionPlan, HeartbeatState
from orders.services import execution
from risk.selectors import flattening, picture
from risk.services import plans as asked_plans
from tests.factories.markets import book_make
from tests.factories.orders import account_make, order_make
from tests.risk.api.test_views import call, client_of, order
from tests.risk.services.test_plans import answer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_books(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms = int(timezone.now().timestamp() * 1000)
    for module in (picture, flattening, asked_plans):
        monkeypatch.setattr(
            module, "books_read", lambda ids: {i: book_make(i, ask=510_000, confirmed_ms=now_ms) for i in ids}
        )


@pytest.fixture
def client(account: Account, outcome: Outcome) -> Client:
    Market.objects.update(synced_at=timezone.now())
    return client_of(account.owner)


def plan_row() -> ExecutionPlan:
    return ExecutionPlan.objects.get()


def test_a_chase_that_needs_one_step_is_one_order(client: Client, account: Account, outcome: Outcome) -> None:
    body = order(account, outcome, price="0.51", order_type="chase")
    status, told = call(client, "post", "orders", body)
    assert (status, told["plan_id"]) == (201, None)  # the touch is at the limit: one order does it


def test_slices_become_a_plan(client: Client, account: Account, outcome: Outcome) -> None:
    body = order(account, outcome, price="0.51", size="40", order_type="twap", slices=4, interval_s=30)
    status, told = call(client, "post", "orders", body)
    assert (status, told["order_id"], told["plan_id"]) == (201, None, plan_row().pk)
    status, told = call(client, "get", f"plans/{plan_row().pk}")
    assert (status, told["plan"]["kind"], told["plan"]["legs"][0]["size"]) == (200, "twap", "40.000000")
    assert call(client, "get", "plans?working=true")[1][0]["id"] == plan_row().pk
    assert call(client_of(account_make().owner), "get", f"plans/{plan_row().pk}")[0] == 404
    assert call(client, "post", f"plans/{plan_row().pk}/cancel", {})[0] == 202
    assert (plan_row().state, plan_row().state_reason) == ("canceled", "requested by a person")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"order_type": "twap"}, "slices"),
        ({"order_type": "gtc", "slices": 3, "interval_s": 30}, "slices"),
        ({"order_type": "twap", "slices": 100, "interval_s": 30, "size": "0.5"}, "slices"),
        ({"order_type": "chase", "post_only": True}, "post_only"),
    ],
)
def test_terms_that_do_not_fit_are_named(
    client: Client, account: Account, outcome: Outcome, values: dict[str, Any], field: str
) -> None:
    status, told = call(client, "post", "orders", order(account, outcome, **values))
    assert (status, list(told["details"])) == (400, [field])


def test_an_order_is_replaced_and_a_market_cancelled(client: Client, account: Account, outcome: Outcome) -> None:
    old = order_make(account, outcome, price="0.40", now=timezone.now())
    execution.order_submit(old.pk, timezone.now())
    status, told = call(client, "post", f"orders/{old.pk}/replace", {"price": "0.41", "size": "10"})
    assert (status, told["plan_id"]) == (202, plan_row().pk)
    wanted = {"account": account.pk, "market": outcome.market_id}
    assert call(client, "post", "orders/cancel-market", wanted)[1] == {"requested": 1}
    assert plan_row().state == "canceled"
    assert call(client, "post", f"orders/{old.pk}/replace", {"price": "0.41", "size": "10"})[0] == 400


def test_a_flatten_is_previewed_and_done(client: Client, account: Account, outcome: Outcome) -> None:
    bought = order_make(account, outcome, price="0.40", size="50", order_type=OrderType.FAK, now=timezone.now())
    execution.order_submit(bought.pk, timezone.now())
    answer(bought, "50")
    status, told = call(client, "get", f"risk/flatten?account={account.pk}")
    assert (status, [(h["size"], h["floor"]) for h in told["holdings"]]) == (200, [("50.000000", "0.480000")])
    assert ExecutionPlan.objects.count() == 0
    status, told = call(client, "post", "risk/flatten", {"account": account.pk})
    assert (status, told["plan_id"], told["refused"]) == (202, plan_row().pk, [])


def test_the_command_shows_first_and_acts_when_told(
    account: Account, outcome: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    bought = order_make(account, outcome, price="0.40", size="50", order_type=OrderType.FAK, now=timezone.now())
    execution.order_submit(bought.pk, timezone.now())
    answer(bought, "50")
    outcome.market.synced_at = timezone.now()
    outcome.market.save()
    call_command("flatten", account.pk)
    assert "sell 50 down to 0.48" in capsys.readouterr().out
    assert ExecutionPlan.objects.count() == 0
    call_command("flatten", account.pk, yes=True)
    assert f"plan {plan_row().pk} sells" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no account"):
        call_command("flatten", 999_999)


def test_the_heartbeat_is_asked_for_by_a_person(client: Client, account: Account) -> None:
    status, told = call(client, "post", "heartbeat", {"account": account.pk, "wanted": True})
    assert (status, told["details"]["account"]) == (400, "a paper account has no venue that could cancel its orders")
    row = HeartbeatState.objects.create(account=account, wanted=True)
    assert call(client, "get", "heartbeat")[1][0]["kept"] is False
    row.last_ok_at = timezone.now()
    row.save()
    assert call(client, "get", "heartbeat")[1][0]["kept"] is True
