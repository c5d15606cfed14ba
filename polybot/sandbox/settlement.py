"""The walk of a matched trade to the chain: MATCHED, then MINED with a hash, then CONFIRMED.

Until MINED, what a user receives cannot be used and what he gives is still seen on the chain. A fault may send
a trade another way, chosen when it matches: through RETRYING, to FAILED with everything given back, or to a
second hash. Amounts are millionths, times Unix milliseconds.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from markets.domain.instruments import MarketState
from polybot.sandbox.accounts import Wallet, add
from polybot.sandbox.core import Core
from polybot.sandbox.engine_rules import EngineFault
from polybot.sandbox.messages import CASH, TradeRecord
from polybot.sandbox.wire import trade_event

Holds = list[tuple[str, str, int]]  # (address, asset, change) of users only
Moves = list[tuple[str, str, int]]  # of everybody, the collateral of the market under its own name
COLLATERAL = "collateral"
REVERTED = "transaction reverted"

MINE, REMINE, CONFIRM, RETRY, FAIL, SAY_FAILED = "mine", "remine", "confirm", "retry", "fail", "say_failed"


class Settlement:
    def __init__(self, core: Core, *, mined_ms: int, confirmed_ms: int) -> None:
        self._core = core
        self._mined_ms = mined_ms
        self._confirmed_ms = confirmed_ms
        self._due: list[tuple[int, int, str, str]] = []  # (when, serial, trade id, step)
        self._serial = 0
        self._moves: dict[str, Moves] = {}  # of trades that will fail
        self.holds: dict[str, Holds] = {}  # of trades not mined yet
        self.on_shortfall: Callable[[Wallet, str], None] | None = None  # a wallet lost what its orders may rest on

    def begin(self, trade: TradeRecord, holds: Holds, moves: Moves, *, fate: EngineFault | None) -> None:
        self.holds[trade.trade_id] = list(holds)
        late = self._core.rules.lag(EngineFault.SLOW_SETTLEMENT, trade.matched_ms)
        mined, confirmed = trade.matched_ms + self._mined_ms + late, trade.matched_ms + self._confirmed_ms + late
        second = confirmed + self._mined_ms + late
        walk: dict[EngineFault | None, tuple[tuple[int, str], ...]] = {
            None: ((mined, MINE), (confirmed, CONFIRM)),
            EngineFault.RETRYING: ((mined, RETRY), (confirmed, MINE), (second, CONFIRM)),
            EngineFault.FAILED: ((mined, RETRY), (confirmed, FAIL)),
            EngineFault.PARTIAL: ((mined, RETRY), (confirmed, FAIL)),
            EngineFault.FAILED_AFTER_MINED: ((mined, MINE), (confirmed, RETRY), (second, FAIL)),
            EngineFault.CONFIRMED_AFTER_FAILED: ((mined, SAY_FAILED), (confirmed, MINE), (second, CONFIRM)),
            EngineFault.REORG: ((mined, MINE), (confirmed, REMINE), (second, CONFIRM)),
        }
        if fate in (EngineFault.FAILED, EngineFault.PARTIAL, EngineFault.FAILED_AFTER_MINED):
            self._moves[trade.trade_id] = list(moves)
        for when, step in walk[fate]:
            self._schedule(when, trade, step)

    def resume(self, trade: TradeRecord, holds: Holds) -> None:
        """Take up a trade of an earlier run where it was; what should have failed is settled now."""
        at = self._core.now + self._mined_ms
        if holds:
            self.holds[trade.trade_id] = holds
            self._schedule(at, trade, MINE)
        self._schedule(at + self._mined_ms, trade, CONFIRM)

    def step(self) -> None:
        core = self._core
        while self._due and self._due[0][0] <= core.now:
            _, _, trade_id, step = heapq.heappop(self._due)
            trade = core.user_trades.get(trade_id)
            if trade is None:
                continue
            if step in (MINE, REMINE):
                self._mine(trade, again=step == REMINE)
            elif step == CONFIRM:
                trade.status, trade.error = "CONFIRMED", ""
            elif step == RETRY:
                trade.status = "RETRYING"
            elif step == SAY_FAILED or self._give_back(trade):
                trade.status, trade.error = "FAILED", REVERTED
            else:  # what it moved has been used meanwhile, or its market is over: it settles after all
                self._mine(trade, again=False)
                self._schedule(core.now + self._mined_ms, trade, CONFIRM)
            self._tell(trade)

    def _mine(self, trade: TradeRecord, *, again: bool) -> None:
        core = self._core
        trade.status = "MINED"
        trade.transaction_hash = core.transaction_hash(f"{trade.trade_id}{':again' if again else ''}")
        stale = core.rules.strike(EngineFault.STALE_BALANCE, core.now) is not None
        for wallet, asset in self._let_go(trade):
            if not stale:
                wallet.refresh(asset)

    def _let_go(self, trade: TradeRecord) -> list[tuple[Wallet, str]]:
        """End the hold on what a trade moves; return whose and what."""
        found = []
        for address, asset, delta in self.holds.pop(trade.trade_id, []):
            wallet = self._core.accounts.wallet(address)
            add(wallet.incoming if delta > 0 else wallet.outgoing, asset, -abs(delta))
            found.append((wallet, asset))
        return found

    def _give_back(self, trade: TradeRecord) -> bool:
        """Undo every move of a trade; False, and nothing changed, when that is no longer possible."""
        core, accounts = self._core, self._core.accounts
        moves = self._moves.pop(trade.trade_id, [])
        market = core.catalogue.by_condition.get(trade.market)
        if market is None or market.state is not MarketState.OPEN or not moves:
            return False
        users = [(accounts.wallet(a), asset, d) for a, asset, d in moves if a != COLLATERAL]
        after: dict[tuple[str, str], int] = {}
        for wallet, asset, delta in users:
            if not wallet.house:
                key = (wallet.address, asset)
                after[key] = after.get(key, wallet.ledger.get(asset, 0)) - delta
        if any(amount < 0 for amount in after.values()):
            return False
        self._let_go(trade)
        for wallet, asset, delta in users:
            add(wallet.ledger, asset, -delta)
        accounts.collateral[trade.market] -= sum(d for a, _, d in moves if a == COLLATERAL)
        for wallet, asset, _ in users:
            if not wallet.house:
                wallet.refresh(asset)
                if self.on_shortfall is not None:
                    self.on_shortfall(wallet, asset)
        for wallet, asset, _ in users:  # a house trader has long traded on: it splits or is funded
            short = -wallet.ledger.get(asset, 0) if wallet.house else 0
            if short > 0 and asset == CASH:
                accounts.fund(wallet, short)
            elif short > 0:
                accounts.fund(wallet, short)
                accounts.split(wallet, market.condition_id, market.token_ids, short)
        return True

    def _tell(self, trade: TradeRecord) -> None:
        core = self._core
        trade.updated_ms = core.now
        core.dirty = True
        owners = dict.fromkeys([trade.owner, *(part.owner for part in trade.parts)])
        for owner in filter(None, owners):
            core.emit_user(owner, trade.market, trade_event(trade, viewer=owner, now_ms=core.now))

    def _schedule(self, when: int, trade: TradeRecord, step: str) -> None:
        self._serial += 1
        heapq.heappush(self._due, (when, self._serial, trade.trade_id, step))
