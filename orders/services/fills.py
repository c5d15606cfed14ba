"""Recording fills: exactly once, with everything a fill changes, in one transaction.

A fill moves the order, the position, the cash, the reservation, the ledger and the
journal together or not at all. Its key is (venue trade id, order, role): the same trade
told twice is booked once. A fill that fails to settle is voided once, never deleted; one that
is told for the first time when it has failed already is on file the same way and moves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F, Sum

from alerts.domain.events import Severity
from markets.domain.instruments import Side
from markets.domain.units import Price, Shares, Usd, decimal_from_micro, micro_from_decimal, notional_up
from orders.domain.conversions import position_replayed
from orders.domain.ledger import Fill as LedgerFill
from orders.domain.ledger import LedgerError, entries_for_fill, entries_for_void, position_after
from orders.domain.ledger import Position as HeldPosition
from orders.domain.lifecycle import TERMINAL, OrderState
from orders.domain.reserve import FEE_ROUNDING
from orders.models import Account, Fill, LedgerTransaction, Order, Position
from orders.selectors.rows import fill_of, position_of
from orders.services.books import entries_read, movements_read, transaction_record
from orders.services.faults import faultpoint
from orders.services.states import order_advance, order_event, order_label, order_lock, plain, reservation_release

DUST = Decimal("0.01")  # venues may fill this much more than was ordered (I7)
_RANK = {"matched": 0, "retrying": 1, "mined": 2, "confirmed": 3, "failed": 3}


class FillError(RuntimeError):
    """A fill that cannot be booked as told. Nothing was written; the account needs a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FillResult:
    fill_id: int
    created: bool  # False: it was booked before


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueTrade:
    """Our leg of one trade as the venue tells it. Millionths."""

    trade_id: str
    role: str
    price: Price
    size: Shares
    fee: Usd
    at: datetime
    settlement: str = Fill.Settlement.CONFIRMED
    transaction_hash: str = ""
    dollars: Usd | None = None  # what the venue's clearing makes of it; None: price times size


@transaction.atomic
def fill_record(
    *,
    order_id: int,
    venue_trade_id: str,
    role: str,
    price: Price,
    size: Shares,
    fee: Usd,
    venue_at: datetime,
    now: datetime,
    settlement: str = Fill.Settlement.CONFIRMED,
    transaction_hash: str = "",
    dollars: Usd | None = None,
) -> FillResult:
    """Book our leg of one trade. Raises FillError when the order or the account cannot have had it."""
    trade = VenueTrade(
        trade_id=venue_trade_id,
        role=role,
        price=price,
        size=size,
        fee=fee,
        at=venue_at,
        settlement=settlement,
        transaction_hash=transaction_hash,
        dollars=dollars,
    )
    return fill_book(order_lock(order_id), trade, now=now)


def fill_book(order: Order, trade: VenueTrade, *, now: datetime) -> FillResult:
    """Like `fill_record`, on an order the caller has locked in its own transaction; keeps `order` up to date."""
    known = Fill.objects.filter(venue_trade_id=trade.trade_id, order=order, role=trade.role)
    if (fill_id := known.values_list("pk", flat=True).first()) is not None:
        return FillResult(fill_id=fill_id, created=False)
    shares = decimal_from_micro(trade.size)
    if order.filled_size + shares > order.size + DUST:
        raise FillError(
            f"order {order.pk}: trade {trade.trade_id} of {plain(shares)} would fill "
            f"{plain(order.filled_size + shares)} of {plain(order.size)}"
        )
    leg = _leg(order, trade)
    row = _row_create(order, trade, now=now)
    faultpoint("fill.inserted")
    freed = _reservation_used(order, leg)
    realized = _position_apply(order, leg, freed=freed, now=now)
    _cash_apply(order, leg, freed=freed)
    faultpoint("fill.moved")
    _fact_record(order, row, leg, realized=realized)
    faultpoint("fill.ledger")
    _order_apply(order, row, freed=freed, realized=realized, now=now)
    faultpoint("fill.journaled")
    return FillResult(fill_id=row.pk, created=True)


def fill_failed(order: Order, trade: VenueTrade, *, now: datetime) -> FillResult:
    """Book a trade that is first told as failed, on a locked order: on file with its void, and nothing moves.

    Its shares may be sold and its dollars spent by now: that must not stop what never happened. What the order had
    set aside for it is given back, because the venue counts a failed part as matched and fills it no second time.
    """
    known = Fill.objects.filter(venue_trade_id=trade.trade_id, order=order, role=trade.role)
    if (fill_id := known.values_list("pk", flat=True).first()) is not None:
        return FillResult(fill_id=fill_id, created=False)
    leg = _leg(order, trade)
    row = _row_create(order, replace(trade, settlement=Fill.Settlement.FAILED), now=now, voided=True)
    _fact_record(order, row, leg, realized=0)
    reason = "the trade had failed to settle when it was first told"
    transaction_record(
        account_id=order.account_id,
        kind="void",
        reference=f"fill:{row.pk}",
        entries=entries_for_void(entries_for_fill(leg)),
        at=now,
        memo=reason,
    )
    freed = _reservation_used(order, leg)
    if freed > 0:
        order.reserved = reservation_release(order, keep=order.reserved - freed)
        Order.objects.filter(pk=order.pk).update(reserved=order.reserved)
    _filled_event(order, row, complete=False, late=OrderState(order.state) in TERMINAL, realized=0, now=now)
    _voided_event(order, row, reason, now=now)
    return FillResult(fill_id=row.pk, created=True)


@transaction.atomic
def fill_settle(fill_id: int, settlement: str, *, now: datetime) -> bool:
    """Take the venue's word on how a fill settles; later words win by rank. Returns whether anything changed.

    CONFIRMED makes bought shares sellable (I10); FAILED voids. Either after the other is a hard fault.
    """
    order_id = Fill.objects.values_list("order_id", flat=True).get(pk=fill_id)
    order = order_lock(order_id)
    row = Fill.objects.get(pk=fill_id)
    if settlement == row.settlement or _RANK[settlement] < _RANK[row.settlement]:
        return False
    if row.settlement in (Fill.Settlement.CONFIRMED, Fill.Settlement.FAILED):
        raise FillError(f"fill {fill_id} is {row.settlement}, and the venue now says {settlement}")
    if settlement == Fill.Settlement.FAILED:
        return _void(order, row, reason="the trade failed to settle", now=now)
    Fill.objects.filter(pk=fill_id).update(settlement=settlement)
    if settlement == Fill.Settlement.CONFIRMED and row.side == "buy":
        position = Position.objects.get(account_id=row.account_id, outcome_id=row.outcome_id)
        position.confirmed_size = _settled_size(row, position.size)
        position.updated_at = now
        position.save(update_fields=["confirmed_size", "updated_at"])
    return True


@transaction.atomic
def fill_void(fill_id: int, *, reason: str, now: datetime) -> bool:
    """Undo a fill that did not settle: shares, cash, fee and ledger, exactly once. Returns False the second time."""
    order_id = Fill.objects.values_list("order_id", flat=True).get(pk=fill_id)
    order = order_lock(order_id)
    return _void(order, Fill.objects.get(pk=fill_id), reason=reason, now=now)


def _void(order: Order, row: Fill, *, reason: str, now: datetime) -> bool:
    if not Fill.objects.filter(pk=row.pk, voided=False).update(voided=True, settlement=Fill.Settlement.FAILED):
        return False
    paid = LedgerTransaction.objects.filter(
        account_id=row.account_id, kind="redeem", reference=f"resolution:{order.market_id}"
    )
    if paid.exists():
        raise FillError(f"fill {row.pk} cannot be voided: market {order.market_id} has paid out")
    entries = entries_for_void(entries_read(account_id=row.account_id, kind="fill", reference=f"fill:{row.pk}"))
    position, market_id = _position_row(order, now=now)
    empty = HeldPosition(outcome_id=row.outcome_id, market_id=market_id)
    rest = movements_read(account_id=row.account_id, outcome_id=row.outcome_id, without=f"fill:{row.pk}")
    try:
        after = position_replayed(empty, rest)
    except LedgerError as error:
        raise FillError(f"fill {row.pk} cannot be voided: without it the account {error}") from error
    realized = after.realized - micro_from_decimal(position.realized)
    settled = _settled_size(row, decimal_from_micro(after.size))
    _position_write(position, replace(after, confirmed=Shares(micro_from_decimal(settled))), now=now)
    change = -fill_of(row).cash_change
    if not Account.objects.filter(pk=row.account_id, cash__gte=F("reserved_cash") - decimal_from_micro(change)).update(
        cash=F("cash") + decimal_from_micro(change)
    ):
        # Open orders give way when the halt that follows takes them off, and the next look undoes it then.
        raise FillError(
            f"fill {row.pk} cannot be voided: its ${plain(decimal_from_micro(-change))} is spent or set aside, and the "
            "account must give it back: it is undone as soon as enough cash is free"
        )
    transaction_record(
        account_id=row.account_id,
        kind="void",
        reference=f"fill:{row.pk}",
        entries=entries,
        at=now,
        memo=reason,
        realized=realized,
    )
    filled = order.filled_size - row.size
    Order.objects.filter(pk=order.pk).update(filled_size=filled)
    order.filled_size = filled
    if order.state == OrderState.FILLED and filled < order.size:
        order_advance(order, OrderState.CANCELED, now=now, reason=f"a fill was voided: {reason}", journal=False)
    _voided_event(order, row, reason, now=now)
    return True


def _voided_event(order: Order, row: Fill, reason: str, *, now: datetime) -> None:
    order_event(
        order,
        "order.fill_voided",
        f"order {order.pk}: {plain(row.size)} at {plain(row.price)} was undone: {reason}",
        severity=Severity.CRITICAL,
        now=now,
        payload={"fill_id": row.pk, "trade_id": row.venue_trade_id, "reason": reason},
    )


def _leg(order: Order, trade: VenueTrade) -> LedgerFill:
    return LedgerFill(
        outcome_id=order.outcome_id,
        side=Side(order.side),
        price=trade.price,
        size=trade.size,
        fee=trade.fee,
        confirmed=trade.settlement == Fill.Settlement.CONFIRMED,
        dollars=trade.dollars,
    )


def _row_create(order: Order, trade: VenueTrade, *, now: datetime, voided: bool = False) -> Fill:
    return Fill.objects.create(
        order=order,
        account_id=order.account_id,
        outcome_id=order.outcome_id,
        venue_trade_id=trade.trade_id,
        role=trade.role,
        side=order.side,
        price=decimal_from_micro(trade.price),
        size=decimal_from_micro(trade.size),
        fee=decimal_from_micro(trade.fee),
        dollars=None if trade.dollars is None else decimal_from_micro(trade.dollars),
        settlement=trade.settlement,
        voided=voided,
        venue_at=trade.at,
        recorded_at=now,
        transaction_hash=trade.transaction_hash,
    )


def _fact_record(order: Order, row: Fill, leg: LedgerFill, *, realized: int) -> None:
    transaction_record(
        account_id=order.account_id,
        kind="fill",
        reference=f"fill:{row.pk}",
        entries=entries_for_fill(leg),
        at=row.venue_at,
        memo=f"order {order.pk}: {order.side} {plain(row.size)} at {plain(row.price)}",
        realized=realized,
    )


def _settled_size(row: Fill, size: Decimal) -> Decimal:
    """Return how much of a position of `size` is settled: all but buys that are not, whatever was sold meanwhile."""
    bought = Fill.objects.filter(account_id=row.account_id, outcome_id=row.outcome_id, side="buy", voided=False)
    coming = bought.exclude(settlement=Fill.Settlement.CONFIRMED).aggregate(size=Sum("size", default=Decimal(0)))
    return max(Decimal(0), size - coming["size"])


def _reservation_used(order: Order, leg: LedgerFill) -> Decimal:
    """Return how much of the order's reservation this fill frees.

    At least what it spends, and at least its share: a better price gives the rest back at once.
    """
    if order.reserved <= 0:
        return Decimal(0)
    size = decimal_from_micro(leg.size)
    if leg.side is Side.SELL:
        return min(order.reserved, size)
    open_size = order.size - order.filled_size
    if size >= open_size:
        return order.reserved
    held = micro_from_decimal(order.reserved)
    rest = micro_from_decimal(open_size) - leg.size
    share = -(-held * rest // micro_from_decimal(open_size))
    # What is set aside for rounding is not shared out: every fill that is still to come rounds its own fee.
    spare = held - notional_up(Price(micro_from_decimal(order.price)), Shares(micro_from_decimal(open_size)))
    share += max(0, min(FEE_ROUNDING, spare))
    return order.reserved - decimal_from_micro(max(0, min(held + leg.cash_change, share)))


def _position_apply(order: Order, leg: LedgerFill, *, freed: Decimal, now: datetime) -> int:
    """Move the position and return the profit this fill booked (millionths)."""
    row, market_id = _position_row(order, now=now)
    before = position_of(row, market_id=market_id)
    try:
        after = position_after(before, leg)
    except LedgerError as error:
        raise FillError(f"order {order.pk}: {error}") from error
    if leg.side is Side.SELL:
        row.reserved_size -= freed
        if row.reserved_size > decimal_from_micro(after.size):
            raise FillError(f"order {order.pk}: a late sell takes shares that other orders have promised")
    _position_write(row, after, now=now)
    return after.realized - before.realized


def _position_row(order: Order, *, now: datetime) -> tuple[Position, int]:
    row, _ = Position.objects.get_or_create(
        account_id=order.account_id, outcome_id=order.outcome_id, defaults={"updated_at": now}
    )
    return row, order.market_id


def _position_write(row: Position, after: HeldPosition, *, now: datetime) -> None:
    """Store `after`; the account's lock is held, so nobody else moves the row."""
    row.size = decimal_from_micro(after.size)
    row.confirmed_size = decimal_from_micro(after.confirmed)
    row.cost = decimal_from_micro(after.cost)
    row.realized = decimal_from_micro(after.realized)
    row.fees = decimal_from_micro(after.fees)
    row.updated_at = now
    row.save(update_fields=["size", "confirmed_size", "reserved_size", "cost", "realized", "fees", "updated_at"])


def _cash_apply(order: Order, leg: LedgerFill, *, freed: Decimal) -> None:
    """Move cash and free the reservation in one statement that keeps what other orders have set aside."""
    change = decimal_from_micro(leg.cash_change)
    released = freed if leg.side is Side.BUY else Decimal(0)
    if not Account.objects.filter(pk=order.account_id, cash__gte=F("reserved_cash") - released - change).update(
        cash=F("cash") + change, reserved_cash=F("reserved_cash") - released
    ):
        raise FillError(
            f"order {order.pk}: a fill of ${plain(-change)} finds only "
            f"${plain(order.account.cash - order.account.reserved_cash)} free"
        )


def _order_apply(order: Order, row: Fill, *, freed: Decimal, realized: int, now: datetime) -> None:
    """Count the fill on the order, end the order when it is complete, and say so."""
    filled = order.filled_size + row.size
    fields: dict[str, Any] = {"filled_size": filled, "reserved": order.reserved - freed}
    late = OrderState(order.state) in TERMINAL and order.state != OrderState.FILLED
    if not Order.objects.filter(pk=order.pk, filled_size=order.filled_size).update(**fields):
        raise FillError(f"order {order.pk} was filled by somebody else at the same time")
    order.filled_size, order.reserved = filled, fields["reserved"]
    complete = filled >= order.size
    if complete and order.state != OrderState.FILLED:
        order_advance(
            order,
            OrderState.FILLED,
            now=now,
            journal=False,
            acknowledged_at=order.acknowledged_at or now,
        )
    _filled_event(order, row, complete=complete, late=late, realized=realized, now=now)


def _filled_event(order: Order, row: Fill, *, complete: bool, late: bool, realized: int, now: datetime) -> None:
    word = "is filled" if complete else f"has {plain(order.filled_size)} of {plain(order.size)} filled"
    notional = fill_of(row).notional
    order_event(
        order,
        "order.filled" if complete else "order.partially_filled",
        f"order {order.pk} ({order_label(order)}) {word}: {plain(row.size)} at {plain(row.price)} as {row.role}"
        + (" (late: the order had ended)" if late else ""),
        severity=Severity.WARNING if late else Severity.INFO,
        now=now,
        payload={
            "fill_id": row.pk,
            "trade_id": row.venue_trade_id,
            "role": row.role,
            "fill_price": plain(row.price),
            "fill_size": plain(row.size),
            "fee": plain(row.fee),
            "notional": plain(decimal_from_micro(notional)),
            "realized": plain(decimal_from_micro(realized)),
            "late": late,
            "after": order.state,
        },
    )
