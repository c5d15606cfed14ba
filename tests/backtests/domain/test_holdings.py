"""The purse of a replay: reservations, fills, settlements and the books behind them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.domain.holdings import Holdings, ShortOfFunds, freed_by
from markets.domain.instruments import FeeSchedule, Side
from markets.domain.units import Price, Shares, Usd
from orders.domain.intents import OrderType, Origin, OriginKind, Placement
from orders.domain.ledger import Fill, LedgerError
from orders.domain.reserve import cash_to_reserve
from tests.backtests.tapes import START, micro

FEE = FeeSchedule(rate_ppm=50_000)
ORIGIN = Origin(kind=OriginKind.STRATEGY, id=1, label="test")


def placement(side: Side, price: str, size: str, **values: Any) -> Placement:
    fields: dict[str, Any] = {"key": "k", "market_id": 1, "outcome_id": 1, "order_type": OrderType.GTC, **values}
    return Placement(
        side=side,
        price=Price(micro(price)),
        size=Shares(micro(size)),
        post_only=fields.pop("post_only", True),
        origin=ORIGIN,
        created_at=START,
        **fields,
    )


def fill(side: Side, price: str, size: str, fee: str = "0") -> Fill:
    return Fill(outcome_id=1, side=side, price=Price(micro(price)), size=Shares(micro(size)), fee=Usd(micro(fee)))


def test_a_buy_sets_dollars_aside_and_a_sell_shares():
    purse = Holdings(Usd(micro(10)))
    assert purse.reserve(placement(Side.BUY, "0.5", "12"), micro(12), fee=FEE) == micro(6)
    with pytest.raises(ShortOfFunds, match=r"\$4 is free"):
        purse.reserve(placement(Side.BUY, "0.5", "10"), micro(10), fee=FEE)
    purse.fill(fill(Side.BUY, "0.5", "12"), market_id=1, day=0, freed=micro(6))
    assert (purse.cash, purse.reserved_cash, purse.own) == (micro(4), 0, {1: micro(12)})
    purse.reserve(placement(Side.SELL, "0.6", "8"), micro(8), fee=FEE)
    with pytest.raises(ShortOfFunds, match="4 are"):
        purse.reserve(placement(Side.SELL, "0.6", "5"), micro(5), fee=FEE)
    assert purse.fill(fill(Side.SELL, "0.6", "8"), market_id=1, day=0, freed=micro(8)) == micro("0.8")
    assert (int(purse.positions[1].size), int(purse.positions[1].reserved)) == (micro(4), 0)
    purse.check()


def test_a_settlement_empties_the_position_and_keeps_its_profit():
    purse = Holdings(Usd(micro(100)))
    purse.fill(fill(Side.BUY, "0.4", "50", "0.6"), market_id=1, day=0, freed=0)
    assert purse.settle({1: Price(micro(1)), 2: Price(0)}) == [(1, micro(50), micro(50), micro(30))]
    assert purse.positions == {} and purse.cash == micro("129.4")
    closed = purse.last(1, 1)
    assert (closed.realized, closed.fees, closed.size) == (micro(30), micro("0.6"), 0)
    purse.check()


def test_books_that_do_not_balance_are_found():
    purse = Holdings(Usd(micro(100)))
    purse.cash += 1
    with pytest.raises(LedgerError):
        purse.check()


def test_the_sums_of_a_day_begin_anew_at_midnight():
    purse = Holdings(Usd(micro(100)))
    purse.fill(fill(Side.BUY, "0.4", "10", "0.1"), market_id=1, day=7, freed=0)
    purse.fill(fill(Side.SELL, "0.5", "4"), market_id=1, day=8, freed=0)
    today = purse.sums[1].traded(1, day=8, payout=None)
    assert (today.bought, today.bought_cost, today.sold) == (micro(10), micro(4), micro(4))
    assert (today.day_bought, today.day_sold, today.day_sold_proceeds, today.day_fees) == (0, micro(4), micro(2), 0)
    assert purse.sums[1].traded(1, day=9, payout=None).day_sold == 0


parts = st.lists(st.tuples(st.integers(1, 100), st.integers(1, 99), st.integers(0, 30_000)), min_size=1, max_size=8)


@given(limit=st.integers(10, 99), made=parts)
def test_a_reservation_covers_every_fill_and_nothing_is_left_of_it(limit: int, made: list[tuple[int, int, int]]):
    """Fills of a buy in lots, each no worse than its limit and with a fee within the bound."""
    price, size = limit * 10_000, sum(lots for lots, _, _ in made) * 10_000
    reserved = int(cash_to_reserve(side=Side.BUY, price=Price(price), size=Shares(size), may_take=True, fee=FEE))
    open_size, total = size, reserved
    for lots, cents, _ in made:
        paid = min(cents, limit) * 10_000
        chance = paid * (1_000_000 - paid)
        fee = lots * 10_000 * FEE.rate_ppm * chance // 10**18
        leg = Fill(outcome_id=1, side=Side.BUY, price=Price(paid), size=Shares(lots * 10_000), fee=Usd(fee))
        freed = freed_by(leg, reserved=reserved, price=price, open_size=open_size)
        assert -leg.cash_change <= freed <= reserved
        reserved -= freed
        open_size -= lots * 10_000
    assert reserved == 0 and total >= 0


facts = st.lists(
    st.tuples(st.sampled_from(["buy", "sell"]), st.integers(1, 99), st.integers(1, 10_000), st.integers(0, 99_999)),
    max_size=30,
)


@given(facts=facts, payout=st.sampled_from([0, 500_000, 1_000_000]))
def test_whatever_happens_the_books_balance(facts: list[tuple[str, int, int, int]], payout: int):
    purse = Holdings(Usd(10**12))
    for side, cents, lots, fee in facts:
        held = purse.positions.get(1)
        size = lots * 10_000 if side == "buy" else min(lots * 10_000, 0 if held is None else int(held.size))
        if size:
            leg = Fill(outcome_id=1, side=Side(side), price=Price(cents * 10_000), size=Shares(size), fee=Usd(fee))
            purse.fill(leg, market_id=1, day=0, freed=0)
    purse.settle({1: Price(payout), 2: Price(1_000_000 - payout)})
    purse.check()
    last = purse.last(1, 1)
    assert purse.cash == 10**12 + last.realized - last.fees
    assert purse.entries.get(("outcome:1", "own"), 0) == 0
