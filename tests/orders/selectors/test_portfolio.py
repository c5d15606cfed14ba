import pytest

from markets.domain.instruments import Side
from orders.domain.intents import OriginKind
from orders.selectors.portfolio import (
    account_list,
    held_outcomes,
    open_order_list,
    portfolio_get,
    reserved_by_origin,
    traded_markets,
)
from orders.services.execution import order_cancel_request
from orders.services.paper import paper_sync
from tests.factories.markets import outcome_make
from tests.factories.orders import AT, MANUAL, account_make, micro, paper_order, paper_trade, sent_order

pytestmark = pytest.mark.django_db


def test_a_portfolio_is_cash_positions_and_every_order_that_may_still_cost_money() -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    bought = sent_order(account, outcome, price="0.40", size="10")
    paper_order(bought, state="filled", filled="10")
    paper_trade(bought, "10")
    paper_sync(bought.venue_order_id or "", now=AT)
    sent_order(account, outcome, price="0.30", size="10", post_only=True)
    sent_order(account, outcome, side=Side.SELL, price="0.60", size="4")
    portfolio = portfolio_get(account.pk, {}, now=AT)
    held = portfolio.positions[outcome.pk]
    assert (portfolio.cash, portfolio.reserved_cash, portfolio.free_cash) == (micro(96), micro(3), micro(93))
    assert (held.size, held.reserved, held.available, held.market_id) == (
        micro(10),
        micro(4),
        micro(6),
        outcome.market_id,
    )
    assert [o.side for o in portfolio.open_orders] == [Side.BUY, Side.SELL]
    assert (portfolio.equity, portfolio.unmarked) == (micro(100), 1)


def test_an_order_whose_cancel_was_requested_is_still_open() -> None:
    account = account_make()
    order = sent_order(account, outcome_make())
    order_cancel_request(order.pk, "x", "ada", AT)
    assert [o.cancel_requested for o in open_order_list(account.pk)] == [True]


def test_reservations_are_told_by_origin() -> None:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    sent_order(account, outcome, price="0.40", size="10")
    sent_order(account, outcome, price="0.50", size="10", origin=MANUAL)
    assert reserved_by_origin(account.pk) == {
        (OriginKind.STRATEGY.value, 1): micro(4),
        (OriginKind.MANUAL.value, 1): micro(5),
    }


def test_held_and_ordered_outcomes_need_live_books() -> None:
    account, outcome, idle = account_make(), outcome_make(), outcome_make()
    sent_order(account, outcome)
    assert held_outcomes() == {outcome.pk}
    assert traded_markets() == {outcome.market_id}
    assert idle.pk not in held_outcomes([account.pk])


def test_accounts_can_be_listed_by_owner() -> None:
    mine = account_make()
    account_make()
    assert [a.id for a in account_list(owner_id=mine.owner_id)] == [mine.pk]
