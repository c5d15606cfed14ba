"""Secrets in the database: sealed for the key that is published now, opened only where its file is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alerts.models import AuditEvent
from orders.models import Account, SealingKey, Secret
from orders.services.key_files import file_make, keys_write, opening_keys
from orders.services.sealing import NoKeyForIt, OpeningKey, SealError, sealed_for
from orders.services.secrets import Opener, SecretError, relayer_key_store, sealing_key_publish, secret_store
from tests.factories.orders import AT, account_make
from tests.factories.venue import sandbox_account

pytestmark = pytest.mark.django_db
P, K = SealingKey.Purpose, Secret.Kind
ADDRESS = "0x" + "ab" * 20


@pytest.fixture
def account() -> Account:
    return sandbox_account("100")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "trader.key"
    file_make(path)
    return path


def publish(path: Path) -> str:
    key = opening_keys(path)[0]
    sealing_key_publish(P.TRADER, key, by="ada", now=AT)
    return key.fingerprint


def test_a_key_is_published_once_and_the_next_one_retires_it(file: Path) -> None:
    first, second = opening_keys(file)[0], OpeningKey.new()[0]
    assert sealing_key_publish(P.TRADER, first, now=AT) is True
    assert sealing_key_publish(P.TRADER, first, now=AT) is False
    assert sealing_key_publish(P.TRADER, second, now=AT) is True
    assert list(SealingKey.objects.filter(retired_at=None).values_list("id", flat=True)) == [second.fingerprint]
    assert AuditEvent.objects.filter(kind="keys.sealing_key").count() == 2
    assert sealing_key_publish(P.TRADER, first, now=AT) is True, "and may come back"
    assert SealingKey.objects.get(pk=first.fingerprint).retired_at is None


def test_without_a_published_key_nothing_is_stored(account: Account) -> None:
    with pytest.raises(SecretError, match="no sealing key is published"):
        secret_store(account, K.PRIVATE_KEY, b"s", public=ADDRESS, now=AT)
    assert Secret.objects.count() == 0


def test_the_current_secret_opens_and_the_one_before_is_kept_for_a_rotation(account: Account, file: Path) -> None:
    publish(file)
    opener = Opener([file])
    for word in (b"first", b"second"):
        secret_store(account, K.PRIVATE_KEY, word, public=ADDRESS, by="ada", now=AT)
    assert opener.open(account.pk, K.PRIVATE_KEY) == b"second"
    assert opener.open(account.pk, K.PRIVATE_KEY, retired=True) == b"first"
    with pytest.raises(SecretError, match=f"account {account.pk} has no session key"):
        opener.open(account.pk, K.SESSION_KEY)
    told = AuditEvent.objects.filter(kind="keys.secret_stored").order_by("seq")
    assert [row.message.rpartition(": ")[2] for row in told] == [
        "private key stored, sealed",
        "private key replaced, sealed",
    ]
    assert not any("first" in str(row.payload) or "second" in str(row.payload) for row in told)


def test_a_key_that_was_made_after_the_process_began_is_found_and_one_without_a_file_is_not(
    account: Account, file: Path
) -> None:
    publish(file)
    opener = Opener([file])
    newer, raw = OpeningKey.new()
    sealing_key_publish(P.TRADER, newer, now=AT)
    row = secret_store(account, K.PRIVATE_KEY, b"s", public=ADDRESS, now=AT)
    assert sealed_for(bytes(row.sealed)) == newer.fingerprint
    with pytest.raises(NoKeyForIt, match=f"sealed for the key {newer.fingerprint}, whose file is not here"):
        opener.open(account.pk, K.PRIVATE_KEY)
    assert not opener.holds(newer.fingerprint)
    keys_write(file, [raw])
    assert opener.open(account.pk, K.PRIVATE_KEY) == b"s"
    assert opener.holds(newer.fingerprint) and repr(opener) == f"Opener({newer.fingerprint})"


def test_a_sealing_key_of_another_length_is_none() -> None:
    with pytest.raises(SealError, match="a sealing key has 32 bytes, not 31"):
        OpeningKey.from_bytes(b"x" * 31)


@pytest.mark.parametrize(
    ("key", "address", "says"),
    [
        ("", ADDRESS, "no header can carry"),
        ("short", ADDRESS, "no header can carry"),
        ("a key with\nlines", ADDRESS, "no header can carry"),
        ("k" * 40, "0x12", "40 hexadecimal digits"),
    ],
)
def test_a_relayer_key_that_cannot_be_one_is_refused_and_not_repeated(
    account: Account, file: Path, key: str, address: str, says: str
) -> None:
    publish(file)
    with pytest.raises(SecretError, match=says) as refused:
        relayer_key_store(account.pk, key=key, address=address, by="ada", now=AT)
    assert not key or key not in str(refused.value)
    assert Secret.objects.count() == 0


def test_a_relayer_key_belongs_to_an_account_with_a_wallet(account: Account, file: Path) -> None:
    publish(file)
    for nobody in (account_make("10").pk, 999_999):
        with pytest.raises(SecretError, match="a paper account needs no relayer key"):
            relayer_key_store(nobody, key="k" * 40, address=ADDRESS, by="ada", now=AT)
    relayer_key_store(account.pk, key=f"  {'k' * 40} ", address=f"{ADDRESS} ", by="ada", now=AT)
    assert json.loads(Opener([file]).open(account.pk, K.RELAYER_KEY)) == {"key": "k" * 40, "address": ADDRESS}
