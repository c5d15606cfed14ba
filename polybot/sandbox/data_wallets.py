"""The Data API's wallet reports: activity of every kind, profit over time, leaderboards, the accounting file.

They are made from settled fills and from transactions outside the book; amounts go out as decimal text.
"""

from __future__ import annotations

import csv
import io
from typing import Any, Protocol

from markets.domain.units import ONE, micro_from_text, text_from_micro
from polybot.sandbox import data_rows
from polybot.sandbox.data_paging import paged, wallet_of
from polybot.sandbox.data_rows import Cost, Fill
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.http_core import ApiError, Request, Response, Router
from polybot.sandbox.messages import ChainRow

KINDS = (
    "TRADE", "SPLIT", "MERGE", "REDEEM", "REWARD", "CONVERSION", "MIGRATION", "DEPOSIT", "WITHDRAWAL", "YIELD",
    "MAKER_REBATE", "TAKER_REBATE", "REFERRAL_REWARD", "TIP",
)  # fmt: skip
PAYMENTS = ("REWARD", "YIELD", "MAKER_REBATE", "TAKER_REBATE", "REFERRAL_REWARD", "DEPOSIT", "WITHDRAWAL")
INTERVALS = ("max", "all", "1m", "1w", "1d", "12h", "6h")
FIDELITIES = {"1d": 86_400, "18h": 64_800, "12h": 43_200, "3h": 10_800, "1h": 3_600}


class Ledger(Protocol):
    """What these reports are made from."""

    def fills(self, request: Request) -> list[Fill]: ...

    def user_fills(self, *, wallet: str = "", market: str = "") -> list[Fill]: ...

    def positions_of(self, wallet: str) -> list[dict[str, Any]]: ...


class WalletReports:
    def __init__(self, api: Ledger, exchange: Exchange) -> None:
        self._api = api
        self._exchange = exchange

    def add_to(self, router: Router) -> None:
        router.add("GET", "/v2/activity", self.activity)
        router.add("GET", "/v2/user-pnl", self.user_pnl)
        router.add("GET", "/v2/leaderboard", self.leaderboard)
        router.add("GET", "/v2/biggest-winners", lambda r: paged(r, []))
        router.add("GET", "/v2/builders/leaderboard", lambda r: paged(r, []))
        router.add("GET", "/v2/builders/volume", lambda _: {"data": []})
        router.add("GET", "/v1/accounting/snapshot", self.snapshot)

    def activity(self, request: Request) -> dict[str, Any]:
        wallet = wallet_of(request)
        kinds = set(request.all("type")) or set(KINDS)
        unknown = sorted(kinds - set(KINDS))
        if unknown:
            raise ApiError(400, f"type: no such activity: {', '.join(unknown)}")
        catalogue = self._exchange.catalogue
        fills = self._api.fills(request) if "TRADE" in kinds else []
        rows = [data_rows.activity_row(fill, catalogue) for fill in fills]
        if not request.first("side"):
            rows += [self._chain_row(row) for row in self._chain_rows(wallet, kinds, request)]
        rows.sort(key=lambda row: row["timestamp"], reverse=request.first("sort_direction") != "ASC")
        return paged(request, rows)

    def user_pnl(self, request: Request) -> dict[str, Any]:
        """Return the wallet's realised result over time, cumulated, one point per bucket in which something settled."""
        wallet = wallet_of(request)
        interval, fidelity = request.first("interval") or "max", request.first("fidelity") or "1d"
        if interval not in INTERVALS or fidelity not in FIDELITIES:
            raise ApiError(400, "interval or fidelity: unknown")
        bucket = FIDELITIES[fidelity]
        costs: dict[str, Cost] = {}
        points: dict[int, dict[str, Any]] = {}
        shares = dollars = 0
        for count, fill in enumerate(reversed(self._api.user_fills(wallet=wallet)), 1):
            costs.setdefault(fill.token_id, Cost()).add(fill)
            shares, dollars = shares + fill.size, dollars + _worth(fill)
            realized = text_from_micro(sum(cost.realized for cost in costs.values()))
            at = fill.at_s - fill.at_s % bucket
            points[at] = {
                "timestamp": at,
                "source_block": fill.at_s // 2,
                "trade_count": count,
                "realized_market_pnl": realized,
                "realized_lp_pnl": "0",
                "realized_combo_pnl": "0",
                "realized_pnl": realized,
                "volume": text_from_micro(shares),
                "volume_usdc": text_from_micro(dollars),
            }
        return {
            "data": {
                "proxy_wallet": wallet,
                "interval": interval,
                "fidelity": fidelity,
                "source_fidelity": fidelity,
                "points": list(points.values()),
            }
        }

    def leaderboard(self, request: Request) -> dict[str, Any]:
        """Return users by result or volume; with `user`, that one's standing or null."""
        fills: dict[str, list[Fill]] = {}
        for fill in self._api.user_fills():
            fills.setdefault(fill.wallet, []).append(fill)
        volumes = {wallet: sum(_worth(f) for f in mine) for wallet, mine in fills.items()}
        results = {wallet: self._result(wallet) for wallet in fills}
        by_volume = sorted(volumes, key=lambda w: (-volumes[w], w))
        by_result = sorted(results, key=lambda w: (-results[w], w))

        def row(wallet: str) -> dict[str, Any]:
            return {
                "user_id": wallet,
                "pnl": text_from_micro(results[wallet]),
                "volume": text_from_micro(volumes[wallet]),
                "user_name": "",
                "profile_image": "",
                "x_username": "",
                "verified": False,
            }

        if request.first("user"):
            wallet = wallet_of(request)
            if wallet not in fills:
                return {"data": None}
            ranks = {"rank_pnl": by_result.index(wallet) + 1, "rank_volume": by_volume.index(wallet) + 1}
            return {"data": {**row(wallet), **ranks}}
        order = by_volume if request.first("sort_by") == "VOLUME" else by_result
        return paged(request, [{"rank": n, **row(wallet)} for n, wallet in enumerate(order, 1)])

    def snapshot(self, request: Request) -> Response:
        """Return everything a wallet did as a file."""
        wallet = wallet_of(request)
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["timestamp", "type", "condition_id", "token_id", "side", "size", "usdc", "transaction_hash"])
        for fill in self._api.user_fills(wallet=wallet):
            side, size, worth = fill.side.value.upper(), text_from_micro(fill.size), text_from_micro(_worth(fill))
            writer.writerow([fill.at_s, "TRADE", fill.market, fill.token_id, side, size, worth, fill.transaction_hash])
        for row in self._chain_rows(wallet, set(KINDS), request):
            size, cash = text_from_micro(row.size), text_from_micro(row.cash)
            writer.writerow([row.at_ms // 1000, row.kind, row.market, "", "", size, cash, row.hash])
        return Response(body=text.getvalue().encode(), content_type="text/csv; charset=utf-8")

    def _result(self, wallet: str) -> int:
        rows = self._api.positions_of(wallet)
        return sum(micro_from_text(str(row["total_pnl"]), field="total_pnl") for row in rows)

    def _chain_rows(self, wallet: str, kinds: set[str], request: Request) -> list[ChainRow]:
        """Return the wallet's transactions outside the book that a request asks for."""
        conditions = set(request.all("condition_id"))
        start, end = request.whole("start", 0), request.whole("end", 2**40)
        return [
            row
            for row in self._exchange.chain_rows(wallet)
            if row.kind in kinds
            and (row.market in self._exchange.catalogue.by_condition or row.kind in PAYMENTS)
            and (not conditions or row.market in conditions)
            and start <= row.at_ms // 1000 <= end
        ]

    def _chain_row(self, row: ChainRow) -> dict[str, Any]:
        catalogue = self._exchange.catalogue
        market = catalogue.by_condition.get(row.market)
        return {
            "proxy_wallet": row.wallet,
            "timestamp": row.at_ms // 1000,
            "transaction_hash": row.hash,
            "type": row.kind,
            "condition_id": row.market,
            "token_id": "",
            "side": "",
            "size": text_from_micro(row.size),
            "usdc_size": text_from_micro(row.cash),
            "price": "0",
            "outcome": "",
            "outcome_index": 999,
            "is_combo": False,
            "title": market.question if market else "",
            "slug": market.slug if market else "",
            "icon": "",
            "event_slug": catalogue.event_of(market).slug if market else "",
            "name": "",
            "pseudonym": "",
            "bio": "",
            "profile_image": "",
        }


def _worth(fill: Fill) -> int:
    return fill.price * fill.size // ONE
