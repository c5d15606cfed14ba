"""The exchange's application in this very process: requests without a network, a clock that stands still."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account

from polybot.sandbox.auth import hmac_signature
from polybot.sandbox.eip712 import auth_digest
from polybot.sandbox.options import ExchangeOptions
from polybot.sandbox.server import SandboxApp
from polybot.sandbox.wiring import build_app

NOW_MS = 1_800_000_000_000


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


class Local:
    """An application with its clock: `ask` a path of the main port, by prefix for the other services."""

    def __init__(self, *, seed: int = 1, state: Path | None = None, **options: Any) -> None:
        self.now_ms = NOW_MS
        self.app: SandboxApp = build_app(
            ExchangeOptions(seed=seed, state_dir=state, **options), clock=lambda: self.now_ms
        )

    def step(self) -> None:
        """Let the exchange see the clock, as its own loop does every 20 ms."""
        self.app.step()

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return asyncio.run(self._ask(method, path, raw, headers or {}))

    def get(self, path: str) -> Any:
        found = self.ask("GET", path)
        assert found.status == 200, found.raw
        return found.json

    def control(self, path: str, body: Any) -> Any:
        found = self.ask("POST", f"/control/{path}", body)
        assert found.status == 200, found.raw
        return found.json

    async def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        plain, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": plain,
            "raw_path": plain.encode(),
            "query_string": query.encode(),
            "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
            "server": ("127.0.0.1", 1),
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        shown = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        return Answer(sent[0]["status"], shown, sent[1]["body"])


class Trader:
    """A key with API credentials at a local exchange, signing like any client would."""

    def __init__(self, local: Local, key: int = 0xB0B, *, known: dict[str, str] | None = None) -> None:
        self.local = local
        self.account = Account.from_key(f"0x{key:064x}")
        if known is not None:  # credentials made before a restart
            self.creds = known
            return
        at = str(local.now_ms // 1000)
        signed = auth_digest(address=self.account.address, timestamp=at, nonce=0, chain_id=137)
        made = local.ask(
            "POST",
            "/auth/api-key",
            headers={
                "POLY_ADDRESS": self.account.address,
                "POLY_SIGNATURE": "0x" + self.account.unsafe_sign_hash(signed).signature.hex(),
                "POLY_TIMESTAMP": at,
                "POLY_NONCE": "0",
            },
        )
        self.creds = made.json

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        return self.send(method, path, b"" if body is None else json.dumps(body, separators=(",", ":")).encode())

    def send(self, method: str, path: str, raw: bytes) -> Answer:
        at = str(self.local.now_ms // 1000)
        signature = hmac_signature(
            self.creds["secret"], timestamp=at, method=method, path=path.partition("?")[0], body=raw
        )
        headers = {
            "POLY_ADDRESS": self.account.address,
            "POLY_SIGNATURE": signature,
            "POLY_TIMESTAMP": at,
            "POLY_API_KEY": self.creds["apiKey"],
            "POLY_PASSPHRASE": self.creds["passphrase"],
        }
        return self.local.ask(method, path, raw, headers)
