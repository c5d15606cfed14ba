"""Order placement: from an approved placement to a row with its money set aside.

Only the risk gate imports this module, and `children` for orders inside an envelope that the gate approved.
It runs inside their transaction, under the account's lock.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db.models import F

from alerts.selectors.statements import rows_read
from alerts.services.journal import transaction_needed
from alerts.services.statements import rows_insert
from markets.domain.instruments import FeeSchedule, MarketFacts, Side
from markets.domain.units import Shares, decimal_from_micro, micro_from_decimal
from markets.selectors.catalogue import market_facts
from orders.domain.intents import Placement
from orders.domain.lifecycle import Environment, OrderState
from orders.domain.reserve import cash_to_reserve
from orders.models import Account, Order, Position
from orders.services.states import order_event, order_label, plain

# An order that takes is worth its price only for a moment; one that rests may wait a little for its turn.
MAX_AGE_MARKETABLE_S = 10
MAX_AGE_RESTING_S = 60

_SET_ASIDE = """
UPDATE orders_account SET reserved_cash = reserved_cash + %s WHERE id = %s AND cash >= reserved_cash + %s RETURNING id
"""


class ReservationError(ValueError):
    """Not enough free cash or shares; the message names what is needed and what is free."""


def order_create(
    *,
    account: Account,
    placement: Placement,
    size: int,
    verdict_id: int,
    now: datetime,
    facts: MarketFacts | None = None,
    plan_id: int | None = None,
    plan_leg_id: int | None = None,
) -> int:
    """Create the order in state RESERVED and return its id. `size` is what the gate allowed, in millionths.

    Needs the caller's transaction. Writes `order.approved`. A key that already has an order returns that order:
    approving twice reserves once. Raises ReservationError when the account cannot cover it.
    """
    transaction_needed()
    if known := rows_read("SELECT id FROM orders_order WHERE client_key = %s", placement.key):
        return int(known[0][0])
    reserved = _reserve(account, placement, size, facts)
    order = Order(
        client_key=placement.key,
        account=account,
        market_id=placement.market_id,
        outcome_id=placement.outcome_id,
        side=placement.side,
        price=decimal_from_micro(placement.price),
        size=decimal_from_micro(size),
        order_type=placement.order_type,
        post_only=placement.post_only,
        expires_at=placement.expires_at,
        state=OrderState.RESERVED,
        # A real venue's id is the hash of the signed order, which there is none of yet.
        venue_order_id=f"paper-{placement.key}" if account.environment == Environment.PAPER else None,
        reserved=reserved,
        origin_kind=placement.origin.kind,
        origin_id=placement.origin.id,
        origin_label=placement.origin.label[:120],
        origin_run_id=placement.origin.run_id,
        decision_id=placement.origin.decision_id,
        verdict_id=verdict_id,
        level=placement.level,
        fair_value=None if placement.fair_value is None else decimal_from_micro(placement.fair_value),
        reason=placement.reason[:240],
        replaces_id=placement.replaces_order_id,
        plan_id=plan_id,
        plan_leg_id=plan_leg_id,
        created_at=now,
        max_age_s=MAX_AGE_RESTING_S if placement.order_type.rests else MAX_AGE_MARKETABLE_S,
    )
    rows_insert([order])
    order_event(
        order,
        "order.approved",
        f"order {order.pk} ({order_label(order)}) was approved for {order.origin_label}",
        now=now,
        payload={"verdict_id": verdict_id, "reserved": plain(reserved), "reason": order.reason},
    )
    return order.pk


def _reserve(account: Account, placement: Placement, size: int, facts: MarketFacts | None) -> Decimal:
    """Check and set aside in one statement; no second order can get between."""
    if placement.side is Side.SELL:
        wanted = decimal_from_micro(size)
        held = Position.objects.filter(account=account, outcome_id=placement.outcome_id)
        if held.filter(confirmed_size__gte=F("reserved_size") + wanted).update(
            reserved_size=F("reserved_size") + wanted
        ):
            return wanted
        free = held.values_list(F("confirmed_size") - F("reserved_size"), flat=True).first() or Decimal(0)
        raise ReservationError(f"selling {plain(wanted)} shares needs as many free; {plain(free)} are")
    may_take = not placement.post_only
    fee: FeeSchedule | None = None
    if may_take:
        facts = facts or market_facts([placement.market_id])[placement.market_id]
        fee = facts.fee
    amount = decimal_from_micro(
        cash_to_reserve(side=placement.side, price=placement.price, size=Shares(size), may_take=may_take, fee=fee)
    )
    if rows_read(_SET_ASIDE, amount, account.pk, amount):
        return amount
    cash, reserved = Account.objects.values_list("cash", "reserved_cash").get(pk=account.pk)
    free_micro = micro_from_decimal(cash - reserved)
    raise ReservationError(
        f"buying {plain(decimal_from_micro(size))} at {plain(decimal_from_micro(placement.price))} "
        f"needs ${plain(amount)} with fees; ${plain(decimal_from_micro(free_micro))} is free"
    )
