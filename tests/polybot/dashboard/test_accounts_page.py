"""The accounts page: what it shows, what it stores sealed, and what it never says."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from alerts.models import AuditEvent
from orders.domain.lifecycle import Environment
from orders.domain.private_keys import key_new
from orders.models import Account, HeartbeatState, LivePermit, Secret
from orders.services import keyholder
from tests.live_desk import LiveDesk

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
PHRASE = "trade with real money"


@pytest.fixture
def staff(live_desk: LiveDesk) -> Client:
    return signed_in(get_user_model().objects.create_superuser("admin", password=PASSWORD))


def signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def page(client: Client) -> str:
    return client.get(reverse("desk:accounts")).content.decode()


def post(client: Client, page: str, /, *args: Any, **fields: Any) -> str:
    """Post a form as a browser without JavaScript does; return the page it ends on."""
    return client.post(reverse(f"desk:{page}", args=args), fields, follow=True).content.decode()


def opening(**values: Any) -> dict[str, Any]:
    return {"environment": "sandbox", "name": "Play", "source": "new", "kind": "safe", "cash": "2000", **values}


def test_a_form_opens_a_sandbox_account_and_the_trader_connects_it(staff: Client) -> None:
    assert "None yet" in page(staff)
    shown = post(staff, "account_new", **opening())  # tasks run where they are called: the trader is this process
    account = Account.objects.get(name="Play")
    assert (account.connection, account.wallet_kind, account.cash) == ("ready", "safe", 2000)
    assert "Play is added" in shown and account.wallet_address in shown and "Sealed private key" in shown


def test_a_key_that_is_given_is_sealed_and_shown_nowhere(staff: Client) -> None:
    key = key_new()
    shown = post(staff, "account_new", **opening(source="given", key=key.hex()))
    account = Account.objects.get()
    assert bytes(Secret.objects.get(kind="private_key").sealed).find(key) == -1
    assert keyholder.signer().wallet(account.pk).signer_address == account.signer_address
    assert key.hex() not in shown + page(staff)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source": "given", "key": "ab" * 31}, "64 hexadecimal digits"),
        ({"source": "given", "key": '{"version": 3}', "passphrase": "open sesame"}, "Crypto"),
        ({"source": "given", "key": "ab" * 32, "wallet": "0x" + "12" * 20}, "belong together"),
        ({"source": "session", "key": "ab" * 32}, "give that wallet"),
        ({"cash": "lots"}, "not an amount"),
        ({"name": " "}, "needs a name"),
        ({"builder_code": "0x1"}, "builder code"),
        ({"environment": "live", "source": "given", "key": "ab" * 32}, "Give your password again"),
        ({"environment": "live", "source": "given", "key": "ab" * 32, "password": "not mine"}, "not your password"),
        ({"environment": "moon"}, "not a valid Environment"),
    ],
)
def test_a_form_with_a_mistake_says_which_and_forgets_the_key(
    staff: Client, change: dict[str, Any], reason: str
) -> None:
    shown = post(staff, "account_new", **opening(**change))
    assert reason in shown and not Account.objects.exists() and not Secret.objects.exists()
    for name in ("key", "passphrase", "password"):
        assert not change.get(name) or change[name] not in shown
    assert change.get("key", "x" * 99) not in str(dict(staff.session))


def test_only_staff_open_accounts_and_permit_live_trading(live_desk: LiveDesk) -> None:
    client = signed_in(get_user_model().objects.create_user("ada", password=PASSWORD))
    assert "Only staff open accounts" in post(client, "account_new", **opening())
    assert "Only staff permit" in post(client, "permit_new", subject="installation:0", phrase=PHRASE, password=PASSWORD)
    assert client.post(reverse("desk:permit_end"), {"subject": "installation:0"}).status_code == 404
    assert not Account.objects.exists() and not LivePermit.objects.exists()


def test_an_account_is_connected_again_by_those_who_may_see_it(live_desk: LiveDesk) -> None:
    account = live_desk.account()
    before = keyholder.credentials(account.pk).api_key
    owner, stranger = signed_in(account.owner), signed_in(get_user_model().objects.create_user("eve"))
    assert "connects" in post(owner, "account_connect", account.pk, credentials="new")
    assert keyholder.credentials(account.pk).api_key != before
    for name in ("account_connect", "relayer_key_new"):
        assert stranger.post(reverse(f"desk:{name}", args=[account.pk])).status_code == 404


def test_a_failed_connection_says_why_and_what_to_do(live_desk: LiveDesk, staff: Client, settings: Any) -> None:
    settings.POLYMARKET = {**settings.POLYMARKET, "clob": "http://127.0.0.1:9"}
    shown = post(staff, "account_new", **opening())
    assert "Not connected." in shown and "check the network and the hosts" in shown


def test_a_relayer_key_is_sealed(live_desk: LiveDesk) -> None:
    account = live_desk.account()
    client = signed_in(account.owner)
    shown = post(client, "relayer_key_new", account.pk, relayer_key="relayer-key-0123456789")
    assert "is sealed" in shown and "relayer-key-0123456789" not in shown
    assert keyholder.chain_signer().relayer_headers(account.pk) == {
        "RELAYER_API_KEY": "relayer-key-0123456789",
        "RELAYER_API_KEY_ADDRESS": account.signer_address,
    }
    assert "copy it again" in post(client, "relayer_key_new", account.pk, relayer_key="a\nb")


def test_a_permit_wants_password_phrase_and_reason_and_is_revoked_by_one_button(
    live_desk: LiveDesk, staff: Client, settings: Any
) -> None:
    settings.POLYBOT_VENUE = "polymarket"
    live = live_desk.account(environment=Environment.LIVE, name="Real")
    assert "Sends nothing." in page(staff)
    good = {"subject": f"account:{live.pk}", "reason": "ready", "phrase": PHRASE, "password": PASSWORD}
    for change, reason in (
        ({"password": "wrong"}, "not your password"),
        ({"phrase": "ok"}, "Type"),
        ({"reason": ""}, "Say why"),
        ({"subject": "account:999999"}, "There is no account"),
        ({"subject": "strategy:7"}, "no such strategy"),
        ({"subject": ""}, "none of"),
    ):
        assert reason in post(staff, "permit_new", **{**good, **change})
    assert not LivePermit.objects.exists()
    assert "Permitted to trade with real money: Real" in post(staff, "permit_new", **good)
    assert "Revoked" in post(staff, "permit_end", subject=f"account:{live.pk}")
    assert not LivePermit.objects.filter(revoked_at=None).exists()


def test_a_heartbeat_is_switched_with_a_reason_and_the_page_says_what_it_means(staff: Client) -> None:
    post(staff, "account_new", **opening())
    account = Account.objects.get(name="Play")
    shown = page(staff)
    assert "Cancel on disconnect is off." in shown and "cannot disarm it" in shown
    assert "Safe (browser wallet)" in shown and f'href="#account-{account.pk}"' in shown
    assert "Say why" in post(staff, "heartbeat_switch", account.pk, on="1")
    shown = post(staff, "heartbeat_switch", account.pk, on="1", reason="the line is bad")
    assert HeartbeatState.objects.get(pk=account.pk).wanted and "is on and not kept" in shown
    assert AuditEvent.objects.get(kind="heartbeat.wanted").message.endswith("(the line is bad)")
    post(staff, "heartbeat_switch", account.pk, on="0", reason="enough")
    assert not HeartbeatState.objects.get(pk=account.pk).wanted
