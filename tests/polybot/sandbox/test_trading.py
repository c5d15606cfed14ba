"""Orders on the local exchange: what is refused and in which words, what is matched, what is told."""

# ruff: noqa: E501, PLR0917
from __future__ import annotations

import re
from typing import Any

import pytest

from markets.domain.instruments import Side
from markets.venues.simulated.matching import OrderType
from polybot.sandbox.messages import CASH, NewOrder, Refusal
from polybot.sandbox.wire import order_body, trade_body
from tests.polybot.sandbox.exchange_kit import ALICE, BOB, START_MS, Desk, amounts, limit, owner_of

BUY, SELL = Side.BUY, Side.SELL
S = 1_000_000


@pytest.fixture
def desk() -> Desk:
    return Desk()


def refused(desk: Desk, order: NewOrder) -> Refusal:
    before = desk.exchange.status()["open_orders"]
    with pytest.raises(Refusal) as caught:
        desk.place(order)
    assert desk.exchange.status()["open_orders"] == before
    desk.conserved()
    return caught.value


def test_a_bid_for_yes_meets_a_bid_for_no_and_a_pair_is_minted(desk: Desk) -> None:
    market = desk.market()
    yes, no = market.token_ids
    resting = desk.limit(ALICE, yes, BUY, "0.40", "100")
    assert (resting.status, resting.making, resting.trade_ids) == ("live", 0, ())
    taken = desk.limit(BOB, no, BUY, "0.62", "30")
    assert (taken.status, taken.making, taken.taking) == ("matched", 18 * S, 30 * S), "30 NO at 0.60, not at 0.62"
    (trade,) = desk.exchange.trades(owner=owner_of(ALICE))
    (part,) = trade.parts
    assert (trade.token_id, trade.side, trade.price, part.token_id, part.side, part.price) == (
        no,
        BUY,
        600_000,
        yes,
        BUY,
        400_000,
    )
    desk.conserved()
    desk.pass_ms(5_000)
    assert desk.exchange.holdings(ALICE) == {yes: 30 * S}
    assert desk.exchange.holdings(BOB) == {no: 30 * S}
    fee = trade.fee
    assert fee > 0 and desk.exchange.chain_balance(BOB, CASH) == 1_000 * S - 18 * S - fee
    assert desk.exchange.chain_balance(ALICE, CASH) == 1_000 * S - 12 * S, "makers pay no fee"
    desk.conserved()


def test_two_sellers_of_different_outcomes_merge_their_pair(desk: Desk) -> None:
    market = desk.market()
    yes, no = market.token_ids
    for who in (ALICE, BOB):
        desk.exchange.split(who, market.condition_id, 50 * S)
        for asset in (CASH, yes, no):
            desk.exchange.balance_update(who, asset)
    desk.limit(ALICE, yes, SELL, "0.70", "50")
    result = desk.limit(BOB, no, SELL, "0.30", "50")
    assert (result.making, result.taking) == (50 * S, 15 * S)
    desk.pass_ms(5_000)
    assert desk.exchange.holdings(ALICE) == {no: 50 * S}
    assert desk.exchange.holdings(BOB) == {yes: 50 * S}
    assert desk.exchange._core.accounts.collateral[market.condition_id] == 50 * S
    desk.conserved()


def test_price_goes_before_time_and_time_before_size(desk: Desk) -> None:
    yes, no = desk.market().token_ids
    first = limit(ALICE, yes, BUY, "0.40", "10")
    second = limit(ALICE, yes, BUY, "0.40", "500")
    better = limit(ALICE, yes, BUY, "0.41", "10")
    for order in (first, second, better):
        desk.place(order)
    desk.limit(BOB, no, BUY, "0.60", "25")
    by_price = [[(p.order_id, p.size) for p in t.parts] for t in reversed(desk.exchange.trades(owner=owner_of(BOB)))]
    assert by_price == [[(better.order_id, 10 * S)], [(first.order_id, 10 * S), (second.order_id, 5 * S)]]
    desk.conserved()


def test_every_change_is_told_mirrored_and_a_trade_with_fresh_books(desk: Desk) -> None:
    yes, no = desk.market().token_ids
    desk.limit(ALICE, yes, BUY, "0.40", "100")
    (message,) = desk.public("price_change")
    sides = [(c["asset_id"], c["side"], c["price"], c["size"]) for c in message["price_changes"]]
    assert sides == [(yes, "BUY", "0.4", "100"), (no, "SELL", "0.6", "100")]
    assert message["price_changes"][0]["hash"] == desk.exchange.book(yes).hash
    assert message["price_changes"][1]["best_ask"] == "0.6"
    desk.events.clear()
    desk.limit(BOB, no, BUY, "0.60", "100")
    (last,) = desk.public("last_trade_price")
    assert (last["asset_id"], last["side"], last["price"], last["size"]) == (no, "BUY", "0.6", "100")
    assert [b["asset_id"] for b in desk.public("book")] == [yes, no]
    assert desk.public("book")[0]["last_trade_price"] == "0.4"
    assert all(not b["bids"] and not b["asks"] for b in desk.public("book"))


def test_both_sides_are_told_of_order_and_trade_until_confirmed(desk: Desk) -> None:
    yes, no = desk.market().token_ids
    maker, taker = limit(ALICE, yes, BUY, "0.40", "100"), limit(BOB, no, BUY, "0.60", "40")
    desk.place(maker)
    desk.place(taker)
    for _ in range(3):
        desk.pass_ms(1_000)
    (trade,) = desk.exchange.trades(owner=owner_of(BOB))
    walk = [("MATCHED", trade.trade_id), ("MINED", trade.trade_id), ("CONFIRMED", trade.trade_id)]
    told = desk.told(owner_of(ALICE))
    assert told[:2] == [("PLACEMENT", maker.order_id), ("UPDATE", maker.order_id)]
    assert told[2:] == walk
    told = desk.told(owner_of(BOB))
    assert told == [("PLACEMENT", taker.order_id), ("UPDATE", taker.order_id), *walk]
    body = trade_body(trade, viewer=owner_of(ALICE))
    assert (body["trader_side"], body["status"]) == ("MAKER", "TRADE_STATUS_CONFIRMED")
    assert re.fullmatch(r"0x[0-9a-f]{64}", body["transaction_hash"])
    record = desk.exchange.order(maker.order_id)
    assert record is not None and desk.exchange.is_open(record)
    assert order_body(record)["size_matched"] == "40"


def test_what_was_bought_cannot_be_sold_before_it_is_mined(desk: Desk) -> None:
    yes, no = desk.market().token_ids
    desk.limit(ALICE, yes, BUY, "0.40", "100")
    desk.limit(BOB, no, BUY, "0.60", "40")
    assert desk.exchange.balance(BOB, no) == 0
    error = refused(desk, limit(BOB, no, SELL, "0.70", "40"))
    assert "the balance is not enough -> balance: 0, sum of active orders: 0, order amount: 40000000" in error.text
    desk.pass_ms(1_000)
    assert desk.limit(BOB, no, SELL, "0.70", "40").status == "live"


def test_open_orders_and_matched_cash_are_spoken_for(desk: Desk) -> None:
    yes, _ = desk.market().token_ids
    desk.limit(ALICE, yes, BUY, "0.40", "2000")
    error = refused(desk, limit(ALICE, yes, BUY, "0.41", "500"))
    assert error.status == 400
    assert error.text == (
        "not enough balance / allowance: the balance is not enough -> balance: 1000000000, "
        "sum of active orders: 800000000, order amount: 205000000"
    )
    desk.exchange.cancel_all(owner=owner_of(ALICE))
    assert desk.limit(ALICE, yes, BUY, "0.41", "500").status == "live"


def test_a_buyer_must_also_be_able_to_pay_the_fee(desk: Desk) -> None:
    yes, no = desk.market().token_ids
    desk.exchange.faucet(BOB, 9_000 * S)
    desk.limit(BOB, no, BUY, "0.50", "2000")
    assert "order amount: 10" in refused(desk, limit(ALICE, yes, BUY, "0.50", "2000")).text
    assert desk.limit(ALICE, yes, BUY, "0.50", "1900").status == "matched"
    desk.conserved()


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"price": "0.405"}, r"order 0x\w{64} is invalid. Price \(0.405\) breaks minimum tick size rule: 0.01"),
        ({"price": "1"}, r"Price \(1\) breaks minimum tick size rule: 0.01"),
        ({"size": "4.99"}, r"order 0x\w{64} is invalid. Size \(4.99\) lower than the minimum: 5"),
        ({"price": "0.60", "post_only": True}, "invalid post-only order: order crosses book"),
        ({"order_type": OrderType.FOK, "post_only": True}, "invalid post-only order"),
        ({"order_type": OrderType.GTD, "expiration_s": START_MS // 1000 + 179}, "invalid expiration"),
        ({"expiration_s": START_MS // 1000 + 1_000}, "invalid expiration"),
        ({"price": "0.60", "size": "1000", "order_type": OrderType.FOK}, "couldn't be fully filled. FOK orders are"),
        ({"price": "0.55", "order_type": OrderType.FAK}, "no orders found to match with FAK order. FAK orders are"),
        ({"spender": "0xSpender"}, "the allowance is not enough -> spender: 0xSpender, allowance: 3, order amount: 4"),
    ],
)
def test_a_refusal_has_the_venues_words(desk: Desk, more: dict[str, Any], text: str) -> None:
    yes, no = desk.market().token_ids
    desk.limit(BOB, no, BUY, "0.40", "50")  # an ask for YES at 0.60
    desk.exchange.allowance_set(ALICE, CASH, "0xSpender", 3)
    terms = {"price": "0.40", "size": "10", **more}
    error = refused(desk, limit(ALICE, yes, BUY, terms.pop("price"), terms.pop("size"), **terms))
    assert error.status == 400
    assert re.search(text, error.text), error.text


@pytest.mark.parametrize(
    ("side", "dollars", "shares", "kind", "text"),
    [
        (BUY, 5_000_010, 10 * S, "GTC", "the buy orders maker amount supports a max accuracy of 4 decimals, taker amount a max of 2"),
        (BUY, 5_000_000, 10_001_000, "GTC", "the buy orders maker amount supports a max accuracy of 4 decimals"),
        (SELL, 5_000_000, 10_001_000, "GTC", "the sell orders maker amount supports a max accuracy of 2 decimals"),
        (BUY, 5_001_000, 10 * S, "FAK", "the market buy orders maker amount supports a max accuracy of 2 decimals, taker amount a max of 4 decimals"),
        (BUY, 5_000_000, 10_000_010, "FOK", "the market buy orders maker amount supports"),
        (SELL, 4_330_000, 19_690_000, "GTC", "invalid amounts, the taker amount for a $0.22 order of size 19.69 should be '4.3318' but the value submited is '4.33'. Please check if you are using the latest version of the 'clob-client' library"),
        (BUY, 4_330_000, 19_690_000, "GTC", "the maker amount for a $0.22 order of size 19.69 should be '4.3318'"),
    ],
)  # fmt: skip
def test_amounts_must_have_few_decimals_and_fit_together(
    desk: Desk, side: Side, dollars: int, shares: int, kind: str, text: str
) -> None:
    yes, _ = desk.market().token_ids
    error = refused(desk, amounts(ALICE, yes, side, dollars, shares, order_type=OrderType(kind)))
    assert text in error.text


def test_a_marketable_buy_must_be_worth_a_dollar(desk: Desk) -> None:
    yes, no = desk.market().token_ids
    desk.limit(BOB, no, BUY, "0.90", "50")  # an ask for YES at 0.10
    assert refused(desk, limit(ALICE, yes, BUY, "0.10", "9")).text == (
        "invalid amount for a marketable BUY order ($0.9), min size: $1"
    )
    assert desk.limit(ALICE, yes, BUY, "0.09", "9").status == "live"


def test_an_unknown_token_and_a_repeated_order_are_refused(desk: Desk) -> None:
    yes, _ = desk.market().token_ids
    error = refused(desk, limit(ALICE, "123", BUY, "0.40", "10"))
    assert (error.status, error.text) == (404, "No orderbook exists for the requested token id")
    order = limit(ALICE, yes, BUY, "0.40", "10")
    desk.place(order)
    assert refused(desk, order).text == f"order {order.order_id} is invalid. Duplicated."
    desk.exchange.cancel([order.order_id], owner=order.owner)
    assert "Duplicated" in refused(desk, order).text


def test_a_market_buy_spends_dollars_and_keeps_the_better_price(desk: Desk) -> None:
    yes, no = desk.market().token_ids
    desk.limit(BOB, no, BUY, "0.67", "50")  # asks for YES: 50 at 0.33, 500 at 0.35
    desk.limit(BOB, no, BUY, "0.65", "500")
    result = desk.place(amounts(ALICE, yes, BUY, 20 * S, 54_054_000, order_type=OrderType.FOK))  # limit 0.37
    assert result.making == 20 * S - 1 or result.making == 20 * S
    assert result.taking == 50 * S + (20 * S - 16_500_000) * S // 350_000  # 50 + 3.50 / 0.35
    desk.conserved()


def test_fill_and_kill_cancels_the_rest(desk: Desk) -> None:
    yes, no = desk.market().token_ids
    desk.limit(BOB, no, BUY, "0.60", "30")
    order = amounts(ALICE, yes, BUY, 40 * S, 100 * S, order_type=OrderType.FAK)
    result = desk.place(order)
    assert (result.status, result.taking) == ("matched", 30 * S)
    assert desk.told(owner_of(ALICE))[-1] == ("CANCELLATION", order.order_id)
    record = desk.exchange.order(order.order_id)
    assert record is not None and record.status == "CANCELED" and not desk.exchange.is_open(record)


def test_a_killed_market_buy_is_told_in_dollars(desk: Desk) -> None:
    yes, _ = desk.market().token_ids
    order = amounts(ALICE, yes, BUY, 12 * S, 20 * S, order_type=OrderType.FOK)
    with pytest.raises(Refusal):
        desk.place(order)
    body = desk.events[-1].body
    assert body["status"] == "CANCELED_order couldn't be fully filled. FOK orders are fully filled or killed."
    assert (body["original_size"], body["size_matched"], body["type"]) == ("12", "0", "CANCELLATION")
    assert desk.exchange.order(order.order_id) is None


def test_a_good_till_date_order_leaves_a_minute_early(desk: Desk) -> None:
    yes, _ = desk.market().token_ids
    order = limit(ALICE, yes, BUY, "0.40", "10", order_type=OrderType.GTD, expiration_s=desk.now // 1000 + 240)
    desk.place(order)
    desk.pass_ms(179_000)
    assert len(desk.exchange.open_orders(owner=order.owner)) == 1
    desk.pass_ms(1_000)
    assert desk.exchange.open_orders(owner=order.owner) == []
    assert desk.told(order.owner)[-1] == ("CANCELLATION", order.order_id)
    assert desk.events[-1].body["event_type"] in ("price_change", "best_bid_ask")


def test_cancelling_says_what_was_and_what_was_not_there(desk: Desk) -> None:
    yes, no = desk.market().token_ids
    kept, filled, foreign = (
        limit(ALICE, yes, BUY, "0.40", "10"),
        limit(ALICE, yes, BUY, "0.45", "10"),
        limit(BOB, yes, BUY, "0.30", "10"),
    )
    for order in (kept, filled, foreign):
        desk.place(order)
    desk.limit(BOB, no, BUY, "0.55", "10")
    ids = [kept.order_id, kept.order_id, filled.order_id, foreign.order_id, "0xnone"]
    canceled, left = desk.exchange.cancel(ids, owner=kept.owner)
    assert canceled == [kept.order_id]
    assert left == {
        filled.order_id: "Order already matched",
        foreign.order_id: "Order not found or already canceled",
        "0xnone": "Order not found or already canceled",
    }
    assert desk.exchange.cancel_market(owner=foreign.owner, asset_id=no) == ([], {})
    assert desk.exchange.cancel_market(owner=foreign.owner, asset_id=yes) == ([foreign.order_id], {})
    assert desk.exchange._core.accounts.wallet(ALICE).reserved == {}


def test_money_moved_away_takes_orders_off(desk: Desk) -> None:
    market = desk.market()
    yes, no = market.token_ids
    order = limit(ALICE, yes, BUY, "0.40", "2000")
    desk.place(order)
    desk.exchange.split(ALICE, market.condition_id, 300 * S)
    assert desk.exchange.open_orders(owner=order.owner) == []
    record = desk.exchange.order(order.order_id)
    assert record is not None and record.status == "CANCELED_NOT_ENOUGH_BALANCE"
    assert desk.exchange.balance(ALICE, no) == 300 * S, "first asked now, so it is read from the chain"
    desk.exchange.merge(ALICE, market.condition_id, 100 * S)
    assert desk.exchange.balance(ALICE, CASH) == 700 * S, "the venue's cache is old until it is refreshed"
    desk.exchange.balance_update(ALICE, CASH)
    assert desk.exchange.balance(ALICE, CASH) == 800 * S
    with pytest.raises(Refusal, match="exceeds balance"):
        desk.exchange.merge(ALICE, market.condition_id, 201 * S)
    desk.conserved()
