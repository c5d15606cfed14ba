"""The review: every rule is asked about every placement, in one fixed order, and every answer is kept.

The first rule that says no decides, and names itself. Otherwise the smallest size that any
rule allows wins. Placements reviewed together see each other: what one is allowed is
reserved before the next is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from markets.domain.instruments import Side
from markets.domain.units import Shares, Usd
from orders.domain.intents import OpenOrder, Placement
from orders.domain.ledger import Portfolio
from orders.domain.lifecycle import OrderState
from orders.domain.reserve import cash_to_reserve
from risk.domain import words
from risk.domain.context import GateContext, OriginUsage, RecentOrder, origin_ref
from risk.domain.exposure import risked_order
from risk.domain.question import LOT, Question
from risk.domain.verdicts import Check, Decision, Verdict
from risk.rules import conditions, conduct, counts, exposure, freshness, funds, loss, market, price, size, state, terms

Rule = Callable[[Question], Check]

STATE_RULES: tuple[Rule, ...] = (state.kill_switch, state.trading_state, state.auto_trade)
# Between the two an account that sends to a venue is asked for its permits and conditions.
RULES: tuple[Rule, ...] = (
    *STATE_RULES,
    conditions.venue_block,
    conditions.market_block,
    market.market_known,
    market.market_open,
    market.time_to_close,
    market.metadata_age,
    market.fee_known,
    market.liquidity,
    market.volume_24h,
    freshness.book_fresh,
    terms.expiry,
    price.price_tick,
    price.post_only,
    price.slippage,
    conduct.unknown_order,
    conduct.plan_working,
    conduct.self_trade,
    conduct.duplicate,
    conduct.order_rate,
    counts.open_orders,
    counts.strategy_open_orders,
    counts.open_positions,
    loss.daily_loss,
    loss.strategy_daily_loss,
    loss.drawdown,
    size.lot,
    size.order_size,
    funds.cash_available,
    funds.shares_available,
    exposure.market_exposure,
    exposure.event_exposure,
    exposure.strategy_exposure,
    exposure.account_exposure,
)
# Asked about the size that the rules above leave over.
FINAL_RULES: tuple[Rule, ...] = (size.minimum_size, size.order_minimum)

NO_LIMITS = Check(
    rule="limits_known", passed=False, value=0, limit=1, note="no limits are set for this account: choose a profile"
)


def review(placements: Sequence[Placement], context: GateContext) -> list[Verdict]:
    """Return one verdict per placement, in the order given."""
    verdicts: list[Verdict] = []
    for placement in placements:
        if verdicts and verdicts[-1].approved:
            context = reserve(context, verdicts[-1].placement, verdicts[-1].allowed_size)
        verdicts.append(review_one(placement, context))
    return verdicts


def review_one(placement: Placement, context: GateContext) -> Verdict:
    if context.limits is None:
        return _refused(placement, NO_LIMITS, (NO_LIMITS,))
    facts = context.facts
    question = Question(
        placement=placement,
        context=context,
        limits=context.limits,
        size=placement.size,
        facts=facts.get(placement.market_id),
        book=context.books.get(placement.outcome_id),
        risks=tuple([risked_order(order, facts.get(order.market_id)) for order in context.portfolio.open_orders]),
    )
    checks = [Check(rule="limits_known", passed=True, value=1, limit=1, note=context.limits.profile)]
    checks += [rule(question) for rule in STATE_RULES]
    checks += conditions.live_checks(question)
    checks += [rule(question) for rule in RULES[len(STATE_RULES) :]]
    sizes = [check.allowed_size for check in checks if check.allowed_size is not None]
    allowed = Shares(min([placement.size, *sizes]) // LOT * LOT)
    last = question if allowed == question.size else replace(question, size=allowed)
    checks += [rule(last) for rule in FINAL_RULES]
    refusal = next((check for check in checks if not check.passed), None)
    shrinking = next((check for check in checks if check.allowed_size == allowed), None)
    if refusal is not None:
        if shrinking is not None and refusal.rule in _FINAL_NAMES:
            # Too small only because something else cut it: name what cut it.
            refusal = replace(refusal, rule=shrinking.rule, note=f"{shrinking.note}; {refusal.note}")
        return _refused(placement, refusal, tuple(checks))
    if allowed < placement.size and shrinking is not None:
        decision, rule = Decision.SHRUNK, shrinking.rule
        message = f"{shrinking.note}: cut to {words.shares(allowed)}"
    else:
        decision, rule, message = Decision.APPROVED, "", ""
    return Verdict(
        placement=placement,
        decision=decision,
        allowed_size=allowed,
        rule=rule,
        message=message,
        checks=tuple(checks),
    )


_FINAL_NAMES = frozenset({"minimum_size", "order_minimum"})


def reserve(context: GateContext, placement: Placement, size: Shares) -> GateContext:
    """Return the context in which an order of `size` is already open: what the next placement must see."""
    facts = context.facts.get(placement.market_id)
    cost = cash_to_reserve(
        side=placement.side,
        price=placement.price,
        size=size,
        may_take=not placement.post_only,
        fee=facts.fee if facts else None,
    )
    ref = origin_ref(placement.origin)
    usage = context.usage(placement.origin)
    return replace(
        context,
        portfolio=_portfolio_with(context.portfolio, placement, size, cost),
        origin_usage={
            **context.origin_usage,
            ref: OriginUsage(exposure=Usd(usage.exposure + cost), day_loss=usage.day_loss),
        },
        orders_last_minute=context.orders_last_minute + 1,
        recent_orders=(
            *context.recent_orders,
            RecentOrder(
                origin=ref,
                outcome_id=placement.outcome_id,
                side=placement.side,
                price=placement.price,
                size=placement.size,
                at=context.now,
            ),
        ),
    )


def _portfolio_with(portfolio: Portfolio, placement: Placement, size: Shares, cost: Usd) -> Portfolio:
    positions = portfolio.positions
    held = positions.get(placement.outcome_id)
    if placement.side is Side.SELL and held is not None:
        positions = {**positions, placement.outcome_id: replace(held, reserved=Shares(held.reserved + size))}
    order = OpenOrder(
        order_id=0,
        key=placement.key,
        market_id=placement.market_id,
        outcome_id=placement.outcome_id,
        side=placement.side,
        price=placement.price,
        size=size,
        filled=Shares(0),
        order_type=placement.order_type,
        post_only=placement.post_only,
        state=OrderState.RESERVED,
        origin=placement.origin,
        created_at=placement.created_at,
        level=placement.level,
    )
    return replace(
        portfolio,
        positions=positions,
        open_orders=(*portfolio.open_orders, order),
        reserved_cash=Usd(portfolio.reserved_cash + cost),
    )


def _refused(placement: Placement, check: Check, checks: tuple[Check, ...]) -> Verdict:
    return Verdict(
        placement=placement,
        decision=Decision.REFUSED,
        allowed_size=Shares(0),
        rule=check.rule,
        message=check.note,
        checks=checks,
    )
