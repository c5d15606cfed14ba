"""Reading a private key that a person gives, and the account it belongs to, without being able to sign.

A key is 32 bytes. No message quotes what was given, and no error is chained to one that could.
"""

from __future__ import annotations

import json
import re
import secrets

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from markets.venues.polymarket.wallets import address_of_public_key
from orders.domain.keystore import KeystoreError, keystore_open

_DIGITS = re.compile(r"(?:0[xX])?([0-9a-fA-F]{64})")
# The order of secp256k1: a key is a number below it, and not zero.
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class PrivateKeyError(ValueError):
    """What was given is no private key; the message says what one looks like."""


def key_read(text: str, *, passphrase: str = "") -> bytes:
    """Return the key in `text`: 64 hexadecimal digits, or an encrypted keystore (version 3) with its passphrase."""
    text = text.strip()
    if text.startswith("{"):
        try:
            return key_checked(keystore_open(json.loads(text), passphrase))
        except KeystoreError as error:
            raise PrivateKeyError(str(error)) from None
        except (ValueError, RecursionError):
            raise PrivateKeyError("the keystore is not JSON: give the whole file as it was exported") from None
    found = _DIGITS.fullmatch(text)
    if found is None:
        words = len(text.split())
        if words in (12, 15, 18, 21, 24):
            raise PrivateKeyError(
                f"these are {words} words, a recovery phrase: export the account's private key instead"
            )
        if re.fullmatch(r"0[xX][0-9a-fA-F]{40}", text):
            raise PrivateKeyError("this is an address; the private key has 64 hexadecimal digits")
        raise PrivateKeyError("a private key has 64 hexadecimal digits, with or without 0x in front")
    return key_checked(bytes.fromhex(found[1]))


def key_checked(key: bytes) -> bytes:
    if len(key) != 32 or not 0 < int.from_bytes(key, "big") < CURVE_ORDER:
        raise PrivateKeyError("these 32 bytes are no private key: the number is out of range")
    return key


def key_new() -> bytes:
    """Return a fresh key from the system's random source."""
    return (secrets.randbelow(CURVE_ORDER - 1) + 1).to_bytes(32, "big")


def address_of_key(key: bytes) -> str:
    """Return the account of a private key, in checksum form."""
    point = ec.derive_private_key(int.from_bytes(key_checked(key), "big"), ec.SECP256K1()).public_key()
    return address_of_public_key(point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
