"""The old Data API: bare arrays, camel-case keys, JSON numbers. Frozen, but still asked for."""

from __future__ import annotations

from typing import Any, Protocol

from polybot.sandbox.http_core import Request, Router


class ModernApi(Protocol):
    """The version 2 whose rows are re-spelled here."""

    def trades(self, request: Request) -> dict[str, Any]: ...
    def activity(self, request: Request) -> dict[str, Any]: ...
    def positions(self, request: Request) -> dict[str, Any]: ...
    def value(self, request: Request) -> dict[str, Any]: ...
    def holders(self, request: Request) -> dict[str, Any]: ...


_TRADE = {
    "proxyWallet": "proxy_wallet", "side": "side", "asset": "token_id", "conditionId": "condition_id", "title": "title",
    "slug": "slug", "icon": "icon", "eventSlug": "event_slug", "outcome": "outcome", "outcomeIndex": "outcome_index",
    "name": "name", "pseudonym": "pseudonym", "bio": "bio", "profileImage": "profile_image",
    "transactionHash": "transaction_hash", "timestamp": "timestamp",
}  # fmt: skip
_POSITION = {
    "proxyWallet": "proxy_wallet", "asset": "token_id", "conditionId": "condition_id", "redeemable": "redeemable",
    "mergeable": "mergeable", "title": "title", "slug": "slug", "icon": "icon", "eventSlug": "event_slug",
    "outcome": "outcome", "outcomeIndex": "outcome_index", "oppositeOutcome": "opposite_outcome",
    "oppositeAsset": "opposite_token_id", "endDate": "end_date", "negativeRisk": "negative_risk",
}  # fmt: skip
_AMOUNTS = {
    "size": "current_size", "avgPrice": "avg_price", "initialValue": "entry_cost_usdc", "currentValue": "current_value",
    "cashPnl": "unrealized_pnl", "percentPnl": "percent_pnl", "totalBought": "total_size", "curPrice": "current_price",
    "realizedPnl": "realized_pnl", "percentRealizedPnl": "percent_realized_pnl",
}  # fmt: skip


class LegacyApi:
    def __init__(self, api: ModernApi) -> None:
        self._api = api

    def add_to(self, router: Router) -> None:
        router.add("GET", "/trades", self.trades)
        router.add("GET", "/activity", self.activity)
        router.add("GET", "/positions", self.positions)
        router.add("GET", "/closed-positions", self.closed_positions)
        router.add("GET", "/value", self.value)
        router.add("GET", "/holders", self.holders)

    def trades(self, request: Request) -> list[dict[str, Any]]:
        return [_trade(row) for row in self._page(request, self._api.trades)]

    def activity(self, request: Request) -> list[dict[str, Any]]:
        rows = self._page(request, self._api.activity)
        return [{**_trade(r), "type": r["type"], "usdcSize": float(r["usdc_size"])} for r in rows]

    def positions(self, request: Request) -> list[dict[str, Any]]:
        threshold = request.number("sizeThreshold")
        least = 1 if threshold is None else threshold
        rows = [r for r in self._page(request, self._api.positions) if float(r["current_size"]) >= least]
        return [_position(r) for r in rows]

    def closed_positions(self, request: Request) -> list[dict[str, Any]]:
        request.query["status"] = ["CLOSED"]
        return [{**_position(r), "timestamp": r["last_event_at"]} for r in self._page(request, self._api.positions)]

    def value(self, request: Request) -> list[dict[str, Any]]:
        data = self._api.value(request)["data"]
        return [{"user": data["proxy_wallet"], "value": float(data["value"])}]

    def holders(self, request: Request) -> list[dict[str, Any]]:
        request.query["condition_id"] = request.all("market")
        rows = self._api.holders(request)["data"]
        return [{"token": r["token_id"], "holders": [_holder(h) for h in r["holders"]]} for r in rows]

    def _page(self, request: Request, read: Any) -> list[dict[str, Any]]:
        """Read one page of version 2 with this version's `limit` and `offset`."""
        limit, offset = request.whole("limit", 100, high=500), request.whole("offset", 0, high=10_000)
        request.query["limit"] = [str(min(1000, limit + offset))]
        rows: list[dict[str, Any]] = read(request)["data"]
        return rows[offset : offset + limit]


def _trade(row: dict[str, Any]) -> dict[str, Any]:
    return {**{new: row[old] for new, old in _TRADE.items()}, "size": float(row["size"]), "price": float(row["price"])}


def _position(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **{new: row[old] for new, old in _POSITION.items()},
        **{new: float(row[old]) for new, old in _AMOUNTS.items()},
    }


def _holder(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "proxyWallet": row["proxy_wallet"],
        "asset": row["token_id"],
        "amount": float(row["amount"]),
        "outcomeIndex": row["outcome_index"],
        "name": row["name"],
        "pseudonym": row["pseudonym"],
    }
