from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from orders.services.key_files import KeyFileError, file_make, keys_read, keys_write, opening_keys
from orders.services.sealing import (
    NoKeyForIt,
    OpeningKey,
    SealError,
    context_of,
    fingerprint_of,
    seal,
    sealed_for,
    unseal,
)

CONTEXT = context_of(account_id=7, kind="private_key")


def test_what_was_sealed_opens_with_the_file_and_only_there() -> None:
    key, other = OpeningKey.new()[0], OpeningKey.new()[0]
    sealed = seal(b"a secret", public=key.public, context=CONTEXT)
    assert unseal(sealed, key=key, context=CONTEXT) == b"a secret"
    assert b"a secret" not in sealed
    assert sealed_for(sealed) == key.fingerprint == fingerprint_of(key.public)
    with pytest.raises(NoKeyForIt, match=key.fingerprint):
        unseal(sealed, key=other, context=CONTEXT)


def test_two_seals_of_one_secret_have_nothing_in_common_but_the_header() -> None:
    key = OpeningKey.new()[0]
    first, second = (seal(b"same", public=key.public, context=CONTEXT) for _ in range(2))
    assert first[:12] == second[:12] and first[12:44] != second[12:44] and first[56:] != second[56:]


@pytest.mark.parametrize(
    "context", [context_of(account_id=8, kind="private_key"), context_of(account_id=7, kind="session_key")]
)
def test_a_sealed_secret_moved_to_another_row_does_not_open(context: bytes) -> None:
    key = OpeningKey.new()[0]
    with pytest.raises(SealError, match="another account or kind"):
        unseal(seal(b"x", public=key.public, context=CONTEXT), key=key, context=context)


def test_no_byte_of_it_can_be_changed() -> None:
    key = OpeningKey.new()[0]
    sealed = seal(b"x" * 32, public=key.public, context=CONTEXT)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SealError):
            unseal(bytes(changed), key=key, context=CONTEXT)
    for length in (0, 3, 40, len(sealed) - 1):
        with pytest.raises(SealError):
            unseal(sealed[:length], key=key, context=CONTEXT)


def test_an_opening_key_shows_and_copies_nothing() -> None:
    key, raw = OpeningKey.new()
    assert raw.hex() not in repr(key)
    for leave in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="does not leave"):
            leave(key)


def test_a_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "trader.key"
    assert file_make(path) and not file_make(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert len(opening_keys(path)) == 1


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o666, 0o601])
def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "trader.key"
    file_make(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        keys_read(path)


@pytest.mark.parametrize("content", ["", "zz" * 32, "ab" * 31, "ab" * 32 + "\n" + "cd", "\N{SNOWMAN}"])
def test_a_bad_key_file_is_refused_without_quoting_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "trader.key"
    keys_write(path, [b"x" * 32])
    path.write_text(content, encoding="utf-8")
    with pytest.raises(KeyFileError) as caught:
        keys_read(path)
    assert not content or content[:8] not in str(caught.value)


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="prepare_desk"):
        keys_read(tmp_path / "nothing.key")
    with pytest.raises(KeyFileError):
        keys_read(tmp_path)
