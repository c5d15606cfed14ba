"""The review: fixed order, everything recorded, the smallest size wins, placements see each other."""

from __future__ import annotations

import random

import pytest

from markets.domain.instruments import FeeSchedule, Side
from markets.domain.units import Shares, Usd
from orders.domain.intents import OrderType, OriginKind, Placement
from orders.domain.lifecycle import TradingState
from risk.domain import exposure
from risk.domain.context import GateContext, OriginUsage
from risk.domain.verdicts import Decision
from risk.rules.review import FINAL_RULES, RULES, reserve, review
from tests.factories.risk import (
    MANUAL,
    ORIGIN,
    book,
    context,
    facts,
    group,
    held,
    limits,
    micro,
    portfolio,
    wanted,
)


def test_an_ordinary_order_is_approved_with_every_rule_on_file() -> None:
    (verdict,) = review([wanted()], context())
    assert verdict.decision is Decision.APPROVED
    assert verdict.approved
    assert (verdict.rule, verdict.message, verdict.allowed_size) == ("", "", micro("10"))
    assert len(verdict.checks) == 1 + len(RULES) + len(FINAL_RULES)
    assert len({check.rule for check in verdict.checks}) == len(verdict.checks)


def test_the_first_rule_that_says_no_decides_and_the_others_are_still_asked() -> None:
    halted = context(killed=True, portfolio=portfolio(trading_state=TradingState.HALTED), books={})
    (verdict,) = review([wanted()], halted)
    assert (verdict.decision, verdict.rule, verdict.allowed_size) == (Decision.REFUSED, "kill_switch", 0)
    refused_by = [check.rule for check in verdict.checks if not check.passed]
    assert refused_by == ["kill_switch", "trading_state", "book_fresh", "slippage"]


def test_the_smallest_allowed_size_wins_and_is_named() -> None:
    tight = limits(order_size="25", market_exposure="20", account_exposure="30")
    (verdict,) = review([wanted(size="100")], context(limits=tight))
    assert (verdict.decision, verdict.rule, verdict.allowed_size) == (Decision.SHRUNK, "market_exposure", micro("40"))
    assert verdict.message == "this market could lose $50.00, at most $20.00: cut to 40 shares"


def test_cut_below_the_venues_minimum_is_a_refusal_that_names_what_cut_it() -> None:
    (verdict,) = review([wanted(size="100")], context(limits=limits(market_exposure="2")))
    assert (verdict.decision, verdict.rule) == (Decision.REFUSED, "market_exposure")
    assert verdict.message == (
        "this market could lose $50.00, at most $2.00; 4 shares is below the minimum of 5 shares"
    )


def test_too_small_from_the_start_is_the_minimums_refusal() -> None:
    (verdict,) = review([wanted(size="2")], context())
    assert verdict.rule == "minimum_size"


def test_without_limits_nothing_is_placed() -> None:
    (verdict,) = review([wanted()], context(limits=None))
    assert (verdict.decision, verdict.rule) == (Decision.REFUSED, "limits_known")
    assert "choose a profile" in verdict.message
    (check,) = verdict.checks
    assert (check.rule, check.passed, check.value, check.limit) == ("limits_known", False, 0, 1)


def test_placements_of_one_review_see_what_the_others_reserved() -> None:
    orders = [wanted(price="0.50", size="100"), wanted(price="0.49", size="100"), wanted(price="0.48", size="100")]
    verdicts = review(orders, context(limits=limits(market_exposure="80")))
    assert [v.decision for v in verdicts] == [Decision.APPROVED, Decision.SHRUNK, Decision.REFUSED]
    assert verdicts[1].allowed_size == micro("61.22")  # 30 / 0.49 = 61.22


def test_two_buys_of_one_review_cannot_spend_the_same_cash() -> None:
    orders = [wanted(price="0.50", size="100"), wanted(price="0.40", size="100")]
    first, second = review(orders, context(portfolio=portfolio(cash="70")))
    assert (first.allowed_size, second.allowed_size) == (micro("100"), micro("50"))
    assert second.rule == "cash_available"


def test_two_sales_of_one_review_cannot_promise_the_same_shares() -> None:
    some = context(portfolio=portfolio(held(1, "100", "50")))
    first, second = review([wanted(Side.SELL, size="70"), wanted(Side.SELL, "0.51", size="70")], some)
    assert (first.allowed_size, second.allowed_size) == (micro("70"), micro("30"))


def test_two_placements_of_one_review_do_not_trade_with_each_other() -> None:
    some = context(portfolio=portfolio(held(1, "100", "50")))
    _, second = review([wanted(Side.SELL, "0.50"), wanted(Side.BUY, "0.50")], some)
    assert second.rule == "self_trade"
    assert "another order of the same decision" in second.message


def test_a_refused_placement_reserves_nothing() -> None:
    verdicts = review([wanted(price="0.505"), wanted(size="100")], context(limits=limits(market_exposure="50")))
    assert [v.decision for v in verdicts] == [Decision.REFUSED, Decision.APPROVED]


def test_what_is_reserved_counts_against_its_strategy_and_leaves_the_loss_of_the_day() -> None:
    ref = (OriginKind.STRATEGY, 1)
    before = context(origin_usage={ref: OriginUsage(exposure=Usd(micro("30")), day_loss=Usd(micro("4")))})
    after = reserve(before, wanted(price="0.50", size="100"), Shares(micro("40")))
    assert after.origin_usage[ref] == OriginUsage(exposure=Usd(micro("50")), day_loss=Usd(micro("4")))
    assert (after.orders_last_minute, after.portfolio.reserved_cash) == (before.orders_last_minute + 1, micro("20"))


def test_missing_data_is_refused_with_a_reason() -> None:
    empty = context(facts={}, books={}, killed=None)
    (verdict,) = review([wanted()], empty)
    assert verdict.refused
    assert all(check.note for check in verdict.checks if not check.passed)


@pytest.mark.parametrize("seed", range(150))
def test_what_is_approved_never_exceeds_any_limit(seed: int) -> None:
    """Random accounts, limits and orders; every limit is recomputed from what was approved."""
    rng = random.Random(seed)
    gate, placements = random_case(rng)
    start = gate
    for verdict in review(placements, gate):
        if not verdict.approved:
            continue
        assert Shares(0) < verdict.allowed_size <= verdict.placement.size
        gate = reserve(gate, verdict.placement, verdict.allowed_size)
    assert_within(gate, start)


def random_case(rng: random.Random) -> tuple[GateContext, list[Placement]]:
    known = {1: facts(fee=FeeSchedule(rate_ppm=rng.choice([0, 40_000]))), 4: facts(4), **group(2, 3)}
    outcomes = [(m, o.outcome_id) for m, f in known.items() for o in f.outcomes]
    positions = [
        held(outcome_id, str(rng.randint(1, 200)), str(rng.randint(0, 90)), market_id=market_id)
        for market_id, outcome_id in rng.sample(outcomes, 3)
    ]
    some = portfolio(*positions, cash=str(rng.randint(5, 400)))
    gate = context(
        facts=known,
        books={outcome_id: book(outcome_id) for _, outcome_id in outcomes},
        portfolio=some,
        limits=limits(
            account_exposure=str(rng.randint(50, 400)),
            market_exposure=str(rng.randint(20, 150)),
            event_exposure=str(rng.randint(20, 200)),
            strategy_exposure=str(rng.randint(20, 200)),
            order_size=str(rng.randint(5, 60)),
            open_orders=rng.randint(1, 12),
            open_positions=rng.randint(2, 6),
            orders_per_minute=rng.randint(3, 15),
        ),
        origin_usage={(OriginKind.STRATEGY, 1): OriginUsage(exposure=Usd(rng.randint(0, 100) * 1_000_000))},
    )
    placements = []
    for _ in range(12):
        market_id, outcome_id = rng.choice(outcomes)
        placements.append(
            wanted(
                rng.choice([Side.BUY, Side.BUY, Side.BUY, Side.SELL]),
                f"0.{rng.randint(5, 95):02d}",
                f"{rng.randint(1, 20_000) / 100:.2f}",
                outcome_id=outcome_id,
                market_id=market_id,
                order_type=rng.choice([OrderType.GTC, OrderType.FAK]),
                post_only=False,
                origin=rng.choice([ORIGIN, ORIGIN, MANUAL]),
            )
        )
    return gate, placements


def assert_within(after: GateContext, before: GateContext) -> None:
    caps = before.limits
    assert caps is not None
    assert after.portfolio.reserved_cash <= after.portfolio.cash
    for position in after.portfolio.positions.values():
        assert position.reserved <= position.confirmed
    assert after.orders_last_minute <= max(caps.orders_per_minute, before.orders_last_minute)
    resting_now = [o for o in after.portfolio.open_orders if o.order_type.rests]
    assert len(resting_now) <= caps.open_orders
    buys = [o for o in after.portfolio.open_orders if o.side is Side.BUY]
    assert len({*before.portfolio.positions, *(o.outcome_id for o in buys)}) <= max(
        caps.open_positions, len(before.portfolio.positions)
    )
    for order in buys:
        assert order.price * order.size <= caps.order_size * 1_000_000
    usage = (OriginKind.STRATEGY, 1)
    assert after.origin_usage[usage].exposure <= max(caps.strategy_exposure, before.origin_usage[usage].exposure)
    for name, value in exposures(after).items():
        kind = name.split(":")[0]
        limit = getattr(caps, f"{kind}_exposure")
        # An account may start above a limit; then nothing approved may take it further.
        assert value <= max(limit, exposures(before)[name]), name


def exposures(gate: GateContext) -> dict[str, int]:
    held_now = gate.portfolio.positions.values()
    risks = [exposure.risked_order(o, gate.facts.get(o.market_id)) for o in gate.portfolio.open_orders]
    out = {f"market:{m}": int(exposure.market_exposure(m, held_now, risks, gate.facts)) for m in gate.facts}
    out |= {f"event:{e}": int(exposure.event_exposure(e, held_now, risks, gate.facts)) for e in (1, 4, 9)}
    out["account"] = int(exposure.account_exposure(held_now, risks, gate.facts))
    return out
