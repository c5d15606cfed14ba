from datetime import timedelta
from decimal import Decimal

import pytest

from markets.domain.instruments import Side
from markets.models import Market, Outcome
from orders.models import Account, Order
from orders.selectors.pages import day_profit, market_fills, order_story
from orders.selectors.screens import kill_switch
from orders.services.paper import paper_sync
from orders.services.settlement import resolution_apply
from tests.factories.markets import outcome_make
from tests.factories.orders import AT, account_make, paper_order, paper_trade, sent_order

pytestmark = pytest.mark.django_db


def trade(account: Account, outcome: Outcome, side: Side, size: str, price: str, *, fee: str = "0") -> Order:
    order = sent_order(account, outcome, side=side, price=price, size=size)
    paper_order(order, state="filled", filled=size)
    paper_trade(order, size, fee=fee)
    paper_sync(order.venue_order_id or "", now=AT)
    return order


def test_the_parts_of_today_s_profit_add_up() -> None:
    account, sold, settled = account_make("100"), outcome_make(), outcome_make()
    trade(account, sold, Side.BUY, "10", "0.40", fee="0.10")
    trade(account, sold, Side.SELL, "5", "0.50", fee="0.05")  # profit 0.50
    trade(account, settled, Side.BUY, "10", "0.30")
    Market.objects.filter(pk=settled.market_id).update(state="resolved")
    for row in settled.market.outcomes.all():
        Outcome.objects.filter(pk=row.pk).update(payout=Decimal(1 - row.index))
    resolution_apply(settled.market_id, now=AT)  # profit 7
    today = day_profit(account.pk, now=AT + timedelta(hours=1))
    assert (today.trading, today.settlement, today.fees, today.rebates) == (
        Decimal("0.5"),
        Decimal(7),
        Decimal("-0.15"),
        Decimal(0),
    )
    assert (today.open_positions, today.total) == (Decimal(0), Decimal("7.35"))


def test_an_order_s_story_has_its_fills_facts_and_average_price() -> None:
    account, outcome = account_make("100"), outcome_make()
    order = sent_order(account, outcome, price="0.50", size="10")
    paper_order(order, state="filled", filled="10")
    paper_trade(order, "4", "0.40", fee="0.01")
    paper_trade(order, "6", "0.50", fee="0.02")
    paper_sync(order.venue_order_id or "", now=AT)
    story = order_story(order.pk, account_ids=[account.pk])
    assert story is not None
    assert (story.average_price, story.fees, len(story.facts)) == (Decimal("0.46"), Decimal("0.03"), 2)
    assert story.venue is not None
    assert order_story(order.pk, account_ids=[account.pk + 1]) is None


def test_a_market_s_fills_are_ours_in_both_outcomes() -> None:
    account, yes = account_make("100"), outcome_make()
    trade(account, yes, Side.BUY, "5", "0.40")
    trade(account, yes.market.outcomes.get(index=1), Side.BUY, "5", "0.40")
    assert len(market_fills(yes.market_id, account_ids=[account.pk])) == 2
    assert market_fills(yes.market_id, account_ids=[]) == []


def test_a_missing_kill_switch_is_shown_as_set() -> None:
    from orders.models import KillSwitch

    assert kill_switch().killed is False
    KillSwitch.objects.all().delete()
    assert kill_switch().killed is True
