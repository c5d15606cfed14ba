"""What goes wrong on purpose: rules that delay, replace, lose or reorder what the exchange says.

A rule names where it applies, what it does and how often; rules are tried in the order
they were added, and a rule that has run its number of times removes itself. Nothing here
touches the engine: a fault "after effect" means the effect stands and only the answer is lost.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from polybot.sandbox.engine_rules import EngineRule, EngineRules
from polybot.sandbox.http_core import ApiError, Response, encode

CLOUDFLARE_PAGE = (
    b"<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head>"
    b"<body><h1>Sorry, you have been blocked</h1></body></html>"
)
RATE_LIMIT_PAGE = (
    b"<!DOCTYPE html><html><head><title>Access denied | Cloudflare</title></head>"
    b"<body><h1>Error 1015</h1><p>You are being rate limited</p></body></html>"
)
CATALOGUED = {
    425: {"error": "service not ready"},
    429: {"error": "Too Many Requests"},
    500: {"error": "Internal server error"},
    502: {"error": "Bad gateway"},
    503: {"error": "Trading is currently disabled. Check polymarket.com for updates"},
    504: {"error": "Gateway timeout"},
}


def rate_limit_page() -> Response:
    """Return what stands between a client that asks too often and the exchange."""
    return Response(
        status=429,
        body=RATE_LIMIT_PAGE,
        content_type="text/html; charset=UTF-8",
        headers={"server": "cloudflare", "retry-after": "10"},
    )


class HttpFault(StrEnum):
    STATUS = "status"  # answer with `status` and its catalogued text, or with `body`
    HTML = "html"  # a Cloudflare block page
    MALFORMED = "malformed"  # 200 whose JSON stops in the middle
    EMPTY = "empty"  # 200 without a body
    LATENCY = "latency"  # only wait; the true answer follows
    TRUNCATED = "truncated"  # the true answer's first half, then the connection is closed
    RESET = "reset"  # the head of the true answer, then the connection is closed
    LATE = "late"  # 504 after `latency_ms`; the request takes effect `effect_ms` after it came
    HANG = "hang"  # never answer within `latency_ms`, then 504


class When(StrEnum):
    BEFORE = "before"
    AFTER = "after"  # the request takes effect first, only its answer is lost


class SocketFault(StrEnum):
    DROP = "drop"
    DUPLICATE = "duplicate"
    REORDER = "reorder"  # a message arrives after the next one of the same kind
    STALL = "stall"  # the named assets fall silent while PONGs go on
    CORRUPT = "corrupt"  # the frame is cut in the middle
    DELAY = "delay"  # every message waits `latency_ms`


@dataclass(slots=True, kw_only=True)
class HttpRule:
    kind: HttpFault
    service: str = "*"
    method: str = "*"
    path: str = "*"  # a shell pattern over the request path
    when: When = When.BEFORE
    status: int = 503
    body: str | None = None
    retry_after: int | None = None
    latency_ms: int = 0
    effect_ms: int = 5_000  # of a late request
    probability: float = 1.0
    times: int | None = None
    until_ms: int | None = None
    id: int = 0
    hits: int = 0

    def matches(self, service: str, method: str, path: str) -> bool:
        if service == "control" != self.service:
            return False  # a rule for everything must not lock its own door
        return fnmatchcase(service, self.service) and fnmatchcase(method, self.method) and fnmatchcase(path, self.path)

    def response(self) -> Response | None:
        """Return the false answer, or None when the true one should go out."""
        headers = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        if self.kind is HttpFault.STATUS:
            body = (
                self.body.encode()
                if self.body is not None
                else encode(CATALOGUED.get(self.status, {"error": "injected"}))
            )
            return Response(status=self.status, body=body, headers=headers)
        if self.kind is HttpFault.HTML:
            status = self.status if self.status != 503 else 403
            return Response(
                status=status,
                body=CLOUDFLARE_PAGE,
                content_type="text/html; charset=UTF-8",
                headers={"server": "cloudflare"},
            )
        if self.kind is HttpFault.MALFORMED:
            return Response(body=(self.body or '{"success":true,"orderID":"0x').encode())
        if self.kind is HttpFault.EMPTY:
            return Response(body=b"")
        if self.kind in (HttpFault.HANG, HttpFault.LATE):
            return Response(status=504, body=encode(CATALOGUED[504]))
        return None


@dataclass(slots=True, kw_only=True)
class SocketRule:
    kind: SocketFault
    channel: str = "market"
    asset_ids: tuple[str, ...] = ()  # none: every asset
    markets: tuple[str, ...] = ()
    event_type: str = "*"
    latency_ms: int = 0
    probability: float = 1.0
    times: int | None = None
    until_ms: int | None = None
    id: int = 0
    hits: int = 0
    held: str | None = field(default=None, repr=False)

    def matches(self, channel: str, event_type: str, market: str, assets: tuple[str, ...]) -> bool:
        if channel != self.channel or not fnmatchcase(event_type, self.event_type):
            return False
        if self.markets and market not in self.markets:
            return False
        return not self.asset_ids or any(asset in self.asset_ids for asset in assets)


SCOPES: dict[str, type[HttpRule] | type[SocketRule] | type[EngineRule]] = {
    "http": HttpRule,
    "socket": SocketRule,
    "engine": EngineRule,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One frame to send in place of a true one, `after_ms` from now."""

    text: str
    after_ms: int = 0


class Faults:
    """The rules in force. `clock` returns Unix milliseconds."""

    def __init__(self, rng: random.Random, *, clock: Callable[[], int], engine: EngineRules | None = None) -> None:
        self._rng = rng
        self._engine = engine or EngineRules(0)
        self._clock = clock
        self._next_id = 1
        self.http: list[HttpRule] = []
        self.sockets: list[SocketRule] = []

    def add(self, body: Any) -> int:
        """Add the rule that `body` describes and return its id; ApiError names what is wrong with it."""
        if not isinstance(body, dict):
            raise ApiError(400, "a fault is a JSON object")
        values = dict(body)
        scope, seconds = values.pop("scope", "http"), values.pop("seconds", None)
        if scope not in SCOPES:
            raise ApiError(400, "scope: http, socket or engine")
        if not (seconds is None or isinstance(seconds, int | float)):
            raise ApiError(400, "seconds: a number")
        rule_type = SCOPES[scope]
        known = {f.name for f in fields(rule_type)} - {"id", "hits", "held", "until_ms"}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ApiError(400, f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        try:
            rule = msgspec.convert(values, rule_type)
        except msgspec.ValidationError as error:
            raise ApiError(400, f"{scope} fault: {error}") from None
        rule.id, self._next_id = self._next_id, self._next_id + 1
        if seconds is not None:
            rule.until_ms = self._clock() + int(seconds * 1000)
        if isinstance(rule, SocketRule):
            self.sockets.append(rule)
        elif isinstance(rule, EngineRule):
            self._engine.rules.append(rule)
        else:
            self.http.append(rule)
        return rule.id

    def remove(self, rule_id: int | None) -> int:
        """Remove one rule, or all of them, and return how many there were."""
        before = len(self)
        self.http = [r for r in self.http if rule_id is not None and r.id != rule_id]
        self.sockets = [r for r in self.sockets if rule_id is not None and r.id != rule_id]
        self._engine.rules = [r for r in self._engine.rules if rule_id is not None and r.id != rule_id]
        return before - len(self)

    def __len__(self) -> int:
        return len(self.http) + len(self.sockets) + len(self._engine.rules)

    def describe(self) -> list[dict[str, Any]]:
        rules: list[HttpRule | SocketRule | EngineRule] = [*self.http, *self.sockets, *self._engine.rules]
        names = {rule_type: scope for scope, rule_type in SCOPES.items()}
        shown = []
        for rule in rules:
            values = {f.name: getattr(rule, f.name) for f in fields(rule) if f.name != "held"}
            shown.append({"scope": names[type(rule)], **values})
        return shown

    def for_request(self, service: str, method: str, path: str) -> HttpRule | None:
        for rule in list(self.http):
            if rule.until_ms is not None and self._clock() >= rule.until_ms:
                self.http.remove(rule)
                continue
            if rule.matches(service, method, path) and self._strikes(rule):
                if rule.times is not None and rule.hits >= rule.times:
                    self.http.remove(rule)
                return rule
        return None

    def deliveries(
        self, text: str, *, channel: str, event_type: str, market: str, assets: tuple[str, ...]
    ) -> list[Delivery]:
        """Return what to send instead of the frame `text`: usually exactly it."""
        frames = [Delivery(text=text)]
        for rule in list(self.sockets):
            if rule.until_ms is not None and self._clock() >= rule.until_ms:
                self.sockets.remove(rule)
                continue
            if not rule.matches(channel, event_type, market, assets):
                continue
            if rule.held is not None:
                frames = [*frames, Delivery(text=rule.held)]
                rule.held = None
                self._retire(rule)
                continue
            if self._strikes(rule):
                frames = self._apply(rule, frames)
                self._retire(rule)
            if not frames:
                break  # nothing left to go wrong with
        return frames

    def _apply(self, rule: SocketRule, frames: list[Delivery]) -> list[Delivery]:
        if rule.kind in (SocketFault.DROP, SocketFault.STALL):
            return []
        if rule.kind is SocketFault.DUPLICATE:
            return [*frames, *frames]
        if rule.kind is SocketFault.CORRUPT:
            return [Delivery(text=f.text[: len(f.text) // 2], after_ms=f.after_ms) for f in frames]
        if rule.kind is SocketFault.DELAY:
            return [Delivery(text=f.text, after_ms=f.after_ms + rule.latency_ms) for f in frames]
        if frames:
            rule.held = frames[-1].text
            return frames[:-1]
        return frames

    def _retire(self, rule: SocketRule) -> None:
        if rule.times is not None and rule.hits >= rule.times and rule.held is None and rule in self.sockets:
            self.sockets.remove(rule)

    def _strikes(self, rule: HttpRule | SocketRule) -> bool:
        if rule.times is not None and rule.hits >= rule.times:
            return False
        if rule.probability < 1.0 and self._rng.random() >= rule.probability:
            return False
        rule.hits += 1
        return True
