"""Our books against the exchange's own (its control endpoint and data services): I3, I4, I7, I8, I9 and I20.

Asked when nothing is under way. Everything is exact: a millionth is a violation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markets.domain.trading import OrderWord, TradeStage, VenueLeg, VenueOrder
from markets.domain.units import micro_from_decimal, micro_from_text
from orders.domain.lifecycle import RESTING, TERMINAL, OrderState
from orders.models import Account, ExternalOrder, Fill, Order, Position
from orders.services.invariants import Violation

QUIET = frozenset({OrderState.QUARANTINED, *RESTING, *TERMINAL})


def compare(
    account: Account, *, wallet: Mapping[str, Any], open_orders: list[VenueOrder], legs: list[VenueLeg]
) -> list[Violation]:
    """Return every difference between the account's rows and the exchange's truth."""
    orders = list(Order.objects.filter(account=account))
    return [
        *_orders(account, orders, open_orders, legs),
        *_fills(account, orders, legs),
        *_money(account, wallet),
    ]


def unsettled(account: Account) -> list[str]:
    """Return the orders about which something is still under way (I20)."""
    rows = Order.objects.filter(account=account).exclude(state__in=[*TERMINAL, OrderState.LIVE, OrderState.QUARANTINED])
    return [f"order {row.pk} {row.state}" for row in rows]


def _orders(
    account: Account, orders: list[Order], open_orders: list[VenueOrder], legs: list[VenueLeg]
) -> list[Violation]:
    ours = {order.venue_order_id: order for order in orders if order.venue_order_id}
    known_foreign = set(ExternalOrder.objects.filter(account=account).values_list("venue_order_id", flat=True))
    found = []
    shown = {order.order_id.lower() for order in open_orders} | {leg.order_id.lower() for leg in legs}
    found += [
        _violation("I4", account, f"the venue has order {order_id}, which no row has")
        for order_id in sorted(shown - ours.keys() - known_foreign)
    ]
    resting = {order.order_id.lower() for order in open_orders if order.word in (OrderWord.LIVE, OrderWord.DELAYED)}
    for order_id, order in ours.items():
        if (order_id in resting) != (order.state in RESTING) and order.state != OrderState.QUARANTINED:
            where = "rests at the venue" if order_id in resting else "is not open at the venue"
            found.append(_violation("I20", account, f"order {order.pk} is {order.state} here and {where}"))
        if order_id in resting and order.state in TERMINAL:
            found.append(_violation("I4", account, f"order {order.pk} is {order.state} and still open at the venue"))
    return found


def _fills(account: Account, orders: list[Order], legs: list[VenueLeg]) -> list[Violation]:
    found = []
    booked = {
        (fill.venue_trade_id, fill.order.venue_order_id, fill.role): fill
        for fill in Fill.objects.filter(account=account).select_related("order")
    }
    theirs = {(leg.trade_id, leg.order_id.lower(), leg.role.value): leg for leg in legs}
    standing: dict[str, int] = {}
    for key, leg in theirs.items():
        fill = booked.get(key)
        failed = leg.stage is TradeStage.FAILED
        if not failed:
            standing[key[1]] = standing.get(key[1], 0) + leg.size
        if fill is None:
            found += [] if failed else [_violation("I7", account, f"trade {leg.trade_id} of {leg.size} is not booked")]
        elif fill.voided != failed or micro_from_decimal(fill.size) != leg.size:
            found.append(
                _violation(
                    "I7",
                    account,
                    f"trade {leg.trade_id}: {leg.size} {leg.stage} there, {fill.size} voided={fill.voided} here",
                )
            )
    found += [
        _violation("I7", account, f"trade {key[0]} is booked, the venue has none")
        for key in booked
        if key not in theirs
    ]
    for order in orders:
        size = micro_from_decimal(order.size)
        if standing.get(order.venue_order_id or "", 0) > size + 10_000:
            found.append(
                _violation("I3", account, f"order {order.pk} of {order.size} traded {standing[order.venue_order_id]}")
            )
    return found


def _money(account: Account, wallet: Mapping[str, Any]) -> list[Violation]:
    found = []
    theirs = micro_from_text(wallet["cash"], field="cash")
    mine = micro_from_decimal(Account.objects.values_list("cash", flat=True).get(pk=account.pk))
    if mine != theirs:
        found.append(_violation("I9", account, f"cash is {mine} here, {theirs} at the venue"))
    shares = {token: micro_from_text(size, field="shares") for token, size in wallet["holdings"].items()}
    held = {
        position.outcome.token_id: micro_from_decimal(position.size)
        for position in Position.objects.filter(account=account).select_related("outcome")
    }
    for token in sorted({*shares, *held}):
        if held.get(token, 0) != shares.get(token, 0):
            found.append(
                _violation(
                    "I8", account, f"{token[:12]}…: {held.get(token, 0)} here, {shares.get(token, 0)} at the venue"
                )
            )
    return found


def _violation(invariant: str, account: Account, message: str) -> Violation:
    return Violation(invariant=invariant, subject=f"account {account.pk}", message=message)
