"""The simulated venue's records of one account, in the words of the comparison. Another venue gets its own module."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import connection

from markets.domain.units import micro_from_decimal
from orders.domain.lifecycle import OPEN
from orders.domain.reconcile import Books, TheirOrder, TradeLeg
from orders.models import LedgerEntry, Order, PaperOrder, PaperTrade
from orders.services.paper import STATE_OF


def their_orders(account_id: int, *, since: datetime) -> list[TheirOrder]:
    """Return the venue's live orders, those of our open orders, and all placed since `since`."""
    ours = Order.objects.filter(account_id=account_id, state__in=OPEN).values("venue_order_id")
    rows = PaperOrder.objects.filter(account_id=account_id)
    wanted = rows.filter(state=PaperOrder.State.LIVE) | rows.filter(pk__in=ours) | rows.filter(placed_at__gte=since)
    return [
        TheirOrder(
            venue_order_id=row.pk,
            state=STATE_OF[PaperOrder.State(row.state)],
            filled=micro_from_decimal(row.filled),
            reason=row.reason,
        )
        for row in wanted
    ]


def their_trades(account_id: int, *, since: datetime) -> list[TradeLeg]:
    rows = PaperTrade.objects.filter(account_id=account_id, at__gte=since)
    return [
        TradeLeg(
            trade_id=row.pk,
            venue_order_id=row.order_id,
            role=row.role,
            price=micro_from_decimal(row.price),
            size=micro_from_decimal(row.size),
            fee=micro_from_decimal(row.fee),
        )
        for row in rows
    ]


_SIX = Decimal("0.000001")

# Cash rounds against the trader, share by share of each trade, exactly as `ledger.Fill.notional` does.
_TRADED = """
SELECT o.outcome_id,
       SUM(CASE o.side WHEN 'buy' THEN t.size ELSE -t.size END),
       SUM(CASE o.side WHEN 'buy' THEN -CEIL(t.price * t.size * 1000000) ELSE FLOOR(t.price * t.size * 1000000) END)
         / 1000000 - SUM(t.fee)
FROM orders_papertrade t JOIN orders_paperorder o ON o.venue_order_id = t.order_id
WHERE t.account_id = %s AND t.ingested
GROUP BY o.outcome_id
"""


def their_books(account_id: int) -> Books:
    """Return cash and positions as the venue's own trades make them, for what we have taken over.

    Money put in and payouts of decided markets are not trades; both are read from the ledger.
    Trades we have not taken over yet are found by comparing trades.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TRADED, [account_id])
        traded = cursor.fetchall()
    cash = sum(micro_from_decimal(row[2].quantize(_SIX)) for row in traded)
    positions = {row[0]: micro_from_decimal(row[1]) for row in traded}
    outside = LedgerEntry.objects.filter(account_id=account_id, book="own").exclude(
        transaction__kind__in=("fill", "void")
    )
    for asset, amount in outside.values_list("asset", "amount"):
        if asset == "usd":
            cash += micro_from_decimal(amount)
        elif asset.startswith("outcome:"):
            outcome_id = int(asset.partition(":")[2])
            positions[outcome_id] = positions.get(outcome_id, 0) + micro_from_decimal(amount)
    return Books(cash=cash, positions={k: v for k, v in positions.items() if v}, trades=())
