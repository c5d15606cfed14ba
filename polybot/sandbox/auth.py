"""Who is asking: API keys, the wallet signature that makes them, the HMAC that uses them.

Keys are derived from the wallet, its nonce and the exchange's own secret, so a restart
with the same state directory gives the same keys; only which of them exist is stored.
A clock may be off by `WINDOW_S` seconds either way.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polybot.sandbox.eip712 import SignatureError, auth_digest, recover
from polybot.sandbox.http_core import ApiError, Request
from polybot.sandbox.wallets import CHAIN_ID

WINDOW_S = 300
BAD_L1 = "Invalid L1 Request headers"
BAD_L2 = "Unauthorized/Invalid api key"
BAD_RELAYER = "invalid authorization"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    key: str
    secret: str
    passphrase: str
    address: str  # lower case; the wallet key that signed for it
    nonce: int

    def public(self) -> dict[str, str]:
        return {"apiKey": self.key, "secret": self.secret, "passphrase": self.passphrase}


def hmac_signature(secret: str, *, timestamp: str, method: str, path: str, body: bytes) -> str:
    """Return the level-2 signature: HMAC-SHA256 over the raw bytes, in padded URL-safe base64."""
    raw = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    message = timestamp.encode() + method.encode() + path.encode() + body
    return base64.urlsafe_b64encode(hmac.new(raw, message, hashlib.sha256).digest()).decode()


class KeyRing:
    """The API keys that exist. `state` names a directory to survive restarts in, or None."""

    def __init__(self, state: Path | None = None, *, chain_id: int = CHAIN_ID) -> None:
        self._path = state / "keys.json" if state is not None else None
        self._chain_id = chain_id
        self._by_key: dict[str, ApiKey] = {}
        self._by_wallet: dict[tuple[str, int], ApiKey] = {}
        self._builders: dict[str, list[dict[str, str]]] = {}
        self._root = secrets.token_bytes(32)
        if self._path is not None and self._path.exists():
            try:
                self._read(json.loads(self._path.read_text()))
            except (KeyError, TypeError, ValueError, AttributeError):
                raise ValueError(f"{self._path} is not a list of API keys: move it away to start with none") from None

    def create(self, request: Request) -> ApiKey:
        address, nonce = self.wallet_of(request)
        if (address, nonce) in self._by_wallet:
            raise ApiError(400, "Could not create api key")
        made = self._derive(address, nonce)
        self._remember(made)
        self._save()
        return made

    def derive(self, request: Request) -> ApiKey:
        address, nonce = self.wallet_of(request)
        found = self._by_wallet.get((address, nonce))
        if found is None:
            raise ApiError(400, "Could not derive api key!")
        return found

    def delete(self, key: ApiKey) -> None:
        self._by_key.pop(key.key, None)
        self._by_wallet.pop((key.address, key.nonce), None)
        self._save()

    def keys_of(self, address: str) -> list[str]:
        return [key.key for key in self._by_key.values() if key.address == address]

    def get(self, key: str) -> ApiKey | None:
        return self._by_key.get(key)

    def socket_key(self, auth: object) -> ApiKey | None:
        """Return the key that the credentials of a user-channel message name, when all three parts are right."""
        if not isinstance(auth, dict):
            return None
        key = self._by_key.get(str(auth.get("apiKey", "")))
        if key is None or auth.get("secret") != key.secret or auth.get("passphrase") != key.passphrase:
            return None
        return key

    def wallet_of(self, request: Request) -> tuple[str, int]:
        """Return (address, nonce) that the level-1 headers prove, or refuse."""
        address = request.headers.get("poly_address", "")
        timestamp = request.headers.get("poly_timestamp", "")
        nonce = request.headers.get("poly_nonce", "0") or "0"
        if not nonce.isdecimal() or not _is_recent(timestamp, request.now_s):
            raise ApiError(401, BAD_L1)
        try:
            signature = bytes.fromhex(request.headers.get("poly_signature", "").removeprefix("0x"))
            signed = auth_digest(address=address, timestamp=timestamp, nonce=int(nonce), chain_id=self._chain_id)
            if recover(signed, signature) != address.lower():
                raise SignatureError("another wallet signed")
        except ValueError:
            raise ApiError(401, BAD_L1) from None
        return address.lower(), int(nonce)

    def require(self, request: Request) -> ApiKey:
        """Return the key whose level-2 signature covers this very request, or refuse."""
        headers = request.headers
        key = self._by_key.get(headers.get("poly_api_key", ""))
        timestamp = headers.get("poly_timestamp", "")
        if key is None or not _is_recent(timestamp, request.now_s):
            raise ApiError(401, BAD_L2)
        expected = hmac_signature(
            key.secret, timestamp=timestamp, method=request.method, path=request.path, body=request.body
        )
        agrees = (
            hmac.compare_digest(expected.rstrip("="), headers.get("poly_signature", "").rstrip("="))
            and headers.get("poly_passphrase", "") == key.passphrase
            and headers.get("poly_address", "").lower() == key.address
        )
        if not agrees:
            raise ApiError(401, BAD_L2)
        return key

    def builder_create(self, key: ApiKey) -> dict[str, str]:
        made = {"key": str(uuid.uuid4()), "secret": _text(secrets.token_bytes(32)), "passphrase": secrets.token_hex(32)}
        self._builders.setdefault(key.address, []).append(made)
        self._save()
        return made

    def builders_of(self, key: ApiKey) -> list[str]:
        return [made["key"] for made in self._builders.get(key.address, ())]

    def check_relayer(self, request: Request, *, required: bool) -> None:
        """Check the builder's or the relayer key's headers of a request, if there are any or must be."""
        headers = request.headers
        named = headers.get("poly_builder_api_key", "")
        if not named:
            if required and not headers.get("relayer_api_key"):
                raise ApiError(401, BAD_RELAYER)
            return
        made = next((m for group in self._builders.values() for m in group if m["key"] == named), None)
        timestamp = headers.get("poly_builder_timestamp", "")
        if made is None or not _is_recent(timestamp, request.now_s):
            raise ApiError(401, BAD_RELAYER)
        expected = hmac_signature(
            made["secret"], timestamp=timestamp, method=request.method, path=request.path, body=request.body
        )
        if (
            not hmac.compare_digest(expected.rstrip("="), headers.get("poly_builder_signature", "").rstrip("="))
            or headers.get("poly_builder_passphrase", "") != made["passphrase"]
        ):
            raise ApiError(401, BAD_RELAYER)

    def builder_delete(self, request: Request) -> None:
        named = request.headers.get("poly_builder_api_key", "")
        for made in self._builders.values():
            for found in [m for m in made if m["key"] == named]:
                made.remove(found)
                self._save()
                return
        raise ApiError(401, BAD_L2)

    def _read(self, stored: Any) -> None:
        self._root = bytes.fromhex(stored["root"])
        self._builders = {address: list(made) for address, made in stored.get("builders", {}).items()}
        for address, nonce in stored["keys"]:
            self._remember(self._derive(address, nonce))

    def _derive(self, address: str, nonce: int) -> ApiKey:
        def part(name: str, size: int) -> bytes:
            return hmac.new(self._root, f"{name}:{address}:{nonce}".encode(), hashlib.sha512).digest()[:size]

        return ApiKey(
            key=str(uuid.UUID(bytes=part("key", 16), version=4)),
            secret=_text(part("secret", 32)),
            passphrase=part("passphrase", 32).hex(),
            address=address,
            nonce=nonce,
        )

    def _remember(self, key: ApiKey) -> None:
        self._by_key[key.key] = key
        self._by_wallet[(key.address, key.nonce)] = key

    def _save(self) -> None:
        if self._path is None:
            return
        keys = [[address, nonce] for address, nonce in self._by_wallet]
        part = self._path.with_suffix(".part")
        part.touch(mode=0o600)
        part.write_text(json.dumps({"root": self._root.hex(), "keys": keys, "builders": self._builders}))
        part.replace(self._path)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _is_recent(timestamp: str, now_s: float) -> bool:
    return timestamp.isascii() and timestamp.isdecimal() and abs(int(timestamp[:12]) - now_s) <= WINDOW_S
