"""The same streams through the services: orders, fills, positions, cash, ledger and journal on Postgres."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

from django.db import transaction

from markets.domain.units import Price, Shares, Usd, decimal_from_micro, micro_from_decimal
from markets.models import Outcome
from orders.domain.ledger import entries_for_fee, entries_for_rebate
from orders.models import Account, Fill, LedgerEntry, Order, Position
from orders.selectors.rows import position_of
from orders.services.accounts import account_lock
from orders.services.books import transaction_record
from orders.services.conversions import ConversionError, fact_book, is_booked
from orders.services.fills import FillError, fill_record, fill_settle
from orders.services.invariants import check_invariants
from tests.factories.orders import AT, account_make
from tests.orders.ledger import pure
from tests.orders.ledger.oracle import Oracle
from tests.orders.ledger.streams import Deed, Leg, Message, Stream, stream_make


class ServiceBooks:
    def __init__(self, outcomes: list[Outcome]) -> None:
        self.account: Account = account_make("1000000")
        self.outcomes = outcomes
        self.orders: dict[int, int] = {}
        self.oracle = Oracle()
        self.waiting: list[Message] = []
        self.over: set[Leg] = set()
        self.now = AT

    def tell(self, message: Message) -> None:
        self.now += timedelta(milliseconds=10)
        if isinstance(message.about, Leg):
            self._order(message.about)  # here, where a refusal further down does not take it back
        self.waiting.append(message)
        progress = True
        while progress:
            progress = False
            for waiting in list(self.waiting):
                try:
                    with transaction.atomic():
                        self._take(waiting)
                except (FillError, ConversionError):
                    continue
                self.waiting.remove(waiting)
                progress = True

    def _take(self, message: Message) -> None:
        if isinstance(message.about, Deed):
            self._deed(message.about)
        else:
            self._leg(message.about, message.stage)

    def _leg(self, leg: Leg, stage: str) -> None:
        order_id = self._order(leg)
        key = {"order_id": order_id, "venue_trade_id": leg.trade, "role": leg.role}
        known = Fill.objects.filter(**key).values_list("pk", "settlement").first()
        if known is not None:
            before = Fill.objects.get(pk=known[0]).voided
            fill_settle(known[0], stage, now=self.now)
            if not before and Fill.objects.get(pk=known[0]).voided:
                self.oracle.void(leg)
            return
        if stage == "failed":  # told for the first time when it is over: nothing ever moved
            self.over.add(leg)
        if leg in self.over:
            return
        made = fill_record(
            order_id=order_id,
            venue_trade_id=leg.trade,
            role=leg.role,
            price=Price(leg.price),
            size=Shares(leg.size),
            fee=Usd(leg.fee),
            dollars=Usd(leg.dollars),
            venue_at=self.now,
            now=self.now,
            settlement=stage,
            transaction_hash=leg.transaction,
        )
        assert made.created
        self.oracle.leg(leg)

    def _order(self, leg: Leg) -> int:
        if leg.order not in self.orders:
            outcome = self.outcomes[leg.outcome]
            order = Order.objects.create(
                client_key=uuid.uuid5(uuid.NAMESPACE_OID, f"{self.account.pk}:{leg.order}"),
                account=self.account,
                market_id=outcome.market_id,
                outcome=outcome,
                side="buy" if leg.buys else "sell",
                price=decimal_from_micro(leg.price),
                size=decimal_from_micro(leg.size),
                order_type="gtc",
                state="live",
                origin_kind="manual",
                origin_id=1,
                origin_label="campaign",
                reserved=Decimal(0),
                created_at=self.now,
            )
            self.orders[leg.order] = order.pk
        return self.orders[leg.order]

    def _deed(self, deed: Deed) -> None:
        account = account_lock(self.account.pk)
        if is_booked(account.pk, deed.reference):
            return
        if deed.name in ("fee", "rebate"):
            entries = (entries_for_fee if deed.name == "fee" else entries_for_rebate)(Usd(deed.amount))
            change = decimal_from_micro(deed.amount if deed.name == "rebate" else -deed.amount)
            Account.objects.filter(pk=account.pk).update(cash=account.cash + change)
            transaction_record(
                account_id=account.pk, kind=deed.name, reference=deed.reference, entries=entries, at=self.now
            )
        else:
            try:
                fact = pure.fact_of(deed, self._positions())
            except ValueError as error:
                raise ConversionError(str(error)) from error
            real = [o.pk for o in self.outcomes]
            fact = _renumbered(fact, real)
            fact_book(
                account,
                fact,
                reference=deed.reference,
                markets={o.pk: o.market_id for o in self.outcomes},
                memo=deed.name,
                at=self.now,
                now=self.now,
            )
        self.oracle.deed(deed)

    def _positions(self) -> list[pure.Position]:
        rows = {row.outcome_id: row for row in Position.objects.filter(account=self.account)}
        made = []
        for number, outcome in enumerate(self.outcomes):
            row = rows.get(outcome.pk)
            empty = pure.Position(outcome_id=number, market_id=number // 2)
            held = position_of(row, market_id=0) if row is not None else empty
            made.append(pure.replace(held, outcome_id=number))
        return made

    def differences(self, stream: Stream) -> str:
        self.account.refresh_from_db()
        wrong = [str(violation) for violation in check_invariants([self.account.pk]) if violation.invariant != "I16"]
        cash = micro_from_decimal(self.account.cash)
        if self.waiting:
            wrong.append(f"{len(self.waiting)} messages never found their place")
        if not cash == stream.cash == self.oracle.cash:
            wrong.append(f"cash {cash}, oracle {self.oracle.cash}, venue {stream.cash}")
        for number, position in enumerate(self._positions()):
            ours = (position.size, position.cost, position.realized)
            if position.size != stream.shares[number] or ours != self.oracle.position(number):
                wrong.append(f"outcome {number}: {ours}, oracle {self.oracle.position(number)}, venue {stream.shares}")
            if position.confirmed != position.size:
                wrong.append(f"outcome {number}: {position.size} shares, only {position.confirmed} settled at the end")
        return "; ".join(wrong)


def check(seed: int, outcomes: list[Outcome]) -> str:
    """Run one stream through the services in its own account; return what is wrong, or nothing."""
    stream = stream_make(seed)
    books = ServiceBooks(outcomes)
    for message in stream.messages:
        books.tell(message)
    return books.differences(stream)


def entries_count() -> int:
    return LedgerEntry.objects.count()


def _renumbered(fact: pure.Fact, real: list[int]) -> pure.Fact:
    parts = tuple(pure.replace(part, outcome_id=real[part.outcome_id]) for part in fact.movements)
    return pure.replace(fact, movements=parts)
