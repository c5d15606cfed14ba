"""API credentials: what the venue hands out for a key, and the headers that prove who is asking.

Level 1 headers carry a wallet signature and are used only to create or derive credentials. Level 2
headers carry an HMAC over the exact bytes of a request. Times are Unix seconds, given by the caller.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from dataclasses import dataclass, field

from markets.venues.base import ParseError
from markets.venues.polymarket.signing import SigningKey

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,256}")  # one header value: visible ASCII, nothing that could end a line


class CredentialError(ValueError):
    """Credentials that cannot work; the message says which part, never its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCredentials:
    """One API key of one wallet. `repr` shows the key's id only."""

    api_key: str
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _UUID.fullmatch(self.api_key):
            raise CredentialError("the API key is not a UUID: copy it again, without spaces")
        if not _TOKEN.fullmatch(self.passphrase):
            raise CredentialError("the passphrase is empty or has characters that no header can carry")
        secret_bytes(self.secret)


def secret_bytes(secret: str) -> bytes:
    """Return the HMAC key in `secret`, which is URL-safe base64, with or without its padding."""
    try:
        raw = base64.b64decode(secret + "=" * (-len(secret) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw:
        # Not chained: the cause would carry the secret into logs.
        raise CredentialError("the API secret is not URL-safe base64: copy it again, whole") from None
    return raw


def request_signature(secret: str, *, timestamp_s: int, method: str, path: str, body: bytes = b"") -> str:
    """Return the HMAC of a request. `path` has no query string; `body` is exactly what is sent."""
    if "?" in path:
        raise ValueError(f"{path}: the venue signs the path without its query")
    message = f"{timestamp_s}{method}{path}".encode() + body
    return base64.urlsafe_b64encode(hmac.digest(secret_bytes(secret), message, "sha256")).decode()


def level_1_headers(key: SigningKey, *, timestamp_s: int, chain_id: int, nonce: int = 0) -> dict[str, str]:
    """Return the headers that ask for the credentials of `key`. The same nonce gives the same credentials."""
    signature = key.sign_login(timestamp_s=timestamp_s, nonce=nonce, chain_id=chain_id)
    return {
        "POLY_ADDRESS": key.address,
        "POLY_SIGNATURE": "0x" + signature.hex(),
        "POLY_TIMESTAMP": str(timestamp_s),
        "POLY_NONCE": str(nonce),
    }


def level_2_headers(
    credentials: ApiCredentials, *, address: str, timestamp_s: int, method: str, path: str, body: bytes = b""
) -> dict[str, str]:
    """Return the headers of one request. `address` is the key's own account, whatever wallet it trades for."""
    signature = request_signature(credentials.secret, timestamp_s=timestamp_s, method=method, path=path, body=body)
    return {
        "POLY_ADDRESS": address,
        "POLY_SIGNATURE": signature,
        "POLY_TIMESTAMP": str(timestamp_s),
        "POLY_API_KEY": credentials.api_key,
        "POLY_PASSPHRASE": credentials.passphrase,
    }


def read_credentials(body: bytes) -> ApiCredentials:
    """Return the credentials in an answer of `/auth/api-key` or `/auth/derive-api-key`.

    Raises ParseError naming the field; the answer itself is never quoted, because it is secret.
    """
    source = "rest.api_key"
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise ParseError("body", "is not JSON", source=source) from None
    if not isinstance(answer, dict):
        raise ParseError("body", "is not an object", source=source)
    words = []
    for name in ("apiKey", "secret", "passphrase"):
        word = answer.get(name)
        if not isinstance(word, str) or not word:
            raise ParseError(name, "is missing or not text", source=source)
        words.append(word)
    try:
        return ApiCredentials(api_key=words[0], secret=words[1], passphrase=words[2])
    except CredentialError as error:
        raise ParseError("body", str(error), source=source) from None
