"""How a market ends: trading closes, open orders fall away, the winner is paid.

House wallets are redeemed at once, users after a while (the venue's auto-redeemer) unless they do it themselves.
"""

from __future__ import annotations

from markets.domain.instruments import MarketState
from markets.domain.units import ONE
from polybot.sandbox.accounts import Wallet
from polybot.sandbox.announce import Announcer
from polybot.sandbox.catalogue import Market
from polybot.sandbox.core import Core
from polybot.sandbox.engines import LiveEngine
from polybot.sandbox.messages import CASH
from polybot.sandbox.trading import Trading


class Resolution:
    def __init__(self, core: Core, announcer: Announcer, trading: Trading, *, auto_redeem_ms: int) -> None:
        self._core = core
        self._announcer = announcer
        self._trading = trading
        self._auto_redeem_ms = auto_redeem_ms
        self._redeem: list[tuple[int, str]] = []  # (when, condition id), in order

    def close(self, market: Market) -> None:
        """Stop trading: every open order is cancelled and the books are told empty."""
        core = self._core
        if market.state is not MarketState.OPEN:
            return
        for record in [r for r in core.open.values() if r.market == market.condition_id]:
            self._trading.take_off(record, "CANCELED_MARKET_RESOLVED")
        market.state = MarketState.CLOSED
        market.closed_ms = market.updated_ms = core.now
        engine = core.engines[market.condition_id]
        if isinstance(engine, LiveEngine):
            for order_id in list(engine.book.orders):
                engine.book.remove(order_id)
            engine.book.touched.clear()
        for token_id in market.token_ids:
            core.books[token_id].replace((), ())
            core.books[token_id].updated_ms = core.now
        self._announcer.books(market)

    def resolve(self, market: Market, payouts: tuple[int, int]) -> None:
        """Name the payouts, announce the winner, pay the house, and schedule the users' payment."""
        core = self._core
        self.close(market)
        market.payouts = payouts
        market.state = MarketState.RESOLVED
        market.updated_ms = core.now
        self._announcer.resolved(market)
        for wallet in core.accounts.wallets.values():
            if wallet.house:
                core.accounts.redeem(wallet, market.condition_id, market.token_ids, payouts)
        self._redeem.append((core.now + self._auto_redeem_ms, market.condition_id))
        event = core.catalogue.event_of(market)
        event.updated_ms = core.now
        if all(m.state is MarketState.RESOLVED for m in core.catalogue.markets_of(event)):
            event.closed_ms = core.now
        core.dirty = True

    def await_redemption(self, market: Market) -> None:
        """Pay a market that an earlier run resolved, once its time has come."""
        self._redeem.append((self._core.now + self._auto_redeem_ms, market.condition_id))

    def step(self) -> None:
        core = self._core
        while self._redeem and self._redeem[0][0] <= core.now:
            _, condition_id = self._redeem.pop(0)
            market = core.catalogue.by_condition.get(condition_id)
            if market is None:
                continue
            for wallet in list(core.accounts.wallets.values()):
                if not wallet.house and any(wallet.ledger.get(t) for t in market.token_ids):
                    self.redeem(wallet, market)

    def redeem(self, wallet: Wallet, market: Market) -> int:
        """Pay a wallet's settled shares of a resolved market; return the dollars."""
        core = self._core
        payouts = market.payouts or (0, 0)
        unsettled = any(wallet.incoming.get(t) or wallet.outgoing.get(t) for t in market.token_ids)
        if unsettled:  # a trade of the last second: come back when it has settled
            self._redeem.append((core.now + 1_000, market.condition_id))
            return 0
        paid = core.accounts.redeem(wallet, market.condition_id, market.token_ids, payouts)
        for asset in (CASH, *market.token_ids):
            wallet.refresh(asset)
        core.dirty = True
        return paid


def winner_payouts(outcome: int) -> tuple[int, int]:
    return (ONE, 0) if outcome == 0 else (0, ONE)
