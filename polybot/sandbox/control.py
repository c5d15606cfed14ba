"""The switchboard of the exchange: money from nowhere, faults, disconnections, resolutions, figures.

For tests and demonstrations only; nothing of it exists on the venue. Amounts are decimal
texts in dollars, prices decimal texts; see README.md beside this file for every call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markets.domain.units import ONE, AmountError, micro_from_text, text_from_micro
from polybot.sandbox.catalogue import Market
from polybot.sandbox.data_wallets import PAYMENTS
from polybot.sandbox.eip712 import SignatureError, address_bytes
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.faults import Faults
from polybot.sandbox.http_core import ApiError, Request, Router
from polybot.sandbox.standing import Standing
from polybot.sandbox.stats import Stats
from polybot.sandbox.wallets import wallets_of
from polybot.sandbox.ws_market import MarketHub
from polybot.sandbox.ws_user import UserHub

SERVICE_RESTART = 1012


class ControlApi:
    """`resolve` and `retick` are the engine's own doors, given by whoever wires the application."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        faults: Faults,
        stats: Stats,
        market_hub: MarketHub,
        user_hub: UserHub,
        resolve: Callable[[Market, tuple[int, int]], None],
        retick: Callable[[Market, int], None],
        standing: Standing,
    ) -> None:
        self._standing = standing
        self._exchange = exchange
        self._faults = faults
        self._stats = stats
        self._market_hub = market_hub
        self._user_hub = user_hub
        self._resolve = resolve
        self._retick = retick

    def router(self) -> Router:
        router = Router("control", not_found="unknown control call: see polybot/sandbox/README.md")
        router.add("GET", "/", lambda _: {"calls": "see polybot/sandbox/README.md"})
        router.add("GET", "/stats", self.stats)
        router.add("POST", "/stats/reset", self.stats_reset)
        router.add("POST", "/faucet", self.faucet)
        router.add("POST", "/reward", self.reward)
        router.add("POST", "/auto-redeem", self.auto_redeem)
        router.add("POST", "/allowance", self.allowance)
        router.add("GET", "/faults", lambda _: {"faults": self._faults.describe()})
        router.add("POST", "/faults", lambda r: {"id": self._faults.add(r.json())})
        router.add("DELETE", "/faults", lambda _: {"removed": self._faults.remove(None)})
        router.add("DELETE", "/faults/{id}", self.fault_remove)
        router.add("POST", "/disconnect", self.disconnect)
        router.add("POST", "/resolve", self.resolve)
        router.add("POST", "/tick", self.tick)
        router.add("GET", "/wallet/{address}", self.wallet)
        router.add("GET", "/geoblock", self.geoblock)
        router.add("GET", "/api/geoblock", self.geoblock)
        return router

    def stats(self, _: Request) -> dict[str, Any]:
        return {
            **self._stats.figures(),
            "sockets": {"market": len(self._market_hub.sockets), "user": len(self._user_hub.sockets)},
            "faults": len(self._faults),
            "engine": self._exchange.status(),
        }

    def stats_reset(self, _: Request) -> dict[str, Any]:
        self._stats.endpoints.clear()
        self._stats.socket_messages.update(market=0, user=0)
        return {"reset": True}

    def faucet(self, request: Request) -> dict[str, Any]:
        """Give pUSD to a wallet, or with `"all": true` to every wallet of the key at `address`."""
        body = _object(request)
        address, amount = _address(body), _amount(body, "amount", "1000")
        addresses = list(wallets_of(address)) if body.get("all") is True else [address]
        balances = {}
        for each in addresses:
            self._exchange.wallet_open(each)
            balances[each] = text_from_micro(self._exchange.faucet(each, amount))
        return {"balances": balances}

    def reward(self, request: Request) -> dict[str, Any]:
        """Pay a wallet as the venue and its bridge do, and list it as activity; a withdrawal takes."""
        body = _object(request)
        address, amount, kind = _address(body), _amount(body, "amount", ""), str(body.get("kind", "REWARD"))
        if kind not in PAYMENTS:
            raise ApiError(400, f"kind: {', '.join(PAYMENTS)}")
        market = self.market_of(body) if body.get("market") else None
        self._exchange.wallet_open(address)
        made = self._exchange.positions.pay(address, kind, amount, market)
        return {"transaction_hash": made, "cash": text_from_micro(self._exchange.chain_balance(address, "cash"))}

    def auto_redeem(self, request: Request) -> dict[str, Any]:
        """Pay a wallet for its shares of a resolved market without being asked; with an `outcome`, of that one only."""
        body = _object(request)
        address, market, outcome = _address(body), self.market_of(body), body.get("outcome")
        if outcome is None:
            made = self._exchange.redeem(address, market.condition_id)
        elif outcome in (0, 1) and not isinstance(outcome, bool):
            size = self._exchange.chain_balance(address, market.token_ids[outcome])
            made = self._exchange.redeem_outcome(address, market.condition_id, outcome, size)
        else:
            raise ApiError(400, "outcome: 0 or 1")
        return {"transaction_hash": made, "cash": text_from_micro(self._exchange.chain_balance(address, "cash"))}

    def allowance(self, request: Request) -> dict[str, Any]:
        """Set what a contract may take from a wallet: the way to see an allowance refusal."""
        body = _object(request)
        address, asset = _address(body), str(body.get("asset", "cash"))
        if asset not in ("cash", "tokens", "positions"):
            raise ApiError(400, "asset: cash, tokens or positions")
        spender = str(body.get("spender", ""))
        self._exchange.wallet_open(address)
        self._exchange.allowance_set(address, asset, spender, _amount(body, "amount", "0"))
        return {"allowance": str(self._exchange.allowance(address, asset, spender))}

    def fault_remove(self, request: Request) -> dict[str, Any]:
        text = request.params["id"]
        if not text.isdecimal() or not self._faults.remove(int(text)):
            raise ApiError(404, f"no fault {text}")
        return {"removed": 1}

    def disconnect(self, request: Request) -> dict[str, Any]:
        """Close every socket of a channel, or of both."""
        body = _object(request) if request.body else {}
        channel, code = body.get("channel", "all"), int(body.get("code", SERVICE_RESTART))
        if channel not in ("all", "market", "user"):
            raise ApiError(400, "channel: all, market or user")
        closed = {}
        if channel in ("all", "market"):
            closed["market"] = self._market_hub.disconnect_all(code, "disconnected by request")
        if channel in ("all", "user"):
            closed["user"] = self._user_hub.disconnect_all(code, "disconnected by request")
        return {"closed": closed}

    def resolve(self, request: Request) -> dict[str, Any]:
        """Resolve a market now: `winner` is an outcome's index or label, or "split" for half and half."""
        body = _object(request)
        market, winner = self.market_of(body), body.get("winner", 0)
        labels = [label.lower() for label in market.outcomes]
        if winner in (0, 1) and not isinstance(winner, bool):
            payouts = (ONE, 0) if winner == 0 else (0, ONE)
        elif str(winner).lower() in labels:
            payouts = (ONE, 0) if labels.index(str(winner).lower()) == 0 else (0, ONE)
        elif winner == "split":
            payouts = (ONE // 2, ONE // 2)
        else:
            raise ApiError(400, "winner: 0, 1, an outcome's label or split")
        if market.payouts is not None:
            raise ApiError(409, "the market is already resolved")
        self._resolve(market, payouts)
        return {"market": market.condition_id, "payouts": [text_from_micro(p) for p in payouts]}

    def tick(self, request: Request) -> dict[str, Any]:
        body = _object(request)
        market, tick = self.market_of(body), _amount(body, "tick", "")
        if tick not in (100_000, 10_000, 5_000, 2_500, 1_000, 100):
            raise ApiError(400, "tick: 0.1, 0.01, 0.005, 0.0025, 0.001 or 0.0001")
        before = market.tick
        self._retick(market, tick)
        return {"market": market.condition_id, "old": text_from_micro(before), "new": text_from_micro(market.tick)}

    def wallet(self, request: Request) -> dict[str, Any]:
        address = request.params["address"]
        return {
            "cash": text_from_micro(self._exchange.chain_balance(address, "cash")),
            "holdings": {t: text_from_micro(a) for t, a in self._exchange.holdings(address).items()},
        }

    def geoblock(self, _: Request) -> dict[str, Any]:
        return {"blocked": self._standing.region_blocked, "ip": "127.0.0.1", "country": "", "region": ""}

    def market_of(self, body: dict[str, Any]) -> Market:
        named = str(body.get("market", "") or body.get("token_id", ""))
        market = self._exchange.market_by_condition(named) or self._exchange.market_by_token(named)
        if market is None:
            raise ApiError(404, "market: no such condition id or token id")
        return market


def _object(request: Request) -> dict[str, Any]:
    body = request.json()
    if not isinstance(body, dict):
        raise ApiError(400, "send a JSON object")
    return body


def _address(body: dict[str, Any]) -> str:
    address = str(body.get("address", ""))
    try:
        address_bytes(address)
    except SignatureError as error:
        raise ApiError(400, f"address: {error}") from None
    return address.lower()


def _amount(body: dict[str, Any], name: str, default: str) -> int:
    value = body.get(name, default)
    try:
        amount = micro_from_text(str(value) if isinstance(value, int) else value, field=name)
    except AmountError as error:
        raise ApiError(400, str(error)) from None
    if amount < 0:
        raise ApiError(400, f"{name}: must not be negative")
    return amount
