"""Exposure, worked out by hand."""

from __future__ import annotations

from markets.domain.instruments import FeeSchedule, Side
from risk.domain import exposure
from tests.factories.risk import facts, group, held, micro, resting

ONE_MARKET = {1: facts()}


def risks(*orders: exposure.OpenOrder, known: dict[int, exposure.MarketFacts] = ONE_MARKET) -> list[exposure.Risked]:
    return [exposure.risked_order(order, known.get(order.market_id)) for order in orders]


def test_a_position_can_lose_what_it_cost() -> None:
    assert exposure.market_exposure(1, [held(1, "100", "40")], [], ONE_MARKET) == micro("40")


def test_a_pair_of_yes_and_no_cannot_lose() -> None:
    # 100 YES for 40 and 100 NO for 55: whatever happens one side pays 100.
    pair = [held(1, "100", "40"), held(2, "100", "55")]
    assert exposure.market_exposure(1, pair, [], ONE_MARKET) == 0


def test_an_open_buy_counts_as_filled_where_that_loses() -> None:
    # Holding 100 YES for 40 and bidding 0.30 for 100 NO: if NO loses, 30 is added to the side
    # that already wins; the worst is still YES losing: 40, with the bid filled it would be 40 - 70.
    orders = risks(resting(Side.BUY, "0.30", "100", outcome_id=2))
    assert exposure.market_exposure(1, [held(1, "100", "40")], orders, ONE_MARKET) == micro("40")
    assert exposure.market_exposure(1, [], orders, ONE_MARKET) == micro("30")


def test_two_buys_on_one_side_add_up() -> None:
    orders = risks(resting(Side.BUY, "0.30", "100"), resting(Side.BUY, "0.20", "50"))
    assert exposure.market_exposure(1, [], orders, ONE_MARKET) == micro("40")


def test_a_buy_that_may_take_counts_with_its_worst_fee() -> None:
    # 100 x 0.50 = 50 and 100 x 0.05 x 0.25 = 1.25 and 0.001 for rounding.
    known = {1: facts(fee=FeeSchedule(rate_ppm=50_000))}
    taker = risks(resting(Side.BUY, "0.50", "100", post_only=False), known=known)
    assert exposure.market_exposure(1, [], taker, known) == micro("51.251")


def test_an_open_sale_counts_where_giving_up_the_shares_loses() -> None:
    # 100 YES for 40 and 100 NO for 55 lock in a gain of 5. Selling the NO at 0.20: if it fills and
    # NO wins, we have paid 95, got 20 and hold only YES: a loss of 75.
    pair = [held(1, "100", "40"), held(2, "100", "55")]
    sale = risks(resting(Side.SELL, "0.20", "100", outcome_id=2))
    assert exposure.market_exposure(1, pair, sale, ONE_MARKET) == micro("75")


def test_profit_of_a_sale_is_no_room_for_new_losses() -> None:
    # 100 YES for 40 and 100 NO for 55. With the YES sold at 0.50 the NO are left, which can lose their 55.
    pair = [held(1, "100", "40"), held(2, "100", "55")]
    sale = risks(resting(Side.SELL, "0.50", "100"))
    assert exposure.market_exposure(1, pair, sale, ONE_MARKET) == micro("55")
    assert exposure.market_exposure(1, pair[1:], [], ONE_MARKET) == micro("55")


def test_a_cheaper_buy_before_the_sale_leaves_less_cost_to_take_along() -> None:
    # The bid for 300 YES at 0.20 may make them cost 0.25 on average before 100 of them are sold.
    pair = [held(1, "100", "40"), held(2, "100", "55")]
    orders = risks(resting(Side.SELL, "0.50", "100"), resting(Side.BUY, "0.20", "300"))
    after = [held(1, "300", "75"), held(2, "100", "55")]
    # With the pair a gain of 5 is locked in. Sold are 100 YES that may have cost as little as 20; if YES wins they
    # would have paid 100: a loss of 80 - 5.
    assert exposure.market_exposure(1, pair, orders, ONE_MARKET) == micro("75")
    assert exposure.market_exposure(1, pair, orders, ONE_MARKET) >= exposure.market_exposure(1, after, [], ONE_MARKET)


def test_an_ordinary_sale_raises_nothing() -> None:
    own = [held(1, "100", "40")]
    for price in ("0.10", "0.40", "0.90"):
        assert exposure.market_exposure(1, own, risks(resting(Side.SELL, price, "100")), ONE_MARKET) == micro("40")


def test_a_partly_filled_order_counts_with_what_remains() -> None:
    order = resting(Side.BUY, "0.50", "100", filled=micro("40"))
    assert exposure.market_exposure(1, [], risks(order), ONE_MARKET) == micro("30")


def test_yes_of_several_in_a_neg_risk_event_can_all_lose() -> None:
    known = group(2, 3)
    both = [held(20, "100", "30", market_id=2), held(30, "100", "25", market_id=3)]
    # If 2 wins: 55 - 100 < 0. If neither wins: 55.
    assert exposure.event_exposure(9, both, [], known) == micro("55")


def test_no_of_several_in_a_neg_risk_event_can_lose_only_one() -> None:
    known = group(2, 3, 4)
    noes = [held(i * 10 + 1, "100", "70", market_id=i) for i in (2, 3, 4)]
    # Cost 210. Whoever wins, two NO pay: 210 - 200 = 10. Markets on their own: 70 each.
    assert exposure.event_exposure(9, noes, [], known) == micro("10")
    assert exposure.market_exposure(2, noes, [], known) == micro("70")
    assert exposure.account_exposure(noes, [], known) == micro("10")


def test_markets_of_an_ordinary_event_add_up() -> None:
    known = {2: facts(2, event_id=9), 3: facts(3, event_id=9)}
    noes = [held(21, "100", "70", market_id=2), held(31, "100", "60", market_id=3)]
    assert exposure.event_exposure(9, noes, [], known) == micro("130")


def test_events_add_up_over_the_account_and_gains_of_one_do_not_pay_for_another() -> None:
    known = {1: facts(1), 2: facts(2)}
    positions = [held(1, "100", "40"), held(2, "100", "40"), held(20, "100", "70", market_id=2)]
    assert exposure.account_exposure(positions, [], known) == micro("70")


def test_a_market_without_facts_counts_with_its_full_cost() -> None:
    pair = [held(1, "100", "40"), held(2, "100", "55")]
    assert exposure.market_exposure(1, pair, [], {}) == micro("95")
    assert exposure.account_exposure(pair, [], {}) == micro("95")
