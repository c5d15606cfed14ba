"""Why an order of a live account may not leave now: asked inside the claim, after every lock is held.

What is slow to read is gathered before the locks (`gathered`) and judged after them with the clock of that
moment, so waiting for a lock makes nothing look fresher than it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from alerts.selectors.statements import rows_read
from markets.domain.instruments import Side
from markets.domain.units import micro_from_decimal
from markets.selectors.trading import OutcomeTerms, outcome_terms
from orders.domain.intents import OrderType, OriginKind
from orders.domain.lifecycle import Environment, TradingState
from orders.domain.readiness import LiveConditions, send_obstacle
from orders.models import Account, Order
from orders.selectors.conditions import conditions_by_outcome
from orders.selectors.permits import permits_missing

READ_ONLY_MODES = frozenset({"monitor", "scrape", "backtest"})  # nothing is sent in these

Wish = tuple[str, int, int, str]  # origin kind and id, outcome, side


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What was known of the orders' surroundings right before the claim."""

    conditions: Mapping[int, LiveConditions]  # by outcome
    permits: Mapping[int | None, str]  # what is missing, by strategy
    terms: Mapping[int, OutcomeTerms]


def gathered(account: Account, orders: Sequence[Order]) -> Gathered:
    by_outcome = {order.outcome_id: order.market_id for order in orders}
    strategies = {_strategy(order) for order in orders}
    live = account.environment == Environment.LIVE
    return Gathered(
        conditions=conditions_by_outcome(account.pk, account.venue, by_outcome),
        permits={s: "; ".join(permits_missing(account.pk, s)) if live else "" for s in strategies},
        terms=outcome_terms(by_outcome),
    )


def unknown_wishes(account_id: int) -> dict[Wish, int]:
    """Return what the account has sent without knowing what became of it: nothing may replace it (I5)."""
    return {
        (kind, origin, outcome, side): pk
        for kind, origin, outcome, side, pk in rows_read(
            "SELECT origin_kind, origin_id, outcome_id, side, id FROM orders_order"
            " WHERE account_id = %s AND state IN ('unknown', 'quarantined')",
            account_id,
        )
    }


def wish_of(order: Order) -> Wish:
    return order.origin_kind, order.origin_id, order.outcome_id, order.side


def standing(order: Order, *, killed: bool, now: datetime) -> str:
    """Return what stops an order of any account, or ""."""
    account = order.account
    age_s = (now - order.created_at).total_seconds()
    obstacles = (
        (killed, "the kill switch is set"),
        (
            settings.POLYBOT_MODE in READ_ONLY_MODES,
            f"the desk runs in {settings.POLYBOT_MODE} mode, which sends nothing",
        ),
        (account.trading_state == TradingState.HALTED, f"the account is halted: {account.trading_state_reason}"),
        (
            account.trading_state == TradingState.REDUCE_ONLY and order.side == Side.BUY,
            f"the account may only reduce: {account.trading_state_reason}",
        ),
        (order.cancel_requested_at is not None, f"cancelled before it was sent: {order.cancel_reason}"),
        (age_s > order.max_age_s, f"{age_s:.0f} s old, and it may be sent within {order.max_age_s} s"),
    )
    return next((reason for stands, reason in obstacles if stands), "")


def live_obstacle(
    order: Order,
    known: Gathered,
    *,
    killed: bool,
    now: datetime,
    tick: int,
    unknown: Mapping[Wish, int],
) -> str:
    """Return what stops this order of a live account for good, or "". `tick` is the one its amounts were made for."""
    if reason := standing(order, killed=killed, now=now):
        return reason
    terms = known.terms.get(order.outcome_id)
    missing = known.permits.get(_strategy(order), "the live permits were not read")
    other = unknown.get(wish_of(order), order.pk)
    obstacles = (
        (missing, missing),
        (terms is None, "its market is not in the catalogue"),
        (terms is not None and terms.tick != tick, "the market's tick changed since it was decided"),
        (terms is not None and micro_from_decimal(order.price) % terms.tick, "its price is not on the market's tick"),
        (order.expires_at is not None and order.expires_at <= now, "its time is over"),
        (other != order.pk, f"order {other} of the same kind has an unknown outcome"),
    )
    return next((reason for stands, reason in obstacles if stands), "")


def condition_obstacle(order: Order, known: Gathered, *, now: datetime) -> str:
    """Return what stops it at this moment and may pass: streams, clocks, books, the venue's mode (I14)."""
    conditions = known.conditions.get(order.outcome_id)
    if conditions is None:
        return "the state of the venue was not read"
    marketable = not OrderType(order.order_type).rests
    return send_obstacle(conditions, side=Side(order.side), marketable=marketable, now=now, post_only=order.post_only)


def _strategy(order: Order) -> int | None:
    """Return the strategy whose permit the order needs; a person's order needs none."""
    return order.origin_id if order.origin_kind == OriginKind.STRATEGY else None
