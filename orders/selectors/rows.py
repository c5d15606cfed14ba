"""From rows to the core's values: Decimals become millionths here and nowhere else."""

from __future__ import annotations

from markets.domain.instruments import Side
from markets.domain.units import Price, Shares, Usd, micro_from_decimal
from orders.domain.intents import OpenOrder, OrderType, Origin, OriginKind
from orders.domain.ledger import Fill as LedgerFill
from orders.domain.ledger import Position as HeldPosition
from orders.models import Fill, Order, Position


def position_of(row: Position, *, market_id: int) -> HeldPosition:
    return HeldPosition(
        outcome_id=row.outcome_id,
        market_id=market_id,
        size=Shares(micro_from_decimal(row.size)),
        confirmed=Shares(micro_from_decimal(row.confirmed_size)),
        reserved=Shares(micro_from_decimal(row.reserved_size)),
        cost=Usd(micro_from_decimal(row.cost)),
        realized=Usd(micro_from_decimal(row.realized)),
        fees=Usd(micro_from_decimal(row.fees)),
    )


def fill_of(row: Fill) -> LedgerFill:
    return LedgerFill(
        outcome_id=row.outcome_id,
        side=Side(row.side),
        price=Price(micro_from_decimal(row.price)),
        size=Shares(micro_from_decimal(row.size)),
        fee=Usd(micro_from_decimal(row.fee)),
        confirmed=row.settlement == Fill.Settlement.CONFIRMED,
        dollars=None if row.dollars is None else Usd(micro_from_decimal(row.dollars)),
    )


def origin_of(row: Order) -> Origin:
    return Origin(
        kind=OriginKind(row.origin_kind),
        id=row.origin_id,
        label=row.origin_label,
        run_id=row.origin_run_id,
        decision_id=row.decision_id,
    )


def open_order_of(row: Order) -> OpenOrder:
    return OpenOrder(
        order_id=row.pk,
        key=str(row.client_key),
        market_id=row.market_id,
        outcome_id=row.outcome_id,
        side=Side(row.side),
        price=Price(micro_from_decimal(row.price)),
        size=Shares(micro_from_decimal(row.size)),
        filled=Shares(micro_from_decimal(row.filled_size)),
        order_type=OrderType(row.order_type),
        post_only=row.post_only,
        state=row.state,
        origin=origin_of(row),
        created_at=row.created_at,
        level=row.level,
        cancel_requested=row.cancel_requested_at is not None,
    )
