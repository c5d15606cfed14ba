"""Position accounting and double entry: what one fact does to shares, cost, profit and cash.

Prices are dollars per share, sizes are shares, cash is dollars; every number is an exact
integer of one millionth. Average cost: a buy moves the cost, a sell moves `realized`.
Nothing here reads a clock, a database or the network.

The entries of one fact sum to zero per asset (I9). Assets are "usd", "outcome:<id>" and, beside shares that
moved without a trade, "basis:<id>": the dollars they came or left for (`orders.domain.conversions`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from markets.domain.instruments import Side
from markets.domain.units import ONE, Price, Shares, Usd, notional_down, notional_up, text_from_micro
from orders.domain.intents import OpenOrder
from orders.domain.lifecycle import Environment, TradingState

USD = "usd"
_NO_SHARES, _NO_USD = Shares(0), Usd(0)
OWN, MARKET, FEES, CAPITAL, SETTLEMENT, REWARDS = "own", "market", "fees", "capital", "settlement", "rewards"


class LedgerError(ValueError):
    """A fact that cannot be booked."""


class OversoldError(LedgerError):
    """A sell larger than the position: on a binary market a short is a purchase of the other outcome."""


class UnbalancedError(LedgerError):
    """Entries that do not sum to zero for some asset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """Our leg of one trade. `fee` is what we paid on top; makers pay none.

    `dollars` is what changed hands without the fee where the venue's own clearing is known: it rounds by
    role, not by side. Without it the amount is price times size, rounded against us.
    """

    outcome_id: int
    side: Side
    price: Price
    size: Shares
    fee: Usd = _NO_USD
    confirmed: bool = True
    dollars: Usd | None = None

    @property
    def notional(self) -> Usd:
        """Dollars that changed hands without the fee. Rounded against us: we never guess a gain from rounding."""
        if self.dollars is not None:
            return self.dollars
        round_it = notional_up if self.side is Side.BUY else notional_down
        return round_it(self.price, self.size)

    @property
    def cash_change(self) -> Usd:
        return Usd((-self.notional if self.side is Side.BUY else self.notional) - self.fee)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What an account holds of one outcome. `cost` and `realized` are without fees, which `fees` counts."""

    outcome_id: int
    market_id: int
    size: Shares = _NO_SHARES
    confirmed: Shares = _NO_SHARES  # settled: may be sold
    reserved: Shares = _NO_SHARES  # promised to open sells
    cost: Usd = _NO_USD
    realized: Usd = _NO_USD
    fees: Usd = _NO_USD

    @property
    def available(self) -> Shares:
        """Shares that a new sell may use (I10)."""
        return Shares(max(0, self.confirmed - self.reserved))

    @property
    def average_cost(self) -> Price | None:
        return Price(self.cost * ONE // self.size) if self.size else None


def position_after(position: Position, fill: Fill) -> Position:
    """Return the position that `fill` leaves behind. Raises OversoldError when it sells more than is held."""
    if fill.side is Side.BUY:
        return replace(
            position,
            size=Shares(position.size + fill.size),
            confirmed=Shares(position.confirmed + (fill.size if fill.confirmed else 0)),
            cost=Usd(position.cost + fill.notional),
            fees=Usd(position.fees + fill.fee),
        )
    if fill.size > position.size:
        raise OversoldError(f"sold {text_from_micro(fill.size)} shares while holding {text_from_micro(position.size)}")
    sold_cost = cost_of(position, fill.size)
    return replace(
        position,
        size=Shares(position.size - fill.size),
        # Sells come out of confirmed shares; a venue that let provisional ones go leaves zero, not less.
        confirmed=Shares(max(0, position.confirmed - fill.size)),
        cost=Usd(position.cost - sold_cost),
        realized=Usd(position.realized + fill.notional - sold_cost),
        fees=Usd(position.fees + fill.fee),
    )


def position_from(empty: Position, fills: Iterable[Fill]) -> Position:
    """Return what `fills`, in the order they were booked, make of `empty`. A void replays the rest with this."""
    position = empty
    for fill in fills:
        position = position_after(position, fill)
    return position


def position_resolved(position: Position, *, payout: Price) -> Position:
    """Return the position after its market paid `payout` dollars a share: empty, its profit booked."""
    return replace(
        position,
        size=Shares(0),
        confirmed=Shares(0),
        reserved=Shares(0),
        cost=Usd(0),
        realized=Usd(position.realized + notional_down(payout, position.size) - position.cost),
    )


def cost_of(position: Position, size: Shares) -> Usd:
    """Return the part of the cost that `size` of the held shares carry; all of it when all are meant."""
    if size == position.size:
        return position.cost
    return Usd(position.cost * size // position.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One leg. `book` says whose pocket: "own" is ours, all others are the counter side."""

    asset: str
    book: str
    amount: int


def outcome_asset(outcome_id: int) -> str:
    return f"outcome:{outcome_id}"


def basis_asset(outcome_id: int) -> str:
    """Return the asset that holds the dollars for which shares came or left without a trade."""
    return f"basis:{outcome_id}"


def entries_for_opening(cash: Usd) -> tuple[Entry, ...]:
    return balanced([Entry(asset=USD, book=OWN, amount=cash), Entry(asset=USD, book=CAPITAL, amount=-cash)])


def entries_for_fill(fill: Fill) -> tuple[Entry, ...]:
    """Return the legs of one fill: dollars against shares, and the fee in its own book."""
    asset = outcome_asset(fill.outcome_id)
    sign = 1 if fill.side is Side.BUY else -1
    return balanced(
        [
            Entry(asset=USD, book=OWN, amount=fill.cash_change),
            Entry(asset=USD, book=MARKET, amount=sign * fill.notional),
            Entry(asset=USD, book=FEES, amount=fill.fee),
            Entry(asset=asset, book=OWN, amount=sign * fill.size),
            Entry(asset=asset, book=MARKET, amount=-sign * fill.size),
        ]
    )


def entries_for_fee(fee: Usd) -> tuple[Entry, ...]:
    """Return the legs of a fee that no fill carried."""
    return balanced([Entry(asset=USD, book=OWN, amount=-fee), Entry(asset=USD, book=FEES, amount=fee)])


def entries_for_rebate(amount: Usd) -> tuple[Entry, ...]:
    return balanced([Entry(asset=USD, book=OWN, amount=amount), Entry(asset=USD, book=REWARDS, amount=-amount)])


def entries_for_void(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the legs that undo `entries` exactly, whatever happened in between."""
    return balanced([replace(entry, amount=-entry.amount) for entry in entries])


def entries_for_resolution(holdings: Mapping[int, Shares], payouts: Mapping[int, Price]) -> tuple[Entry, ...]:
    """Return the legs of one market's payout: every held share leaves, dollars come.

    `payouts` names dollars per share for each outcome, 0.5 and 0.5 where the market was void.
    """
    entries: list[Entry] = []
    paid = 0
    for outcome_id, size in sorted(holdings.items()):
        dollars = notional_down(payouts[outcome_id], size)
        paid += dollars
        asset, basis = outcome_asset(outcome_id), basis_asset(outcome_id)
        entries += [
            Entry(asset=asset, book=OWN, amount=-size),
            Entry(asset=asset, book=SETTLEMENT, amount=size),
            Entry(asset=basis, book=OWN, amount=-dollars),
            Entry(asset=basis, book=SETTLEMENT, amount=dollars),
        ]
    entries += [Entry(asset=USD, book=OWN, amount=paid), Entry(asset=USD, book=SETTLEMENT, amount=-paid)]
    return balanced(entries)


def imbalance(entries: Iterable[Entry]) -> dict[str, int]:
    """Return each asset whose entries do not sum to zero, with the sum."""
    sums: dict[str, int] = {}
    for entry in entries:
        sums[entry.asset] = sums.get(entry.asset, 0) + entry.amount
    return {asset: amount for asset, amount in sums.items() if amount}


def balanced(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the entries without empty ones. Raises UnbalancedError when an asset does not sum to zero."""
    kept = tuple(entry for entry in entries if entry.amount)
    if wrong := imbalance(kept):
        raise UnbalancedError(f"entries do not sum to zero: {wrong}")
    return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """One account at one moment: cash, positions, open orders and equity, in one environment."""

    account_id: int
    environment: Environment
    trading_state: TradingState
    cash: Usd
    reserved_cash: Usd
    positions: Mapping[int, Position] = field(default_factory=dict)  # by outcome id; never an empty one
    open_orders: tuple[OpenOrder, ...] = ()
    equity: Usd = _NO_USD
    day_start_equity: Usd = _NO_USD
    peak_equity: Usd = _NO_USD
    positions_value: Usd = _NO_USD
    unrealized: Usd = _NO_USD
    unmarked: int = 0  # positions valued at cost because no fresh mark existed
    auto_trade: bool = True
    reconciled_at: datetime | None = None

    @property
    def free_cash(self) -> Usd:
        return Usd(self.cash - self.reserved_cash)

    @property
    def day_profit(self) -> Usd:
        """Equity gained since midnight UTC; negative for a loss."""
        return Usd(self.equity - self.day_start_equity)
