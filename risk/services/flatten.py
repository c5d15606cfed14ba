"""Flatten: sell what an account or a strategy holds, at a floor, apart from the kill switch.

First the open orders and plans of the scope are asked to end, then one plan sells what is held. It never
buys. What cannot be sold is named with the reason, before and after.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils import timezone

from markets.domain.instruments import Side
from markets.domain.units import Price, Shares
from orders.domain.drafts import flatten_draft
from orders.domain.intents import INTENT_LEVEL, OrderType, Origin, OriginKind, Placement
from orders.domain.keys import new_key
from orders.services import execution
from risk.domain.context import GateContext
from risk.domain.verdicts import Verdict
from risk.rules.review import review_one
from risk.selectors.flattening import FlattenPreview, Holding, flatten_preview, scope_orders
from risk.services.gate import GateDesk

_bits = random.SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlattenResult:
    plan_id: int | None
    cancelled: int
    preview: FlattenPreview
    refused: tuple[Verdict, ...] = ()


def flatten(
    account_id: int,
    *,
    by: str,
    strategy: Origin | None = None,
    slippage_bps: int | None = None,
    key: str = "",
    clock: Callable[[], datetime] = timezone.now,
) -> FlattenResult:
    """End the scope's orders and plans, and make the plan that sells what it holds, through the gate."""
    now = clock()
    reason = f"flatten by {by}"
    if strategy is None:
        cancelled = execution.cancel_all(account_id, reason, by, now)
    else:
        cancelled = execution.cancel_origin(
            account_id, origin_kind=strategy.kind, origin_id=strategy.id, reason=reason, by=by, now=now
        )
    preview = flatten_preview(account_id, strategy=strategy, slippage_bps=slippage_bps, now=now)
    if not preview.sold:
        return FlattenResult(plan_id=None, cancelled=cancelled, preview=preview)
    asks = Origin(kind=OriginKind.EXIT, id=account_id, label=reason)
    placements = [_placement(holding, asks, reason, now) for holding in preview.sold]
    draft = flatten_draft(placements, key=key or new_key(now=now, bits=_bits), reason=reason, origin=strategy)
    desk = GateDesk(account_id=account_id, origin=asks, by=by, clock=clock)
    with desk.open(now) as held:
        context = held.context(placements)
        verdicts = [review_one(placement, _alone(context, placement, strategy)) for placement in placements]
        plan_id = held.record_plan(draft, verdicts)
    refused = tuple(verdict for verdict in verdicts if verdict.refused)
    return FlattenResult(plan_id=plan_id, cancelled=cancelled, preview=preview, refused=refused)


def _alone(context: GateContext, placement: Placement, strategy: Origin | None) -> GateContext:
    """Return the picture in which the leaving orders are gone and nothing but this position is held.

    All of it is to be sold: what one sale gives up as a hedge of another is no new risk.
    """
    portfolio = context.portfolio
    leaving = scope_orders(portfolio.open_orders, strategy)
    position = portfolio.positions.get(placement.outcome_id)
    if position is None:
        return context
    mine = sum(o.remaining for o in leaving if o.outcome_id == placement.outcome_id and o.side is Side.SELL)
    freed = replace(position, reserved=Shares(max(0, position.reserved - mine)))
    return replace(context, portfolio=replace(portfolio, positions={placement.outcome_id: freed}, open_orders=()))


def _placement(holding: Holding, origin: Origin, reason: str, now: datetime) -> Placement:
    return Placement(
        key=new_key(now=now, bits=_bits),
        market_id=holding.market_id,
        outcome_id=holding.outcome_id,
        side=Side.SELL,
        price=Price(holding.floor or 0),
        size=Shares(holding.size),
        order_type=OrderType.FAK,
        post_only=False,
        origin=origin,
        created_at=now,
        level=INTENT_LEVEL,
        reason=reason,
        marketable=True,
    )
