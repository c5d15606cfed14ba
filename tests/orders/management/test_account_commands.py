"""Opening accounts, changing keys and permitting live trading from the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from eth_account import Account as Referee

from markets.venues.polymarket.wallets import WalletKind, wallets_of
from orders.domain.private_keys import address_of_key, key_new
from orders.models import Account, LivePermit, Secret
from orders.services import keyholder
from tests.live_desk import LiveDesk

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def administrator(live_desk: LiveDesk) -> Any:
    return get_user_model().objects.create_superuser("admin", password="correct horse battery")


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_one_command_opens_a_sandbox_account_that_trades(live_desk: LiveDesk) -> None:
    run("account_open", "Sandbox", "--new-key", "--type", "deposit_beacon", "--cash", "2500")
    account = Account.objects.get(name="Sandbox")  # tasks run where they are called, so it is connected already
    assert (account.connection, account.cash, account.wallet_kind) == ("ready", 2500, "deposit_beacon")
    assert account.owner.username == "admin"


def test_a_key_comes_from_a_file_standard_input_or_a_keystore(
    live_desk: LiveDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, other, third = key_new(), key_new(), key_new()
    (tmp_path / "key").write_text(f"0x{key.hex()}\n")
    run("account_open", "file", "--key-file", str(tmp_path / "key"))
    monkeypatch.setattr("sys.stdin", io.StringIO(other.hex()))
    run("account_open", "pipe", "--key-file", "-", "--wallet", wallets_of(address_of_key(other))[WalletKind.SAFE])
    (tmp_path / "store").write_text(json.dumps(Referee.encrypt(third, "a phrase", iterations=16)))
    monkeypatch.setattr("getpass.getpass", lambda _: "a phrase")
    run("account_open", "store", "--key-file", str(tmp_path / "store"))
    kinds = dict(Account.objects.values_list("name", "wallet_kind"))
    assert kinds == {"file": "eoa", "pipe": "safe", "store": "eoa"}
    assert Account.objects.get(name="store").signer_address == address_of_key(third)


@pytest.mark.parametrize(
    ("given", "arguments", "reason"),
    [
        ("not a key at all", [], "64 hexadecimal"),
        ("ab" * 32, ["--wallet", "0x" + "12" * 20], "belong together"),
        ("ab" * 32, ["--cash", "much"], "not an amount"),
        ("ab" * 32, ["--cash", "NaN"], "cash|amount|number|finite"),
        ("ab" * 32, ["--owner", "nobody"], "no user"),
        ("ab" * 32, ["--environment", "live", "--cash", "5"], "leave the cash empty"),
    ],
)
def test_what_cannot_be_is_refused_and_the_key_is_not_repeated(
    tmp_path: Path, given: str, arguments: list[str], reason: str
) -> None:
    (tmp_path / "key").write_text(given)
    with pytest.raises(CommandError, match=reason) as caught:
        run("account_open", "x", "--key-file", str(tmp_path / "key"), *arguments)
    assert given not in str(caught.value) and not Account.objects.exists() and not Secret.objects.exists()


def test_a_live_account_never_gets_a_key_made_here() -> None:
    with pytest.raises(CommandError, match="your own key"):
        run("account_open", "x", "--new-key", "--environment", "live")


@pytest.mark.parametrize("which", ["trader", "stream"])
def test_rotating_keys_keeps_accounts_open(live_desk: LiveDesk, which: str) -> None:
    account = live_desk.account()
    assert "1 secrets" in run("rotate_keys", which, "--keys", str(live_desk.folder))
    keyholder.forget(account.pk)
    assert live_desk.gateway(account).balances().cash == 1_000_000_000


def test_rotating_credentials_asks_the_trader(live_desk: LiveDesk) -> None:
    account = live_desk.account()
    before = keyholder.credentials(account.pk).api_key
    run("rotate_keys", "credentials", "--account", str(account.pk))
    assert keyholder.credentials(account.pk).api_key != before
    with pytest.raises(CommandError):
        run("rotate_keys", "credentials", "--account", "999999")
    with pytest.raises(CommandError, match="name the account"):
        run("rotate_keys", "credentials")


def test_live_trading_is_permitted_by_an_administrator_with_password_and_phrase(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = {"password": "wrong", "phrase": "trade with real money"}
    monkeypatch.setattr("getpass.getpass", lambda _: answers["password"])
    monkeypatch.setattr("builtins.input", lambda _: answers["phrase"])
    ask = ("approve_live", "installation", "--user", "admin", "--reason", "ready")
    with pytest.raises(CommandError, match="right password"):
        run(*ask)
    answers |= {"password": "correct horse battery", "phrase": "please"}
    with pytest.raises(CommandError, match="type"):
        run(*ask)
    assert not LivePermit.objects.exists()
    answers["phrase"] = "trade with real money"
    assert "permitted: installation" in run(*ask)
    assert "stands, granted by admin" in run("approve_live")
    assert run("revoke_live", "installation") == "revoked\n"
    assert run("revoke_live", "installation") == "there was no such permit\n"
