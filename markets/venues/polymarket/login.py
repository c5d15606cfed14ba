"""API keys of a wallet: created, derived again, listed and deleted. One request each, none repeated here.

Answers of these calls are secret: they are parsed and never quoted in an error or a log.
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from markets.venues.base import VenueRefused, VenueUnavailable
from markets.venues.polymarket.credentials import ApiCredentials, read_credentials

KEY_PATH, DERIVE_PATH = "/auth/api-key", "/auth/derive-api-key"
_LATER = (408, 425, 429, 500, 502, 503, 504)


class PolymarketLogin:
    """The key calls of one CLOB host. `headers` come from `level_1_headers` or `level_2_headers`."""

    def __init__(self, base_url: str, *, timeout_s: float = 8.0, transport: httpx.BaseTransport | None = None) -> None:
        self._client = httpx.Client(
            base_url=base_url,
            timeout=httpx.Timeout(timeout_s, connect=3.0),
            headers={"User-Agent": "polybot-desk", "Accept": "application/json"},
            follow_redirects=False,
            trust_env=not base_url.startswith("http://127.0.0.1"),
            transport=transport,
        )

    def close(self) -> None:
        self._client.close()

    def derive(self, headers: Mapping[str, str]) -> ApiCredentials | None:
        """Return the credentials that this wallet and nonce have, or None when there are none yet."""
        answer = self._send("GET", DERIVE_PATH, headers)
        if answer.status_code in (400, 404):
            return None
        return read_credentials(self._ok(answer, "GET", DERIVE_PATH))

    def create(self, headers: Mapping[str, str]) -> ApiCredentials:
        """Return new credentials. Raises VenueRefused when this wallet and nonce have some already."""
        return read_credentials(self._ok(self._send("POST", KEY_PATH, headers), "POST", KEY_PATH))

    def delete(self, headers: Mapping[str, str]) -> None:
        """End the API key that the level 2 headers name."""
        self._ok(self._send("DELETE", KEY_PATH, headers), "DELETE", KEY_PATH)

    def _send(self, method: str, path: str, headers: Mapping[str, str]) -> httpx.Response:
        try:
            return self._client.request(method, path, headers=dict(headers))
        except httpx.HTTPError as error:
            # Not chained: the cause holds the request with its headers.
            raise VenueUnavailable(f"{method} {path}: {type(error).__name__}") from None

    @staticmethod
    def _ok(answer: httpx.Response, method: str, path: str) -> bytes:
        status = answer.status_code
        if status == 200:
            return answer.content
        if status in _LATER:
            raise VenueUnavailable(f"{method} {path}: the venue answered {status}")
        raise VenueRefused(f"{method} {path}: the venue answered {status}")
