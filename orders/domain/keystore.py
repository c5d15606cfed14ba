"""Encrypted keystore files (Web3 Secret Storage, version 3): the usual export of a wallet.

scrypt or PBKDF2-HMAC-SHA256 stretch the passphrase, a Keccak MAC proves it, AES-128-CTR holds the key.
The work that a file may ask for is bounded: a file is input from outside.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from eth_hash.auto import keccak

MOST_SCRYPT_MEMORY = 1 << 29  # bytes; common files ask for 256 MiB
MOST_ROUNDS = 10_000_000


class KeystoreError(ValueError):
    """A keystore that does not open; the message says whether it is the file or the passphrase."""


def keystore_open(document: Any, passphrase: str) -> bytes:
    """Return the 32 bytes of the key in a version 3 keystore."""
    top = {str(name).lower(): value for name, value in _object(document, "keystore").items()}
    if top.get("version") != 3:
        raise KeystoreError("the keystore is not of version 3: export it again from the wallet")
    crypto = _object(top.get("crypto"), "crypto")
    if crypto.get("cipher") != "aes-128-ctr":
        raise KeystoreError("crypto.cipher: only aes-128-ctr is known")
    closed = _hex(crypto, "ciphertext", 32)
    proof = _hex(crypto, "mac", 32)
    start = _counter(_object(crypto.get("cipherparams"), "crypto.cipherparams"))
    stretched = _stretched(crypto, passphrase.encode())
    if not hmac.compare_digest(keccak(stretched[16:32] + closed), proof):
        raise KeystoreError("the passphrase does not open this keystore: type it again")
    cipher = Cipher(AES(stretched[:16]), CTR(start)).decryptor()
    return cipher.update(closed) + cipher.finalize()


def _stretched(crypto: Mapping[str, Any], passphrase: bytes) -> bytes:
    kind, values = crypto.get("kdf"), _object(crypto.get("kdfparams"), "crypto.kdfparams")
    if _number(values, "dklen", 64) < 32:
        raise KeystoreError("kdfparams.dklen: must be 32 at least")
    salt = _hex(values, "salt")
    length = _number(values, "dklen", 64)
    if kind == "pbkdf2":
        if values.get("prf", "hmac-sha256") != "hmac-sha256":
            raise KeystoreError("kdfparams.prf: only hmac-sha256 is known")
        return hashlib.pbkdf2_hmac("sha256", passphrase, salt, _number(values, "c", MOST_ROUNDS), length)
    if kind != "scrypt":
        raise KeystoreError("crypto.kdf: only scrypt and pbkdf2 are known")
    n, r, p = _number(values, "n", 1 << 22), _number(values, "r", 64), _number(values, "p", 64)
    if n & (n - 1) or 128 * n * r > MOST_SCRYPT_MEMORY:
        raise KeystoreError("kdfparams: n must be a power of two, and n times r small enough for half a gigabyte")
    try:
        return hashlib.scrypt(passphrase, salt=salt, n=n, r=r, p=p, dklen=length, maxmem=MOST_SCRYPT_MEMORY + (1 << 25))
    except ValueError:
        raise KeystoreError("kdfparams: these numbers do not work with scrypt") from None


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise KeystoreError(f"{name}: is missing; give the whole keystore file")
    return value


def _number(values: Mapping[str, Any], name: str, most: int) -> int:
    value = values.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise KeystoreError(f"kdfparams.{name}: must be a whole number from 1 to {most}")
    return value


def _counter(parameters: Mapping[str, Any]) -> bytes:
    """Return the 16 bytes of `iv`, which some wallets write as a number: without its leading zeros."""
    text = parameters.get("iv")
    if isinstance(text, str) and text.removeprefix("0x"):
        return _hex({"iv": text.removeprefix("0x").zfill(32)}, "iv", 16)
    return _hex(parameters, "iv", 16)


def _hex(values: Mapping[str, Any], name: str, length: int | None = None) -> bytes:
    text = values.get(name)
    try:
        raw = bytes.fromhex(text.removeprefix("0x")) if isinstance(text, str) and len(text) <= 512 else b""
    except ValueError:
        raw = b""
    if not raw or (length is not None and len(raw) != length):
        raise KeystoreError(f"{name}: is not the expected hexadecimal text")
    return raw
