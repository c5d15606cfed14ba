"""Numbers are worked out by hand; the properties get thousands of seeded event streams."""

import random
from dataclasses import replace
from fractions import Fraction

import pytest

from markets.domain.instruments import Side
from markets.domain.units import ONE, Price, Shares, Usd
from orders.domain.ledger import (
    Entry,
    Fill,
    OversoldError,
    Portfolio,
    Position,
    UnbalancedError,
    balanced,
    entries_for_fee,
    entries_for_fill,
    entries_for_opening,
    entries_for_rebate,
    entries_for_resolution,
    entries_for_void,
    imbalance,
    position_after,
    position_from,
    position_resolved,
)
from orders.domain.lifecycle import Environment, TradingState
from tests.factories.orders import buy, micro, position, sell


def test_a_buy_adds_size_and_cost_and_counts_the_fee_apart() -> None:
    held = position_after(position("10", "4"), buy("5", "0.60", fee="0.05"))
    assert (held.size, held.cost, held.realized, held.fees) == (micro(15), micro(7), 0, micro("0.05"))
    assert held.average_cost == 466_666  # 7 / 15


def test_a_sell_books_the_difference_to_average_cost_and_leaves_the_average_alone() -> None:
    held = position_after(position("10", "4"), sell("4", "0.55"))
    # 4 x 0.55 = 2.20, they cost 4 x 0.40 = 1.60
    assert (held.size, held.cost, held.realized) == (micro(6), micro("2.4"), micro("0.6"))
    assert held.average_cost == micro("0.40")


def test_selling_more_than_held_is_refused() -> None:
    with pytest.raises(OversoldError, match="sold 61 shares while holding 60"):
        position_after(position("60", "24"), sell("61", "0.55"))


def test_selling_everything_leaves_no_cost_behind_however_odd_the_average() -> None:
    held = position_from(position(), [buy("0.000003", "0.333333"), buy("7", "0.1"), sell("7.000003", "0.2")])
    assert (held.size, held.cost) == (0, 0)


def test_rounding_is_never_in_our_favour() -> None:
    assert buy("0.000001", "0.000001").notional == 1
    assert sell("0.000001", "0.999999").notional == 0


def test_what_the_venue_cleared_is_booked_instead_of_price_times_size() -> None:
    # 3 x 0.333333 is 0.999999; the venue's own clearing took and gave a whole dollar.
    bought = replace(buy("3", "0.333333", fee="0.01"), dollars=Usd(micro(1)))
    sold = replace(sell("3", "0.333333", fee="0.01"), dollars=Usd(micro(1)))
    assert (bought.cash_change, sold.cash_change) == (-micro("1.01"), micro("0.99"))
    assert position_after(position(), bought).cost == micro(1)
    assert _sums(list(entries_for_fill(bought)), "market") == {"usd": micro(1), "outcome:1": -micro(3)}


def test_a_sell_may_use_what_is_settled_and_not_promised() -> None:
    held = replace(position("10", "4"), reserved=Shares(micro(4)))
    assert held.available == micro(6)
    assert replace(held, confirmed=Shares(micro(3))).available == 0


def test_free_cash_and_the_profit_of_the_day_are_differences() -> None:
    account = Portfolio(
        account_id=1, environment=Environment.PAPER, trading_state=TradingState.ACTIVE, cash=Usd(micro(100)),
        reserved_cash=Usd(micro(30)), equity=Usd(micro(95)), day_start_equity=Usd(micro(110)),
    )  # fmt: skip
    assert (account.free_cash, account.day_profit) == (micro(70), -micro(15))


def test_an_unconfirmed_buy_is_held_but_not_available() -> None:
    held = position_after(position(), buy("10", "0.5", confirmed=False))
    assert (held.size, held.available) == (micro(10), 0)


@pytest.mark.parametrize(
    ("payout", "profit"), [("1", "6"), ("0", "-4"), ("0.5", "1")], ids=["won", "lost", "void market"]
)
def test_a_resolution_empties_the_position_and_books_the_profit(payout: str, profit: str) -> None:
    held = position_resolved(position("10", "4"), payout=Price(micro(payout)))
    assert (held.size, held.cost, held.reserved) == (0, 0, 0)
    assert held.realized == micro(profit)


def test_every_kind_of_fact_sums_to_zero() -> None:
    fill = buy("3", "0.333333", fee="0.01")
    facts = [
        entries_for_opening(Usd(micro(1000))),
        entries_for_fill(fill),
        entries_for_fill(sell("3", "0.333333", fee="0.01")),
        entries_for_fee(Usd(5)),
        entries_for_rebate(Usd(7)),
        entries_for_void(entries_for_fill(fill)),
        entries_for_resolution({1: Shares(3), 2: Shares(5)}, {1: Price(ONE // 2), 2: Price(ONE // 2)}),
    ]
    assert [imbalance(fact) for fact in facts] == [{}] * len(facts)


def test_a_payout_takes_every_share_and_brings_what_they_are_worth() -> None:
    # 3 shares of the winner, 5 of the loser: three dollars, all of them from the winner's shares.
    paid = entries_for_resolution({1: Shares(micro(3)), 2: Shares(micro(5))}, {1: Price(ONE), 2: Price(0)})
    assert _sums(list(paid)) == {
        "usd": micro(3), "outcome:1": -micro(3), "outcome:2": -micro(5), "basis:1": -micro(3),
    }  # fmt: skip


def test_an_imbalance_names_the_asset_and_the_sum() -> None:
    legs = [Entry(asset="usd", book="own", amount=5), Entry(asset="usd", book="fees", amount=-3)]
    assert imbalance([*legs, Entry(asset="outcome:1", book="own", amount=0)]) == {"usd": 2}
    assert imbalance([Entry(asset="usd", book="own", amount=5), Entry(asset="usd", book="fees", amount=5)]) == {
        "usd": 10
    }


def test_entries_that_do_not_balance_are_refused() -> None:
    with pytest.raises(UnbalancedError, match="usd"):
        balanced([Entry(asset="usd", book="own", amount=5), Entry(asset="usd", book="fees", amount=-4)])


def _fills(rng: random.Random, *, count: int) -> list[Fill]:
    """Return a stream of fills of three outcomes that never sells more than is held."""
    held = {1: 0, 2: 0, 3: 0}
    stream: list[Fill] = []
    for _ in range(count):
        outcome_id = rng.choice((1, 2, 3))
        side = Side.SELL if held[outcome_id] and rng.random() < 0.45 else Side.BUY
        size = rng.randint(1, held[outcome_id]) if side is Side.SELL else rng.randint(1, 50 * ONE)
        held[outcome_id] += -size if side is Side.SELL else size
        stream.append(
            Fill(
                outcome_id=outcome_id,
                side=side,
                price=Price(rng.randint(1, ONE - 1)),
                size=Shares(size),
                fee=Usd(rng.choice((0, rng.randint(0, ONE)))),
            )
        )
    return stream


def _sums(entries: list[Entry], book: str = "own") -> dict[str, int]:
    sums: dict[str, int] = {}
    for entry in entries:
        if entry.book == book:
            sums[entry.asset] = sums.get(entry.asset, 0) + entry.amount
    return sums


@pytest.mark.parametrize("block", range(4))
def test_cash_shares_and_profit_are_conserved_over_random_streams(block: int) -> None:
    for seed in range(block * 1000, block * 1000 + 1000):
        _cash_shares_and_profit_are_conserved_over_random_streams(seed)


def _cash_shares_and_profit_are_conserved_over_random_streams(seed: int) -> None:
    rng = random.Random(seed)
    stream = _fills(rng, count=rng.randint(1, 60))
    entries = [*entries_for_opening(Usd(10**12))]
    held = {o: Position(outcome_id=o, market_id=o) for o in (1, 2, 3)}
    for fill in stream:
        entries += entries_for_fill(fill)
        held[fill.outcome_id] = position_after(held[fill.outcome_id], fill)
    own = _sums(entries)
    assert imbalance(entries) == {}
    assert {o: p.size for o, p in held.items()} == {o: own.get(f"outcome:{o}", 0) for o in held}
    # Cash spent is what the rest cost, less profit, plus fees: nothing appears or disappears.
    spent = 10**12 - own["usd"]
    assert spent == sum(p.cost - p.realized + p.fees for p in held.values())
    # Against exact fractions: rounding took at most one millionth per fill, and never gave.
    exact = sum(Fraction(f.price * f.size, ONE) * (1 if f.side is Side.BUY else -1) + f.fee for f in stream)
    assert 0 <= spent - exact <= len(stream)


@pytest.mark.parametrize("block", range(4))
def test_size_and_cash_do_not_depend_on_the_order_of_fills(block: int) -> None:
    for seed in range(block * 250, block * 250 + 250):
        _size_and_cash_do_not_depend_on_the_order_of_fills(seed)


def _size_and_cash_do_not_depend_on_the_order_of_fills(seed: int) -> None:
    rng = random.Random(seed)
    buys = [f for f in _fills(rng, count=40) if f.side is Side.BUY and f.outcome_id == 1]
    shuffled = rng.sample(buys, len(buys))
    empty = Position(outcome_id=1, market_id=1)
    assert position_from(empty, buys) == position_from(empty, shuffled)
    assert _sums([e for f in buys for e in entries_for_fill(f)]) == _sums(
        [e for f in shuffled for e in entries_for_fill(f)]
    )


@pytest.mark.parametrize("block", range(4))
def test_a_void_reverses_exactly_its_fill_wherever_it_comes(block: int) -> None:
    for seed in range(block * 250, block * 250 + 250):
        _a_void_reverses_exactly_its_fill_wherever_it_comes(seed)


def _a_void_reverses_exactly_its_fill_wherever_it_comes(seed: int) -> None:
    rng = random.Random(seed)
    stream = _fills(rng, count=40)
    entries = [e for f in stream for e in entries_for_fill(f)]
    undone = rng.choice(stream)
    entries += entries_for_void(entries_for_fill(undone))
    rest = list(stream)
    rest.remove(undone)
    assert imbalance(entries) == {}
    without = _sums([e for f in rest for e in entries_for_fill(f)])
    assert {k: v for k, v in _sums(entries).items() if v} == {k: v for k, v in without.items() if v}


def test_a_payout_of_a_fraction_rounds_against_us() -> None:
    # 0.000003 shares at half a dollar are 1.5 millionths: one is paid.
    held = position("0.000003", "0.000001")
    assert position_resolved(held, payout=Price(500_000)).realized == 0
