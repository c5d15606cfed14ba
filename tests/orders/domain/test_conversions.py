"""Split, merge, convert, redeem and transfers: numbers worked out by hand, and conservation over random streams."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from markets.domain.instruments import Side
from markets.domain.units import ONE, Price, Shares, Usd
from orders.domain.conversions import (
    Fact,
    Movement,
    PayoutVector,
    cash_moved,
    complete_sets,
    convert,
    merge,
    movement_of,
    position_moved,
    position_replayed,
    redeem,
    shares_in,
    shares_out,
    split,
)
from orders.domain.ledger import (
    Entry,
    Fill,
    LedgerError,
    OversoldError,
    Position,
    entries_for_fill,
    entries_for_void,
    imbalance,
    position_after,
)
from tests.factories.orders import buy, micro, position, sell

YES, NO = 1, 2


def moved(held: dict[int, Position], fact: Fact) -> dict[int, Position]:
    after = dict(held)
    for part in fact.movements:
        after[part.outcome_id] = position_moved(after[part.outcome_id], part)
    return after


def empty(*outcomes: int) -> dict[int, Position]:
    return {o: position(outcome_id=o) for o in outcomes}


def test_a_split_costs_its_dollars_half_on_each_side_and_the_odd_millionth_on_the_first() -> None:
    fact = split((YES, NO), 10_000_001)
    held = moved(empty(YES, NO), fact)
    assert fact.cash == -10_000_001
    assert [(p.size, p.cost) for p in held.values()] == [(10_000_001, 5_000_001), (10_000_001, 5_000_000)]


def test_a_merge_of_what_was_split_realises_nothing() -> None:
    held = moved(moved(empty(YES, NO), split((YES, NO), 10_000_001)), merge((YES, NO), 10_000_001))
    assert [(p.size, p.cost, p.realized) for p in held.values()] == [(0, 0, 0), (0, 0, 0)]


def test_a_merge_of_a_set_bought_below_a_dollar_realises_the_difference() -> None:
    held = {YES: position("10", "4", outcome_id=YES), NO: position("10", "5", outcome_id=NO)}
    after = moved(held, merge((YES, NO), micro(10)))
    assert [p.realized for p in after.values()] == [micro(1), 0]  # 5 - 4, 5 - 5: one dollar together


def test_a_conversion_carries_what_the_no_shares_cost_beyond_the_dollars_released() -> None:
    # Two No of a group of four, 10 shares each, bought for $9 and $8: $10 is released, $7 stays in two Yes.
    given = [position("10", "9", outcome_id=11), position("10", "8", outcome_id=12)]
    fact = convert(given, (3, 4), micro(10))
    held = moved({11: given[0], 12: given[1], **empty(3, 4)}, fact)
    assert fact.cash == micro(10)
    assert [(held[o].size, held[o].realized) for o in (11, 12)] == [(0, 0), (0, 0)]
    assert [(held[o].size, held[o].cost) for o in (3, 4)] == [(micro(10), micro("3.5"))] * 2


def test_a_conversion_that_releases_more_than_was_paid_realises_it_and_the_yes_shares_cost_nothing() -> None:
    given = [position("10", "1", outcome_id=11), position("10", "2", outcome_id=12)]
    fact = convert(given, (3,), micro(10))
    held = moved({11: given[0], 12: given[1], **empty(3)}, fact)
    assert sum(p.realized for p in held.values()) == micro(7)
    assert (held[3].size, held[3].cost) == (micro(10), 0)


def test_one_no_share_becomes_the_yes_shares_of_all_others_and_keeps_its_cost() -> None:
    given = position("10", "6", outcome_id=11)
    fact = convert([given], (3, 4, 5), micro(10))
    assert fact.cash == 0
    assert [p.dollars for p in fact.movements] == [micro(6), micro(2), micro(2), micro(2)]


def test_all_no_shares_of_a_group_become_dollars() -> None:
    given = [position("10", "9", outcome_id=11), position("10", "8", outcome_id=12)]
    held = moved({11: given[0], 12: given[1]}, convert(given, (), micro(10)))
    assert sum(p.realized for p in held.values()) == micro(10) - micro(17)


def test_the_adapters_fee_is_taken_from_everything_that_comes_out() -> None:
    given = [position("10", "9", outcome_id=11), position("10", "9", outcome_id=12)]
    fact = convert(given, (3,), micro(10), fee_bips=200)
    assert fact.cash == micro("9.8")
    assert [p.size for p in fact.movements] == [-micro(10), -micro(10), micro("9.8")]


def test_half_and_half_pays_every_share_half_and_rounds_each_outcome_down() -> None:
    halves = PayoutVector(numerators={YES: 1, NO: 1}, denominator=2)
    fact = redeem({YES: 3, NO: 5}, halves)
    assert fact.cash == 1 + 2  # 1.5 and 2.5 millionths: the chain pays each outcome apart
    held = moved({YES: replace(position("0"), size=Shares(3), cost=Usd(2)), NO: position("1", outcome_id=NO)}, fact)
    assert (held[YES].size, held[YES].realized) == (0, -1)


def test_thirds_are_exact_because_payouts_are_fractions() -> None:
    assert PayoutVector(numerators={YES: 1, NO: 2}, denominator=3).of(YES, 3_000_000) == 1_000_000


@pytest.mark.parametrize(
    ("numerators", "denominator"), [({1: 1, 2: 1}, 1), ({1: 0, 2: 0}, 0), ({1: 2, 2: -1}, 1), ({1: 0, 2: 0}, 1)]
)
def test_payouts_that_do_not_make_one_dollar_are_refused(numerators: dict[int, int], denominator: int) -> None:
    with pytest.raises(LedgerError):
        PayoutVector(numerators=numerators, denominator=denominator)


def test_shares_that_come_cost_what_is_declared_and_leave_at_their_average() -> None:
    held = position_moved(position(outcome_id=YES), shares_in(YES, micro(10), cost=micro(4)).movements[0])
    assert (held.size, held.cost) == (micro(10), micro(4))
    gone = position_moved(held, shares_out(held, micro(5)).movements[0])
    assert (gone.size, gone.cost, gone.realized) == (micro(5), micro(2), 0)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: split((YES, NO), 0),
        lambda: merge((YES, NO), -1),
        lambda: convert([], (1,), 5),
        lambda: convert([position("1")], (1,), micro(2)),
        lambda: convert([position("1")], (3,), 5, fee_bips=10_000),
        lambda: redeem({YES: -1}, PayoutVector(numerators={YES: 1}, denominator=1)),
        lambda: cash_moved(0),
        lambda: shares_in(YES, 1, cost=-1),
        lambda: shares_out(position("1"), micro(2)),
        lambda: position_moved(position("1"), Movement(outcome_id=1, size=-micro(2), dollars=0)),
    ],
)
def test_what_cannot_be_is_refused(ask: object) -> None:
    with pytest.raises((LedgerError, OversoldError)):
        ask()  # type: ignore[operator]


def test_a_trade_is_read_back_from_its_entries() -> None:
    for fill in (buy("3", "0.333333", fee="0.01"), sell("3", "0.333333", fee="0.02")):
        part = movement_of(entries_for_fill(fill), 1)
        assert part is not None
        start = position("5", "2")
        assert position_moved(start, part) == position_after(start, fill)
    assert movement_of(entries_for_fill(buy("1", "0.5")), 2) is None


def test_the_number_of_complete_sets_is_that_of_the_rarer_share() -> None:
    assert complete_sets([5, 3]) == 3
    assert complete_sets([5, -1]) == 0
    assert complete_sets([]) == 0


@pytest.mark.parametrize("seed", range(400))
def test_cash_and_cost_equal_capital_and_profit_whatever_happens(seed: int) -> None:
    rng = random.Random(seed)
    held = empty(1, 2, 3, 4)
    facts: list[tuple[Entry, ...]] = [cash_moved(10**12).entries]
    cash, capital, fees = 10**12, 10**12, 0
    for _ in range(rng.randint(1, 40)):
        fact = _any_fact(rng, held)
        if isinstance(fact, Fill):
            held[fact.outcome_id] = position_after(held[fact.outcome_id], fact)
            facts.append(entries_for_fill(fact))
            cash, fees = cash + fact.cash_change, fees + fact.fee
            continue
        held = moved(held, fact)
        facts.append(fact.entries)
        cash += fact.cash
        if fact.kind == "transfer":
            capital += fact.cash + sum(p.dollars if p.size > 0 else -p.dollars for p in fact.movements)
    assert cash + sum(p.cost for p in held.values()) == capital + sum(p.realized for p in held.values()) - fees
    everything = [entry for fact in facts for entry in fact]
    assert imbalance(everything) == {}
    # Positions and cash follow from the entries alone.
    assert cash == sum(e.amount for e in everything if e.asset == "usd" and e.book == "own")
    for outcome_id, known in held.items():
        parts = [part for fact in facts if (part := movement_of(fact, outcome_id)) is not None]
        assert position_replayed(position(outcome_id=outcome_id), parts) == known
    # A void of any fact undoes its entries exactly.
    undone = facts[-1]
    assert imbalance([*undone, *entries_for_void(undone)]) == {}


def _any_fact(rng: random.Random, held: dict[int, Position]) -> Fact | Fill:  # noqa: PLR0911
    size = rng.choice((rng.randint(1, 9), rng.randint(1, 50 * ONE)))
    outcome_id = rng.choice((1, 2, 3, 4))
    own = held[outcome_id]
    pair = rng.choice(((1, 2), (3, 4)))
    sets = complete_sets(held[o].size for o in pair)
    choices = ["buy", "split", "in"]
    choices += ["sell", "out", "redeem"] if own.size else []
    choices += ["merge"] if sets else []
    nos = [held[o] for o in (2, 4) if held[o].size]
    choices += ["convert"] if nos else []
    price, fee = Price(rng.randint(1, ONE - 1)), Usd(rng.randint(0, 50))
    match rng.choice(choices):
        case "buy":
            return Fill(outcome_id=outcome_id, side=Side.BUY, price=price, size=Shares(size), fee=fee)
        case "sell":
            part = Shares(rng.randint(1, own.size))
            return Fill(outcome_id=outcome_id, side=Side.SELL, price=price, size=part, fee=fee)
        case "split":
            return split(pair, size)
        case "merge":
            return merge(pair, rng.randint(1, sets))
        case "in":
            return shares_in(outcome_id, size, cost=rng.randint(0, size))
        case "out":
            return shares_out(own, rng.randint(1, own.size))
        case "redeem":
            n = rng.choice(((1, 0), (0, 1), (1, 1), (1, 2)))
            vector = PayoutVector(numerators={pair[0]: n[0], pair[1]: n[1]}, denominator=sum(n))
            return (
                redeem({o: held[o].size for o in pair}, vector) if any(held[o].size for o in pair) else split(pair, 1)
            )
        case _:
            chosen = nos[: rng.randint(1, len(nos))]
            others = [o for o, no in ((1, 2), (3, 4)) if no not in {p.outcome_id for p in chosen}]
            return convert(chosen, others, rng.randint(1, min(p.size for p in chosen)), fee_bips=rng.choice((0, 0, 30)))
