from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from orders.models import Account, Order
from orders.services.paper import paper_sync
from orders.services.pnl import snapshot_create
from tests.factories.markets import outcome_make
from tests.factories.orders import AT, account_make, paper_order, paper_trade, sent_order

pytestmark = pytest.mark.django_db


def client_of(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def get(client: Client, path: str) -> tuple[int, Any]:
    answer = client.get(f"/api/v1/{path}")
    body = answer.json()
    return answer.status_code, body["data"] if answer.status_code < 400 else body["error"]


def post(client: Client, path: str, **body: Any) -> tuple[int, Any]:
    answer = client.post(f"/api/v1/{path}", body, content_type="application/json")
    told = answer.json()
    return answer.status_code, told["data"] if answer.status_code < 400 else told["error"]


def filled_order(account: Account) -> Order:
    order = sent_order(account, outcome_make(fee_rate_ppm=0), price="0.50", size="10")
    paper_order(order, state="filled", filled="10")
    paper_trade(order, "10", fee="0.1", role="taker")
    paper_sync(order.venue_order_id or "", now=AT)
    return Order.objects.get(pk=order.pk)


def test_orders_are_listed_newest_first_with_the_public_word_beside_the_state() -> None:
    account = account_make("100")
    first, second = filled_order(account), sent_order(account, outcome_make(), price="0.40", size="5")
    status, rows = get(client_of(account.owner), "orders")
    assert status == 200
    assert [(row["id"], row["status"], row["state"]) for row in rows] == [
        (second.pk, "pending", "sending"),
        (first.pk, "filled", "filled"),
    ]
    assert (rows[1]["price"], rows[1]["filled_size"]) == ("0.500000", "10.000000")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("status=filled", 1),
        ("status=open", 0),
        ("state=sending", 1),
        ("origin_kind=strategy&origin_id=1", 2),
        ("origin_kind=manual", 0),
        (f"since={(AT + timedelta(days=1)).date()}T00:00:00Z", 0),
    ],
)
def test_orders_can_be_filtered(query: str, count: int) -> None:
    account = account_make("100")
    filled_order(account)
    sent_order(account, outcome_make(), price="0.40", size="5")
    assert len(get(client_of(account.owner), f"orders?{query}")[1]) == count


@pytest.mark.parametrize(
    ("query", "field"), [("status=happy", "status"), ("market=x", "market"), ("since=yesterday", "since")]
)
def test_a_bad_filter_is_named(query: str, field: str) -> None:
    status, error = get(client_of(account_make().owner), f"orders?{query}")
    assert (status, list(error["details"])) == (400, [field])


def test_an_order_tells_its_story() -> None:
    account = account_make("100")
    order = filled_order(account)
    status, story = get(client_of(account.owner), f"orders/{order.pk}")
    assert status == 200
    assert story["fees"] == "0.100000"
    assert [f["role"] for f in story["fills"]] == ["taker"]
    assert sum(Decimal(e["amount"]) for e in story["ledger"][0]["entries"] if e["asset"] == "usd") == 0
    assert [e["kind"] for e in story["events"]] == ["order.approved", "order.submitted", "order.filled"]


def test_what_belongs_to_somebody_else_does_not_exist() -> None:
    account = account_make("100")
    order = filled_order(account)
    stranger = client_of(account_make("100").owner)
    for path in (f"orders/{order.pk}", f"orders?account={account.pk}", f"positions?account={account.pk}"):
        assert get(stranger, path)[0] == 404
    assert post(stranger, f"orders/{order.pk}/cancel")[0] == 404
    assert post(stranger, "orders/cancel-all", account=account.pk)[0] == 404
    assert get(stranger, "orders")[1] == []
    assert get(stranger, "fills")[1] == []


def test_staff_see_every_account() -> None:
    account = account_make("100")
    filled_order(account)
    staff = get_user_model().objects.create_user(username="ops", is_staff=True)
    assert len(get(client_of(staff), "orders")[1]) == 1


def test_nobody_signed_in_sees_nothing() -> None:
    assert get(Client(), "orders")[0] == 401
    assert Client().post("/api/v1/orders/cancel-all", {}, content_type="application/json").status_code == 401


def test_a_cancel_is_requested_once_and_carries_who_and_why() -> None:
    account = account_make("100")
    order = sent_order(account, outcome_make(), price="0.40", size="5")
    client = client_of(account.owner)
    assert post(client, f"orders/{order.pk}/cancel", reason="too dear") == (202, {"requested": 1})
    assert post(client, f"orders/{order.pk}/cancel") == (202, {"requested": 0})
    assert Order.objects.get().cancel_reason == "too dear"


def test_cancel_all_needs_an_account() -> None:
    account = account_make("100")
    sent_order(account, outcome_make(), price="0.40", size="5")
    client = client_of(account.owner)
    assert post(client, "orders/cancel-all")[0] == 400
    assert post(client, "orders/cancel-all", account=account.pk) == (202, {"requested": 1})


def test_positions_and_portfolio_show_money_as_text() -> None:
    account = account_make("100")
    filled_order(account)
    client = client_of(account.owner)
    (held,) = get(client, "positions")[1]
    assert (held["size"], held["average_cost"], held["mark"], held["value"]) == (
        "10.000000",
        "0.500000",
        None,
        "5.000000",
    )
    (portfolio,) = get(client, "portfolio")[1]
    assert portfolio["account"]["environment"] == "paper"
    assert (portfolio["cash"], portfolio["equity"], portfolio["unmarked"]) == ("94.900000", "99.900000", 1)


def test_history_is_one_account_s_equity_newest_first() -> None:
    account = account_make("100")
    for minute in range(3):
        snapshot_create(account.pk, AT + timedelta(minutes=minute), {})
    status, points = get(client_of(account.owner), f"portfolio/history?account={account.pk}")
    assert status == 200
    assert [p["at"][11:16] for p in points] == ["12:02", "12:01", "12:00"]
    assert {p["equity"] for p in points} == {"100.000000"}
