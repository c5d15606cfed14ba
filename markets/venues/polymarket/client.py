"""Polymarket's public HTTP: one client with short timeouts, typed errors, and retries of GETs only.

Hosts come from the caller (settings.POLYMARKET). Nothing here signs or places anything.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx
import msgspec

from markets.domain.events import BookSnapshot
from markets.venues.base import ParseError, RateLimited, VenueRefused, VenueUnavailable
from markets.venues.polymarket import parse

_TRIES = 3
_PAUSES_S = (0.3, 1.0)
_LATER = {408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524}
_MAX_BODY = 64 * 1024 * 1024
BOOKS_PER_CALL = 500

Query = Mapping[str, str | Sequence[str]]


class PolymarketHttp:
    """GETs and the one reading POST of one host. Safe to share between threads."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float = 10.0,
        sleep: Callable[[float], Any] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._client = httpx.Client(
            base_url=base_url,
            timeout=httpx.Timeout(timeout_s, connect=3.0),
            headers={"User-Agent": "polybot-desk", "Accept": "application/json"},
            follow_redirects=False,
            trust_env=not base_url.startswith("http://127.0.0.1"),
            transport=transport,
        )
        self._sleep = sleep

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, query: Query | None = None) -> bytes:
        """Return a 200 body. Raises VenueUnavailable after three tries, RateLimited, or VenueRefused at once."""
        for attempt in range(_TRIES):
            try:
                return self._send("GET", path, params=_pairs(query or {}))
            except RateLimited as error:
                if attempt == _TRIES - 1 or error.retry_after_s > 5:
                    raise
                self._sleep(error.retry_after_s)
            except VenueUnavailable:
                if attempt == _TRIES - 1:
                    raise
                self._sleep(_PAUSES_S[attempt])
        raise AssertionError("unreachable")

    def post(self, path: str, body: object) -> bytes:
        """Return a 200 body. Never retried here."""
        return self._send("POST", path, content=msgspec.json.encode(body), headers={"Content-Type": "application/json"})

    def _send(self, method: str, path: str, **options: Any) -> bytes:
        try:
            answer = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise VenueUnavailable(f"{method} {path}: {type(error).__name__}: {error}") from error
        if answer.status_code == 200 and len(answer.content) <= _MAX_BODY:
            return answer.content
        if answer.status_code == 200:
            raise VenueUnavailable(f"{method} {path}: the answer is larger than {_MAX_BODY} bytes")
        said = answer.text[:200].replace("\n", " ")
        if answer.status_code == 429:
            raise RateLimited(f"{method} {path}: rate limited: {said}", retry_after_s=_retry_after(answer))
        if answer.status_code in _LATER:
            raise VenueUnavailable(f"{method} {path}: status {answer.status_code}: {said}")
        raise VenueRefused(f"{method} {path}: status {answer.status_code}: {said}")


class PolymarketBooks:
    """Implements `BookSource` over POST /books."""

    def __init__(self, http: PolymarketHttp, *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._http = http
        self._clock_ns = clock_ns

    def books_get(self, token_ids: Sequence[str]) -> dict[str, BookSnapshot]:
        found: dict[str, BookSnapshot] = {}
        for chunk in chunks(token_ids, BOOKS_PER_CALL):
            body = self._http.post("/books", [{"token_id": token} for token in chunk])
            books = parse.read_books(body, self._clock_ns())
            found.update({book.token_id: book for book in books})
        if unasked := found.keys() - set(token_ids):
            raise ParseError("asset_id", f"{min(unasked)!r:.90} was not asked for", source="rest.books")
        return found


class Pace:
    """Keeps calls at least `every_s` apart, over all threads: a full sync stays far below the venue's limit."""

    def __init__(self, every_s: float, *, sleep: Callable[[float], Any] = time.sleep) -> None:
        self._every_s = every_s
        self._sleep = sleep
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        with self._lock:
            now = time.monotonic()
            pause = self._next - now
            self._next = max(now, self._next) + self._every_s
        if pause > 0:
            self._sleep(pause)


def chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _pairs(query: Query) -> list[tuple[str, str]]:
    """Gamma wants lists as repeated parameters."""
    pairs: list[tuple[str, str]] = []
    for key, value in query.items():
        pairs += [(key, value)] if isinstance(value, str) else [(key, item) for item in value]
    return pairs


def _retry_after(answer: httpx.Response) -> float:
    text = answer.headers.get("Retry-After", "")
    return min(float(text), 60.0) if text.isascii() and text.isdecimal() else 1.0
