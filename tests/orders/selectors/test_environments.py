"""No figure spans two accounts (I11): what happens on paper moves nothing of the live account, and the reverse.

Three accounts of the three environments trade the same outcome for the same strategy. Every figure that a page, the
API or a limit shows of one of them is read before and after the others trade.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from markets.domain.instruments import Side
from markets.domain.units import Price, Shares, Usd
from markets.models import Outcome
from markets.selectors.catalogue import market_facts
from orders.models import Account, Order, Position
from orders.selectors import claims, pages, screens
from orders.selectors.open_items import open_items
from orders.selectors.origins import origin_trades
from orders.selectors.portfolio import portfolio_get, recent_orders, reserved_by_origin
from orders.services.fills import fill_record
from orders.services.kill import kill_install
from orders.services.pnl import snapshot_create
from orders.services.reconciliation_live import figures
from orders.services.venue_books import their_books
from risk.domain.exposure import account_exposure
from risk.selectors.caps import caps_get
from risk.selectors.picture import usage_get
from strategies.selectors.performance import performance_get
from tests.factories.markets import outcome_make
from tests.factories.orders import AT, account_make, micro, order_make, venue_account_make

pytestmark = pytest.mark.django_db
ENVIRONMENTS = ("paper", "sandbox", "live")
STRATEGY = ("strategy", 1)


@pytest.fixture
def outcome() -> Outcome:
    kill_install()
    return outcome_make(fee_rate_ppm=0)


@pytest.fixture
def accounts(outcome: Outcome) -> dict[str, Account]:
    live = {name: venue_account_make(name, cash=1000, opening_cash=1000) for name in ("sandbox", "live")}
    return {"paper": account_make("1000"), **live}


def trade(account: Account, outcome: Outcome, price: str, size: str, *, filled: str, side: Side = Side.BUY) -> None:
    order = order_make(account, outcome, price=price, size=size, side=side)
    Order.objects.filter(pk=order.pk).update(state="live", sent_at=AT)
    fill_record(
        order_id=order.pk, venue_trade_id=f"t{order.pk}", role="maker", price=Price(micro(price)),
        size=Shares(micro(filled)), fee=Usd(10_000), venue_at=AT, now=AT,
    )  # fmt: skip


def busy(account: Account, outcome: Outcome, *, times: int = 1) -> None:
    """Buy 10 of 20 at 0.40 and sell 4 of 5 at 0.60, `times` over: cash, shares, profit, open orders on both sides."""
    for _ in range(times):
        trade(account, outcome, "0.40", "20", filled="10")
        trade(account, outcome, "0.60", "5", filled="4", side=Side.SELL)
    snapshot_create(account.pk, AT)


def shown(account: Account) -> dict[str, Any]:
    """Return every figure of the account that is shown, reported or limited."""
    pk = account.pk
    account.refresh_from_db()
    portfolio = portfolio_get(pk, {}, now=AT)
    held, facts = list(portfolio.positions.values()), market_facts({p.market_id for p in portfolio.positions.values()})
    return {
        "cash": (account.cash, account.reserved_cash, account.peak_equity),
        "portfolio": portfolio,
        "day": pages.day_profit(pk, now=AT + timedelta(hours=1)),
        "open": screens.open_order_totals(pk),
        "counts": screens.order_counts(pk),
        "fills": screens.fill_counts(pk, since=AT - timedelta(days=1), origin=STRATEGY),
        "orders": screens.order_count(pk, since=AT - timedelta(days=1), origin=STRATEGY),
        "fees": [row.fee_paid for row in screens.order_rows(pk)],
        "ledger": screens.ledger_sums(pk),
        "equity": screens.equity_series(pk, since=None),
        "trades": origin_trades(pk, [STRATEGY], since=AT - timedelta(days=1)),
        "reserved": reserved_by_origin(pk),
        "recent": [order.order_id for order in recent_orders(pk, AT - timedelta(days=1))],
        "claims": [(c.sizes, c.cost, c.pays) for c in claims.claims_get(pk)],
        "sets": [row.sets for row in claims.sets_get(pk)],
        "items": list(open_items(account, now=AT)),
        "reconciled": (figures(pk, now=AT).cash, figures(pk, now=AT).shares),
        "their books": their_books(pk),
        "strategy": performance_get(pk, [1], now=AT),
        "caps": [(cap.name, cap.value) for cap in caps_get(pk)],
        "usage": usage_get(portfolio, [STRATEGY], now=AT),  # type: ignore[list-item]
        "exposure": account_exposure(held, [], facts),
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_others_trade_changes_no_figure_of_an_account(
    accounts: dict[str, Account], outcome: Outcome, environment: str
) -> None:
    account = accounts[environment]
    busy(account, outcome)
    before = shown(account)
    for name in ENVIRONMENTS:
        if name != environment:
            busy(accounts[name], outcome, times=2)
    after = shown(account)
    assert [name for name in before if after[name] != before[name]] == []


def test_the_figures_are_those_of_the_account_and_not_nothing(accounts: dict[str, Account], outcome: Outcome) -> None:
    """The comparison above would also hold of figures that are always empty."""
    for name in ENVIRONMENTS:
        busy(accounts[name], outcome)
    found = shown(accounts["live"])
    # 10 bought at 0.40 and 4 of them sold at 0.60, one cent of fee each: 1000 - 4 - 0.01 + 2.40 - 0.01.
    assert Position.objects.get(account=accounts["live"]).size == 6
    assert found["portfolio"].cash == micro("998.38")
    # 10 are still bid for at 0.40 and 1 is offered at 0.60.
    assert found["open"] == (2, Decimal("4.6"))
    assert (found["fills"], found["orders"], len(found["recent"])) == ((2, 2), 2, 2)
    (performance,) = found["strategy"].values()
    assert (performance.fees, performance.turnover) == (20_000, micro("6.4"))
    # 8 were set aside, and the first half cost 4.01.
    assert found["reserved"] == {STRATEGY: micro("3.99")}


def test_the_kill_page_counts_orders_of_all_accounts_and_adds_no_money_up(
    accounts: dict[str, Account], outcome: Outcome
) -> None:
    for name in ENVIRONMENTS:
        busy(accounts[name], outcome)
    assert screens.open_order_count() == 6
