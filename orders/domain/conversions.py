"""What happens to positions besides trades: split, merge, convert, redeem, transfers, and the voids of all of them.

Sizes are shares, dollars are dollars; every number is an exact integer of one millionth. Nothing here reads a
clock, a database or the network.

A fact is a set of movements, one per outcome, and a change of cash. A movement says how many shares came or left
and for how many dollars, so that a position can be derived again from stored facts in their order:

    shares that came cost their dollars; shares that left give back average cost, the difference is realised.

    split     each of n outcomes comes at 1/n of the dollars (odd millionths to the first outcomes): cost = cash out
    merge     each of n outcomes leaves for 1/n of the dollars: what the set cost comes back, the rest is profit
    convert   No shares leave, (n - 1) dollars a share and Yes shares of the other markets come. The Yes shares carry
              what the No shares cost beyond the dollars released, shared alike; nothing is realised then. Released
              dollars above that cost are profit, and the Yes shares cost nothing
    redeem    shares leave for their payout, rounded down per outcome as the chain does; dust is lost with it
    transfer  shares that come cost what the owner declares, and leave at their average cost: no profit either way

Always: cash + cost of all positions = capital + realised - fees + rewards.
The dollars of a movement are kept as entries of the asset "basis:<outcome>" beside its shares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from markets.domain.units import Shares, Usd, text_from_micro
from orders.domain.ledger import (
    CAPITAL,
    MARKET,
    OWN,
    SETTLEMENT,
    USD,
    Entry,
    LedgerError,
    OversoldError,
    Position,
    balanced,
    basis_asset,
    cost_of,
    outcome_asset,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Shares of one outcome that came (`size` > 0) or left, and the dollars they came or left for."""

    outcome_id: int
    size: int
    dollars: int
    fee: int = 0
    confirmed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One conversion: what it does to each outcome and to cash (positive: received)."""

    kind: str
    book: str
    cash: Usd
    movements: tuple[Movement, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        legs = [
            Entry(asset=USD, book=OWN, amount=self.cash),
            Entry(asset=USD, book=self.book, amount=-self.cash),
        ]
        for part in self.movements:
            shares, basis = outcome_asset(part.outcome_id), basis_asset(part.outcome_id)
            dollars = part.dollars if part.size > 0 else -part.dollars
            legs += [
                Entry(asset=shares, book=OWN, amount=part.size),
                Entry(asset=shares, book=self.book, amount=-part.size),
                Entry(asset=basis, book=OWN, amount=dollars),
                Entry(asset=basis, book=self.book, amount=-dollars),
            ]
        return balanced(legs)


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutVector:
    """What one share of each outcome pays: numerator / denominator dollars, as the chain reports it."""

    numerators: Mapping[int, int]  # by outcome id
    denominator: int

    def __post_init__(self) -> None:
        if self.denominator <= 0 or any(n < 0 for n in self.numerators.values()):
            raise LedgerError(f"payouts {dict(self.numerators)} over {self.denominator} are not shares of a dollar")
        if sum(self.numerators.values()) != self.denominator:
            raise LedgerError(f"payouts {dict(self.numerators)} do not add up to {self.denominator}")

    def of(self, outcome_id: int, size: int) -> Usd:
        """Return the dollars that `size` shares pay, rounded down."""
        return Usd(size * self.numerators[outcome_id] // self.denominator)


def position_moved(position: Position, part: Movement) -> Position:
    """Return the position after one movement. Raises OversoldError when more leaves than is held."""
    if part.size >= 0:
        return replace(
            position,
            size=Shares(position.size + part.size),
            confirmed=Shares(position.confirmed + (part.size if part.confirmed else 0)),
            cost=Usd(position.cost + part.dollars),
            fees=Usd(position.fees + part.fee),
        )
    gone = Shares(-part.size)
    if gone > position.size:
        raise OversoldError(f"gave {text_from_micro(gone)} shares while holding {text_from_micro(position.size)}")
    cost = cost_of(position, gone)
    return replace(
        position,
        size=Shares(position.size - gone),
        confirmed=Shares(max(0, position.confirmed - gone)),
        cost=Usd(position.cost - cost),
        realized=Usd(position.realized + part.dollars - cost),
        fees=Usd(position.fees + part.fee),
    )


def position_replayed(empty: Position, parts: Iterable[Movement]) -> Position:
    """Return what `parts`, in the order they were booked, make of `empty`. A void replays the rest with this.

    Shares that left before enough had come were told out of order, or had been covered by what is void now: they
    leave as soon as enough has come. Raises OversoldError when it never does.
    """
    position = empty
    waiting: list[Movement] = []
    for part in parts:
        waiting.append(part)
        position = _moved_as_far_as_possible(position, waiting)
    if waiting:
        position_moved(position, waiting[0])  # raises, with the numbers
    return position


def _moved_as_far_as_possible(position: Position, waiting: list[Movement]) -> Position:
    """Apply, oldest first, whatever the shares allow, and take it off the list."""
    progress = True
    while progress:
        progress = False
        for part in waiting:
            if position.size + part.size >= 0:
                position = position_moved(position, part)
                waiting.remove(part)
                progress = True
                break
    return position


def movement_of(entries: Sequence[Entry], outcome_id: int, *, confirmed: bool = True) -> Movement | None:
    """Return what one stored fact did to an outcome, from its entries alone; None when nothing.

    Trades name their dollars in the counter side of "usd", everything else in "basis:<outcome>".
    """
    shares = _own(entries, outcome_asset(outcome_id))
    basis = _own(entries, basis_asset(outcome_id))
    if not shares and not basis:
        return None
    traded = sum(e.amount for e in entries if e.asset == USD and e.book == MARKET)
    fee = sum(e.amount for e in entries if e.asset == USD and e.book == "fees")
    return Movement(outcome_id=outcome_id, size=shares, dollars=abs(basis or traded), fee=fee, confirmed=confirmed)


def split(outcomes: Sequence[int], amount: int) -> Fact:
    """Turn `amount` dollars into as many shares of every outcome."""
    _positive(amount, "split")
    parts = zip(outcomes, _shared(amount, len(outcomes)), strict=True)
    return Fact(
        kind="split",
        book=SETTLEMENT,
        cash=Usd(-amount),
        movements=tuple(Movement(outcome_id=o, size=amount, dollars=d) for o, d in parts),
    )


def merge(outcomes: Sequence[int], amount: int) -> Fact:
    """Turn `amount` shares of every outcome back into dollars."""
    _positive(amount, "merge")
    parts = zip(outcomes, _shared(amount, len(outcomes)), strict=True)
    return Fact(
        kind="merge",
        book=SETTLEMENT,
        cash=Usd(amount),
        movements=tuple(Movement(outcome_id=o, size=-amount, dollars=d) for o, d in parts),
    )


def converted(amount: int, given: int, *, fee_bips: int = 0) -> tuple[int, int]:
    """Return the Yes shares of each other question, and the dollars, that No shares of `given` questions become.

    As the adapter computes it: the fee is taken from the amount once, and both outputs follow from what is left.
    """
    out = amount - amount * fee_bips // 10_000
    return out, (given - 1) * out


def convert(given: Sequence[Position], others: Sequence[int], amount: int, *, fee_bips: int = 0) -> Fact:
    """Turn `amount` No shares of each of `given` into Yes shares of `others` and the dollars this releases.

    `fee_bips` is what the adapter keeps of everything that comes out, in hundredths of a percent. Raises
    OversoldError when a No position is smaller than `amount`.
    """
    _positive(amount, "convert")
    if not given:
        raise LedgerError("nothing to convert: name at least one No outcome")
    if not 0 <= fee_bips < 10_000:
        raise LedgerError(f"a conversion fee of {fee_bips} basis points is not one")
    if short := [p for p in given if p.size < amount]:
        held = text_from_micro(short[0].size)
        raise OversoldError(f"converted {text_from_micro(amount)} shares while holding {held}")
    out, released = converted(amount, len(given), fee_bips=fee_bips)
    costs = [int(cost_of(position, Shares(amount))) for position in given]
    carried = max(0, sum(costs) - released) if others else 0
    # With cost left to carry the No shares leave at cost; otherwise the dollars are theirs, shared alike.
    proceeds = costs if carried else _shared(released, len(given))
    leaving = [Movement(outcome_id=p.outcome_id, size=-amount, dollars=d) for p, d in zip(given, proceeds, strict=True)]
    coming = [
        Movement(outcome_id=o, size=out, dollars=d)
        for o, d in zip(others, _shared(carried, len(others)) if others else [], strict=True)
    ]
    return Fact(kind="convert", book=SETTLEMENT, cash=Usd(released), movements=(*leaving, *coming))


def redeem(holdings: Mapping[int, int], payouts: PayoutVector) -> Fact:
    """Turn shares of a resolved market into what they pay."""
    if any(size < 0 for size in holdings.values()):
        raise LedgerError("nobody redeems a negative number of shares")
    parts = tuple(
        Movement(outcome_id=o, size=-size, dollars=payouts.of(o, size)) for o, size in sorted(holdings.items()) if size
    )
    return Fact(kind="redeem", book=SETTLEMENT, cash=Usd(sum(p.dollars for p in parts)), movements=parts)


def cash_moved(amount: int) -> Fact:
    """A deposit (positive) or a withdrawal of dollars."""
    if not amount:
        raise LedgerError("a transfer of nothing")
    return Fact(kind="transfer", book=CAPITAL, cash=Usd(amount), movements=())


def shares_in(outcome_id: int, size: int, *, cost: int) -> Fact:
    """Shares that somebody sent us; `cost` is what the owner says they cost, zero when nobody says."""
    _positive(size, "transfer")
    if cost < 0:
        raise LedgerError("shares cannot cost less than nothing")
    part = Movement(outcome_id=outcome_id, size=size, dollars=cost)
    return Fact(kind="transfer", book=CAPITAL, cash=Usd(0), movements=(part,))


def shares_out(position: Position, size: int) -> Fact:
    """Shares that we sent away, at their average cost. Raises OversoldError."""
    _positive(size, "transfer")
    if size > position.size:
        raise OversoldError(f"sent {text_from_micro(size)} shares while holding {text_from_micro(position.size)}")
    part = Movement(outcome_id=position.outcome_id, size=-size, dollars=cost_of(position, Shares(size)))
    return Fact(kind="transfer", book=CAPITAL, cash=Usd(0), movements=(part,))


def complete_sets(sizes: Iterable[int]) -> Shares:
    """Return how many sets can be merged out of what is free of each outcome."""
    return Shares(max(0, min(sizes, default=0)))


def _own(entries: Sequence[Entry], asset: str) -> int:
    return sum(e.amount for e in entries if e.asset == asset and e.book == OWN)


def _shared(amount: int, parts: int) -> list[int]:
    """Return `amount` in `parts` equal integers; what does not divide goes to the first ones."""
    each, odd = divmod(amount, parts)
    return [each + (1 if i < odd else 0) for i in range(parts)]


def _positive(amount: int, what: str) -> None:
    if amount <= 0:
        raise LedgerError(f"a {what} of {text_from_micro(amount)}: give more than zero")
