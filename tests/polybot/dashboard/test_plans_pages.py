"""Plans and flatten on pages: read without scripts, changed by POST only."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from markets.models import Market
from orders.models import ExecutionPlan, Order, PlanLeg
from orders.services import execution
from polybot.dashboard.views import plans as pages
from risk.selectors import flattening
from tests.factories.desk import DeskRows
from tests.factories.markets import AT, book_make
from tests.factories.orders import order_make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def books(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(ids: Any) -> Any:
        return {i: book_make(i, confirmed_ms=int(timezone.now().timestamp() * 1000)) for i in ids}

    monkeypatch.setattr(flattening, "books_read", read)


def plan_make(desk: DeskRows, *, state: str = "active") -> ExecutionPlan:
    order = Order.objects.filter(account_id=desk.account.pk).first()
    assert order is not None
    row = ExecutionPlan.objects.create(
        key="01939d3e-0000-7000-8000-000000000001", account_id=desk.account.pk, kind="chase", state=state, max_cost=10,
        max_loss=10, expires_at=AT, origin_kind="manual", origin_id=1, origin_label="ada", created_at=AT,
    )  # fmt: skip
    leg = PlanLeg.objects.create(
        plan=row, market_id=order.market_id, outcome_id=order.outcome_id, side="buy", size=20, worst_price="0.5"
    )
    Order.objects.filter(pk=order.pk).update(plan=row, plan_leg=leg)
    return row


@pytest.mark.parametrize("state", sorted(pages.STATES))
def test_a_plan_is_read_with_its_envelope_and_orders(desk: DeskRows, owner: Client, state: str) -> None:
    row = plan_make(desk, state=state)
    told = owner.get(f"/plans/{row.pk}/").content.decode()
    assert "Three-step chase" in told and pages.STATES[state][0] in told and "$10.00" in told
    assert ("End this plan" in told) == (state in ("active", "unwinding"))
    child = Order.objects.get(plan=row)
    assert f"/orders/{child.pk}/" in told
    assert f"/plans/{row.pk}/" in owner.get(f"/orders/{child.pk}/").content.decode()
    assert f"/plans/{row.pk}/" in owner.get("/orders/").content.decode()


def test_a_stranger_sees_and_ends_no_plan(desk: DeskRows, viewer: Client) -> None:
    row = plan_make(desk)
    assert viewer.get(f"/plans/{row.pk}/").status_code == 404
    assert viewer.post(f"/plans/{row.pk}/cancel").status_code == 404
    assert viewer.get("/flatten/").status_code == 200  # it says that there is no account


def test_a_plan_ends_by_a_post_only(desk: DeskRows, owner: Client) -> None:
    row = plan_make(desk)
    assert owner.get(f"/plans/{row.pk}/cancel").status_code == 405
    owner.post(f"/plans/{row.pk}/cancel")
    row.refresh_from_db()
    assert (row.state, row.state_reason) == ("canceled", "cancelled by hand")


def test_orders_in_one_market_are_cancelled(desk: DeskRows, owner: Client) -> None:
    open_here = Order.objects.filter(account_id=desk.account.pk, state="live", cancel_requested_at=None).first()
    assert open_here is not None
    owner.post(f"/m/{open_here.market_id}/cancel")
    rows = Order.objects.filter(account_id=desk.account.pk, market_id=open_here.market_id, state="live")
    assert not rows.filter(cancel_requested_at=None).exists()


def test_flatten_shows_first_and_wants_to_be_told(desk: DeskRows, owner: Client) -> None:
    Market.objects.update(state="open", synced_at=timezone.now())
    told = owner.get("/flatten/").content.decode()
    assert "What would be sold now" in told and "I have read" in told
    owner.post("/flatten/now")
    assert not ExecutionPlan.objects.filter(kind="flatten").exists()
    answer = owner.post("/flatten/now", {"sure": "on"})
    plan = ExecutionPlan.objects.filter(kind="flatten").first()
    assert plan is None or answer.headers["Location"] == f"/plans/{plan.pk}/"
    assert not Order.objects.filter(account_id=desk.account.pk, side="buy", state="live", cancel_requested_at=None)


def test_what_cannot_be_sold_is_said(desk: DeskRows, owner: Client) -> None:
    Market.objects.update(state="closed")
    told = owner.get("/flatten/").content.decode()
    assert "the market is shut; it pays when it is decided" in told
    assert "No position can be sold now" in told


def test_a_plan_that_a_ticket_asks_for(desk: DeskRows, owner: Client) -> None:
    order = order_make(desk.account, desk.market.outcomes.first(), price="0.40", size="5")
    execution.order_cancel_request(order.pk, "not needed", "ada", timezone.now())
    page = owner.get(f"/m/{desk.market.pk}/").content.decode()
    assert "Slices (TWAP)" in page and "Chase, three steps" in page
    typed = {"outcome": desk.market.outcomes.first().pk, "side": "buy", "price": "40", "size": "40"}
    key = "01939d3e-0000-7000-8000-00000000000a"
    told = owner.post(f"/m/{desk.market.pk}/order", {**typed, "order_type": "twap", "key": key}, follow=True)
    assert "need their number" in told.content.decode()
    assert not ExecutionPlan.objects.filter(kind="twap").exists()
