"""What pages change: each through one service, for those who may, and with words about what happened."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from markets.models import Watch
from orders.models import Account, Order
from orders.selectors.screens import kill_switch
from polybot.identity import keys
from polybot.identity.models import ApiKey
from risk.models import Halt, RiskVerdict
from strategies.models import StrategyConfig
from tests.factories.desk import PASSWORD, DeskRows


def said(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def post(client: Client, page: str, /, *args: Any, **fields: Any) -> Any:
    return client.post(reverse(f"desk:{page}", args=args), fields)


def ticket(desk: DeskRows, **values: Any) -> dict[str, Any]:
    """An order for another market of the group, where nothing of ours is in doubt."""
    other = desk.group[1].outcomes.get(index=0)
    fields = {"outcome": other.pk, "side": "buy", "price": "30", "size": "10", "order_type": "gtc"}
    return {**fields, "key": "01938a5e-7c1b-7d20-8000-0000000000aa", **values}


def test_entries_stop_and_resume(desk: DeskRows, owner: Client) -> None:
    answer = post(owner, "stop_entries")
    assert "Entries are stopped" in said(answer)
    assert Account.objects.get(pk=desk.account.pk).trading_state == "reduce_only"
    halt = Halt.objects.get(account_id=desk.account.pk, lifted_at=None)
    assert "Lift this halt" in owner.get(reverse("desk:release")).content.decode()
    post(owner, "halt_lift", halt.pk)
    assert Account.objects.get(pk=desk.account.pk).trading_state == "active"


def test_cancel_all_says_how_many(desk: DeskRows, owner: Client) -> None:
    assert "asked to cancel" in said(post(owner, "cancel_all"))
    assert Order.objects.get(pk=desk.orders["open"].pk).cancel_requested_at is not None


def test_only_staff_can_kill_and_release(desk: DeskRows, owner: Client, staff: Client) -> None:
    assert "Only staff" in said(post(owner, "kill"))
    assert not kill_switch().killed
    assert "Kill" not in owner.get("/").content.decode().split('id="stop"')[1].split("</form>")[-1]
    post(staff, "kill")
    assert kill_switch().killed
    assert "Not ready" in staff.get("/").content.decode()
    assert "Type 'trade again'" in said(post(staff, "kill_release", phrase="please"))
    assert kill_switch().killed
    assert "Give your password" in said(post(staff, "kill_release", phrase="trade again"))
    assert "not your password" in said(post(staff, "kill_release", phrase="trade again", password="wrong"))
    assert kill_switch().killed
    post(staff, "kill_release", phrase="trade again", password=PASSWORD)
    assert not kill_switch().killed


def test_a_stranger_without_an_account_has_nothing_to_stop(desk: DeskRows, viewer: Client) -> None:
    for name in ("stop_entries", "cancel_all", "kill"):
        assert post(viewer, name).status_code == 404
    assert post(viewer, "order_cancel", desk.orders["open"].pk).status_code == 404
    assert post(viewer, "strategy_switch", desk.strategy.pk, action="stop").status_code == 404
    assert post(viewer, "order_place", desk.group[1].pk, **ticket(desk)).status_code == 404


def test_one_order_is_cancelled(desk: DeskRows, owner: Client) -> None:
    assert "on its way" in said(post(owner, "order_cancel", desk.orders["open"].pk))
    assert "Nothing to cancel" in said(post(owner, "order_cancel", desk.orders["filled"].pk))


def test_a_manual_order_passes_the_gate_and_leads_to_its_story(desk: DeskRows, owner: Client) -> None:
    answer = post(owner, "order_place", desk.group[1].pk, **ticket(desk))
    order = Order.objects.get(origin_kind="manual")
    assert answer["Location"] == reverse("desk:order", args=[order.pk])
    assert (order.price, order.size, order.origin_label) == (Decimal("0.3"), 10, "owner")
    assert RiskVerdict.objects.get(order_id=order.pk).decision == "approved"
    assert "passed the gate" in said(answer)


def test_the_same_ticket_twice_is_one_order(desk: DeskRows, owner: Client) -> None:
    for _ in range(2):
        post(owner, "order_place", desk.group[1].pk, **ticket(desk))
    assert Order.objects.filter(origin_kind="manual").count() == 1


def test_a_ticket_above_the_limit_is_refused_with_the_size_that_passes(desk: DeskRows, owner: Client) -> None:
    fields = ticket(desk, size="500")
    page = owner.get(reverse("desk:market", args=[desk.group[1].pk]), fields).content.decode()
    assert "The gate allows less" in page or "Refused by the gate" in page
    answer = post(owner, "order_place", desk.group[1].pk, **fields)
    assert "Refused by the gate" in said(answer)
    assert not Order.objects.filter(origin_kind="manual").exists()
    assert "size=500" in answer["Location"] and "key=" not in answer["Location"]


def test_a_smaller_order_is_placed_only_when_asked_for(desk: DeskRows, owner: Client) -> None:
    post(owner, "order_place", desk.group[1].pk, **ticket(desk, size="500", allow_smaller="1"))
    order = Order.objects.get(origin_kind="manual")
    assert 0 < order.size < 500


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"price": "30.5"}, "not on the tick"),
        ({"price": "NaN"}, "Price"),
        ({"price": ""}, "Price"),
        ({"size": "-1"}, "Size"),
        ({"size": "1e9"}, "Size"),
        ({"order_type": "fok", "post_only": "on"}, "never rest"),
        ({"order_type": "gtd"}, "minutes"),
        ({"outcome": "1"}, "one of the two outcomes"),
        ({"side": "short"}, "Side"),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_sent(
    desk: DeskRows, owner: Client, change: dict[str, str], words: str
) -> None:
    fields = ticket(desk, **change)
    page = owner.get(reverse("desk:market", args=[desk.group[1].pk]), fields).content.decode()
    assert words in page
    assert "correct the marked fields" in said(post(owner, "order_place", desk.group[1].pk, **fields))
    assert not RiskVerdict.objects.filter(origin_kind="manual").exists()


def test_the_preview_shows_cost_and_worst_case(desk: DeskRows, owner: Client) -> None:
    page = owner.get(reverse("desk:market", args=[desk.group[1].pk]), ticket(desk)).content.decode()
    assert "$3.00" in page and "−$3.00" in page and "+$7.00" in page and "none, it rests" in page


def test_a_strategy_is_switched(desk: DeskRows, owner: Client) -> None:
    for action, state in (("pause", "paused"), ("observe", "observe"), ("start", "running"), ("stop", "stopped")):
        post(owner, "strategy_switch", desk.strategy.pk, action=action)
        assert StrategyConfig.objects.get(pk=desk.strategy.pk).state == state, action
    assert "stopped already" in said(post(owner, "strategy_switch", desk.strategy.pk, action="stop"))


def test_parameters_make_a_new_version_that_can_be_taken_back(desk: DeskRows, owner: Client) -> None:
    page = reverse("desk:strategy", args=[desk.strategy.pk])
    answer = post(owner, "strategy_parameters", desk.strategy.pk, **{"p.size": "35"})
    assert "Version 2 is in effect" in said(answer)
    assert StrategyConfig.objects.get(pk=desk.strategy.pk).parameters["size"] == "35"
    assert "+ size 35" in owner.get(page).content.decode()
    post(owner, "strategy_version", desk.strategy.pk, 1)
    assert StrategyConfig.objects.get(pk=desk.strategy.pk).parameters["size"] != "35"
    assert post(owner, "strategy_version", desk.strategy.pk, 99).status_code == 404


@pytest.mark.parametrize("value", ["-5", "NaN", "1e400", "many", "99999999999"])
def test_a_bad_parameter_is_marked_and_keeps_what_was_typed(desk: DeskRows, owner: Client, value: str) -> None:
    answer = post(owner, "strategy_parameters", desk.strategy.pk, **{"p.size": value})
    page = owner.get(answer["Location"]).content.decode()
    assert 'id="e-p.size"' in page and f'value="{value}"' in page and "Nothing was changed" in page
    assert StrategyConfig.objects.get(pk=desk.strategy.pk).version == 1


def test_a_draft_is_made_or_its_bad_name_is_marked(desk: DeskRows, owner: Client) -> None:
    answer = post(owner, "strategy_create", name="second", strategy_class="mean_reversion", interval_s="7")
    made = StrategyConfig.objects.get(name="second")
    assert (made.state, made.interval_s) == ("draft", 7)
    assert answer["Location"] == reverse("desk:strategy", args=[made.pk])
    answer = post(owner, "strategy_create", name="Bad Name!", strategy_class="mean_reversion", interval_s="x")
    page = owner.get(answer["Location"]).content.decode()
    assert "lower-case letters" in page and 'value="Bad Name!"' in page and "whole seconds" in page


def test_watching_a_market_lets_the_feed_listen(desk: DeskRows, owner: Client) -> None:
    post(owner, "watch", desk.market.pk)
    rows = Watch.objects.filter(reason=f"page:{desk.owner.pk}")
    assert rows.count() == 2 and all(row.until for row in rows)


def test_a_test_alert_says_how_it_went(desk: DeskRows, staff: Client, owner: Client) -> None:
    assert "sent." in said(post(staff, "alert_test"))
    assert "Only staff" in said(post(owner, "alert_test"))


def test_a_key_is_shown_once_and_can_be_revoked(desk: DeskRows, owner: Client) -> None:
    answer = post(owner, "key_create", name="script", scopes=["read", "trade"])
    assert answer.status_code == 200 and answer["Cache-Control"] == "no-store"
    first = answer.content.decode()
    key = ApiKey.objects.get()
    secret = first.split("data-secret>")[1].split("<")[0]
    assert keys.key_find(secret) == key
    assert secret not in str(dict(owner.session))
    assert secret not in owner.get(reverse("desk:settings")).content.decode()
    post(owner, "key_revoke", key.pk)
    assert keys.key_find(secret) is None


def test_somebody_elses_key_cannot_be_revoked(desk: DeskRows, viewer: Client) -> None:
    key, _ = keys.key_create(desk.owner, name="script", scopes=["read"])
    assert post(viewer, "key_revoke", key.pk).status_code == 404


def test_a_password_is_changed_with_the_old_one_only(desk: DeskRows, owner: Client) -> None:
    post(owner, "password_change", old_password="wrong", new_password1="a new long one", new_password2="a new long one")
    assert "was entered incorrectly" in owner.get(reverse("desk:settings")).content.decode()
    post(
        owner, "password_change", old_password=PASSWORD, new_password1="a new long one", new_password2="a new long one"
    )
    assert owner.get(reverse("desk:settings")).status_code == 200
    assert Client().login(username="owner", password="a new long one")


def test_theme_and_account_are_cookies_and_lead_back_to_our_own_pages(desk: DeskRows, owner: Client) -> None:
    answer = owner.post(reverse("desk:theme"), {"theme": "dark", "next": "/orders/"})
    assert answer["Location"] == "/orders/" and answer.cookies["desk-theme"].value == "dark"
    assert 'data-theme="dark"' in owner.get("/").content.decode()
    for next_ in ("https://evil.test/", "//evil.test/", "javascript:alert(1)"):
        assert owner.post(reverse("desk:theme"), {"theme": "light", "next": next_})["Location"] == "/"
    assert "desk-account" not in owner.post(reverse("desk:account"), {"account": "999"}).cookies
