"""What of an account is under way and may explain a difference with the venue's balances."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Q

from markets.domain.instruments import Side
from markets.domain.units import micro_from_decimal
from orders.domain.ledger import outcome_asset
from orders.domain.lifecycle import OrderState
from orders.domain.open_items import USD, ItemKind, OpenItem, either_way
from orders.models import Account, ChainAction, Fill, Order
from orders.selectors.rows import fill_of

RECENT = timedelta(seconds=60)  # a balance may be this much older than the trade that changed it
_UNKNOWN = (OrderState.UNKNOWN, OrderState.QUARANTINED)
_UNDER_WAY = (OrderState.SENDING, OrderState.DELAYED, OrderState.MATCHED)
_OPEN_ACTIONS = ("signed", "sending", "unknown", "pending")
_KIND = {"matched": ItemKind.PROVISIONAL_FILL, "mined": ItemKind.PROVISIONAL_FILL, "retrying": ItemKind.RETRYING_FILL}


def open_items(account: Account, *, now: datetime) -> Iterator[OpenItem]:
    """Yield every item that is in flight or was a moment ago."""
    yield from _fills(account, now)
    yield from _orders(account)
    yield from _actions(account, now)


def _fills(account: Account, now: datetime) -> Iterator[OpenItem]:
    rows = Fill.objects.filter(account=account).filter(Q(settlement__in=_KIND) | Q(recorded_at__gte=now - RECENT))
    for row in rows.order_by("pk"):
        fill = fill_of(row)
        open_ = row.settlement in _KIND
        kind = _KIND.get(row.settlement, ItemKind.RECENT_FILL)
        subject = f"fill {row.pk} ({row.settlement})"
        shares = fill.size if fill.side is Side.BUY else -fill.size
        # A voided fill is undone in our books; the venue may show it a moment longer.
        sign = -1 if row.voided else 1
        asset = outcome_asset(row.outcome_id)
        yield either_way(kind, subject, USD, sign * fill.cash_change, in_flight=open_)
        yield either_way(kind, subject, asset, sign * shares, in_flight=open_)


def _orders(account: Account) -> Iterator[OpenItem]:
    """Orders that may have traded without our knowing: at most what is set aside for them."""
    for row in Order.objects.filter(account=account, state__in=_UNKNOWN + _UNDER_WAY).order_by("pk"):
        kind = ItemKind.UNKNOWN_ORDER if row.state in _UNKNOWN else ItemKind.ORDER_UNDER_WAY
        subject = f"order {row.pk} ({row.state})"
        left = micro_from_decimal(row.size) - micro_from_decimal(row.filled_size)
        asset = outcome_asset(row.outcome_id)
        if row.side == Side.BUY:
            spends = micro_from_decimal(row.reserved)
            # Better prices may buy more shares than asked for, never for more dollars; a share costs a tick at least.
            yield OpenItem(kind=kind, subject=subject, asset=USD, low=-spends, high=0)
            yield OpenItem(kind=kind, subject=subject, asset=asset, low=0, high=max(left, spends * 10_000))
        else:
            yield OpenItem(kind=kind, subject=subject, asset=USD, low=0, high=left)
            yield OpenItem(kind=kind, subject=subject, asset=asset, low=-left, high=0)


def _actions(account: Account, now: datetime) -> Iterator[OpenItem]:
    """Transactions outside the book. What they may move is bounded by their amount, either way."""
    rows = ChainAction.objects.filter(account=account).exclude(kind=ChainAction.Kind.APPROVE)
    for row in rows.filter(Q(state__in=_OPEN_ACTIONS) | Q(ended_at__gte=now - RECENT, state="confirmed")):
        open_ = row.state in _OPEN_ACTIONS
        subject = f"{row.kind} {row.pk} ({row.state})"
        amount = micro_from_decimal(row.amount)
        outcomes = [int(o) for o in row.expected.get("outcomes", [])] + [
            int(o) for o in row.expected.get("hold_shares", {})
        ]
        most = amount * max(1, len(outcomes))
        for asset in (USD, *(outcome_asset(o) for o in dict.fromkeys(outcomes))):
            yield OpenItem(
                kind=ItemKind.CHAIN_ACTION, subject=subject, asset=asset, low=-most, high=most, in_flight=open_
            )
