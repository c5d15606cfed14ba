"""Allowances are read from the chain, and granted exactly as previewed after a person agreed."""

from __future__ import annotations

import pytest
from django.utils import timezone

from markets.venues.base import VenueUnavailable
from markets.venues.polymarket.calls import EXCHANGE, GRANTS
from orders.models import Account, ChainAction
from orders.selectors.allowances import allowances_get
from orders.services.allowances import allowances_check, allowances_preview
from orders.services.chain import ChainError, action_confirm
from orders.services.merging import merge_sets_set, merges_apply
from tests.factories.orders import account_make, micro
from tests.live_desk import LiveDesk
from tests.orders.services.test_chain_send import equal_to_the_venue, finish, wanted

pytestmark = pytest.mark.django_db


def take_back(desk: LiveDesk, account: Account) -> None:
    """The wallet has never allowed anybody to buy or sell."""
    for asset in ("cash", "tokens"):
        desk.exchange.control("allowance", address=account.wallet_address, asset=asset, spender=EXCHANGE, amount="0")


@pytest.mark.parametrize("kind", ["eoa", "proxy", "deposit_beacon"])
def test_what_is_missing_is_named_and_granted_exactly_as_it_was_shown(live_desk: LiveDesk, kind: str) -> None:
    account = live_desk.account(kind)
    take_back(live_desk, account)
    assert allowances_check(account.pk, now=timezone.now())
    missing = allowances_get(account.pk).missing
    assert {(m.token_name, m.spender_name, m.says) for m in missing} == {
        ("pUSD", "exchange", "$0"),
        ("Conditional Tokens", "exchange", "nothing"),
    }
    made = allowances_preview(
        account_id=account.pk, numbers=[m.number for m in missing], amount=micro(2000), key="a", by="ada",
        now=timezone.now(),
    )  # fmt: skip
    assert len(made) == (2 if kind == "eoa" else 1)
    assert "up to $2000 of pUSD" in made[0].expected["says"][0]
    for action in made:
        assert finish(action, steps=2).state == "preview"  # nothing happens before a person agreed
        assert finish(action_confirm(action.pk, by="ada", now=timezone.now())).state == "confirmed"
    allowances_check(account.pk, now=timezone.now())
    found = allowances_get(account.pk)
    assert found.missing == ()
    assert found.items[0].says == "$2000"
    equal_to_the_venue(live_desk, account)


def test_unlimited_is_said_in_words_and_never_taken_for_granted(live_desk: LiveDesk) -> None:
    account = live_desk.account("safe")
    (action,) = allowances_preview(
        account_id=account.pk, numbers=[0], amount=None, key="u", by="ada", now=timezone.now()
    )
    assert "an unlimited amount of pUSD" in action.expected["says"][0]
    for numbers, amount in (([], 5), ([99], 5), ([0], -1)):
        with pytest.raises(ChainError):
            allowances_preview(
                account_id=account.pk, numbers=numbers, amount=amount, key="x", by="ada", now=timezone.now()
            )


def test_a_preview_whose_stored_calls_were_changed_is_not_confirmed(live_desk: LiveDesk) -> None:
    account = live_desk.account("safe")
    small, large = (
        allowances_preview(account_id=account.pk, numbers=[0], amount=n, key=str(n), by="ada", now=timezone.now())[0]
        for n in (1, 2)
    )
    ChainAction.objects.filter(pk=small.pk).update(calls=large.calls)
    with pytest.raises(ChainError, match="not the ones that were shown"):
        action_confirm(small.pk, by="ada", now=timezone.now())


def test_a_chain_that_cannot_be_read_leaves_the_last_answer_and_says_so(
    live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> list[int]:
        raise VenueUnavailable("the chain's node cannot be reached")

    account = live_desk.account("safe")
    allowances_check(account.pk, now=timezone.now())
    monkeypatch.setattr("markets.venues.polymarket.rpc.Rpc.grants", away)
    assert not allowances_check(account.pk, now=timezone.now())
    found = allowances_get(account.pk)
    assert found.error and found.items[0].says == "unlimited"
    assert len(found.items) == len(GRANTS)


def test_a_paper_account_has_no_allowances() -> None:
    account = account_make("100")
    assert not allowances_check(account.pk, now=timezone.now())
    assert allowances_get(account.pk).items[0].says == "not read yet"


def test_complete_sets_are_merged_only_where_that_is_switched_on(live_desk: LiveDesk) -> None:
    account = live_desk.account("safe")
    assert finish(wanted(live_desk, account, live_desk.outcome(3).market_id)).state == "confirmed"
    assert merges_apply(timezone.now()) == 0
    assert merge_sets_set(account_id=account.pk, on=True, by="ada", now=timezone.now())
    assert not merge_sets_set(account_id=account.pk, on=True, by="ada", now=timezone.now())
    assert merges_apply(timezone.now()) == 1
    assert merges_apply(timezone.now()) == 0  # underway
    assert finish(ChainAction.objects.get(account=account, kind="merge")).state == "confirmed"
    account.refresh_from_db()
    assert account.cash == 1000
    equal_to_the_venue(live_desk, account)
