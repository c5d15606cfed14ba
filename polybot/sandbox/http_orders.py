"""The CLOB's authenticated trading routes: place, cancel, read orders and trades.

Every route proves its API key first. A batch is answered leg by leg in the order it came;
a refused leg carries its text in `errorMsg` beside an empty `orderID`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polybot.sandbox import reading
from polybot.sandbox.auth import ApiKey, KeyRing
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.http_core import ApiError, Held, Request, Router
from polybot.sandbox.http_markets import page
from polybot.sandbox.limits import SignerLimits
from polybot.sandbox.messages import NewOrder, OrderRecord, Refusal, TradeRecord
from polybot.sandbox.order_intake import read_order
from polybot.sandbox.sessions import Sessions
from polybot.sandbox.standing import Standing
from polybot.sandbox.wire import order_body, trade_body

MAX_BATCH = 15
MAX_CANCEL = 1000
PAGE = 100


class OrdersApi:
    def __init__(
        self, exchange: Exchange, keys: KeyRing, *, limits: SignerLimits, standing: Standing, sessions: Sessions
    ) -> None:
        self._sessions = sessions
        self._exchange = exchange
        self._keys = keys
        self._limits = limits
        self._standing = standing

    def add_to(self, router: Router) -> None:
        router.add("POST", "/order", self.place)
        router.add("POST", "/orders", self.place_many)
        router.add("DELETE", "/order", self.cancel)
        router.add("DELETE", "/orders", self.cancel_many)
        router.add("DELETE", "/cancel-all", self.cancel_all)
        router.add("DELETE", "/cancel-market-orders", self.cancel_market)
        router.add("GET", "/data/orders", self.open_orders)
        router.add("GET", "/data/order/{id}", self.order)
        router.add("GET", "/order/{id}", self.order)
        router.add("GET", "/data/pre-migration-orders", self.pre_migration)
        router.add("GET", "/data/trades", self.trades)
        router.add("GET", "/trades", self.trades)
        router.add("GET", "/order-scoring", self.scoring)
        router.add("POST", "/orders-scoring", self.scoring_many)
        router.add("POST", "/v1/heartbeats", self.heartbeat)
        router.add("POST", "/heartbeats", self.heartbeat_legacy)
        router.add("GET", "/v1/user/rate-limit-tier", self.tier)

    def place(self, request: Request) -> dict[str, Any] | Held:
        key = self._keys.require(request)
        self._take(request, key, "order", 1)
        body = request.json(refusal="Invalid order payload")
        self._check_mode([body])
        order = self._read(body, key)
        wait = self._exchange.hold_ms(order)
        if not wait:
            return self._exchange.place(order).body()

        def finish() -> dict[str, Any]:
            self._check_mode([body])
            return self._exchange.place(order).body()

        return Held(wait_ms=wait, finish=finish)

    def place_many(self, request: Request) -> list[dict[str, Any]] | Held:
        key = self._keys.require(request)
        legs = request.json(refusal="Invalid order payload")
        if not isinstance(legs, list) or not legs:
            raise ApiError(400, "Invalid order payload")
        if len(legs) > MAX_BATCH:
            raise ApiError(400, f"Too many orders in payload: {len(legs)}, max allowed: {MAX_BATCH}")
        self._take(request, key, "order", len(legs))
        self._check_mode(legs)
        orders: list[NewOrder | str] = []
        wait = 0
        for leg in legs:
            try:
                order = self._read(leg, key)
                wait = max(wait, self._exchange.hold_ms(order))
                orders.append(order)
            except (ApiError, Refusal) as error:
                orders.append(error.text)
        if not wait:
            return self._place_all(orders)

        def finish() -> list[dict[str, Any]]:
            self._check_mode(legs)
            return self._place_all(orders)

        return Held(wait_ms=wait, finish=finish)

    def cancel(self, request: Request) -> dict[str, Any]:
        key = self._keys.require(request)
        body = request.json()
        order_id = body.get("orderID") if isinstance(body, dict) else None
        if not isinstance(order_id, str) or not order_id:
            raise ApiError(400, "Invalid orderID")
        self._take(request, key, "cancel", 1)
        self._exchange.modes.check_cancel(self._exchange.now_ms)
        return _canceled(self._exchange.cancel([order_id], owner=key.key))

    def cancel_many(self, request: Request) -> dict[str, Any]:
        key = self._keys.require(request)
        ids = request.json()
        if not isinstance(ids, list) or not all(isinstance(order_id, str) for order_id in ids):
            raise ApiError(400, "Invalid order payload")
        if len(ids) > MAX_CANCEL:
            raise ApiError(400, f"Too many orders in payload, max allowed: {MAX_CANCEL}")
        self._take(request, key, "cancel", len(ids))
        self._exchange.modes.check_cancel(self._exchange.now_ms)
        return _canceled(self._exchange.cancel(list(dict.fromkeys(ids)), owner=key.key))

    def cancel_all(self, request: Request) -> dict[str, Any]:
        key = self._keys.require(request)
        self._take(request, key, "cancel", 1)
        self._exchange.modes.check_cancel(self._exchange.now_ms)
        return self._counted(request, key, self._exchange.cancel_all(owner=key.key))

    def cancel_market(self, request: Request) -> dict[str, Any]:
        key = self._keys.require(request)
        body = request.json()
        if not isinstance(body, dict):
            raise ApiError(400, "Invalid payload")
        market, asset_id = body.get("market") or "", body.get("asset_id") or ""
        if not isinstance(market, str) or not isinstance(asset_id, str) or not (market or asset_id):
            raise ApiError(400, "Invalid market")
        self._take(request, key, "cancel", 1)
        self._exchange.modes.check_cancel(self._exchange.now_ms)
        found = self._exchange.cancel_market(owner=key.key, market=market, asset_id=asset_id)
        return self._counted(request, key, found)

    def open_orders(self, request: Request) -> dict[str, Any]:
        key = self._keys.require(request)
        if not set(request.query) <= {"id", "market", "asset_id", "next_cursor"}:
            raise ApiError(400, "invalid order params payload")
        found = reading.open_orders(
            self._exchange,
            owner=key.key,
            order_id=request.first("id"),
            market=request.first("market"),
            asset_id=request.first("asset_id"),
        )
        return self._page(request, found, order_body)

    def order(self, request: Request) -> Any:
        """Return an open order of the key; anything else is null, as on the venue."""
        key = self._keys.require(request)
        record = reading.one_order(self._exchange, request.params["id"], owner=key.key)
        return None if record is None else order_body(record)

    def pre_migration(self, request: Request) -> dict[str, Any]:
        self._keys.require(request)
        return page(request, [], order_body, limit=PAGE)

    def trades(self, request: Request) -> dict[str, Any]:
        key = self._keys.require(request)
        maker = request.first("maker_address")
        if maker and (len(maker) != 42 or not maker.startswith("0x")):
            raise ApiError(400, "Invalid maker_address")
        if not all(request.first(name, "0").isdecimal() for name in ("before", "after")):
            raise ApiError(400, "Invalid trade params payload")
        found = self._exchange.trades(
            owner=key.key,
            maker_address=maker,
            trade_id=request.first("id"),
            market=request.first("market"),
            asset_id=request.first("asset_id"),
            before_s=request.whole("before", 0),
            after_s=request.whole("after", 0),
        )

        def shape(trade: TradeRecord) -> dict[str, Any]:
            return trade_body(trade, viewer=key.key)

        return self._page(request, reading.trades(self._exchange, found), shape)

    def scoring(self, request: Request) -> dict[str, bool]:
        key = self._keys.require(request)
        return {"scoring": self._is_scoring(request.first("order_id"), key)}

    def scoring_many(self, request: Request) -> dict[str, bool]:
        key = self._keys.require(request)
        ids = request.json()
        if not isinstance(ids, list):
            raise ApiError(400, "Invalid order payload")
        return {str(order_id): self._is_scoring(str(order_id), key) for order_id in ids[:MAX_CANCEL]}

    def heartbeat(self, request: Request) -> dict[str, str]:
        """Accept a heartbeat of the key; the first one arms the switch."""
        key = self._keys.require(request)
        body = request.json() if request.body else {}
        given = body.get("heartbeat_id") if isinstance(body, dict) else None
        if not isinstance(given, str | None):
            raise ApiError(400, "Invalid payload")
        return {"heartbeat_id": self._exchange.beat(key.key, given or "")}

    def heartbeat_legacy(self, request: Request) -> dict[str, str]:
        self._exchange.heartbeats.beat_legacy(self._keys.require(request).key)
        return {"status": "ok"}

    def tier(self, request: Request) -> dict[str, Any]:
        """Return the signer's rate-limit tier; the venue's own shape is not known."""
        tier = self._limits.tier(self._keys.require(request).address)
        return {"tier": tier.name}

    def _read(self, body: Any, key: ApiKey) -> NewOrder:
        order = read_order(body, key, self._exchange, self._sessions)
        self._standing.check_order(key.address, order)
        return order

    def _place_all(self, orders: list[NewOrder | str]) -> list[dict[str, Any]]:
        answers = []
        for order in orders:
            if isinstance(order, str):
                answers.append(_refused_leg(order))
                continue
            try:
                answers.append(self._exchange.place(order).body())
            except Refusal as error:
                answers.append(_refused_leg(error.text))
        return answers

    def _check_mode(self, bodies: list[Any]) -> None:
        """Refuse when the engine takes no such orders now; a batch stands or falls with its least welcome leg."""
        post_only = all(isinstance(body, dict) and body.get("postOnly") is True for body in bodies)
        self._exchange.modes.check_place(self._exchange.now_ms, post_only=post_only)

    def _take(self, request: Request, key: ApiKey, kind: str, cost: int) -> None:
        request.reply_headers.update(self._limits.take(key.address, kind, cost, self._exchange.now_ms))

    def _counted(self, request: Request, key: ApiKey, found: tuple[list[str], dict[str, str]]) -> dict[str, Any]:
        request.reply_headers.update(self._limits.owe(key.address, len(found[0]), self._exchange.now_ms))
        return _canceled(found)

    def _page(self, request: Request, rows: list[Any], shape: Callable[[Any], Any]) -> dict[str, Any]:
        exchange = self._exchange
        return reading.quirky_page(request, rows, shape, limit=PAGE, rules=exchange.rules, now_ms=exchange.now_ms)

    def _is_scoring(self, order_id: str, key: ApiKey) -> bool:
        """Whether an open order earns liquidity rewards: large enough and near enough to the middle."""
        record = self._exchange.order(order_id)
        if record is None or record.owner != key.key or not self._exchange.is_open(record):
            return False
        return self._earns(record)

    def _earns(self, record: OrderRecord) -> bool:
        market = self._exchange.market_by_token(record.token_id)
        if market is None or market.rewards is None or record.remaining < market.rewards.min_size:
            return False
        middle = market.outcome_prices[market.index_of(record.token_id)]
        return abs(record.price - middle) < market.rewards.max_spread_cents * 10_000


def _canceled(result: tuple[list[str], dict[str, str]]) -> dict[str, Any]:
    return {"canceled": result[0], "not_canceled": result[1]}


def _refused_leg(text: str) -> dict[str, Any]:
    return {
        "success": True,
        "errorMsg": text,
        "orderID": "",
        "status": "",
        "makingAmount": "",
        "takingAmount": "",
        "tradeIDs": [],
        "transactionsHashes": [],
    }
