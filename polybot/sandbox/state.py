"""The exchange's small state file: what must survive a restart, kill -9 included.

Kept: the catalogue's generations and markets' figures, users' wallets, open orders, recent orders and trades, and
what is still on its way to the chain. Not kept: house orders and balances, which are made anew; old public
trades. Written beside the old file and renamed, at most half a second after something users did.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from markets.domain.instruments import Side
from markets.venues.simulated.matching import OrderType
from polybot.sandbox.core import Core
from polybot.sandbox.heartbeats import Heartbeats
from polybot.sandbox.messages import CASH, MakerPart, OrderRecord, TradeRecord
from polybot.sandbox.resolution import Resolution
from polybot.sandbox.settlement import Settlement
from polybot.sandbox.trading import Trading

VERSION = 1
USER_MS = 500
LIFE_MS = 15_000
KEEP_RECORDS = 2_000


class StateError(RuntimeError):
    """The state file cannot be used; the message says what to do."""


class Source(Protocol):
    def saved(self) -> dict[str, Any] | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    source: dict[str, Any] | None
    users: dict[str, Any]


class StateFile:
    def __init__(
        self,
        core: Core,
        settlement: Settlement,
        resolution: Resolution,
        trading: Trading,
        heartbeats: Heartbeats,
        *,
        folder: Path | None,
        kind: str,
    ) -> None:
        self._core = core
        self._settlement = settlement
        self._resolution = resolution
        self._trading = trading
        self._heartbeats = heartbeats
        # A replay keeps its own file, so that it never overwrites the demo catalogue.
        self._path = folder / ("exchange.json" if kind == "life" else f"{kind}.json") if folder else None
        self._written_ms = core.now

    def read(self) -> Saved | None:
        if self._path is None or not self._path.exists():
            return None
        try:
            data = json.loads(self._path.read_bytes())
            version, seed = data["version"], data["seed"]
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(f"{self._path} is not readable ({error}); move it away to start afresh") from error
        if version != VERSION or seed != self._core.seed:
            raise StateError(
                f"{self._path} belongs to seed {seed}, version {version}; use that seed or another --state folder"
            )
        return Saved(source=data["source"], users=data["users"])

    def step(self, source: Source) -> None:
        if self._path is None:
            return
        passed = self._core.now - self._written_ms
        if passed >= LIFE_MS or (self._core.dirty and passed >= USER_MS):
            self.save(source)

    def save(self, source: Source) -> None:
        if self._path is None:
            return
        self._written_ms = self._core.now
        self._core.dirty = False
        data = {
            "version": VERSION,
            "seed": self._core.seed,
            "source": source.saved(),
            "users": self._users(),
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(data, separators=(",", ":")))
        os.replace(fresh, self._path)

    def _users(self) -> dict[str, Any]:
        core = self._core
        kept = list(core.records.values())[-KEEP_RECORDS:]
        ids = {record.order_id for record in kept}
        kept = [r for r in core.open.values() if r.order_id not in ids] + kept
        return {
            "wallets": [
                {
                    "address": wallet.address,
                    "ledger": wallet.ledger,
                    "allowances": [[*key, amount] for key, amount in wallet.allowances.items()],
                    "owners": sorted(wallet.owners),
                }
                for wallet in core.accounts.wallets.values()
                if not wallet.house
            ],
            "orders": [asdict(record) for record in kept],
            "open": list(core.open),
            "trades": [asdict(trade) for trade in list(core.user_trades.values())[-KEEP_RECORDS:]],
            "holds": self._settlement.holds,
            "heartbeats": self._heartbeats.due,
        }

    def restore(self, saved: Saved) -> None:
        """Put users' wallets, orders and trades back. The house takes the other side of what they hold."""
        core = self._core
        for entry in saved.users["wallets"]:
            wallet = core.accounts.wallet(entry["address"])
            wallet.ledger = dict(entry["ledger"])
            wallet.owners = set(entry["owners"])
            wallet.allowances = {(a, s): amount for a, s, amount in entry["allowances"]}
            core.accounts.funded += wallet.ledger.get(CASH, 0)
        for entry in saved.users["orders"]:
            record = OrderRecord(**{**entry, "side": Side(entry["side"]), "order_type": OrderType(entry["order_type"])})
            if record.status == "DELAYED":  # its delay ended with the exchange that held it
                record.status = "CANCELED_ORDER_TIMED_OUT"
            core.records[record.order_id] = record
        for entry in saved.users["trades"]:
            parts = tuple(MakerPart(**{**part, "side": Side(part["side"])}) for part in entry["parts"])
            trade = TradeRecord(**{**entry, "side": Side(entry["side"]), "parts": parts})
            core.user_trades[trade.trade_id] = trade
            if trade.status in ("MATCHED", "RETRYING", "MINED"):
                self._resume(trade, [(a, asset, d) for a, asset, d in saved.users["holds"].get(trade.trade_id, [])])
        self._pair_up()
        # Armed before the restart: silence since then counts, so the first step may cancel everything of that key.
        self._heartbeats.due = {
            owner: (expected, at) for owner, (expected, at) in saved.users.get("heartbeats", {}).items()
        }
        for order_id in saved.users["open"]:
            self._trading.restore(core.records[order_id])

    def _resume(self, trade: TradeRecord, holds: list[tuple[str, str, int]]) -> None:
        for address, asset, delta in holds:
            wallet = self._core.accounts.wallet(address)
            side = wallet.incoming if delta > 0 else wallet.outgoing
            side[asset] = side.get(asset, 0) + abs(delta)
        self._settlement.resume(trade, holds)

    def _pair_up(self) -> None:
        """Give the house the missing halves of the pairs users hold, so that every market balances again."""
        core = self._core
        house = core.house("restart")
        for market in core.catalogue.markets.values():
            held = [core.accounts.total_shares(token) for token in market.token_ids]
            pairs = max(held)
            if not pairs:
                continue
            if market.payouts is None:
                for token, amount in zip(market.token_ids, held, strict=True):
                    if pairs > amount:
                        house.ledger[token] = pairs - amount
                core.accounts.collateral[market.condition_id] = pairs
                core.accounts.funded += pairs
            else:  # only what users still have to be paid lies behind a resolved market
                owed = sum(a * p // 1_000_000 for a, p in zip(held, market.payouts, strict=True))
                core.accounts.collateral[market.condition_id] = owed
                core.accounts.funded += owed
