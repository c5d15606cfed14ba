"""Placements and contexts for the gate, in as few words as a test needs. Amounts as people write them."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

from markets.domain.instruments import (
    Category,
    FeeSchedule,
    MarketFacts,
    MarketState,
    OutcomeFacts,
    Side,
    Venue,
)
from markets.domain.units import Price, Shares, Usd
from markets.domain.views import BookView
from orders.domain.intents import OpenOrder, OrderType, Origin, OriginKind, Placement
from orders.domain.ledger import Portfolio, Position
from orders.domain.lifecycle import Environment, TradingState
from risk.domain.context import GateContext
from risk.domain.limits import Limits
from risk.domain.question import Question
from risk.domain.verdicts import Check
from risk.rules.review import Rule
from tests.factories.markets import AT, book_make
from tests.factories.orders import MANUAL, ORIGIN, micro, open_order

_keys = itertools.count(1)
EXIT = Origin(kind=OriginKind.EXIT, id=1, label="stop loss")
__all__ = ["AT", "EXIT", "MANUAL", "ORIGIN", "micro"]


def facts(market_id: int = 1, **values: Any) -> MarketFacts:
    """Return an open binary market whose outcomes are 10·id (YES) and 10·id + 1 (NO); market 1 has 1 and 2."""
    yes, no = (1, 2) if market_id == 1 else (market_id * 10, market_id * 10 + 1)
    fields: dict[str, Any] = {
        "venue": Venue.POLYMARKET,
        "condition_id": f"0x{market_id}",
        "question": f"Will thing {market_id} happen?",
        "slug": f"thing-{market_id}",
        "category": Category.POLITICS,
        "state": MarketState.OPEN,
        "tick": Price(10_000),
        "minimum_size": Shares(5_000_000),
        "fee": FeeSchedule(rate_ppm=0),
        "event_id": market_id,
        "event_slug": f"event-{market_id}",
        "neg_risk": False,
        "neg_risk_augmented": False,
        "closes_at": AT + timedelta(days=3),
        "outcomes": (
            OutcomeFacts(outcome_id=yes, token_id=str(yes), index=0, label="Yes"),
            OutcomeFacts(outcome_id=no, token_id=str(no), index=1, label="No"),
        ),
        "synced_at": AT,
        "volume_24h": 0,
        "liquidity": 0,
    }
    return MarketFacts(market_id=market_id, **{**fields, **values})


def group(*market_ids: int, event_id: int = 9) -> dict[int, MarketFacts]:
    """Return markets of one neg-risk event."""
    return {i: facts(i, event_id=event_id, neg_risk=True) for i in market_ids}


def limits(**values: Any) -> Limits:
    """Return limits so wide that nothing is refused by size; dollars in `values` as text."""
    wide = Usd(micro("1000000"))
    fields: dict[str, Any] = {
        "profile": "test",
        "account_exposure": wide,
        "market_exposure": wide,
        "event_exposure": wide,
        "strategy_exposure": wide,
        "order_size": wide,
        "order_minimum": Usd(micro("1")),
        "open_orders": 1000,
        "open_positions": 1000,
        "daily_loss": wide,
        "drawdown_stop_bps": 10_000,
        "drawdown_kill_bps": 10_000,
        "slippage_bps": 100_000,
        "orders_per_minute": 1000,
    }
    money = {name: Usd(micro(value)) for name, value in values.items() if type(value) is str}
    return Limits(**{**fields, **values, **money})


def held(outcome_id: int = 1, size: str = "100", cost: str = "50", *, market_id: int = 1, **values: Any) -> Position:
    fields: dict[str, Any] = {"confirmed": Shares(micro(size))}
    return Position(
        outcome_id=outcome_id,
        market_id=market_id,
        size=Shares(micro(size)),
        cost=Usd(micro(cost)),
        **{**fields, **{name: micro(value) for name, value in values.items()}},
    )


def portfolio(*positions: Position, cash: str = "100000", **values: Any) -> Portfolio:
    money = {name: Usd(micro(value)) for name, value in values.items() if type(value) is str}
    fields: dict[str, Any] = {
        "account_id": 1,
        "environment": Environment.PAPER,
        "trading_state": TradingState.ACTIVE,
        "cash": Usd(micro(cash)),
        "reserved_cash": Usd(0),
        "positions": {p.outcome_id: p for p in positions},
        "equity": Usd(micro(cash)),
        "day_start_equity": Usd(micro(cash)),
        "peak_equity": Usd(micro(cash)),
    }
    return Portfolio(**{**fields, **values, **money})


def resting(side: Side, price: str, size: str, *, outcome_id: int = 1, market_id: int = 1, **values: Any) -> OpenOrder:
    return open_order(next(_keys), side, price, size, outcome_id=outcome_id, market_id=market_id, **values)


def context(**values: Any) -> GateContext:
    """Return a context in which an ordinary placement of market 1 is approved."""
    fields: dict[str, Any] = {
        "now": AT,
        "portfolio": portfolio(),
        "limits": limits(),
        "facts": {1: facts()},
        "books": {1: book_make(1), 2: book_make(2)},
        "killed": False,
    }
    return GateContext(**{**fields, **values})


def wanted(
    side: Side = Side.BUY, price: str = "0.50", size: str = "10", *, outcome_id: int = 1, **values: Any
) -> Placement:
    fields: dict[str, Any] = {
        "key": f"00000000-0000-7000-8000-{next(_keys):012d}",
        "market_id": 1,
        "order_type": OrderType.GTC,
        "post_only": False,
        "origin": ORIGIN,
        "created_at": AT,
    }
    return Placement(
        outcome_id=outcome_id,
        side=side,
        price=Price(micro(price)),
        size=Shares(micro(size)),
        **{**fields, **values},
    )


def question(placement: Placement | None = None, *, gate: GateContext | None = None, **values: Any) -> Question:
    """Return the question about `placement`; `values` are the context's."""
    placement = placement or wanted()
    gate = gate or context(**values)
    assert gate.limits is not None
    return Question(
        placement=placement,
        context=gate,
        limits=gate.limits,
        size=placement.size,
        facts=gate.facts.get(placement.market_id),
        book=gate.books.get(placement.outcome_id),
    )


def ask(rule: Rule, placement: Placement | None = None, **values: Any) -> Check:
    return rule(question(placement, **values))


def book(outcome_id: int = 1, *, age_ms: int = 0, **values: Any) -> BookView:
    """Return a book confirmed `age_ms` before AT."""
    return book_make(outcome_id, confirmed_ms=int(AT.timestamp() * 1000) - age_ms, **values)
