"""The claims page: reads without JavaScript, previews exactly, and does nothing before a person agreed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from markets.domain.instruments import MarketState
from markets.models import Event, Market
from orders.models import Account, ChainAction, Position
from orders.services.allowances import allowances_check
from tests.live_desk import LiveDesk
from tests.orders.services.test_chain_send import finish, wanted
from tests.orders.services.test_converting import members, with_sets

pytestmark = pytest.mark.django_db


def client_of(account: Account) -> Client:
    client = Client()
    client.force_login(account.owner)
    client.cookies["desk-account"] = str(account.pk)
    return client


def post(client: Client, name: str, *args: Any, **fields: Any) -> str:
    return client.post(reverse(f"desk:{name}", args=args), fields, follow=True).content.decode()


def test_a_split_is_previewed_confirmed_and_listed(live_desk: LiveDesk) -> None:
    account = live_desk.account("safe")
    client = client_of(account)
    market_id = live_desk.outcome(3).market_id
    said = post(client, "set_preview", kind="split", market=market_id, amount="12.5")
    assert "split 12.5 complete sets" in said
    action = ChainAction.objects.get()
    assert (action.state, action.requested_by) == ("preview", account.owner.get_username())
    said = post(client, "chain_confirm", action.pk)
    assert "the trader signs and sends exactly what was shown" in said
    assert finish(action).state == "confirmed"
    said = client.get(reverse("desk:claims")).content.decode()
    assert "Preview merge" in said  # the sets can be merged again
    assert str(action.transaction_hash)[:10] in said
    assert "set" in client.get(reverse("desk:claims"), {"ca": "csv", "export": "ca"}).content.decode()


def test_a_preview_may_be_discarded_and_belongs_to_its_account(live_desk: LiveDesk) -> None:
    account, other = live_desk.account("safe"), live_desk.account("eoa")
    post(client_of(account), "set_preview", kind="split", market=live_desk.outcome(3).market_id, amount="1")
    action = ChainAction.objects.get()
    answer = client_of(other).post(reverse("desk:chain_confirm", args=[action.pk]))
    assert answer.status_code == 404
    assert "Called off" in post(client_of(account), "chain_cancel", action.pk)
    assert ChainAction.objects.get().state == "canceled"


def test_allowances_name_what_is_missing_and_never_take_unlimited_for_granted(live_desk: LiveDesk) -> None:
    account = live_desk.account("proxy")
    client = client_of(account)
    live_desk.exchange.control(
        "allowance",
        address=account.wallet_address,
        asset="cash",
        spender="0xE111180000d2663C0091e4f400237545B87B996B",
        amount="0",
    )
    said = post(client, "allowances_read")
    assert "1 missing" in said
    assert "is no amount" in post(client, "allowance_preview", grant="0", amount="")
    assert "up to $50 of pUSD" in post(client, "allowance_preview", grant="0", amount="50")
    assert "unlimited amount of pUSD" in post(client, "allowance_preview", grant="0", amount="unlimited")
    assert ChainAction.objects.filter(state="preview").count() == 2


def test_what_a_resolved_market_owes_is_listed(live_desk: LiveDesk) -> None:
    account = live_desk.account("safe")
    market = live_desk.outcome(5).market
    finish(wanted(live_desk, account, market.pk))
    for outcome in market.outcomes.all():
        outcome.payout = 1 if outcome.index == 0 else 0
        outcome.save()
    Market.objects.filter(pk=market.pk).update(state=MarketState.RESOLVED)
    said = client_of(account).get(reverse("desk:claims")).content.decode()
    assert "Owed by resolved markets" in said and market.question in said and "20.00" in said
    Position.objects.filter(account=account).update(size=0, confirmed_size=0, cost=0)


def test_merging_by_itself_is_off_until_a_person_switches_it_on(live_desk: LiveDesk) -> None:
    account = live_desk.account("safe")
    assert "merged by themselves" in post(client_of(account), "merge_sets", on="1")
    account.refresh_from_db()
    assert account.merge_sets
    post(client_of(account), "merge_sets", on="0")
    account.refresh_from_db()
    assert not account.merge_sets


def test_a_paper_account_is_told_that_nothing_is_to_be_done(live_desk: LiveDesk) -> None:
    from tests.factories.orders import account_make

    said = client_of(account_make("100")).get(reverse("desk:claims")).content.decode()
    assert "Paper settles inside polybot" in said


def test_the_api_previews_confirms_and_lists(live_desk: LiveDesk) -> None:
    account, other = live_desk.account("safe"), live_desk.account("safe")
    client = client_of(account)
    allowances_check(account.pk, now=timezone.now())
    ask = {"account": account.pk, "market": live_desk.outcome(3).market_id, "kind": "split", "amount": "3"}
    made = client.post("/api/v1/chain/sets", ask, content_type="application/json").json()["data"]
    assert (made["state"], made["amount"]) == ("preview", "3.000000")
    done = client.post(f"/api/v1/chain/actions/{made['id']}/confirm").json()["data"]
    assert done["state"] == "wanted"
    assert client.get("/api/v1/chain/actions", {"state": "wanted"}).json()["data"][0]["id"] == made["id"]
    assert client.get(f"/api/v1/chain/actions/{made['id']}").json()["data"]["says"][0].startswith("split 3")
    assert client_of(other).get(f"/api/v1/chain/actions/{made['id']}").status_code == 404
    assert client.post(f"/api/v1/chain/actions/{made['id']}/cancel").json()["data"]["state"] == "canceled"
    found = client.get(f"/api/v1/chain/allowances/{account.pk}").json()["data"]
    assert len(found["items"]) == 12 and all(item["is_enough"] for item in found["items"])
    grants = {"account": account.pk, "numbers": [0], "amount": "5", "unlimited": True}
    assert client.post("/api/v1/chain/allowances", grants, content_type="application/json").status_code == 400
    del grants["unlimited"]
    assert client.post("/api/v1/chain/allowances", grants, content_type="application/json").status_code == 201
    assert client.get("/api/v1/chain/claims").json()["data"] == []


def test_a_split_is_offered_where_it_makes_sense_and_its_preview_says_what_changes(live_desk: LiveDesk) -> None:
    account = live_desk.account("safe")
    client, market = client_of(account), live_desk.outcome(3).market
    said = client.get(reverse("desk:claims")).content.decode()
    assert "No open market has orders or shares of yours" in said
    said = client.get(reverse("desk:market", args=[market.pk])).content.decode()
    assert f"/claims/?market={market.pk}#split" in said
    said = client.get(reverse("desk:claims"), {"market": market.pk}).content.decode()
    assert f'<option value="{market.pk}" selected>' in said and "$1,000.00 are free" in said
    said = post(client, "set_preview", form="split", kind="split", market=market.pk, amount="12.345678", key="k1")
    assert "−$12.345678" in said and said.count("+12.345678") == 2
    post(client, "set_preview", form="split", kind="split", market=market.pk, amount="12.345678", key="k1")
    assert ChainAction.objects.count() == 1  # the same form again is the same preview


@pytest.mark.parametrize("amount", ["", "abc", "-1", "0", "NaN", "Infinity", "1e400", "1.1234567", "1,000", "9" * 30])
def test_a_bad_amount_is_refused_in_words_and_kept_in_the_form(live_desk: LiveDesk, amount: str) -> None:
    account = live_desk.account("safe")
    client, market_id = client_of(account), live_desk.outcome(3).market_id
    page = client.post(
        reverse("desk:set_preview"), {"form": "split", "kind": "split", "market": market_id, "amount": amount}
    )
    assert page.status_code == 302 and page["Location"].endswith("#split")
    said = client.get(page["Location"]).content.decode()
    assert "is no amount" in said or "give more than zero" in said
    assert f'value="{amount}"' in said and f'<option value="{market_id}" selected>' in said
    assert not ChainAction.objects.exists()


def test_more_than_is_free_can_be_previewed_and_says_why_it_cannot_be_confirmed(live_desk: LiveDesk) -> None:
    account = live_desk.account("safe")
    client = client_of(account)
    said = post(
        client, "set_preview", form="split", kind="split", market=live_desk.outcome(3).market_id, amount="1000.5"
    )
    assert "It cannot be confirmed now:" in said and "it takes $1000.5, and $1000 are free" in said
    assert "are not free" in post(client, "chain_confirm", ChainAction.objects.get().pk)
    assert ChainAction.objects.get().state == "preview"


def test_no_shares_are_converted_from_form_to_booking(live_desk: LiveDesk) -> None:
    group = members()
    account = with_sets(live_desk, group[:2], "20")
    client = client_of(account)
    said = client.get(reverse("desk:claims")).content.decode()
    assert "Preview conversion" in said and f"the {len(group)} questions in the group" in said
    assert "choose at least one question" in post(client, "convert_preview", form="convert", amount="5").lower()
    given = [m.pk for m in group[:2]]
    said = post(client, "convert_preview", form="convert", given=given, amount="oops")
    assert "is no amount" in said and said.count("checked") >= 2  # what was chosen is still chosen
    said = post(client, "convert_preview", form="convert", given=given, amount="25")
    assert "it takes 25 settled shares" in said and "20 are free" in said
    post(client, "chain_cancel", ChainAction.objects.get(state="preview").pk)
    said = post(client, "convert_preview", form="convert", given=given, amount="7.5")
    assert "+$7.5" in said and said.count("−7.5") == 2 and said.count("+7.5") == len(group) - 2
    action = ChainAction.objects.get(state="preview")
    post(client, "chain_confirm", action.pk)
    assert finish(action).state == "confirmed"
    account.refresh_from_db()
    assert account.cash == 1000 - 40 + Decimal("7.5")


def test_a_group_that_cannot_be_converted_says_why(live_desk: LiveDesk) -> None:
    group = members()
    account = with_sets(live_desk, group[:1], "3")
    Event.objects.filter(pk=group[0].event_id).update(group_size=len(group) + 1)
    said = client_of(account).get(reverse("desk:claims")).content.decode()
    assert "It cannot be converted:" in said and "are known" in said and "Preview conversion" not in said
    stranger = live_desk.account("eoa")
    assert "Convert No shares" in client_of(stranger).get(reverse("desk:claims")).content.decode()
    assert "not free" in _refused(stranger, group[0].pk)


def _refused(account: Account, market_id: int) -> str:
    """Another account may preview a conversion of what it does not hold; it can never agree to it."""
    Event.objects.filter(markets=market_id).update(group_size=Market.objects.filter(event__markets=market_id).count())
    client = client_of(account)
    post(client, "convert_preview", form="convert", given=[market_id], amount="1")
    return post(client, "chain_confirm", ChainAction.objects.get(account=account).pk)
