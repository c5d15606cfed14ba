"""The model's ledger: positions and cash of each account, made by the real rules of `orders.domain.ledger`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from markets.domain.instruments import Side
from markets.domain.units import Price, Shares, Usd
from orders.domain.exactly_once import TradePart
from orders.domain.ledger import (
    OWN,
    USD,
    Fill,
    Position,
    entries_for_fill,
    entries_for_void,
    imbalance,
    outcome_asset,
    position_from,
)
from tests.orders.model.venue import Intent

Leg = tuple[str, str]  # trade id, order hash


@dataclass(slots=True)
class Booked:
    intent: Intent
    fill: Fill
    part: TradePart


class Books:
    def __init__(self, *, shares: int) -> None:
        self.opening_shares = shares
        self.fills: dict[Leg, Booked] = {}
        self.own: defaultdict[tuple[int, str], int] = defaultdict(int)  # (account, asset): sum of our entries
        self.positions: dict[tuple[int, int], Position] = {}
        self.voids: defaultdict[Leg, int] = defaultdict(int)

    def take(self, leg: Leg, intent: Intent, part: TradePart, *, change: int, fee: int) -> None:
        """Store what is known of the leg now; `change` is what of its size to book or to take back."""
        known = self.fills.get(leg)
        fill = Fill(
            outcome_id=intent.token,
            side=Side.SELL if intent.sells else Side.BUY,
            price=Price(intent.price),
            size=Shares(abs(change) or part.size),
            fee=Usd(fee),
            confirmed=bool(part.confirmed),
        )
        if change:
            entries = entries_for_fill(fill) if change > 0 else entries_for_void(entries_for_fill(fill))
            assert not imbalance(entries)
            for entry in entries:
                if entry.book == OWN:
                    self.own[intent.account, entry.asset] += entry.amount
            self.voids[leg] += change < 0
        settled = known is not None and known.part.stage is not part.stage
        self.fills[leg] = Booked(intent, fill, part)
        if change or settled:
            self._derive(intent.account, intent.token)

    def position(self, account: int, token: int) -> Position:
        held = self.positions.get((account, token))
        return held if held is not None else self._opening(token)

    def cash(self, account: int) -> int:
        return self.own[account, USD]

    def shares(self, account: int, token: int) -> int:
        return self.opening_shares + self.own[account, outcome_asset(token)]

    def _opening(self, token: int) -> Position:
        shares = Shares(self.opening_shares)
        return Position(outcome_id=token, market_id=token, size=shares, confirmed=shares)

    def _derive(self, account: int, token: int) -> None:
        standing = [
            each.fill
            for each in self.fills.values()
            if each.part.counted and each.intent.account == account and each.intent.token == token
        ]
        self.positions[account, token] = position_from(self._opening(token), standing)
