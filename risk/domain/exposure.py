"""Exposure: the most that can be lost, over every way the markets can resolve and our orders can fill.

Dollars and shares are millionths. For each state of the world a group of markets has a
loss: what was paid for the shares held, minus what they pay in that state, plus every open
order counted as filled where that makes it worse. Exposure is the worst state's loss, and
never less than zero. Markets of one neg-risk event form one group, because exactly one of
them pays YES; the state in which none of those we know wins is always counted, so a group
with unknown or added markets is never valued too well. Other markets stand alone.

A market whose facts are unknown pays nothing in any state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from markets.domain.instruments import MarketFacts, Side
from markets.domain.units import Price, Shares, Usd, notional_down
from orders.domain.intents import OpenOrder
from orders.domain.ledger import Position
from orders.domain.reserve import cash_to_reserve

GroupKey = tuple[str, int]  # ("event", id) for a neg-risk event, ("market", id) otherwise
_OTHER = -1  # the state in which no known market of the group wins


@dataclass(frozen=True, slots=True, kw_only=True)
class Risked:
    """A purchase or a sale that may happen in full, in part or not at all."""

    market_id: int
    outcome_id: int
    side: Side
    size: int
    cost: int  # a buy: dollars it may cost, fee included; a sell: dollars it brings, negative


def risked(
    *, market_id: int, outcome_id: int, side: Side, price: int, size: int, may_take: bool, facts: MarketFacts | None
) -> Risked:
    """Return what an order of `size` at `price` may do to us."""
    if side is Side.SELL:
        cost = -int(notional_down(price, size))
    else:
        fee = facts.fee if facts else None
        cost = cash_to_reserve(side=side, price=Price(price), size=Shares(size), may_take=may_take, fee=fee)
    return Risked(market_id=market_id, outcome_id=outcome_id, side=side, size=size, cost=cost)


def risked_order(order: OpenOrder, facts: MarketFacts | None) -> Risked:
    return risked(
        market_id=order.market_id,
        outcome_id=order.outcome_id,
        side=order.side,
        price=order.price,
        size=order.remaining,
        may_take=not order.post_only,
        facts=facts,
    )


def group_of(market_id: int, facts: MarketFacts | None) -> GroupKey:
    return ("event", facts.event_id) if facts is not None and facts.neg_risk else ("market", market_id)


def market_exposure(
    market_id: int, positions: Iterable[Position], orders: Iterable[Risked], facts: Mapping[int, MarketFacts]
) -> Usd:
    """Return the worst loss of one market on its own."""
    return _worst(
        [p for p in positions if p.market_id == market_id],
        [o for o in orders if o.market_id == market_id],
        facts,
        states=_market_states(market_id, facts.get(market_id)),
    )


def event_exposure(
    event_id: int, positions: Iterable[Position], orders: Iterable[Risked], facts: Mapping[int, MarketFacts]
) -> Usd:
    """Return the worst loss of one event: of its neg-risk group, plus of each market that stands alone."""
    inside = {market_id for market_id, known in facts.items() if known.event_id == event_id}
    return account_exposure(
        [p for p in positions if p.market_id in inside], [o for o in orders if o.market_id in inside], facts
    )


def account_exposure(positions: Iterable[Position], orders: Iterable[Risked], facts: Mapping[int, MarketFacts]) -> Usd:
    """Return the worst loss of everything: groups are independent, so their worst losses add up."""
    held: dict[GroupKey, list[Position]] = {}
    open_orders: dict[GroupKey, list[Risked]] = {}
    for position in positions:
        held.setdefault(group_of(position.market_id, facts.get(position.market_id)), []).append(position)
    for order in orders:
        open_orders.setdefault(group_of(order.market_id, facts.get(order.market_id)), []).append(order)
    return Usd(
        sum(
            _worst(held.get(key, []), open_orders.get(key, []), facts, states=_group_states(key, facts))
            for key in held.keys() | open_orders.keys()
        )
    )


def _market_states(market_id: int, facts: MarketFacts | None) -> list[tuple[int, int]]:
    """Return (market, winning outcome) for each way one market can resolve."""
    return [(market_id, outcome.outcome_id) for outcome in facts.outcomes] if facts else [(market_id, _OTHER)]


def _group_states(key: GroupKey, facts: Mapping[int, MarketFacts]) -> list[tuple[int, int]]:
    kind, identity = key
    if kind == "market":
        return _market_states(identity, facts.get(identity))
    winners = [(known.market_id, _OTHER) for known in facts.values() if known.neg_risk and known.event_id == identity]
    return [*winners, (_OTHER, _OTHER)]


def _worst(
    positions: Iterable[Position],
    orders: Iterable[Risked],
    facts: Mapping[int, MarketFacts],
    *,
    states: list[tuple[int, int]],
) -> Usd:
    held, wanted = list(positions), list(orders)
    paid = int(sum(p.cost for p in held))
    costs = [(order, order.side is Side.BUY, _after(order, held, wanted)) for order in wanted]
    worst = 0
    for state in states:
        loss = paid
        for position in held:
            if _pays(position.market_id, position.outcome_id, state, facts):
                loss -= position.size
        for order, is_buy, cost in costs:
            pays = order.size if _pays(order.market_id, order.outcome_id, state, facts) else 0
            # Filled or not, whichever is worse for us in this state.
            more = cost - pays if is_buy else cost + pays
            if more > 0:
                loss += more
        worst = max(worst, loss)
    return Usd(worst)


def _after(order: Risked, held: Iterable[Position], wanted: Iterable[Risked]) -> int:
    """Return what the order's fill adds to the cost of what is held, as the positions will count it.

    A sale takes its shares' cost along, not its proceeds: profit that was made is no room for new losses. A buy
    of the same outcome that is still open may make the shares cheaper before they are sold.
    """
    if order.side is Side.BUY:
        return order.cost
    position = next((p for p in held if p.outcome_id == order.outcome_id and p.size), None)
    if position is None:
        return 0
    basis = min(-order.cost, position.cost * order.size // position.size)
    buys = [o for o in wanted if o.outcome_id == order.outcome_id and o.side is Side.BUY and o.size]
    return -min([basis, *(o.cost * order.size // o.size for o in buys)])


def _pays(market_id: int, outcome_id: int, state: tuple[int, int], facts: Mapping[int, MarketFacts]) -> int:
    """Return the dollars (0 or 1) that one share of the outcome pays in `state`."""
    known = facts.get(market_id)
    if known is None:
        return 0
    winner_market, winner_outcome = state
    if winner_outcome != _OTHER:
        return int(winner_outcome == outcome_id)
    # A state of a neg-risk group: YES (index 0) pays in the winning market, NO in all others.
    is_yes = known.outcome(outcome_id).index == 0
    return int(is_yes == (winner_market == market_id))
