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
from polybot.sandbox.faults import Faults, When
from polybot.sandbox.http_core import ApiError, Request, Response, Router, answer, parse_query
from polybot.sandbox.messages import ExchangeEvent, MarketEvent, Refusal
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
        clock: Callable[[], int],
    ) -> None:
        self.exchange = exchange
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
                self.exchange.step(self._clock())
            except Exception:
                self._stats.step_errors += 1
                if self._stats.step_errors <= 20:
                    log.exception("a step of the engine failed")
            await asyncio.sleep(max(0.001, STEP_S - (time.monotonic() - started)))

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
        response = rule.response() if rule is not None and rule.when is When.BEFORE else None
        if response is None:
            if body is None:
                response = ApiError(413, "Payload exceeds the limit").response()
            else:
                request = Request(
                    method=method,
                    path=path,
                    query=parse_query(scope["query_string"]),
                    headers={k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]},
                    body=body,
                    now_s=self._clock() / 1000,
                )
                label, response = self._dispatch(service, request)
            if rule is not None and rule.when is When.AFTER:
                response = rule.response() or response
        self._stats.request(label, (time.perf_counter() - arrived) * 1000, failed=response.status >= 400)
        await _respond(send, response)

    def _dispatch(self, service: str, request: Request) -> tuple[str, Response]:
        router = self._routers[service]
        label = f"{service} unknown"
        try:
            route, handler, request.params = router.resolve(request.method, request.path)
            label = f"{service} {route}"
            return label, answer(handler(request))
        except ApiError as error:
            return label, error.response()
        except Refusal as error:
            return label, ApiError(error.status, error.text).response()
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


async def _respond(send: Send, response: Response) -> None:
    headers = [
        (b"content-type", response.content_type.encode()),
        (b"content-length", str(len(response.body)).encode()),
        *((k.encode(), v.encode()) for k, v in response.headers.items()),
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
