"""Accounts, positions and open orders as the core's values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum
from django.utils import timezone

from alerts.selectors.statements import Select, rows_read
from markets.domain.units import Usd, micro_from_decimal
from orders.domain.equity import HasPrices, day_start, value_positions
from orders.domain.intents import OpenOrder
from orders.domain.ledger import Portfolio
from orders.domain.ledger import Position as HeldPosition
from orders.domain.lifecycle import OPEN, Environment, TradingState
from orders.models import Account, ExecutionPlan, Order, PlanLeg, Position
from orders.selectors.marks import marks_read
from orders.selectors.rows import open_order_of, position_of

OPEN_STATES = tuple(sorted(OPEN))

_HELD = Select(Position, "WHERE account_id = %s AND size > 0 ORDER BY outcome_id")
_MARKETS = "SELECT id, market_id FROM markets_outcome WHERE id = ANY(%s)"
_OPEN = Select(Order, "WHERE account_id = %s AND state = ANY(%s) ORDER BY id")
_RECENT = Select(Order, "WHERE account_id = %s AND created_at > %s ORDER BY id DESC")
_DAY_START = """
SELECT coalesce(
    (SELECT equity FROM orders_pnlsnapshot
     WHERE account_id = %s AND at < %s AND unmarked = 0 AND at >= %s ORDER BY at DESC LIMIT 1),
    (SELECT equity FROM orders_pnlsnapshot WHERE account_id = %s AND at < %s ORDER BY at DESC LIMIT 1))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """An account without its money: who, where, and whether it may trade."""

    id: int
    name: str
    owner_id: int
    venue: str
    environment: Environment
    trading_state: TradingState
    trading_state_reason: str
    auto_trade: bool
    on_stop: str
    reconciled_at: datetime | None


def account_list(*, owner_id: int | None = None, environment: Environment | None = None) -> list[AccountFacts]:
    rows = Account.objects.order_by("id")
    if owner_id is not None:
        rows = rows.filter(owner_id=owner_id)
    if environment is not None:
        rows = rows.filter(environment=environment)
    return [_facts(row) for row in rows]


def account_get(account_id: int) -> AccountFacts:
    return _facts(Account.objects.get(pk=account_id))


def portfolio_get(
    account_id: int,
    marks: Mapping[int, HasPrices] | None = None,
    *,
    now: datetime | None = None,
    row: Account | None = None,
) -> Portfolio:
    """Return the account with its positions, open orders and equity.

    `marks` None reads the latest from the tickstore; an empty mapping values everything at cost.
    Under `accounts.account_lock` the picture holds still until the transaction ends; who holds the locked row
    gives it as `row`.
    """
    account = Account.objects.get(pk=account_id) if row is None else row
    positions = position_list(account_id)
    if marks is None:
        marks = marks_read(list(positions))
    valuation = value_positions(positions.values(), marks)
    equity = Usd(micro_from_decimal(account.cash) + valuation.positions_value)
    return Portfolio(
        account_id=account.pk,
        environment=Environment(account.environment),
        trading_state=TradingState(account.trading_state),
        cash=Usd(micro_from_decimal(account.cash)),
        reserved_cash=Usd(micro_from_decimal(account.reserved_cash)),
        positions=positions,
        open_orders=open_order_list(account_id),
        equity=equity,
        day_start_equity=day_start_equity(account, now=now or timezone.now()),
        peak_equity=Usd(max(micro_from_decimal(account.peak_equity), equity)),
        positions_value=valuation.positions_value,
        unrealized=valuation.unrealized,
        unmarked=valuation.unmarked,
        auto_trade=account.auto_trade,
        reconciled_at=account.reconciled_at,
    )


def position_list(account_id: int) -> dict[int, HeldPosition]:
    """Return what the account holds now, by outcome; sold-out positions are left out."""
    held = _HELD.rows(account_id)
    if not held:
        return {}
    markets = dict(rows_read(_MARKETS, [row.outcome_id for row in held]))
    return {row.outcome_id: position_of(row, market_id=markets[row.outcome_id]) for row in held}


def open_order_list(account_id: int) -> tuple[OpenOrder, ...]:
    """Return the orders that may still trade, oldest first, the unknown ones included (I5)."""
    return tuple(open_order_of(row) for row in _OPEN.rows(account_id, list(OPEN_STATES)))


def day_start_equity(account: Account, *, now: datetime) -> Usd:
    """Return the equity of the last snapshot before midnight UTC, else what the account opened with.

    One in which every position had a price is taken when it is at most an hour older: a position that counted
    at cost would turn yesterday's loss or gain into today's.
    """
    midnight = day_start(now)
    ((last,),) = rows_read(_DAY_START, account.pk, midnight, midnight - timedelta(hours=1), account.pk, midnight)
    return Usd(micro_from_decimal(account.opening_cash if last is None else last))


def held_outcomes(account_ids: Sequence[int] | None = None) -> set[int]:
    """Return the outcomes that any of the accounts holds or may still trade: all of them need live books."""
    positions = Position.objects.filter(size__gt=0)
    orders = Order.objects.filter(state__in=OPEN_STATES)
    planned = PlanLeg.objects.filter(plan__state=ExecutionPlan.State.ACTIVE)  # between two orders nothing is open
    if account_ids is not None:
        positions, orders = positions.filter(account_id__in=account_ids), orders.filter(account_id__in=account_ids)
        planned = planned.filter(plan__account_id__in=account_ids)
    held = set(positions.values_list("outcome_id", flat=True).distinct())
    held |= set(planned.values_list("outcome_id", flat=True).distinct())
    return held | set(orders.values_list("outcome_id", flat=True).distinct())


def traded_markets() -> set[int]:
    """Return the markets in which some account holds shares or has an open order."""
    held = Position.objects.filter(size__gt=0).values_list("outcome__market_id", flat=True).distinct()
    planned = PlanLeg.objects.filter(plan__state=ExecutionPlan.State.ACTIVE).values_list("market_id", flat=True)
    orders = Order.objects.filter(state__in=OPEN_STATES).values_list("market_id", flat=True).distinct()
    return set(held) | set(orders) | set(planned)


def reserved_by_origin(account_id: int) -> dict[tuple[str, int], Usd]:
    """Return the dollars each origin's open buys have set aside."""
    rows = (
        Order.objects.filter(account_id=account_id, state__in=OPEN_STATES, side="buy")
        .values_list("origin_kind", "origin_id")
        .annotate(total=Sum("reserved"))
    )
    return {(kind, origin): Usd(micro_from_decimal(total)) for kind, origin, total in rows}


def orders_created_since(account_id: int, since: datetime) -> int:
    return Order.objects.filter(account_id=account_id, created_at__gt=since).count()


def recent_orders(account_id: int, since: datetime) -> Iterable[OpenOrder]:
    """Return the account's orders created after `since` whatever became of them, newest first."""
    return [open_order_of(row) for row in _RECENT.rows(account_id, since)]


def _facts(row: Account) -> AccountFacts:
    return AccountFacts(
        id=row.pk,
        name=row.name,
        owner_id=row.owner_id,
        venue=row.venue,
        environment=Environment(row.environment),
        trading_state=TradingState(row.trading_state),
        trading_state_reason=row.trading_state_reason,
        auto_trade=row.auto_trade,
        on_stop=row.on_stop,
        reconciled_at=row.reconciled_at,
    )
