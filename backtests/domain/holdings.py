"""The account of a replay: cash, positions, reservations and the sums of its ledger entries, fact by fact.

Every fact goes through `orders.domain.ledger`, as on a desk. Entries are kept as sums per asset and book, so that
memory does not grow with the number of fills; at the end they add up to zero per asset, and the own dollars are the
cash. All figures are millionths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from markets.domain.instruments import FeeSchedule, Side
from markets.domain.units import ONE, Price, Shares, Usd, notional_up, text_from_micro
from orders.domain.intents import Placement
from orders.domain.ledger import (
    OWN,
    USD,
    Entry,
    Fill,
    LedgerError,
    Position,
    entries_for_fill,
    entries_for_opening,
    entries_for_rebate,
    entries_for_resolution,
    position_after,
    position_resolved,
)
from orders.domain.reserve import FEE_ROUNDING, cash_to_reserve
from risk.domain.usage import Traded

_ROUND = ONE // 2


class ShortOfFunds(ValueError):
    """Not enough free cash or shares for an order; the message names what is needed and what is free."""


@dataclass(slots=True)
class Sums:
    """What the strategy traded of one outcome, in all and on the UTC day `day`. Notionals are price times size."""

    bought: int = 0
    bought_notional: int = 0
    sold: int = 0
    day: int = -1
    day_bought: int = 0
    day_bought_notional: int = 0
    day_sold: int = 0
    day_sold_notional: int = 0
    day_fees: int = 0

    def add(self, fill: Fill, day: int) -> None:
        if day != self.day:
            self.day = day
            self.day_bought = self.day_bought_notional = self.day_sold = self.day_sold_notional = self.day_fees = 0
        notional = fill.price * fill.size
        if fill.side is Side.BUY:
            self.bought += fill.size
            self.bought_notional += notional
            self.day_bought += fill.size
            self.day_bought_notional += notional
        else:
            self.sold += fill.size
            self.day_sold += fill.size
            self.day_sold_notional += notional
        self.day_fees += fill.fee

    def traded(self, outcome_id: int, *, day: int, payout: int | None) -> Traded:
        today = self.day == day
        return Traded(
            outcome_id=outcome_id,
            bought=self.bought,
            bought_cost=_dollars(self.bought_notional),
            sold=self.sold,
            day_bought=self.day_bought if today else 0,
            day_bought_cost=_dollars(self.day_bought_notional) if today else 0,
            day_sold=self.day_sold if today else 0,
            day_sold_proceeds=_dollars(self.day_sold_notional) if today else 0,
            day_fees=self.day_fees if today else 0,
            payout=payout,
        )


def _dollars(notional: int) -> int:
    return (notional + _ROUND) // ONE


class Holdings:
    """Cash and shares. `version` moves with every change of a position, `positions` holds no empty one."""

    def __init__(self, capital: Usd) -> None:
        self.cash = int(capital)
        self.reserved_cash = 0
        self.positions: dict[int, Position] = {}
        self.own: dict[int, int] = {}  # bought and not sold, by outcome
        self.sums: dict[int, Sums] = {}
        self.fees = 0
        self.rebates = 0
        self.version = 0
        self.entries: dict[tuple[str, str], int] = {}
        self._closed: dict[int, Position] = {}  # what became of outcomes that are not held now
        self._book(entries_for_opening(capital))

    # Reservations -------------------------------------------------------------------------------------

    def reserve(self, placement: Placement, size: int, *, fee: FeeSchedule | None) -> int:
        """Set aside what an order of `size` may need and return it. Raises ShortOfFunds."""
        if placement.side is Side.SELL:
            held = self.positions.get(placement.outcome_id)
            free = 0 if held is None else held.confirmed - held.reserved
            if held is None or free < size:
                raise ShortOfFunds(
                    f"selling {text_from_micro(size)} shares needs as many free; {text_from_micro(free)} are"
                )
            self._put(replace(held, reserved=Shares(held.reserved + size)))
            return size
        may_take = not placement.post_only
        amount = cash_to_reserve(
            side=placement.side,
            price=placement.price,
            size=Shares(size),
            may_take=may_take,
            fee=fee if may_take else None,
        )
        if self.cash < self.reserved_cash + amount:
            raise ShortOfFunds(
                f"buying {text_from_micro(size)} at {text_from_micro(placement.price)} needs "
                f"${text_from_micro(amount)} with fees; ${text_from_micro(self.cash - self.reserved_cash)} is free"
            )
        self.reserved_cash += amount
        return int(amount)

    def release(self, outcome_id: int, side: Side, amount: int) -> None:
        """Give back what an order has set aside."""
        if not amount:
            return
        if side is Side.BUY:
            self.reserved_cash -= amount
        else:
            held = self.positions[outcome_id]
            self._put(replace(held, reserved=Shares(held.reserved - amount)))

    # Facts --------------------------------------------------------------------------------------------

    def fill(self, fill: Fill, *, market_id: int, day: int, freed: int) -> int:
        """Book a fill that frees `freed` of its order's reservation; return the profit it realised."""
        before = self._position(fill.outcome_id, market_id)
        after = position_after(before, fill)
        if fill.side is Side.SELL:
            after = replace(after, reserved=Shares(after.reserved - freed))
        else:
            self.reserved_cash -= freed
        self.cash += fill.cash_change
        self.fees += fill.fee
        self._book(entries_for_fill(fill))
        self._put(after)
        self.sums.setdefault(fill.outcome_id, Sums()).add(fill, day)
        sums = self.sums[fill.outcome_id]
        if sums.bought > sums.sold:
            self.own = {**self.own, fill.outcome_id: sums.bought - sums.sold}
        elif fill.outcome_id in self.own:
            self.own = {k: v for k, v in self.own.items() if k != fill.outcome_id}
        return after.realized - before.realized

    def settle(self, payouts: Mapping[int, Price]) -> list[tuple[int, int, int, int]]:
        """Pay a market's shares out; return (outcome, size, dollars, profit) of each that was held."""
        held = [self.positions[i] for i in sorted(payouts) if i in self.positions]
        paid = []
        for position in held:
            payout = payouts[position.outcome_id]
            after = position_resolved(position, payout=payout)
            entries = entries_for_resolution({position.outcome_id: position.size}, payouts)
            dollars = sum(e.amount for e in entries if e.asset == USD and e.book == OWN)
            self.cash += dollars
            self._book(entries)
            self._put(after)
            paid.append((position.outcome_id, int(position.size), dollars, after.realized - position.realized))
        return paid

    def rebate(self, amount: int) -> None:
        self.cash += amount
        self.rebates += amount
        self._book(entries_for_rebate(Usd(amount)))

    # Inside -------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise LedgerError unless the entries add up to nothing and the own dollars are the cash."""
        sums: dict[str, int] = {}
        for (asset, _), amount in self.entries.items():
            sums[asset] = sums.get(asset, 0) + amount
        wrong = {asset: amount for asset, amount in sums.items() if amount}
        own = self.entries.get((USD, OWN), 0)
        if wrong or own != self.cash:
            raise LedgerError(f"the books do not balance: {wrong}, own {own}, cash {self.cash}")

    def last(self, outcome_id: int, market_id: int) -> Position:
        """Return the position as it is or was: its profit and fees stay when the shares are gone."""
        return self._position(outcome_id, market_id)

    def _position(self, outcome_id: int, market_id: int) -> Position:
        known = self.positions.get(outcome_id) or self._closed.get(outcome_id)
        return known or Position(outcome_id=outcome_id, market_id=market_id)

    def _put(self, position: Position) -> None:
        self.version += 1
        if position.size:
            self._closed.pop(position.outcome_id, None)
            # A new mapping each time: pictures that were handed out stay as they were.
            self.positions = {**self.positions, position.outcome_id: position}
        else:
            self._closed[position.outcome_id] = position
            self.positions = {k: v for k, v in self.positions.items() if k != position.outcome_id}

    def _book(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            key = (entry.asset, entry.book)
            self.entries[key] = self.entries.get(key, 0) + entry.amount


def freed_by(fill: Fill, *, reserved: int, price: int, open_size: int) -> int:
    """Return how much of an order's reservation a fill frees: at least what it spends, and at least its share.

    The same sums as `orders.services.fills`: a better price gives the rest back at once, and what is set aside
    for rounding stays for the fills that are still to come.
    """
    if reserved <= 0:
        return 0
    if fill.side is Side.SELL:
        return min(reserved, int(fill.size))
    if fill.size >= open_size:
        return reserved
    share = -(-reserved * (open_size - fill.size) // open_size)
    spare = reserved - notional_up(Price(price), Shares(open_size))
    share += max(0, min(FEE_ROUNDING, spare))
    return reserved - max(0, min(reserved + fill.cash_change, share))
