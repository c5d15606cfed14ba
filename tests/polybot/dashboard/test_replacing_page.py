"""Replacing an open order on its page: previewed through the gate, refused with a reason, one replacement at a time."""

from __future__ import annotations

import pytest
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orders.domain.intents import OrderType
from orders.models import Account, ExecutionPlan, Order
from orders.services import execution
from tests.factories.desk import DeskRows
from tests.factories.orders import order_make


def page_of(desk: DeskRows, name: str = "open") -> str:
    return reverse("desk:replace", args=[desk.orders[name].pk])


def see(client: Client, desk: DeskRows, **terms: str) -> str:
    return client.get(page_of(desk), terms).content.decode()


def act(client: Client, order: Order, **terms: str) -> str:
    return client.post(reverse("desk:order_replace", args=[order.pk]), terms, follow=True).content.decode()


def test_an_open_order_offers_it_and_others_do_not(desk: DeskRows, owner: Client) -> None:
    for name, order in desk.orders.items():
        told = owner.get(reverse("desk:order", args=[order.pk])).content.decode()
        assert (page_of(desk, name) in told) == (name == "open"), name
    assert "It cannot be replaced:" in owner.get(page_of(desk, "filled")).content.decode()
    assert "is unknown: wait for its end" in owner.get(page_of(desk, "unknown")).content.decode()


def test_new_terms_are_previewed_and_then_carried_out(desk: DeskRows, owner: Client) -> None:
    assert "nothing is cancelled before the gate has said yes" in see(owner, desk)
    told = see(owner, desk, price="59", size="20")
    assert "Replace: BUY 20 sh at 59 ¢, PAPER" in told and "$11.80" in told
    assert not ExecutionPlan.objects.filter(kind="replace").exists()  # looking changes nothing
    told = act(owner, desk.orders["open"], price="59", size="20")
    assert "The gate approved it" in told
    plan = ExecutionPlan.objects.get(kind="replace")
    assert plan.parameters["replaces"] == desk.orders["open"].pk
    leg = plan.legs.get()
    assert (float(leg.worst_price), float(leg.size)) == (0.59, 20)
    assert f"See plan {plan.pk}" in see(owner, desk)


def test_of_two_replacements_the_second_is_refused(desk: DeskRows, owner: Client) -> None:
    act(owner, desk.orders["open"], price="59", size="20")
    assert "replaces order" in act(owner, desk.orders["open"], price="58", size="20")
    assert ExecutionPlan.objects.filter(kind="replace").count() == 1


def test_the_money_of_the_old_order_counts_as_free(desk: DeskRows, owner: Client) -> None:
    """A desk whose cash is all promised can place nothing beside the order, and may still move it."""
    order = desk.orders["open"]
    Account.objects.filter(pk=desk.account.pk).update(reserved_cash=F("cash"))
    ticket = {"outcome": order.outcome_id, "side": "buy", "price": "59", "size": "20", "order_type": "gtc"}
    assert "$0.00 is free" in owner.get(reverse("desk:market", args=[order.market_id]), ticket).content.decode()
    assert "Replace: BUY 20 sh at 59 ¢" in see(owner, desk, price="59", size="20")


def test_what_the_gate_would_make_smaller_is_not_replaced(desk: DeskRows, owner: Client) -> None:
    order = desk.orders["open"]
    assert "<b>The gate allows less.</b>" in see(owner, desk, price="59", size="200")
    assert "Refused by the gate, and the old order stays" in act(owner, order, price="59", size="200")
    order.refresh_from_db()
    assert order.cancel_requested_at is None and not ExecutionPlan.objects.filter(kind="replace").exists()


@pytest.mark.parametrize(
    ("price", "size", "reason"),
    [
        ("", "", "type a price between 0 and 100"),
        ("abc", "10", "type a price between 0 and 100"),
        ("59.5", "10", "not on the tick"),
        ("100", "10", "type a price between 0 and 100"),
        ("NaN", "10", "type a price between 0 and 100"),
        ("59", "-5", "type a size from 0.01"),
        ("59", "1e400", "type a size from 0.01"),
        ("59", "1.1234567", "below one millionth"),
        ("60", "60", "Nothing would change"),
        ("59", "0.5", "below the minimum"),
    ],
)
def test_bad_terms_are_refused_in_words(desk: DeskRows, owner: Client, price: str, size: str, reason: str) -> None:
    told = see(owner, desk, price=price, size=size)
    assert reason in told and "Replace: BUY" not in told
    if reason != "Nothing would change":
        act(owner, desk.orders["open"], price=price, size=size)
        assert not ExecutionPlan.objects.filter(kind="replace").exists()


def test_an_order_on_its_way_out_and_a_strangers_cannot_be_replaced(
    desk: DeskRows, owner: Client, viewer: Client
) -> None:
    order = desk.orders["open"]
    for url in (page_of(desk), reverse("desk:order_replace", args=[order.pk])):
        assert viewer.post(url, {"price": "59", "size": "20"}).status_code == 404, url
    execution.order_cancel_request(order.pk, "not needed", "ada", timezone.now())
    assert "is on its way out" in act(owner, order, price="59", size="20")
    market = order_make(desk.account, desk.group[1].outcomes.first(), order_type=OrderType.FOK, price="0.40", size="5")
    assert "does not rest" in act(owner, market, price="41", size="5")
