"""The CLOB's public reads of books and prices, single and in lists.

Prices are decimal strings. Levels come worst first, so the best is the last element.
"""

from __future__ import annotations

from typing import Any

from markets.domain.units import micro_from_text, text_from_micro
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.http_core import ApiError, Request, Router
from polybot.sandbox.http_markets import NO_BOOK
from polybot.sandbox.messages import BookState

MAX_LIST = 500
HISTORY_S = {"1h": 3600, "6h": 21_600, "1d": 86_400, "1w": 604_800, "1m": 2_592_000, "max": 10**9, "all": 10**9}


class BooksApi:
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def add_to(self, router: Router) -> None:
        router.add("GET", "/", lambda _: "OK")
        router.add("GET", "/ok", lambda _: "OK")
        router.add("GET", "/time", lambda r: int(r.now_s))
        router.add("GET", "/version", lambda _: {"version": 2})
        router.add("GET", "/book", lambda r: self._book(_token(r)).body())
        router.add("GET POST", "/books", self.books)
        router.add("GET", "/price", self.price)
        router.add("GET POST", "/prices", self.prices)
        router.add("GET", "/midpoint", lambda r: {"mid": self._middle(_token(r))})
        router.add("GET POST", "/midpoints", lambda r: self._by_token(r, self._middle))
        router.add("GET", "/spread", lambda r: {"spread": self._spread(_token(r))})
        router.add("GET POST", "/spreads", lambda r: self._by_token(r, self._spread))
        router.add("GET", "/last-trade-price", self.last_trade)
        router.add("GET POST", "/last-trades-prices", self.last_trades)
        router.add("GET", "/prices-history", self.history)
        router.add("POST", "/batch-prices-history", self.batch_history)

    def books(self, request: Request) -> list[dict[str, Any]]:
        found = []
        for token in _tokens(request):
            if self._exchange.market_by_token(token) is not None:
                found.append(self._book(token).body())
        return found

    def price(self, request: Request) -> dict[str, str]:
        return {"price": self._side_price(_token(request), request.first("side"))}

    def prices(self, request: Request) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for entry in _entries(request):
            token, side = str(entry.get("token_id", "")), str(entry.get("side", ""))
            if self._exchange.market_by_token(token) is None:
                continue
            found.setdefault(token, {})[side] = self._side_price(token, side)
        return found

    def last_trade(self, request: Request) -> dict[str, str]:
        token = _token(request)
        self._book(token)
        last = self._exchange.last_trade(token)
        return {"price": "0.5", "side": ""} if last is None else {"price": text_from_micro(last[0]), "side": last[1]}

    def last_trades(self, request: Request) -> list[dict[str, str]]:
        found = []
        for token in _tokens(request):
            if self._exchange.market_by_token(token) is None:
                continue
            last = self._exchange.last_trade(token)
            if last is not None:
                found.append({"token_id": token, "price": text_from_micro(last[0]), "side": last[1]})
        return found

    def history(self, request: Request) -> dict[str, Any]:
        token = request.first("market")
        interval = request.first("interval")
        start_s, end_s = request.whole("startTs", 0), request.whole("endTs", int(request.now_s))
        if interval and ("startTs" in request.query or "endTs" in request.query):
            raise ApiError(400, "interval and startTs/endTs cannot be combined")
        if interval:
            if interval not in HISTORY_S:
                raise ApiError(400, "Invalid interval")
            start_s = max(0, int(request.now_s) - HISTORY_S[interval])
        elif "startTs" not in request.query:
            raise ApiError(400, "startTs or interval is required")
        return {"history": self._history(token, start_s, end_s, request.whole("fidelity", 1, low=1))}

    def batch_history(self, request: Request) -> dict[str, Any]:
        body = request.json()
        markets = body.get("markets") if isinstance(body, dict) else None
        if not isinstance(markets, list) or len(markets) > 20:
            raise ApiError(400, "Invalid payload")
        start = _whole(body.get("start_ts", body.get("startTs", 0)))
        end = _whole(body.get("end_ts", body.get("endTs", int(request.now_s))))
        fidelity = max(1, _whole(body.get("fidelity", 1)))
        return {"history": {str(t): self._history(str(t), start, end, fidelity) for t in markets}}

    def _history(self, token: str, start_s: int, end_s: int, minutes: int) -> list[dict[str, Any]]:
        if self._exchange.market_by_token(token) is None:
            raise ApiError(404, "market not found")
        points = self._exchange.price_history(
            token, start_ms=start_s * 1000, end_ms=end_s * 1000, bucket_ms=minutes * 60_000
        )
        return [{"t": at // 1000, "p": price / 1_000_000} for at, price in points]

    def _book(self, token: str) -> BookState:
        if self._exchange.market_by_token(token) is None:
            raise ApiError(404, NO_BOOK)
        return self._exchange.book(token)

    def _touch(self, token: str) -> tuple[int | None, int | None]:
        book = self._book(token)
        bid = micro_from_text(book.bids[-1][0], field="bid") if book.bids else None
        ask = micro_from_text(book.asks[-1][0], field="ask") if book.asks else None
        return bid, ask

    def _side_price(self, token: str, side: str) -> str:
        """BUY shows the best bid, SELL the best ask; "0" and "1" stand for an empty side."""
        if side.upper() not in ("BUY", "SELL"):
            raise ApiError(400, "Invalid side")
        bid, ask = self._touch(token)
        if side.upper() == "BUY":
            return text_from_micro(bid if bid is not None else 0)
        return text_from_micro(ask if ask is not None else 1_000_000)

    def _middle(self, token: str) -> str:
        bid, ask = self._touch(token)
        if bid is not None and ask is not None:
            return text_from_micro((bid + ask) // 2)
        last = self._exchange.last_trade(token)
        return text_from_micro(last[0]) if last is not None else "0.5"

    def _spread(self, token: str) -> str:
        bid, ask = self._touch(token)
        return text_from_micro(ask - bid) if bid is not None and ask is not None else "1"

    def _by_token(self, request: Request, read: Any) -> dict[str, str]:
        return {t: read(t) for t in _tokens(request) if self._exchange.market_by_token(t) is not None}


def _token(request: Request) -> str:
    token = request.first("token_id")
    if not (token.isascii() and token.isdecimal() and len(token) <= 78):
        raise ApiError(400, "Invalid token id")
    return token


def _entries(request: Request) -> list[dict[str, Any]]:
    """Return the objects of a list request: the body of a POST, the repeated parameters of a GET."""
    if request.method == "GET":
        sides = request.all("sides") or request.all("side")
        tokens = request.all("token_ids") or request.all("token_id")
        return [{"token_id": t, "side": sides[i] if i < len(sides) else ""} for i, t in enumerate(tokens[:MAX_LIST])]
    body = request.json()
    if not isinstance(body, list) or not all(isinstance(entry, dict) for entry in body):
        raise ApiError(400, "Invalid payload")
    if len(body) > MAX_LIST:
        raise ApiError(400, "Payload exceeds the limit")
    return body


def _tokens(request: Request) -> list[str]:
    return list(dict.fromkeys(str(entry.get("token_id", "")) for entry in _entries(request)))


def _whole(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise ApiError(400, "Invalid payload") from None
