"""Sealing: anybody can close a secret with a public key, only the holder of its file can open it.

X25519 with a fresh key per secret, HKDF-SHA256, AES-256-GCM. What a sealed secret is for (table, account,
kind) is bound into it: moved to another row it does not open. Layout of the bytes:

    "PBS1" | fingerprint of the sealing key (8) | ephemeral public key (32) | nonce (12) | ciphertext and tag
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"PBS1"
_FINGERPRINT, _PUBLIC, _NONCE, _TAG = 8, 32, 12, 16
_HEADER = len(MAGIC) + _FINGERPRINT + _PUBLIC + _NONCE
_INFO = b"polybot sealed secret, version 1"


class SealError(ValueError):
    """A sealed secret that does not open here. The message never says what is inside."""


class NoKeyForIt(SealError):
    """It was sealed with a key that this process does not hold."""


@dataclass(frozen=True, slots=True)
class OpeningKey:
    """The private half. `repr` shows its fingerprint only."""

    fingerprint: str
    public: bytes
    _private: X25519PrivateKey = field(repr=False)

    @classmethod
    def from_bytes(cls, raw: bytes) -> OpeningKey:
        if len(raw) != 32:
            raise SealError(f"a sealing key has 32 bytes, not {len(raw)}")
        private = X25519PrivateKey.from_private_bytes(raw)
        public = private.public_key().public_bytes_raw()
        return cls(fingerprint_of(public), public, private)

    @classmethod
    def new(cls) -> tuple[OpeningKey, bytes]:
        """Return a new key and its 32 bytes, which belong into a key file and nowhere else."""
        raw = X25519PrivateKey.generate().private_bytes_raw()
        return cls.from_bytes(raw), raw

    def shared_with(self, ephemeral: bytes) -> bytes:
        return self._private.exchange(X25519PublicKey.from_public_bytes(ephemeral))

    def __reduce__(self) -> str:
        raise TypeError("a sealing key does not leave its process")


def fingerprint_of(public: bytes) -> str:
    """Return the 16 hexadecimal digits that name a sealing key."""
    return hashlib.sha256(public).digest()[:_FINGERPRINT].hex()


def context_of(*, account_id: int, kind: str) -> bytes:
    """Return what a secret of this account and kind is bound to."""
    return f"orders_secret|{account_id}|{kind}".encode()


def seal(secret: bytes, *, public: bytes, context: bytes) -> bytes:
    """Return `secret` closed for the holder of the private half of `public`."""
    ephemeral = X25519PrivateKey.generate()
    sent = ephemeral.public_key().public_bytes_raw()
    nonce = os.urandom(_NONCE)
    header = MAGIC + bytes.fromhex(fingerprint_of(public)) + sent + nonce
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(public))
    closed = AESGCM(_derived(shared, sent, public)).encrypt(nonce, secret, header + context)
    return header + closed


def sealed_for(sealed: bytes) -> str:
    """Return the fingerprint of the key that opens it."""
    if len(sealed) < _HEADER + _TAG or sealed[: len(MAGIC)] != MAGIC:
        raise SealError("these bytes are no sealed secret of ours")
    return sealed[len(MAGIC) : len(MAGIC) + _FINGERPRINT].hex()


def unseal(sealed: bytes, *, key: OpeningKey, context: bytes) -> bytes:
    """Return the secret. Raises SealError when it was sealed for another key, another row, or was changed."""
    if sealed_for(sealed) != key.fingerprint:
        raise NoKeyForIt(f"sealed for the key {sealed_for(sealed)}, which this process does not hold")
    header, closed = sealed[:_HEADER], sealed[_HEADER:]
    sent = header[len(MAGIC) + _FINGERPRINT :][:_PUBLIC]
    nonce = header[-_NONCE:]
    try:
        return AESGCM(_derived(key.shared_with(sent), sent, key.public)).decrypt(nonce, closed, header + context)
    except (InvalidTag, ValueError):
        raise SealError("a sealed secret was changed, or belongs to another account or kind") from None


def _derived(shared: bytes, ephemeral: bytes, recipient: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=ephemeral + recipient, info=_INFO).derive(shared)
