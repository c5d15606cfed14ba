"""Accounts at a venue: opened, connected, refused with the reason."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from alerts.models import AuditEvent
from markets.domain.answers import ACCEPTED
from markets.domain.instruments import Side
from markets.domain.units import Usd
from markets.venues.polymarket.credentials import level_2_headers
from orders.domain.lifecycle import Environment
from orders.domain.private_keys import key_new
from orders.domain.wallet_entry import wallet_entry
from orders.models import Account, LedgerEntry, Order, SealingKey, Secret
from orders.services import desk_keys, keyholder
from orders.services.accounts import AccountError, account_open
from orders.services.connecting import account_connect, accounts_connect_waiting
from orders.services.connection_asks import connection_ask, credentials_rotation_ask
from orders.services.desk_keys import PURPOSES, keys_prepare, paths_under, sealing_key_rotate
from orders.services.invariants import check_invariants
from orders.services.key_files import keys_read, opening_keys
from orders.services.keyholder import KeyRefused
from orders.services.secrets import sealing_key_publish, secret_store
from tests.live_desk import LiveDesk

pytestmark = pytest.mark.django_db

KINDS = ["eoa", "proxy", "safe", "deposit_beacon", "deposit_uups"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_wallet_connects_and_its_order_is_accepted(live_desk: LiveDesk, kind: str) -> None:
    account = live_desk.account(kind, cash="1500")
    assert (account.connection, account.wallet_kind, account.cash) == ("ready", kind, 1500)
    assert set(LedgerEntry.objects.filter(account=account).values_list("book", "amount")) == {
        ("own", 1500),
        ("capital", -1500),
    }
    order_id, sent = live_desk.post_foreign(account, live_desk.outcome(3), Side.BUY, "0.02", "100")
    assert sent.answer.kind in ACCEPTED, sent
    assert live_desk.gateway(account).order(order_id) is not None
    assert check_invariants() == []


def raw_account(desk: LiveDesk, key: bytes | None = None, **values: Any) -> Account:
    """Open a sandbox account without connecting it."""
    owner = get_user_model().objects.create_user(username=f"ada{get_user_model().objects.count()}")
    entry = wallet_entry(key or key_new(), kind=values.pop("kind", "safe"))
    fields = {"name": f"sandbox of {owner}", "environment": Environment.SANDBOX, "wallet": entry, **values}
    return account_open(owner=owner, **fields)


def failed(account: Account) -> str:
    """Connect, expecting it not to work; return the reason on the account's row."""
    assert not account_connect(account.pk)
    account.refresh_from_db()
    assert account.connection == "failed" and not LedgerEntry.objects.filter(account=account).exists()
    assert AuditEvent.objects.filter(kind="account.connect_failed", account_id=account.pk).exists()
    return account.connection_note


def test_opening_stores_a_sealed_key_and_nothing_else_of_it(live_desk: LiveDesk) -> None:
    key = key_new()
    account = raw_account(live_desk, key)
    secret = Secret.objects.get(account=account)
    assert (secret.kind, secret.public, account.connection) == ("private_key", account.signer_address, "connecting")
    assert key not in bytes(secret.sealed) and account.cash == 0
    assert key.hex() not in str(list(AuditEvent.objects.values()))


def test_connecting_twice_changes_nothing_and_a_waiting_account_is_found(live_desk: LiveDesk) -> None:
    account = raw_account(live_desk)
    assert accounts_connect_waiting(timezone.now()) == 1 and accounts_connect_waiting(timezone.now()) == 0
    before = (LedgerEntry.objects.count(), Secret.objects.count(), AuditEvent.objects.count())
    assert account_connect(account.pk)
    assert (LedgerEntry.objects.count(), Secret.objects.count(), AuditEvent.objects.count()) == before
    connection_ask(account.pk, by="ada")
    assert account_connect(account.pk)
    assert (LedgerEntry.objects.count(), Secret.objects.count()) == before[:2]


def test_an_unreachable_venue_is_a_reason_and_trying_again_works(live_desk: LiveDesk, settings: Any) -> None:
    account = raw_account(live_desk)
    good = settings.POLYMARKET
    settings.POLYMARKET = {**good, "clob": "http://127.0.0.1:9"}
    assert "cannot be reached" in failed(account) and "connect again" in account.connection_note
    settings.POLYMARKET = good
    connection_ask(account.pk)
    assert account_connect(account.pk)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "status", "status": 401, "path": "/auth/*"}, "check this machine's clock"),
        ({"kind": "status", "status": 503, "path": "/auth/*"}, "cannot be reached"),
        ({"kind": "malformed", "path": "/auth/*"}, "not understood"),
        ({"kind": "html", "path": "/auth/*"}, "refused the log-in"),
        ({"kind": "status", "status": 500, "path": "/balance-allowance*"}, "balance"),
        ({"kind": "malformed", "path": "/balance-allowance*"}, "balance"),
    ],
)
def test_what_the_venue_does_wrong_is_written_on_the_account(
    live_desk: LiveDesk, fault: dict[str, Any], reason: str
) -> None:
    account = raw_account(live_desk)
    live_desk.exchange.control("faults", **fault)
    assert reason in failed(account)


def test_an_account_needs_the_desk_of_its_environment(live_desk: LiveDesk, settings: Any) -> None:
    settings.POLYBOT_VENUE = "polymarket"
    assert "started with --venue sandbox" in failed(raw_account(live_desk))
    settings.POLYBOT_VENUE = "sandbox"
    assert "started with --venue polymarket" in failed(raw_account(live_desk, environment=Environment.LIVE))


def test_a_key_that_does_not_open_or_belongs_elsewhere_is_refused(live_desk: LiveDesk) -> None:
    account, other = raw_account(live_desk), raw_account(live_desk)
    sealed = Secret.objects.get(account=other).sealed
    Secret.objects.filter(account=account).update(sealed=sealed)
    assert "belongs to another account" in failed(account)
    wrong = raw_account(live_desk)
    secret_store(wrong, Secret.Kind.PRIVATE_KEY, key_new(), public="")
    assert "not the one of" in failed(wrong)
    moved = raw_account(live_desk)
    Account.objects.filter(pk=moved.pk).update(wallet_kind="proxy")
    assert "is of type safe, not proxy" in failed(moved)


def test_one_wallet_has_one_account_and_names_are_not_used_twice(live_desk: LiveDesk) -> None:
    key = key_new()
    first = raw_account(live_desk, key)
    with pytest.raises(AccountError, match="one account per wallet"):
        raw_account(live_desk, key)
    with pytest.raises(AccountError, match="choose another name"):
        raw_account(live_desk, name=first.name)
    with pytest.raises(AccountError, match="builder code"):
        raw_account(live_desk, builder_code="0x12")
    with pytest.raises(AccountError, match="leave the cash empty"):
        raw_account(live_desk, environment=Environment.LIVE, cash=Usd(1))


def test_new_credentials_replace_the_old_ones_here_and_at_the_venue(live_desk: LiveDesk) -> None:
    account = live_desk.account("safe")
    old = keyholder.credentials(account.pk)
    order = live_desk.order(account, live_desk.outcome(3), price="0.02", size="100")
    with pytest.raises(AccountError, match="1 open orders: cancel them first"):
        credentials_rotation_ask(account.pk)
    Order.objects.filter(pk=order.pk).update(state="canceled")
    credentials_rotation_ask(account.pk, by="ada")
    assert account_connect(account.pk)
    new = keyholder.credentials(account.pk)
    assert new.api_key != old.api_key and new.secret != old.secret
    assert live_desk.gateway(account).balances().cash > 0
    headers = level_2_headers(
        old, address=account.signer_address, timestamp_s=int(time.time()), method="GET", path="/auth/api-keys"
    )
    answer = httpx.get(f"{live_desk.exchange.urls['clob']}/auth/api-keys", headers=headers)
    assert answer.status_code == 401
    assert Account.objects.get(pk=account.pk).opening_cash == account.opening_cash


@pytest.mark.parametrize("which", ["trader", "stream"])
def test_a_sealing_key_is_replaced_without_a_pause(live_desk: LiveDesk, which: str) -> None:
    account = live_desk.account("safe")
    path = live_desk.folder / f"{which}.key"
    before = path.read_text()
    done = sealing_key_rotate(PURPOSES[which], path, by="ada", now=timezone.now())
    assert done == 1 and path.read_text() != before and len(keys_read(path)) == 1
    current = SealingKey.objects.get(purpose=which, retired_at=None)
    assert not Secret.objects.filter(sealing_key__purpose=which).exclude(sealing_key=current).exists()
    keyholder.forget(account.pk)  # the running trader meets a newer key and reads its file again
    assert keyholder.signer().wallet(account.pk).wallet_address == account.wallet_address
    assert live_desk.gateway(account).balances().cash > 0
    assert sealing_key_publish(current.purpose, opening_keys(path)[0], now=timezone.now()) is False


def test_a_rotation_that_was_cut_off_is_finished_by_the_next_one(
    live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = [live_desk.account("safe") for _ in range(2)]
    path = live_desk.trader_key_file
    with monkeypatch.context() as patch:
        patch.setattr(desk_keys, "secrets_reseal", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sealing_key_rotate(PURPOSES["trader"], path, by="ada", now=timezone.now())
    assert len(keys_read(path)) == 2
    for account in accounts:
        keyholder.forget(account.pk)
        assert keyholder.signer().wallet(account.pk)
    assert sealing_key_rotate(PURPOSES["trader"], path, by="ada", now=timezone.now()) == 2
    assert len(keys_read(path)) == 1


def test_a_lost_key_file_is_told_and_what_it_sealed_stays_closed(live_desk: LiveDesk) -> None:
    account = live_desk.account("safe")
    live_desk.trader_key_file.unlink()
    (warning,) = keys_prepare(paths_under(live_desk.folder), now=timezone.now())
    assert "1 stored secrets cannot be opened" in warning
    live_desk.install()
    with pytest.raises(KeyRefused, match="whose file is not here"):
        keyholder.signer().wallet(account.pk)
