import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from alerts.models import AuditEvent
from orders.models import Account
from orders.services.invariants import check_invariants
from tests.factories.markets import outcome_make
from tests.factories.orders import account_make, sent_order

pytestmark = pytest.mark.django_db

READ_ONLY = [
    "order",
    "fill",
    "ledgertransaction",
    "position",
    "pnlsnapshot",
    "reconcilerun",
    "paperorder",
    "papertrade",
    "killswitch",
]


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser(username="root", password="x"))
    return client


def test_an_account_is_opened_through_the_service_with_its_ledger_entry(admin: Client) -> None:
    owner = get_user_model().objects.create_user(username="ada")
    body = {"name": "new", "owner": owner.pk, "opening_cash": "250", "on_stop": "leave", "_save": "Save"}
    assert admin.post("/admin/orders/account/add/", body).status_code == 302
    account = Account.objects.get()
    assert (account.cash, account.environment, account.auto_trade, account.on_stop) == (250, "paper", False, "leave")
    assert check_invariants() == []


def test_a_change_in_the_form_is_journaled_and_money_is_not_in_the_form(admin: Client) -> None:
    account = account_make("100")
    body = {"auto_trade": "", "on_stop": "cancel_quotes", "cash": "999999", "_save": "Save"}
    assert admin.post(f"/admin/orders/account/{account.pk}/change/", body).status_code == 302
    row = Account.objects.get()
    assert (row.cash, row.auto_trade, row.on_stop) == (100, False, "cancel_quotes")
    assert AuditEvent.objects.filter(kind="account.auto_trade", actor="root").count() == 1


@pytest.mark.parametrize("model", READ_ONLY)
def test_money_tables_can_be_read_and_nothing_else(admin: Client, model: str) -> None:
    sent_order(account_make(), outcome_make())
    assert admin.get(f"/admin/orders/{model}/").status_code == 200
    assert admin.get(f"/admin/orders/{model}/add/").status_code == 403


def test_an_order_page_opens_and_cannot_be_posted_to(admin: Client) -> None:
    order = sent_order(account_make(), outcome_make())
    assert admin.get(f"/admin/orders/order/{order.pk}/change/").status_code == 200
    assert admin.post(f"/admin/orders/order/{order.pk}/change/", {"state": "filled"}).status_code == 403


def test_an_account_is_never_deleted(admin: Client) -> None:
    account = account_make()
    assert admin.post(f"/admin/orders/account/{account.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("action", ["halt", "resume"])
def test_trading_is_stopped_and_released_by_the_gate_alone(admin: Client, action: str) -> None:
    account = account_make()
    admin.post("/admin/orders/account/", {"action": action, "_selected_action": [account.pk]})
    assert Account.objects.get().trading_state == "active"


def test_all_orders_of_an_account_are_cancelled_by_an_action(admin: Client) -> None:
    account = account_make()
    answer = admin.post(
        "/admin/orders/account/", {"action": "cancel_everything", "_selected_action": [account.pk]}, follow=True
    )
    assert b"0 cancels requested" in answer.content
