from __future__ import annotations

import json
from typing import Any

import pytest
from eth_account import Account as Referee

from orders.domain.private_keys import CURVE_ORDER, PrivateKeyError, address_of_key, key_new, key_read

# The well-known first key of local test chains.
HEX = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


@pytest.mark.parametrize("text", [HEX, "0x" + HEX, f"  0X{HEX.upper()}\n"])
def test_a_key_is_read_as_wallets_write_it(text: str) -> None:
    assert key_read(text).hex() == HEX
    assert address_of_key(key_read(text)) == ADDRESS


def test_addresses_agree_with_another_library() -> None:
    for _ in range(20):
        key = key_new()
        assert address_of_key(key) == Referee.from_key(key).address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "64 hexadecimal"),
        (HEX[:-1], "64 hexadecimal"),
        (HEX + "00", "64 hexadecimal"),
        ("g" * 64, "64 hexadecimal"),
        (ADDRESS, "an address"),
        (" ".join(["abandon"] * 12), "12 words, a recovery phrase"),
        ("0" * 64, "out of range"),
        (f"{CURVE_ORDER:064x}", "out of range"),
        ("{not json", "not JSON"),
    ],
)
def test_anything_else_is_refused_with_the_reason_and_never_quoted(text: str, reason: str) -> None:
    with pytest.raises(PrivateKeyError, match=reason) as caught:
        key_read(text)
    assert not text or text not in str(caught.value)
    assert caught.value.__cause__ is None


def keystore(kdf: str, passphrase: str = "a good passphrase") -> dict[str, Any]:
    """Return a keystore made by another library."""
    return dict(Referee.encrypt("0x" + HEX, passphrase, kdf=kdf, iterations=2 if kdf == "pbkdf2" else 16))


@pytest.mark.parametrize("kdf", ["scrypt", "pbkdf2"])
def test_keystores_of_another_library_open(kdf: str) -> None:
    assert key_read(json.dumps(keystore(kdf)), passphrase="a good passphrase").hex() == HEX
    with pytest.raises(PrivateKeyError, match="passphrase does not open"):
        key_read(json.dumps(keystore(kdf)), passphrase="another")


def test_a_counter_that_begins_with_zeros_is_written_short_by_some_wallets() -> None:
    made = dict(Referee.encrypt("0x" + HEX, "a good passphrase", kdf="pbkdf2", iterations=2))
    while made["crypto"]["cipherparams"]["iv"][:2] != "00" and len(made["crypto"]["cipherparams"]["iv"]) == 32:
        made = dict(Referee.encrypt("0x" + HEX, "a good passphrase", kdf="pbkdf2", iterations=2))
    assert key_read(json.dumps(made), passphrase="a good passphrase").hex() == HEX


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": 1}, "version 3"),
        ({"crypto": None}, "crypto"),
        ({"cipher": "aes-256-gcm"}, "cipher"),
        ({"kdf": "md5"}, "kdf"),
        ({"mac": "zz"}, "mac"),
        ({"ciphertext": "ab"}, "ciphertext"),
        ({"n": 1 << 30}, "n"),
        ({"n": 3}, "power of two"),
        ({"n": 1 << 22, "r": 64}, "half a gigabyte"),
        ({"dklen": 16}, "dklen"),
        ({"r": True}, "r"),
    ],
)
def test_a_bad_keystore_is_refused_with_the_field(change: dict[str, Any], reason: str) -> None:
    document = keystore("scrypt")
    for name, value in change.items():
        holder = next(
            (each for each in (document, document["crypto"], document["crypto"]["kdfparams"]) if name in each), document
        )
        holder[name] = value
    with pytest.raises(PrivateKeyError, match=reason):
        key_read(json.dumps(document), passphrase="a good passphrase")
