from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from orders.models import Account, Order
from tests.factories.markets import outcome_make
from tests.factories.orders import account_make, sent_order

pytestmark = pytest.mark.django_db


def told(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_reconcile_says_what_it_compared() -> None:
    account_make(name="main")
    assert "main (paper): clean; 0 repaired, 0 orders and 0 fills compared" in told("reconcile", "main")


def test_reconcile_fails_while_books_differ() -> None:
    account = account_make("100", name="main")
    Account.objects.filter(pk=account.pk).update(cash=99)
    with pytest.raises(CommandError, match="differences remain"):
        told("reconcile")


def test_cancel_all_counts_what_it_asked_for() -> None:
    account = account_make(name="main")
    sent_order(account, outcome_make())
    assert told("cancel_all", str(account.pk)) == "main (paper): 1 cancels requested\n"
    assert Order.objects.get().cancel_reason == "cancel_all command"


@pytest.mark.parametrize("command", ["reconcile", "cancel_all"])
def test_an_unknown_account_is_answered_with_the_known_ones(command: str) -> None:
    account_make(name="main")
    with pytest.raises(CommandError, match="no account 'mian'; accounts: main"):
        told(command, "mian")
