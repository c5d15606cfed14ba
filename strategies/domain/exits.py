"""Exits around any strategy: take profit, stop loss and trailing stop on its own shares, before it has its say.

An exit only sells. It first ends what the strategy has resting on that outcome, waits for the shares, then
takes the bids in a chase. A stop that fired stays on until the shares are gone, even when the price comes
back. Where no stop can work as written, the trace says gap risk and why. Prices and sizes are millionths.

State, under `exits` beside the strategy's own: by outcome id the highest bid seen (`peak`) and what `fired`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from markets.domain.instruments import MarketFacts, Side
from markets.domain.units import ONE, Price, Shares, round_up_to_tick
from markets.domain.views import BookView
from orders.domain.intents import INTENT_LEVEL, OrderIntent, Urgency
from strategies.domain.base import Decision, Strategy, TradingParameters
from strategies.domain.exit_rules import ExitParameters
from strategies.domain.parameters import micro
from strategies.domain.trace import TraceEntry
from strategies.domain.view import MarketView

KEY = "exits"
BOOK_AGE_MS = 60_000
NEAR_END_S = 3_600
_LOT = 10_000
_LASTING = frozenset({"stop_loss", "trailing_stop"})


def decide_with_exits(strategy: Strategy, view: MarketView) -> Decision:
    """Let the strategy decide, then lay the exits of its parameters over what it wants.

    The strategy never sees the exits' memory, and cannot lose it.
    """
    params = view.params
    rules = params.exits if isinstance(params, TradingParameters) else ExitParameters()
    known = view.state.get(KEY)
    if known is None and rules.is_off:
        return strategy.decide(view)
    seen = view if known is None else replace(view, state={k: v for k, v in view.state.items() if k != KEY})
    return exits_over(strategy.decide(seen), view, rules)


def exits_over(decision: Decision, view: MarketView, rules: ExitParameters) -> Decision:
    """Return the decision with the exits that are due, and the exits' memory in its state."""
    known: Mapping[str, Any] = view.state.get(KEY) or {}
    memory: dict[str, Any] = {}
    trace: list[TraceEntry] = []
    due: dict[int, OrderIntent | None] = {}
    if not rules.is_off:
        for outcome_id in sorted(view.own):
            if view.held(outcome_id) < _LOT:
                continue
            exit_ = _Exit(view=view, rules=rules, outcome_id=outcome_id, known=known.get(str(outcome_id)) or {})
            remembered, fired = exit_.judge(trace)
            memory[str(outcome_id)] = remembered
            if fired:
                due[outcome_id] = exit_.sale(fired, trace)
    if due:
        decision = _leave(decision, view, due)
    state = decision.state
    if memory != known or state is not None:
        own = {k: v for k, v in (view.state if state is None else state).items() if k != KEY}
        state = {**own, KEY: memory} if memory else own
    return replace(decision, trace=(*trace, *decision.trace), state=state)


def _leave(decision: Decision, view: MarketView, due: Mapping[int, OrderIntent | None]) -> Decision:
    """Drop everything else the strategy wants of these outcomes, end its one-shot orders there, and sell."""
    ending = tuple(
        order.order_id
        for order in view.open_orders
        if order.outcome_id in due
        and order.level == INTENT_LEVEL
        and order.order_type.rests
        and not order.cancel_requested
    )
    return replace(
        decision,
        quotes=tuple(quote for quote in decision.quotes if quote.outcome_id not in due),
        intents=(
            *(intent for intent in due.values() if intent is not None),
            *(intent for intent in decision.intents if intent.outcome_id not in due),
        ),
        cancels=tuple(dict.fromkeys((*decision.cancels, *ending))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exit:
    """The exits of one outcome that is held."""

    view: MarketView
    rules: ExitParameters
    outcome_id: int
    known: Mapping[str, Any]

    def judge(self, trace: list[TraceEntry]) -> tuple[dict[str, Any], str]:
        """Return what to remember, and the name of the exit that fired, if any."""
        position, book = self.view.positions[self.outcome_id], self.view.books.get(self.outcome_id)
        basis = int(position.cost) * ONE // int(position.size)
        peak = int(self.known.get("peak", basis))
        fired = str(self.known.get("fired", ""))
        bid = self._bid(book)
        if bid is None:
            self._warn(trace, "nobody bids, or the book is too old: no exit can work")
            return {"peak": peak, "fired": fired}, ""
        peak = max(peak, bid)
        profit, stop, trailing = (micro(getattr(self.rules, n)) for n in ("take_profit", "stop_loss", "trailing"))
        levels = (
            ("stop_loss", basis - stop if stop else None, bid <= basis - stop),
            ("trailing_stop", peak - trailing if trailing else None, bid <= peak - trailing),
            ("take_profit", basis + profit if profit else None, bid >= basis + profit),
        )
        for name, level, reached in levels:
            if level is None:
                continue
            trace.append(TraceEntry(name, reached, bid, level, "price", self.outcome_id))
            if reached and fired not in _LASTING:
                fired = name
        if fired and fired not in _LASTING and not any(n == fired and reached for n, _, reached in levels):
            fired = ""  # a profit that is gone is not taken
        self._gap_risk(trace, book, bid)
        return {"peak": peak, "fired": fired if fired in _LASTING else ""}, fired

    def sale(self, fired: str, trace: list[TraceEntry]) -> OrderIntent | None:
        """Return the order that leaves; None while one is under way or there is nothing free to sell."""
        facts, book = self.view.market_of(self.outcome_id), self.view.books.get(self.outcome_id)
        bid = self._bid(book)
        mine = [o for o in self.view.open_orders if o.outcome_id == self.outcome_id and o.side is Side.SELL]
        if any(not order.order_type.rests for order in mine):
            trace.append(TraceEntry("exit_under_way", False, outcome_id=self.outcome_id))
            return None
        size = self.view.sellable(self.outcome_id) // _LOT * _LOT
        if size < _LOT or facts is None or bid is None:
            trace.append(TraceEntry("nothing_sellable", False, size, _LOT, "shares", self.outcome_id))
            return None
        return OrderIntent(
            outcome_id=self.outcome_id,
            side=Side.SELL,
            size=Shares(size),
            limit_price=Price(self._floor(bid, facts)),
            urgency=Urgency.HIGH,
            reason=f"{fired.replace('_', ' ')}: bid {bid / ONE:g}",
        )

    def _floor(self, bid: int, facts: MarketFacts) -> int:
        return max(int(facts.tick), round_up_to_tick(bid - bid * self.rules.slippage_bps // 10_000, facts.tick))

    def _bid(self, book: BookView | None) -> int | None:
        if book is None or not book.is_fresh(self.view.now_ms, BOOK_AGE_MS):
            return None
        return book.best_bid

    def _gap_risk(self, trace: list[TraceEntry], book: BookView | None, bid: int) -> None:
        """Say where a stop may sell far from its level, or not at all."""
        facts = self.view.market_of(self.outcome_id)
        if facts is None or book is None:
            return
        if facts.seconds_delay:
            self._warn(trace, f"the venue holds orders of this market for {facts.seconds_delay} s")
        if facts.closes_at is not None:
            left = (facts.closes_at - self.view.now).total_seconds()
            if left < NEAR_END_S:
                self._warn(trace, f"trading ends in {max(0, left) / 60:.0f} min: the price may jump to 0 or 1")
        there = sum(size for price, size in book.bids if price >= self._floor(bid, facts))
        if there < self.view.held(self.outcome_id):
            self._warn(trace, f"bids within the slippage take {there / ONE:g} shares")

    def _warn(self, trace: list[TraceEntry], note: str) -> None:
        trace.append(TraceEntry("gap_risk", True, outcome_id=self.outcome_id, note=note))
