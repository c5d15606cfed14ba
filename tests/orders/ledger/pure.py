"""The pure ledger under test: messages in, entries and positions out, nothing else of the desk."""

from __future__ import annotations

from dataclasses import replace

from markets.domain.instruments import Side
from markets.domain.trading import TradeStage
from markets.domain.units import Price, Shares, Usd
from orders.domain import conversions
from orders.domain.conversions import Fact, PayoutVector, movement_of, position_moved, position_replayed
from orders.domain.exactly_once import TradePart, after_message, counted_change
from orders.domain.ledger import (
    Entry,
    Fill,
    OversoldError,
    Position,
    entries_for_fee,
    entries_for_fill,
    entries_for_opening,
    entries_for_rebate,
    entries_for_void,
    imbalance,
    position_after,
)
from tests.orders.ledger.oracle import Oracle
from tests.orders.ledger.streams import OPENING, Deed, Leg, Message, Stream, stream_make


class Books:
    """One account. What cannot be booked yet waits, as an account waits for its next reconciliation."""

    def __init__(self) -> None:
        self.facts: list[tuple[object, tuple[Entry, ...]]] = [(None, entries_for_opening(Usd(OPENING)))]
        self.positions = [Position(outcome_id=o, market_id=o // 2) for o in range(4)]
        self.parts: dict[tuple[str, int, str], TradePart] = {}
        self.done: set[str] = set()
        self.oracle = Oracle()
        self.waiting: list[Message] = []

    def tell(self, message: Message) -> None:
        self.waiting.append(message)
        progress = True
        while progress:
            progress = False
            for waiting in list(self.waiting):
                try:
                    self._take(waiting)
                except OversoldError:
                    continue
                self.waiting.remove(waiting)
                progress = True

    def _take(self, message: Message) -> None:
        about = message.about
        if isinstance(about, Deed):
            if about.reference not in self.done:
                self._deed(about)
                self.done.add(about.reference)
            return
        key = (about.trade, about.order, about.role)
        known = self.parts.get(key)
        after = after_message(known, size=about.size, stage=TradeStage(message.stage))
        change = counted_change(known, after)
        if change > 0:
            self._book(about)
        elif change < 0:
            self._void(about)
        self.parts[key] = after

    def _book(self, leg: Leg) -> None:
        fill = fill_of(leg)
        self.positions[leg.outcome] = position_after(self.positions[leg.outcome], fill)
        self.facts.append((leg, entries_for_fill(fill)))
        self.oracle.leg(leg)

    def _void(self, leg: Leg) -> None:
        kept = [(fact, entries) for fact, entries in self.facts if fact is not leg]
        empty = Position(outcome_id=leg.outcome, market_id=leg.outcome // 2)
        parts = [part for _, entries in kept if (part := movement_of(entries, leg.outcome)) is not None]
        self.positions[leg.outcome] = position_replayed(empty, parts)
        undone = next(entries for fact, entries in self.facts if fact is leg)
        assert imbalance([*undone, *entries_for_void(undone)]) == {}
        self.facts = kept
        self.oracle.void(leg)

    def _deed(self, deed: Deed) -> None:
        if deed.name == "fee":
            self.facts.append((deed, entries_for_fee(Usd(deed.amount))))
        elif deed.name == "rebate":
            self.facts.append((deed, entries_for_rebate(Usd(deed.amount))))
        else:
            fact = fact_of(deed, self.positions)
            moved = {part.outcome_id: position_moved(self.positions[part.outcome_id], part) for part in fact.movements}
            for outcome, position in moved.items():
                self.positions[outcome] = position
            self.facts.append((deed, fact.entries))
        self.oracle.deed(deed)


def fill_of(leg: Leg) -> Fill:
    return Fill(
        outcome_id=leg.outcome,
        side=Side.BUY if leg.buys else Side.SELL,
        price=Price(leg.price),
        size=Shares(leg.size),
        fee=Usd(leg.fee),
        dollars=Usd(leg.dollars),
    )


def fact_of(deed: Deed, positions: list[Position]) -> Fact:  # noqa: PLR0911 - one kind per line
    match deed.name:
        case "split":
            return conversions.split(deed.outcomes, deed.amount)
        case "merge":
            return conversions.merge(deed.outcomes, deed.amount)
        case "convert":
            return conversions.convert([positions[o] for o in deed.outcomes], deed.others, deed.amount)
        case "redeem":
            payouts = PayoutVector(
                numerators=dict(zip(deed.outcomes, deed.numerators, strict=True)), denominator=sum(deed.numerators)
            )
            return conversions.redeem(dict(zip(deed.outcomes, deed.sizes, strict=True)), payouts)
        case "gift":
            return conversions.shares_in(deed.outcomes[0], deed.amount, cost=deed.cost)
        case "send":
            return conversions.shares_out(positions[deed.outcomes[0]], deed.amount)
        case "deposit":
            return conversions.cash_moved(deed.amount)
        case _:
            return conversions.cash_moved(-deed.amount)


def check(seed: int) -> str:
    """Run one stream; return what is wrong, or nothing."""
    stream = stream_make(seed)
    books = Books()
    for message in stream.messages:
        books.tell(message)
    return differences(stream, books)


def differences(stream: Stream, books: Books) -> str:
    everything = [entry for _, entries in books.facts for entry in entries]
    wrong = []
    if imbalance(everything):
        wrong.append(f"unbalanced {imbalance(everything)}")
    if books.waiting:
        wrong.append(f"{len(books.waiting)} messages never found their place")
    cash = sum(e.amount for e in everything if e.asset == "usd" and e.book == "own")
    if not cash == stream.cash == books.oracle.cash:
        wrong.append(f"cash {cash}, oracle {books.oracle.cash}, venue {stream.cash}")
    for outcome, position in enumerate(books.positions):
        entries = sum(e.amount for e in everything if e.asset == f"outcome:{outcome}" and e.book == "own")
        ours = (position.size, position.cost, position.realized)
        if entries != position.size or position.size != stream.shares[outcome]:
            wrong.append(f"outcome {outcome}: {position.size}, entries {entries}, venue {stream.shares[outcome]}")
        if ours != books.oracle.position(outcome):
            wrong.append(f"outcome {outcome}: {ours}, oracle {books.oracle.position(outcome)}")
        parts = [part for _, legs in books.facts if (part := movement_of(legs, outcome)) is not None]
        again = position_replayed(Position(outcome_id=outcome, market_id=outcome // 2), parts)
        if replace(again, confirmed=position.confirmed) != position:
            wrong.append(f"outcome {outcome}: {position} is not what its entries say: {again}")
    return "; ".join(wrong)
