"""Watches and wants nothing: the yardstick for what a tick costs, and a safe first strategy to start."""

from __future__ import annotations

from strategies.domain.base import NOTHING_WANTED, Base, Decision, TradingParameters
from strategies.domain.view import MarketView


class IdleParameters(TradingParameters):
    """Only the universe."""


class Idle(Base):
    name = "idle"
    title = "Idle"
    description = "Watches its universe and never wants an order. Shows what evaluating costs."
    params = IdleParameters

    def decide(self, view: MarketView) -> Decision:
        return NOTHING_WANTED
