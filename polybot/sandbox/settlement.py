"""The walk of a matched trade to the chain: MATCHED, then MINED with a hash, then CONFIRMED.

Until MINED, what a user receives cannot be used and what he gives is still seen on the chain.
"""

from __future__ import annotations

import heapq

from polybot.sandbox.accounts import add
from polybot.sandbox.core import Core
from polybot.sandbox.messages import TradeRecord
from polybot.sandbox.wire import trade_event

Holds = list[tuple[str, str, int]]  # (address, asset, change) of users only


class Settlement:
    def __init__(self, core: Core, *, mined_ms: int, confirmed_ms: int) -> None:
        self._core = core
        self._mined_ms = mined_ms
        self._confirmed_ms = confirmed_ms
        self._due: list[tuple[int, int, str]] = []  # (when, serial, trade id)
        self._serial = 0
        self.holds: dict[str, Holds] = {}  # of trades not mined yet

    def begin(self, trade: TradeRecord, holds: Holds) -> None:
        self.holds[trade.trade_id] = list(holds)
        self._schedule(trade.matched_ms + self._mined_ms, trade)

    def resume(self, trade: TradeRecord, holds: Holds) -> None:
        """Take up a trade of an earlier run where it was."""
        if trade.status == "MATCHED":
            self.holds[trade.trade_id] = holds
        self._schedule(self._core.now + self._mined_ms, trade)

    def step(self) -> None:
        core = self._core
        while self._due and self._due[0][0] <= core.now:
            _, _, trade_id = heapq.heappop(self._due)
            trade = core.user_trades.get(trade_id)
            if trade is None:
                continue
            if trade.status == "MATCHED":
                self._mine(trade)
                self._schedule(max(core.now + 1, trade.matched_ms + self._confirmed_ms), trade)
            else:
                trade.status = "CONFIRMED"
            trade.updated_ms = core.now
            core.dirty = True
            owners = dict.fromkeys([trade.owner, *(part.owner for part in trade.parts)])
            for owner in filter(None, owners):
                core.emit_user(owner, trade.market, trade_event(trade, viewer=owner, now_ms=core.now))

    def _mine(self, trade: TradeRecord) -> None:
        trade.status = "MINED"
        trade.transaction_hash = self._core.transaction_hash(trade.trade_id)
        for address, asset, delta in self.holds.pop(trade.trade_id, []):
            wallet = self._core.accounts.wallet(address)
            add(wallet.incoming if delta > 0 else wallet.outgoing, asset, -abs(delta))
            wallet.refresh(asset)

    def _schedule(self, when: int, trade: TradeRecord) -> None:
        self._serial += 1
        heapq.heappush(self._due, (when, self._serial, trade.trade_id))
