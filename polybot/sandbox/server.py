"""The exchange on the wire: one ASGI application behind several loopback ports.

The main port answers the CLOB at its root, because clients sign their paths, and
everything else under a prefix (`/ws/market`, `/ws/user`, `/rpc`, `/control`, `/gamma-api`,
`/data-api`, `/relayer`). Where no port was asked for, Gamma, Data and the relayer get one each,
for clients that keep only the host of a base URL. All of it runs in one loop with the engine.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from polybot.sandbox.exchange import Exchange
from polybot.sandbox.faults import Faults, HttpFault, HttpRule, When, rate_limit_page
from polybot.sandbox.http_core import ApiError, Held, Request, Response, Router, answer, encode, parse_query
from polybot.sandbox.limits import TOO_MANY, AddressLimits
from polybot.sandbox.messages import ExchangeEvent, MarketEvent, Refusal
from polybot.sandbox.schedule import Schedule
from polybot.sandbox.stats import Stats
from polybot.sandbox.ws_core import Receive, Send
from polybot.sandbox.ws_market import MarketHub
from polybot.sandbox.ws_user import UserHub

log = logging.getLogger("polybot.sandbox")

MAX_BODY = 4_000_000
STEP_S = 0.02
# "data" alone would hide the CLOB's own /data/orders.
PREFIXES = {"gamma-api": "gamma", "data-api": "data", "relayer": "relayer", "rpc": "rpc", "control": "control"}


class SandboxApp:
    """The ASGI callable. `ports` says which service owns a port's root; others are the CLOB's."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        routers: dict[str, Router],
        market_hub: MarketHub,
        user_hub: UserHub,
        faults: Faults,
        stats: Stats,
        limits: AddressLimits,
        schedule: Schedule,
        clock: Callable[[], int],
    ) -> None:
        self.exchange = exchange
        self._limits = limits
        self._schedule = schedule
        self._late: list[tuple[int, str, Request]] = []  # (when, service, request) that arrive after their answer
        self.ports: dict[int, str] = {}
        self._routers = routers
        self._market_hub = market_hub
        self._user_hub = user_hub
        self._faults = faults
        self._stats = stats
        self._clock = clock
        exchange.listen(self._on_event)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    async def run_clock(self) -> None:
        """Step the engine until cancelled; an error in one step is recorded and the next one tried."""
        while True:
            started = time.monotonic()
            try:
                self.step()
            except Exception:
                self._stats.step_errors += 1
                if self._stats.step_errors <= 20:
                    log.exception("a step of the engine failed")
            await asyncio.sleep(max(0.001, STEP_S - (time.monotonic() - started)))

    def step(self) -> None:
        """Bring everything to the present: the engine, requests that arrive late, faults whose time has come."""
        now = self._clock()
        self.exchange.step(now)
        if self._late:
            due = [entry for entry in self._late if entry[0] <= now]
            self._late = [entry for entry in self._late if entry[0] > now]
            for _, service, request in due:
                response = self._dispatch(service, request)[1]
                if isinstance(response, Held):
                    response = _finish(response)
        self._schedule.step(now)

    def _on_event(self, event: ExchangeEvent) -> None:
        if isinstance(event, MarketEvent):
            self._market_hub.publish(event)
        else:
            self._user_hub.publish(event)

    async def _http(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        arrived = time.perf_counter()
        raw_path = scope.get("raw_path") or scope["path"].encode()
        service, path = self._service(scope, raw_path.decode("latin-1"))
        method = scope["method"]
        body = await _read_body(receive)
        label = f"{service} {method} fault"
        rule = self._faults.for_request(service, method, path) if self._faults.http else None
        if rule is not None and rule.latency_ms:
            await asyncio.sleep(rule.latency_ms / 1000)
        client = scope.get("client")
        response = await self._limit(client[0] if client else "", service, method, path)
        if response is None and body is None:
            response = ApiError(413, "Payload exceeds the limit").response()
        if response is None:
            request = Request(
                method=method,
                path=path,
                query=parse_query(scope["query_string"]),
                headers={k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]},
                body=body or b"",
                now_s=self._clock() / 1000,
            )
            label, response = await self._answer(service, request, rule)
        self._stats.request(label, (time.perf_counter() - arrived) * 1000, failed=response.status >= 400)
        cut = rule.kind if rule is not None and rule.kind in (HttpFault.TRUNCATED, HttpFault.RESET) else None
        await _respond(send, response, cut=cut)

    async def _answer(self, service: str, request: Request, rule: HttpRule | None) -> tuple[str, Response]:
        """Return (label, answer): the true one, or what a fault puts in its place before or after its effect."""
        instead = rule.response() if rule is not None else None
        if rule is not None and instead is not None and rule.when is When.BEFORE:
            if rule.kind is HttpFault.LATE:
                self._late.append((self._clock() + rule.effect_ms - rule.latency_ms, service, request))
            return f"{service} {request.method} fault", instead
        label, made = self._dispatch(service, request)
        if isinstance(made, Held):
            await asyncio.sleep(made.wait_ms / 1000)
            made = _finish(made)
        made.headers.update(request.reply_headers)
        return label, instead or made

    async def _limit(self, address: str, service: str, method: str, path: str) -> Response | None:
        """Delay a request that comes too often; return the refusal when the delay would be too long."""
        wait = self._limits.wait_ms(address, service, method, path, self._clock())
        if wait is None:
            return rate_limit_page() if self._limits.html else ApiError(429, TOO_MANY).response()
        if wait:
            await asyncio.sleep(wait / 1000)
        return None

    def _dispatch(self, service: str, request: Request) -> tuple[str, Response | Held]:
        router = self._routers[service]
        label = f"{service} unknown"
        try:
            route, handler, request.params = router.resolve(request.method, request.path)
            label = f"{service} {route}"
            value = handler(request)
            return label, value if isinstance(value, Held) else answer(value)
        except (ApiError, Refusal) as error:
            return label, _refused(error)
        except Exception:
            log.exception("%s failed", label)
            return label, ApiError(500, "Internal server error").response()

    def _service(self, scope: dict[str, Any], path: str) -> tuple[str, str]:
        server = scope.get("server") or ("", 0)
        owner = self.ports.get(server[1] or 0)
        if owner is not None:
            return owner, path
        head, _, rest = path[1:].partition("/")
        if head in PREFIXES:
            return PREFIXES[head], f"/{rest}"
        return "clob", path

    async def _websocket(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        path = scope["path"].rstrip("/")
        hubs: dict[str, MarketHub | UserHub] = {"/ws/market": self._market_hub, "/ws/user": self._user_hub}
        hub = hubs.get(path)
        if hub is None:
            await send({"type": "websocket.close", "code": 1008})  # before acceptance: HTTP 403
            return
        await send({"type": "websocket.accept"})
        await hub.handle(receive, send)


def _refused(error: ApiError | Refusal) -> Response:
    if isinstance(error, ApiError):
        return error.response()
    return Response(status=error.status, body=encode(error.body), headers=dict(error.headers))


def _finish(held: Held) -> Response:
    """Do what was held, now that its wait is over."""
    try:
        return answer(held.finish())
    except (ApiError, Refusal) as error:
        return _refused(error)


async def _read_body(receive: Receive) -> bytes | None:
    """Return the whole body, None when it is larger than the limit."""
    message = await receive()
    body = message.get("body", b"")
    if not message.get("more_body"):
        return body if len(body) <= MAX_BODY else None
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY:
            return None
    return b"".join(parts)


async def _respond(send: Send, response: Response, *, cut: HttpFault | None = None) -> None:
    """Send an answer; a cut one names its whole length and stops early, and the server closes the connection."""
    headers = [
        (b"content-type", response.content_type.encode()),
        (b"content-length", str(len(response.body)).encode()),
        *((k.encode(), v.encode()) for k, v in response.headers.items()),
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if cut is not None:
        half = response.body[: len(response.body) // 2] if cut is HttpFault.TRUNCATED else b""
        await send({"type": "http.response.body", "body": half, "more_body": True})
        return
    await send({"type": "http.response.body", "body": response.body})
