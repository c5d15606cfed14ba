import pytest
from django.contrib.auth import get_user_model

from alerts.models import AuditEvent
from markets.domain.units import Usd
from orders.domain.lifecycle import Environment, TradingState
from orders.domain.private_keys import key_new
from orders.domain.wallet_entry import wallet_entry
from orders.models import Account, LedgerEntry
from orders.services.accounts import AccountError, account_open, auto_trade_set, on_stop_set, trading_state_set
from orders.services.invariants import check_invariants
from tests.factories.orders import AT, account_make

pytestmark = pytest.mark.django_db


def test_an_account_opens_with_its_entry_in_the_ledger() -> None:
    account = account_make("1000")
    rows = set(LedgerEntry.objects.values_list("asset", "book", "amount"))
    assert rows == {("usd", "own", 1000), ("usd", "capital", -1000)}
    assert (account.cash, account.opening_cash, account.environment) == (1000, 1000, "paper")
    assert check_invariants() == []


@pytest.mark.parametrize("environment", [Environment.LIVE, Environment.SANDBOX])
def test_an_account_at_a_venue_needs_a_wallet_and_a_paper_account_has_none(environment: Environment) -> None:
    owner = get_user_model().objects.create_user(username="ada")
    with pytest.raises(AccountError, match="needs a wallet"):
        account_open(name="x", owner=owner, environment=environment, cash=Usd(1))
    with pytest.raises(AccountError, match="has no wallet"):
        account_open(name="x", owner=owner, wallet=wallet_entry(key_new()))
    assert not Account.objects.exists()


def test_a_name_can_be_used_once_and_cash_is_never_negative() -> None:
    account = account_make(name="main")
    with pytest.raises(AccountError, match="choose another name"):
        account_open(name="main", owner=account.owner, cash=Usd(1))
    with pytest.raises(AccountError, match="zero or more"):
        account_open(name="other", owner=account.owner, cash=Usd(-1))


def test_changes_of_an_account_are_journaled_and_a_repeated_one_is_not() -> None:
    account = account_make()
    before = AuditEvent.objects.count()
    assert trading_state_set(account_id=account.pk, state=TradingState.HALTED, reason="drill", by="ada", now=AT)
    assert not trading_state_set(account_id=account.pk, state=TradingState.HALTED, reason="drill", by="ada", now=AT)
    assert auto_trade_set(account_id=account.pk, on=False, by="ada", now=AT)
    assert on_stop_set(account_id=account.pk, on_stop="leave", by="ada", now=AT)
    assert AuditEvent.objects.count() == before + 3
    row = Account.objects.get()
    assert (row.trading_state, row.auto_trade, row.on_stop) == ("halted", False, "leave")
    with pytest.raises(AccountError, match="not one of"):
        on_stop_set(account_id=account.pk, on_stop="explode", by="ada", now=AT)
