"""The CLOB's authenticated trading routes: place, cancel, read orders and trades.

Every route proves its API key first. A batch is answered leg by leg in the order it came;
a refused leg carries its text in `errorMsg` beside an empty `orderID`.
"""

from __future__ import annotations

from typing import Any

from polybot.sandbox.auth import ApiKey, KeyRing
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.http_core import ApiError, Request, Router
from polybot.sandbox.http_markets import page
from polybot.sandbox.messages import OrderRecord, Refusal, TradeRecord
from polybot.sandbox.order_intake import read_order
from polybot.sandbox.wire import order_body, trade_body

MAX_BATCH = 15
MAX_CANCEL = 1000
PAGE = 100


class OrdersApi:
    def __init__(self, exchange: Exchange, keys: KeyRing) -> None:
        self._exchange = exchange
        self._keys = keys

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
        router.add("POST", "/heartbeats", self.heartbeat)

    def place(self, request: Request) -> dict[str, Any]:
        key = self._keys.require(request)
        return self._place(request.json(refusal="Invalid order payload"), key)

    def place_many(self, request: Request) -> list[dict[str, Any]]:
        key = self._keys.require(request)
        legs = request.json(refusal="Invalid order payload")
        if not isinstance(legs, list) or not legs:
            raise ApiError(400, "Invalid order payload")
        if len(legs) > MAX_BATCH:
            raise ApiError(400, f"Too many orders in payload: {len(legs)}, max allowed: {MAX_BATCH}")
        answers = []
        for leg in legs:
            try:
                answers.append(self._place(leg, key))
            except (ApiError, Refusal) as error:
                answers.append(_refused_leg(error.text))
        return answers

    def cancel(self, request: Request) -> dict[str, Any]:
        key = self._keys.require(request)
        body = request.json()
        order_id = body.get("orderID") if isinstance(body, dict) else None
        if not isinstance(order_id, str) or not order_id:
            raise ApiError(400, "Invalid orderID")
        return _canceled(self._exchange.cancel([order_id], owner=key.key))

    def cancel_many(self, request: Request) -> dict[str, Any]:
        key = self._keys.require(request)
        ids = request.json()
        if not isinstance(ids, list) or not all(isinstance(order_id, str) for order_id in ids):
            raise ApiError(400, "Invalid order payload")
        if len(ids) > MAX_CANCEL:
            raise ApiError(400, f"Too many orders in payload, max allowed: {MAX_CANCEL}")
        return _canceled(self._exchange.cancel(list(dict.fromkeys(ids)), owner=key.key))

    def cancel_all(self, request: Request) -> dict[str, Any]:
        return _canceled(self._exchange.cancel_all(owner=self._keys.require(request).key))

    def cancel_market(self, request: Request) -> dict[str, Any]:
        key = self._keys.require(request)
        body = request.json()
        if not isinstance(body, dict):
            raise ApiError(400, "Invalid payload")
        market, asset_id = body.get("market") or "", body.get("asset_id") or ""
        if not isinstance(market, str) or not isinstance(asset_id, str) or not (market or asset_id):
            raise ApiError(400, "Invalid market")
        return _canceled(self._exchange.cancel_market(owner=key.key, market=market, asset_id=asset_id))

    def open_orders(self, request: Request) -> dict[str, Any]:
        key = self._keys.require(request)
        found = self._exchange.open_orders(
            owner=key.key,
            order_id=request.first("id"),
            market=request.first("market"),
            asset_id=request.first("asset_id"),
        )
        return page(request, found, order_body, limit=PAGE)

    def order(self, request: Request) -> Any:
        """Return an open order of the key; anything else is null, as on the venue."""
        key = self._keys.require(request)
        record = self._exchange.order(request.params["id"])
        if record is None or record.owner != key.key or not self._exchange.is_open(record):
            return None
        return order_body(record)

    def pre_migration(self, request: Request) -> dict[str, Any]:
        self._keys.require(request)
        return page(request, [], order_body, limit=PAGE)

    def trades(self, request: Request) -> dict[str, Any]:
        key = self._keys.require(request)
        found = self._exchange.trades(
            owner=key.key,
            maker_address=request.first("maker_address"),
            trade_id=request.first("id"),
            market=request.first("market"),
            asset_id=request.first("asset_id"),
            before_s=request.whole("before", 0),
            after_s=request.whole("after", 0),
        )

        def shape(trade: TradeRecord) -> dict[str, Any]:
            return trade_body(trade, viewer=key.key)

        return page(request, found, shape, limit=PAGE)

    def scoring(self, request: Request) -> dict[str, bool]:
        key = self._keys.require(request)
        return {"scoring": self._is_scoring(request.first("order_id"), key)}

    def scoring_many(self, request: Request) -> dict[str, bool]:
        key = self._keys.require(request)
        ids = request.json()
        if not isinstance(ids, list):
            raise ApiError(400, "Invalid order payload")
        return {str(order_id): self._is_scoring(str(order_id), key) for order_id in ids[:MAX_CANCEL]}

    def heartbeat(self, request: Request) -> None:
        self._keys.require(request)
        raise ApiError(400, "heartbeats are not served by this exchange: it never cancels for want of one")

    def _place(self, body: Any, key: ApiKey) -> dict[str, Any]:
        order = read_order(body, key, self._exchange)
        self._exchange.wallet_open(order.maker)
        return self._exchange.place(order).body()

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
