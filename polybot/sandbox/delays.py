"""Marketable orders of markets with a delay: accepted, held, checked once more, and only then matched.

While one waits it cannot be cancelled, its money is set aside, and it is not in any book. At the end it
matches, rests when nothing is left to match, or falls away because a check that passed on arrival no longer does.
Also here: the clearing of users' orders when a game begins. Times are Unix milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from markets.domain.instruments import MarketState
from polybot.sandbox.accounts import add
from polybot.sandbox.core import Core
from polybot.sandbox.messages import CASH, NewOrder, OrderRecord, Refusal
from polybot.sandbox.trading import Trading
from polybot.sandbox.wire import order_event

_LOOK_MS = 1_000  # how often begun games are looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    order: NewOrder
    record: OrderRecord
    due_ms: int
    asset: str
    amount: int  # set aside


class Delays:
    def __init__(self, core: Core, trading: Trading) -> None:
        self._core = core
        self._trading = trading
        self._waiting: list[Waiting] = []  # in order of arrival
        self._begun: set[int] = {m.id for m in core.catalogue.markets.values() if _has_begun(m.game_start_ms, core.now)}
        self._looked_ms = core.now
        trading.delay = self.begin

    def begin(self, order: NewOrder, record: OrderRecord, *, seconds: int) -> None:
        """Hold an order that passed every check; its money is set aside until the delay ends."""
        core = self._core
        asset = CASH if record.side.value == "buy" else record.token_id
        add(core.accounts.wallet(order.maker).reserved, asset, order.maker_amount)
        core.delayed[record.order_id] = record
        self._waiting.append(
            Waiting(
                order=order, record=record, due_ms=core.now + seconds * 1000, asset=asset, amount=order.maker_amount
            )
        )

    def step(self) -> None:
        core = self._core
        if self._waiting:
            due = [w for w in self._waiting if w.due_ms <= core.now]
            self._waiting = [w for w in self._waiting if w.due_ms > core.now]
            for waiting in due:
                self._end(waiting)
        if core.now - self._looked_ms >= _LOOK_MS:
            self._looked_ms = core.now
            self._clear_begun()

    def _end(self, waiting: Waiting) -> None:
        core, record = self._core, waiting.record
        del core.delayed[record.order_id]
        add(core.accounts.wallet(record.maker).reserved, waiting.asset, -waiting.amount)
        try:
            self._trading.mature(waiting.order, record)
        except Refusal as refusal:
            closed = core.catalogue.by_condition[record.market].state is not MarketState.OPEN
            record.status = "CANCELED_MARKET_RESOLVED" if closed else f"CANCELED_{refusal.text}"
            record.ended_ms = core.now
            core.emit_user(record.owner, record.market, order_event(record, "CANCELLATION", core.now))
        core.dirty = True

    def _clear_begun(self) -> None:
        """Take users' resting orders off the books of games that have just begun; makers of the house stay."""
        core = self._core
        for market in core.catalogue.markets.values():
            if market.id in self._begun or not _has_begun(market.game_start_ms, core.now):
                continue
            self._begun.add(market.id)
            if market.created_ms < (market.game_start_ms or 0):
                for record in [r for r in core.open.values() if r.market == market.condition_id]:
                    self._trading.take_off(record, "INVALID")

    def postpone(self, market_id: int) -> None:
        """Let a game that was moved begin once more."""
        self._begun.discard(market_id)


def _has_begun(start_ms: int | None, now_ms: int) -> bool:
    return start_ms is not None and start_ms <= now_ms
