"""The Data API, version 2 and the old flat one: settled trades, activity, positions, values, histories.

It shows only what the chain would: a trade appears here once it is mined, not when it matched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markets.domain.instruments import Side
from markets.domain.units import ONE, text_from_micro
from polybot.sandbox import data_rows, data_v1
from polybot.sandbox.catalogue import Market
from polybot.sandbox.data_paging import paged, wallet_of
from polybot.sandbox.data_rows import Cost, Fill
from polybot.sandbox.data_wallets import WalletReports
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.http_core import ApiError, Request, Router
from polybot.sandbox.messages import CASH
from polybot.sandbox.wallets import (
    CHAIN_ID,
    CTF,
    MANAGER_OPERATORS,
    MONEY_SPENDERS,
    POSITION_MANAGER,
    PUSD,
    SHARE_OPERATORS,
)

PUBLIC_TRADES = 10_000
INTERVALS = {"1h": 3600, "6h": 21_600, "1d": 86_400, "1w": 604_800, "1m": 2_592_000, "max": 10**9, "all": 10**9}


class DataApi:
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._catalogue = exchange.catalogue
        self.reports = WalletReports(self, exchange)

    def router(self) -> Router:
        router = Router("data")
        get: dict[str, Callable[[Request], Any]] = {
            "/": lambda _: {"data": "OK"},
            "/ok": lambda _: "OK",
            "/v2/status": lambda _: {"data": {"status": "ok"}},
            "/v2/trades": self.trades,
            "/v2/positions": self.positions,
            "/v2/value": self.value,
            "/v2/holders": self.holders,
            "/v2/tokens": self.tokens,
            "/v2/oi": self.open_interest,
            "/v2/live-volume": self.live_volume,
            "/v2/prices-history": self.prices_history,
            "/v2/resolutions": self.resolutions,
            "/v2/approvals": self.approvals,
            "/v2/user-stats": self.user_stats,
            "/v2/user-volume": self.user_volume,
            "/v2/activity/combos": lambda r: paged(r, []),
            "/v2/positions/combos": lambda r: paged(r, []),
        }
        for path, handler in get.items():
            router.add("GET", path, handler)
        self.reports.add_to(router)
        data_v1.LegacyApi(self).add_to(router)
        return router

    # Version 2 --------------------------------------------------------------------------------------

    def trades(self, request: Request) -> dict[str, Any]:
        return paged(request, self.fills(request), lambda f: data_rows.trade_row(f, self._catalogue))

    def activity(self, request: Request) -> dict[str, Any]:
        return self.reports.activity(request)

    def positions(self, request: Request) -> dict[str, Any]:
        return paged(request, self.position_rows(request))

    def value(self, request: Request) -> dict[str, Any]:
        wallet = wallet_of(request)
        return {"data": {"proxy_wallet": wallet, "value": text_from_micro(self.total_value(request))}}

    def holders(self, request: Request) -> dict[str, Any]:
        conditions = request.all("condition_id")
        if not conditions:
            raise ApiError(400, "condition_id is required")
        rows = []
        for condition in conditions:
            market = self._exchange.market_by_condition(condition)
            for index, token in enumerate(market.token_ids if market else ()):
                wallets = {f.wallet for f in self.user_fills(market=condition)}
                held = {w: self._exchange.chain_balance(w, token) for w in wallets}
                rows.append({"token_id": token, "holders": _holders(token, index, held)})
        return paged(request, rows)

    def tokens(self, request: Request) -> dict[str, Any]:
        rows = []
        for token in request.all("token_id")[:50]:
            market = self._exchange.market_by_token(token)
            if market is not None:
                rows.append(data_rows.token_row(token, market, self._catalogue))
        for condition in request.all("condition")[:10]:
            market = self._exchange.market_by_condition(condition)
            if market is not None:
                rows.extend(data_rows.token_row(t, market, self._catalogue) for t in market.token_ids)
        return {"data": rows}

    def open_interest(self, request: Request) -> dict[str, Any]:
        conditions = request.all("condition_id")
        if not conditions:
            total = sum(self._exchange.open_interest(m.condition_id) for m in self._exchange.markets())
            return {"data": [{"condition_id": "GLOBAL", "value": text_from_micro(total)}]}
        found = {c: self._exchange.open_interest(self._market(c).condition_id) for c in conditions}
        return {"data": [{"condition_id": c, "value": text_from_micro(value)} for c, value in found.items()]}

    def live_volume(self, request: Request) -> dict[str, Any]:
        """Return the shares that takers traded, as far back as the engine remembers public trades."""
        wanted = set(request.all("event_id"))
        volumes = {m.condition_id: 0 for m in self._exchange.markets() if str(m.event_id) in wanted}
        for trade in self._exchange.public_trades(limit=PUBLIC_TRADES):
            if trade.market in volumes:
                volumes[trade.market] += trade.size
        rows = [{"condition_id": c, "taker_volume": text_from_micro(volume)} for c, volume in volumes.items()]
        return {"data": {"taker_volume_total": text_from_micro(sum(volumes.values())), "conditions": rows}}

    def prices_history(self, request: Request) -> dict[str, Any]:
        token, now_s = request.first("token_id"), int(request.now_s)
        if self._exchange.market_by_token(token) is None:
            raise ApiError(404, "token not found")
        interval = request.first("interval")
        given = [name for name in ("interval", "start", "as_of") if name in request.query]
        if len(given) != 1 or (interval and interval not in INTERVALS):
            raise ApiError(400, "exactly one of interval, start or as_of is required")
        end = request.whole("end", request.whole("as_of", now_s))
        start = max(0, now_s - INTERVALS[interval]) if interval else request.whole("start", 0)
        bucket = request.whole("bucket_seconds", 60, low=60, high=86_400)
        points = self._exchange.price_history(token, start_ms=start * 1000, end_ms=end * 1000, bucket_ms=bucket * 1000)
        if given == ["as_of"]:
            points = points[-1:]
        rows = [
            {"timestamp": at // 1000, "price": text_from_micro(price), "resolution_seconds": bucket}
            for at, price in points
        ]
        return paged(request, rows, most=10_000)

    def resolutions(self, request: Request) -> dict[str, Any]:
        conditions, questions = set(request.all("condition_id")), set(request.all("question_id"))
        events = set(request.all("event_id"))
        if sum(map(bool, (conditions, questions, events))) != 1:
            raise ApiError(400, "exactly one of question_id, condition_id or event_id is required")
        found = [
            m
            for m in self._exchange.markets()
            if m.condition_id in conditions or m.question_id in questions or str(m.event_id) in events
        ]
        return {"data": [data_rows.resolution_row(m) for m in found]}

    def approvals(self, request: Request) -> dict[str, Any]:
        wallet = wallet_of(request)
        self._exchange.wallet_open(wallet)
        rows = []
        for spender in MONEY_SPENDERS:
            amount = self._exchange.allowance(wallet, CASH, spender)
            shown = "max" if amount >= 2**255 else str(amount)
            rows.append(
                {"token": PUSD, "spender": spender, "standard": "ERC20", "approved": amount > 0, "amount": shown}
            )
        for token, kind, operators in (
            (CTF, "tokens", SHARE_OPERATORS),
            (POSITION_MANAGER, "positions", MANAGER_OPERATORS),
        ):
            for operator in operators:
                approved = self._exchange.allowance(wallet, kind, operator) > 0
                rows.append(
                    {"token": token, "spender": operator, "standard": "ERC1155", "approved": approved, "amount": None}
                )
        return {"data": {"address": wallet, "chain_id": CHAIN_ID, "contracts": rows}}

    def user_stats(self, request: Request) -> dict[str, Any]:
        wallet = wallet_of(request)
        fills = self.fills(request)
        if not fills:
            return {"data": None}
        markets = {f.market for f in fills}
        return {
            "data": {
                "proxy_wallet": wallet,
                "trades": len(markets),
                "biggest_win": "0",
                "views": 0,
                "join_date": fills[-1].at_s,
                "all_time_pnl": None,
            }
        }

    def user_volume(self, request: Request) -> dict[str, Any]:
        wallet_of(request)
        fills = self.fills(request)
        return {
            "data": {
                "volume": text_from_micro(sum(f.size for f in fills)),
                "volume_usdc": text_from_micro(sum(f.price * f.size // ONE for f in fills)),
                "trade_count": len(fills),
            }
        }

    # What both versions are made of -----------------------------------------------------------------

    def user_fills(self, *, wallet: str = "", market: str = "") -> list[Fill]:
        """Return settled fills of users, newest first."""
        trades = self._exchange.trades(maker_address=wallet, market=market)
        return [f for t in trades for f in data_rows.fills_of(t) if not wallet or f.wallet == wallet]

    def fills(self, request: Request) -> list[Fill]:
        """Return the fills that a trades or activity request asks for, newest first."""
        wallet = wallet_of(request) if request.first("user") else ""
        conditions = set(request.all("condition_id") or request.all("market"))
        if wallet:
            found = self.user_fills(wallet=wallet)
        else:
            public = self._exchange.public_trades(limit=PUBLIC_TRADES)
            found = [f for t in public for f in data_rows.fills_of(t) if f.taker]
        side = request.first("side")
        events = set(request.all("event_id") or request.all("eventId"))
        start, end = request.whole("start", 0), request.whole("end", 2**40)
        takers_only = (request.flag("taker_only") or request.flag("takerOnly")) is True
        return [
            f
            for f in found
            if f.market in self._catalogue.by_condition  # long-closed events are forgotten, trades in them are not
            and (not conditions or f.market in conditions)
            and (not side or f.side is Side(side.lower()))
            and (not events or str(self._market(f.market).event_id) in events)
            and start <= f.at_s <= end
            and (f.taker or not takers_only)
            and _is_large(f, request)
        ]

    def position_rows(self, request: Request) -> list[dict[str, Any]]:
        """Return positions of a wallet, or of every user in one market, most valuable first."""
        condition = request.all("condition_id") or request.all("market")
        if request.first("user"):
            wallets = [wallet_of(request)]
        elif len(condition) == 1:
            wallets = sorted({f.wallet for f in self.user_fills(market=condition[0])})
        else:
            raise ApiError(400, "provide user or exactly one condition_id")
        status, title = request.first("status"), request.first("title").lower()
        events = set(request.all("event_id") or request.all("eventId"))
        rows = []
        for wallet in wallets:
            for row in self.positions_of(wallet):
                if condition and row["condition_id"] not in condition:
                    continue
                if (events and row["event_id"] not in events) or title not in row["title"].lower():
                    continue
                if _has_status(row, status):
                    rows.append(row)
        rows.sort(key=_sort_key(request.first("sort_by")), reverse=request.first("sort_direction") != "ASC")
        return rows

    def total_value(self, request: Request) -> int:
        total = 0
        wanted = set(request.all("condition_id") or request.all("market"))
        for token, held in self._exchange.holdings(wallet_of(request)).items():
            market = self._exchange.market_by_token(token)
            if market is not None and (not wanted or market.condition_id in wanted):
                total += market.outcome_prices[market.index_of(token)] * held // ONE
        return total

    def positions_of(self, wallet: str) -> list[dict[str, Any]]:
        costs: dict[str, Cost] = {}
        for fill in reversed(self.user_fills(wallet=wallet)):
            costs.setdefault(fill.token_id, Cost()).add(fill)
        held = self._exchange.holdings(wallet)
        rows = []
        for token in dict.fromkeys([*held, *costs]):
            market = self._exchange.market_by_token(token)
            if market is None:
                continue
            other = market.token_ids[1 - market.index_of(token)]
            rows.append(
                data_rows.position_row(
                    market,
                    self._catalogue,
                    wallet=wallet,
                    token_id=token,
                    held=held.get(token, 0),
                    cost=costs.get(token, Cost()),
                    mergeable=market.payouts is None and held.get(other, 0) > 0 and held.get(token, 0) > 0,
                )
            )
        return rows

    def _market(self, condition_id: str) -> Market:
        market = self._exchange.market_by_condition(condition_id)
        if market is None:
            raise ApiError(404, "market not found")
        return market


def _holders(token: str, index: int, held: dict[str, int]) -> list[dict[str, Any]]:
    ranked = sorted(((amount, wallet) for wallet, amount in held.items() if amount), reverse=True)
    return [
        {
            "proxy_wallet": wallet,
            "token_id": token,
            "amount": text_from_micro(amount),
            "outcome_index": index,
            "display_username_public": False,
            "verified": False,
            "name": "",
            "pseudonym": "",
            "bio": "",
            "profile_image": "",
        }
        for amount, wallet in ranked
    ]


def _is_large(fill: Fill, request: Request) -> bool:
    least = request.number("filter_amount") or request.number("filterAmount")
    if least is None:
        return True
    kind = request.first("filter_type") or request.first("filterType")
    amount = fill.size if kind == "TOKENS" else fill.price * fill.size // ONE
    return amount >= least * ONE


def _has_status(row: dict[str, Any], status: str) -> bool:
    if not status:
        return bool(row["status"] != "CLOSED")
    if status == "MERGEABLE":
        return bool(row["mergeable"])
    if status == "REDEEMABLE_LOST":
        return bool(row["status"] == "REDEEMABLE" and row["current_price"] == "0")
    return bool(row["status"] == status)


def _sort_key(name: str) -> Callable[[dict[str, Any]], float]:
    columns = {
        "PRICE": "current_price",
        "TOKENS": "current_size",
        "UNREALIZED_PNL": "unrealized_pnl",
        "REALIZED_PNL": "realized_pnl",
        "TOTAL_PNL": "total_pnl",
        "TIMESTAMP": "last_event_at",
    }
    return lambda row: float(row[columns.get(name, "current_value")])
