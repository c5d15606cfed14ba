"""Our parts in the venue's trades become fills: once each, in any order, however often they are told.

A leg's identity is (trade, order, role). MATCHED counts at once and may not be sold; CONFIRMED makes it
available; FAILED takes it back, once. A leg that contradicts an earlier word halts the account and pages.
A leg of an order that is not ours is named in the result: `orders.services.foreign` records it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import IntegrityError, transaction

from markets.domain.instruments import FeeSchedule, Side, Venue
from markets.domain.trading import Role, TradeStage, VenueLeg
from markets.domain.units import Price, Shares, Usd, decimal_from_micro, micro_from_decimal, notional_up
from markets.selectors.catalogue import facts_by_outcome
from markets.venues.registry import TAKER_FEES
from orders.domain.exactly_once import SettlementConflict, TradePart, after_message
from orders.domain.intents import OrderType
from orders.domain.lifecycle import OPEN, TransitionError
from orders.models import Fill, Order, OrderSubmission
from orders.selectors.rows import fill_of
from orders.services.attach import end_when_booked, order_found
from orders.services.conflicts import conflict_record
from orders.services.faults import faultpoint
from orders.services.fills import FillError, VenueTrade, fill_book, fill_failed, fill_settle
from orders.services.states import StateConflict, order_event, order_label, order_lock, plain

log = logging.getLogger(__name__)

_RANK = {stage: rank for rank, stage in enumerate(("matched", "retrying", "mined", "confirmed", "failed"))}
Key = tuple[str, str, str]  # trade, order hash, role


class LegError(RuntimeError):
    """A leg that cannot be ours as told."""


@dataclass(slots=True)
class LegsResult:
    """What one batch of legs changed."""

    booked: int = 0
    settled: int = 0
    voided: int = 0
    unknown: dict[str, VenueLeg] = field(default_factory=dict)  # one leg of each order that is not ours, by order id
    refused: list[str] = field(default_factory=list)  # what could not be booked, in words
    orders: set[int] = field(default_factory=set)  # our orders that were touched

    @property
    def changed(self) -> int:
        return self.booked + self.settled + self.voided


def legs_ingest(account_id: int, legs: Sequence[VenueLeg], *, now: datetime) -> LegsResult:
    """Book, settle and void our legs exactly once. A leg that cannot be booked halts the account, the others go on."""
    result = LegsResult()
    ours = dict(
        Order.objects.filter(
            account_id=account_id, venue_order_id__in={leg.order_id.lower() for leg in legs}
        ).values_list("venue_order_id", "pk")
    )
    known = _known(account_id, legs)
    fees: dict[int, FeeSchedule | None] = {}
    # Oldest first and buys before sells: a sale never waits for the purchase that it sold from.
    for leg in sorted(legs, key=lambda leg: (leg.matched_ms, leg.side is Side.SELL, leg.trade_id, _RANK[leg.stage])):
        order_id = ours.get(leg.order_id.lower())
        if order_id is None:
            result.unknown.setdefault(leg.order_id.lower(), leg)
            continue
        if _is_old(known.get(_key(leg)), leg):
            continue
        try:
            _ingest(order_id, leg, result, fees, now=now)
        except (FillError, LegError, SettlementConflict, TransitionError, StateConflict, IntegrityError) as error:
            problem = str(error).splitlines()[0]
            result.refused.append(f"trade {leg.trade_id}: {problem}")
            conflict_record(account_id, subject=f"trade {leg.trade_id}", problem=problem, now=now)
    return result


def _ingest(
    order_id: int, leg: VenueLeg, result: LegsResult, fees: dict[int, FeeSchedule | None], *, now: datetime
) -> None:
    with transaction.atomic():
        order = order_lock(order_id)
        _check(order, leg)
        row = Fill.objects.filter(venue_trade_id=leg.trade_id, order=order, role=leg.role.value).first()
        before = None if row is None else _part(row)
        after = after_message(before, size=leg.size, stage=leg.stage)
        if row is None:
            row = _book(order, leg, fees, now=now)
            result.booked += 1
            result.voided += row.voided
        elif leg.transaction_hash and _RANK[leg.stage] >= _RANK[row.settlement]:
            # A reorganised chain gives the trade another transaction; the last one told is the one that counts.
            Fill.objects.filter(pk=row.pk).exclude(transaction_hash=leg.transaction_hash).update(
                transaction_hash=leg.transaction_hash
            )
        faultpoint("leg.booked")
        if after.stage.value != row.settlement and fill_settle(row.pk, after.stage.value, now=now):
            failed = after.stage is TradeStage.FAILED
            result.voided += failed
            result.settled += not failed
            order = order_lock(order_id)
        if order.state in OPEN and not end_when_booked(order, now=now):
            order_found(order, now=now)
        faultpoint("leg.settled")
        result.orders.add(order_id)


def _book(order: Order, leg: VenueLeg, fees: dict[int, FeeSchedule | None], *, now: datetime) -> Fill:
    """Book a leg that is told for the first time. A failed one is on file with its void and moves nothing."""
    _make_room(order, leg, now=now)
    book = fill_failed if leg.stage is TradeStage.FAILED else fill_book
    made = book(
        order,
        VenueTrade(
            trade_id=leg.trade_id,
            role=leg.role.value,
            price=Price(leg.price),
            size=Shares(leg.size),
            fee=_fee(order, leg, fees),
            at=datetime.fromtimestamp(leg.matched_ms / 1000, tz=UTC),
            settlement=leg.stage.value,
            transaction_hash=leg.transaction_hash,
            dollars=None if leg.dollars is None else Usd(leg.dollars),
        ),
        now=now,
    )
    return Fill.objects.get(pk=made.fill_id)


def _make_room(order: Order, leg: VenueLeg, *, now: datetime) -> None:
    """Let a purchase that must trade at once be larger than asked for, as long as it spends no more dollars.

    The venue signs such an order for dollars: at better prices they buy more shares than we wrote down.
    """
    size = decimal_from_micro(leg.size)
    wanted = order.filled_size + size
    if order.side != Side.BUY or OrderType(order.order_type).rests or wanted <= order.size:
        return
    spent = sum(fill_of(fill).notional for fill in order.fills.all())
    submission = OrderSubmission.objects.filter(pk=order.pk)
    asked = submission.values_list("asked_size", flat=True).first() or order.size
    most = notional_up(micro_from_decimal(order.price), micro_from_decimal(asked))
    if spent + (leg.dollars if leg.dollars is not None else notional_up(leg.price, leg.size)) > most:
        return  # then it is too much by any count, and the booking says so
    order_event(
        order,
        "order.grown",
        f"order {order.pk} ({order_label(order)}): better prices bought {plain(wanted)} shares for the same dollars",
        now=now,
        payload={"before": plain(order.size), "after": plain(wanted), "trade_id": leg.trade_id},
    )
    submission.update(asked_size=asked)
    Order.objects.filter(pk=order.pk).update(size=wanted)
    order.size = wanted


def _fee(order: Order, leg: VenueLeg, fees: dict[int, FeeSchedule | None]) -> Usd:
    """Return what the leg costs: nothing for a maker, the market's schedule for a taker."""
    if leg.role is Role.MAKER:
        return Usd(0)
    if order.outcome_id not in fees:
        fees[order.outcome_id] = facts_by_outcome([order.outcome_id])[order.outcome_id].fee
    return TAKER_FEES[Venue(order.account.venue)](leg.price, leg.size, fees[order.outcome_id])


def _check(order: Order, leg: VenueLeg) -> None:
    token = order.outcome.token_id
    if (leg.token_id, leg.side.value) != (token, order.side):
        raise LegError(f"is told as {leg.side} of {leg.token_id}, order {order.pk} is {order.side} of {token}")
    limit = micro_from_decimal(order.price)
    if leg.price > limit if leg.side is Side.BUY else leg.price < limit:
        raise LegError(
            f"order {order.pk} may {order.side} at {plain(order.price)}, and the venue says "
            f"{plain(decimal_from_micro(leg.price))}"
        )


def _known(account_id: int, legs: Sequence[VenueLeg]) -> dict[Key, Fill]:
    rows = Fill.objects.filter(account_id=account_id, venue_trade_id__in={leg.trade_id for leg in legs})
    return {(row.venue_trade_id, row.order.venue_order_id or "", row.role): row for row in rows.select_related("order")}


def _is_old(row: Fill | None, leg: VenueLeg) -> bool:
    """Whether the leg certainly says nothing new; most do, and they take no lock."""
    if row is None or micro_from_decimal(row.size) != leg.size:
        return False
    if row.settlement == leg.stage.value:
        return not leg.transaction_hash or leg.transaction_hash == row.transaction_hash
    final = leg.stage in (TradeStage.CONFIRMED, TradeStage.FAILED)
    return not final and _RANK[leg.stage] < _RANK[row.settlement]


def _key(leg: VenueLeg) -> Key:
    return leg.trade_id, leg.order_id.lower(), leg.role.value


def _part(row: Fill) -> TradePart:
    return TradePart(size=micro_from_decimal(row.size), stage=TradeStage(row.settlement))
