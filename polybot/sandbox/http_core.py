"""The exchange's own small web layer: one request, one answer, one router per service.

Handlers are plain functions from `Request` to something JSON can say; they raise
`ApiError` for every refusal, so each catalogued text appears exactly once. Bodies stay
raw bytes until a handler asks: signatures are taken over what was really sent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

JSON_TYPE = "application/json"


class ApiError(Exception):
    """A refusal in the venue's shape: a status and `{"error": text}` with optional extra keys."""

    def __init__(self, status: int, text: str, *, headers: dict[str, str] | None = None, **extra: Any) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers or {}
        self.extra = extra

    def response(self) -> Response:
        return Response(status=self.status, body=encode({"error": self.text, **self.extra}), headers=dict(self.headers))


@dataclass(slots=True, kw_only=True)
class Response:
    body: bytes
    status: int = 200
    content_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: Mapping[str, str]  # lower-case names
    body: bytes
    now_s: float
    params: dict[str, str] = field(default_factory=dict)
    reply_headers: dict[str, str] = field(default_factory=dict)  # go out with the answer, whatever it is

    def first(self, name: str, default: str = "") -> str:
        values = self.query.get(name)
        return values[0] if values else default

    def all(self, name: str) -> list[str]:
        """Every value of a repeatable parameter, whether repeated or separated by commas."""
        return [part for value in self.query.get(name, ()) for part in value.split(",") if part]

    def flag(self, name: str) -> bool | None:
        value = self.first(name).lower()
        if value in ("true", "1"):
            return True
        return False if value in ("false", "0") else None

    def whole(self, name: str, default: int, *, low: int = 0, high: int = 2**53) -> int:
        """Return a whole number between the bounds; larger is cut, anything else is refused."""
        text = self.first(name)
        if not text:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) <= 18) or int(text) < low:
            raise ApiError(400, f"Invalid {name}")
        return min(int(text), high)

    def number(self, name: str) -> float | None:
        """Return a finite number, None when it was not given; anything else is refused."""
        text = self.first(name)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ApiError(400, f"Invalid {name}")
        return value

    def json(self, *, refusal: str = "Invalid payload") -> Any:
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ApiError(400, refusal) from None


Handler = Callable[[Request], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An answer that is made only after a wait: nothing has happened yet when it begins."""

    wait_ms: int
    finish: Callable[[], Any]


encode = msgspec.json.Encoder().encode


def answer(value: Any) -> Response:
    return value if isinstance(value, Response) else Response(body=encode(value))


def parse_query(raw: bytes) -> dict[str, list[str]]:
    query: dict[str, list[str]] = {}
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True):
        query.setdefault(name, []).append(value)
    return query


class Router:
    """Routes of one service. A path part in braces matches one segment: `/order/{id}`."""

    def __init__(self, name: str, *, not_found: str = "not found") -> None:
        self.name = name
        self._not_found = not_found
        self._fixed: dict[str, dict[str, tuple[str, Handler]]] = {}
        self._patterns: list[tuple[re.Pattern[str], str, str, Handler]] = []

    def add(self, methods: str, path: str, handler: Handler) -> None:
        for method in methods.split():
            if "{" not in path:
                self._fixed.setdefault(path, {})[method] = (path, handler)
                continue
            pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
            self._patterns.append((pattern, method, path, handler))

    def resolve(self, method: str, path: str) -> tuple[str, Handler, dict[str, str]]:
        """Return the route's name, its handler and the path parameters; ApiError 404 or 405 otherwise."""
        if "//" in path or (len(path) > 1 and path.endswith("/")):
            path = "/" + "/".join(part for part in path.split("/") if part)
        fixed = self._fixed.get(path)
        if fixed is not None and method in fixed:
            label, handler = fixed[method]
            return f"{method} {label}", handler, {}
        known = fixed is not None
        for pattern, wanted, label, handler in self._patterns:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            known = True
            if wanted == method:
                return f"{method} {label}", handler, {k: unquote(v) for k, v in match.groupdict().items()}
        if known:
            raise ApiError(405, "method not allowed")
        raise ApiError(404, self._not_found)
