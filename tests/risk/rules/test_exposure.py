"""Exposure limits cut entries, and never stand in the way of less risk."""

from __future__ import annotations

from markets.domain.instruments import Side
from markets.domain.units import Usd
from orders.domain.intents import OriginKind
from risk.domain.context import OriginUsage
from risk.domain.limits import OriginLimits
from risk.rules import exposure
from tests.factories.risk import MANUAL, ask, context, facts, group, held, limits, micro, portfolio, resting, wanted


def test_an_order_is_cut_to_what_the_market_limit_leaves() -> None:
    some = portfolio(held(1, "100", "60"), open_orders=(resting(Side.BUY, "0.40", "50"),))  # 60 + 20
    check = ask(exposure.market_exposure, wanted(size="100"), portfolio=some, limits=limits(market_exposure="100"))
    assert (check.value, check.limit) == (micro("130"), micro("100"))
    assert check.allowed_size == micro("40")


def test_a_full_market_refuses() -> None:
    check = ask(
        exposure.market_exposure, portfolio=portfolio(held(1, "200", "100")), limits=limits(market_exposure="100")
    )
    assert not check.passed
    assert check.note == "this market could lose $105.00, at most $100.00"


def test_the_other_side_of_a_full_market_may_be_bought() -> None:
    full = portfolio(held(1, "200", "100"))
    hedge = wanted(price="0.40", size="100", outcome_id=2)  # if YES loses: 100 - 100 + 40 < 100
    check = ask(exposure.market_exposure, hedge, portfolio=full, limits=limits(market_exposure="100"))
    assert (check.passed, check.allowed_size) == (True, None)


def test_above_the_limit_an_order_that_does_not_raise_the_loss_still_passes() -> None:
    over = portfolio(held(1, "400", "200"))
    hedge = wanted(price="0.40", size="100", outcome_id=2)
    check = ask(exposure.account_exposure, hedge, portfolio=over, limits=limits(account_exposure="100"))
    assert check.passed
    assert "does not raise it" in check.note


def test_an_ordinary_sale_passes_even_above_the_limit() -> None:
    over = portfolio(held(1, "400", "200"))
    tight = limits(market_exposure="100", event_exposure="100", account_exposure="100")
    for rule in (exposure.market_exposure, exposure.event_exposure, exposure.account_exposure):
        assert ask(rule, wanted(Side.SELL, "0.30", "400"), portfolio=over, limits=tight).passed


def test_a_sale_that_gives_up_a_hedge_is_measured_like_an_entry() -> None:
    # 100 YES for 40 and 100 NO for 55 cannot lose. Selling n NO at 0.50 can lose 95 - 0.50 n when
    # NO wins and only 100 - n NO are left: -5 + 0.50 n. At most 20: n = 50.
    pair = portfolio(held(1, "100", "40"), held(2, "100", "55"))
    sale = wanted(Side.SELL, "0.50", "100", outcome_id=2)
    check = ask(exposure.market_exposure, sale, portfolio=pair, limits=limits(market_exposure="20"))
    assert (check.value, check.allowed_size) == (micro("45"), micro("50"))


def test_a_neg_risk_event_is_one_bet() -> None:
    known = {1: facts(1, event_id=9, neg_risk=True), **group(2)}
    yes_of_2 = portfolio(held(20, "100", "30", market_id=2))
    check = ask(
        exposure.event_exposure, wanted(price="0.50", size="100"), portfolio=yes_of_2, facts=known,
        limits=limits(event_exposure="50"),
    )  # fmt: skip
    assert (check.value, check.allowed_size) == (micro("80"), micro("40"))


def test_a_strategys_budget_is_what_it_holds_and_may_still_buy() -> None:
    usage = {(OriginKind.STRATEGY, 1): OriginUsage(exposure=Usd(micro("150")))}
    check = ask(
        exposure.strategy_exposure, wanted(size="200"), origin_usage=usage, limits=limits(strategy_exposure="200")
    )
    assert (check.value, check.allowed_size) == (micro("250.001") - 1_000, micro("100"))


def test_a_spent_budget_refuses_and_manual_orders_have_none() -> None:
    usage = {(OriginKind.STRATEGY, 1): OriginUsage(exposure=Usd(micro("150")))}
    tight = {(OriginKind.STRATEGY, 1): OriginLimits(exposure=Usd(micro("100")))}
    spent = context(origin_usage=usage, origin_limits=tight)
    assert not ask(exposure.strategy_exposure, gate=spent).passed
    assert ask(exposure.strategy_exposure, wanted(origin=MANUAL), gate=spent).passed
    assert ask(exposure.strategy_exposure, wanted(Side.SELL), gate=spent).passed


def test_without_facts_the_event_is_unknown() -> None:
    assert not ask(exposure.event_exposure, facts={}).passed
