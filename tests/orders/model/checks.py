"""What must hold in the model: after every step, and when the faults are over. Violations begin with their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders.domain.exactly_once import Stage
from orders.domain.lifecycle import TERMINAL, OrderState
from orders.domain.submission import Submission
from tests.orders.model.desk import Claim, Desk, Violation
from tests.orders.model.luck import Draws
from tests.orders.model.protocol import Protocol
from tests.orders.model.venue import VenueOrder

if TYPE_CHECKING:
    from tests.orders.model.world import World

S = OrderState


def check_now(world: World) -> None:
    desk, venue = world.desk, world.venue
    if venue.changed:
        venue.changed = False
        for account in world.accounts:
            if venue.exposure(account) > desk.limit:
                raise Violation(f"I12: the venue holds {venue.exposure(account)} of a limit of {desk.limit}")
        for key, hashes in venue.accepted.items():
            if len(hashes) > 1:
                raise Violation(f"I3: the venue accepted {key} {len(hashes)} times")
    while desk.sends:
        sent = desk.sends.pop()
        if sent.stored_hash != sent.order_hash or sent.stored_attempt < max(1, sent.attempt):
            raise Violation(f"I2: {sent.key} left before its bytes were stored")
    if world.repairs.kill_done and venue.open_now():
        raise Violation("I13: an order is open at the venue after the kill was declared complete")
    while desk.claims:
        _check_claim(world, desk.claims.pop())


def _check_claim(world: World, claim: Claim) -> None:
    desk, intent = world.desk, world.intents[claim.key]
    if desk.killed_at is not None and claim.at >= desk.killed_at:
        raise Violation(f"I13: {claim.key} was claimed after the kill")
    if not desk.owns(intent.account, claim.trader, claim.at):
        raise Violation(f"I3: trader {claim.trader} claimed {claim.key} of an account that it does not own")
    # The limits are the contract's own numbers, written here a second time on purpose.
    ages = claim.ages
    stale = {
        "book": ages.book > (15_000 if intent.rests else 3_000),
        "user stream": ages.stream > 15_000,
        "reconciliation": ages.reconciled is None or ages.reconciled > 120_000,
        "market facts": ages.facts > 60_000,
        "clock": abs(ages.clock_offset) > 5_000,
    }
    for name in (name for name, is_stale in stale.items() if is_stale):
        raise Violation(f"I14: {claim.key} was claimed on a stale {name}")


def check_end(world: World) -> None:
    desk, venue = world.desk, world.venue
    if not world.is_over():
        stuck = {row.key: str(row.state) for row in desk.rows.values() if row.state not in TERMINAL}
        raise Violation(f"I20: nothing settles any more: {stuck}")
    by_hash = {row.order_hash: row for row in desk.rows.values()}
    for order in venue.orders:
        row = by_hash.get(order.order_hash)
        if row is None:
            raise Violation(f"I4: the venue has {order.order_hash}, which no row has")
        if row.filled != order.standing:
            raise Violation(f"I7: {row.key} books {row.filled}, the venue {order.standing}")
        if order.is_open and row.state in TERMINAL:
            raise Violation(f"I4: {row.key} is {row.state} and still open at the venue")
        _check_any_order_of_messages(world, order)
    _check_books(world)


def _check_books(world: World) -> None:
    books, venue = world.desk.books, world.venue
    for account, token in sorted({(i.account, i.token) for i in world.intents.values()}):
        held, theirs = books.position(account, token), venue.shares(account, token)
        if held.size != theirs or books.shares(account, token) != theirs:
            raise Violation(f"I8: account {account} holds {held.size} of {token}, the venue says {theirs}")
        if books.cash(account) != venue.cash(account):
            raise Violation(f"I9: account {account} has {books.cash(account)}, the venue {venue.cash(account)}")
    if any(count > 1 for count in books.voids.values()):
        raise Violation("I7: a failed trade was taken back twice")


def _check_any_order_of_messages(world: World, order: VenueOrder) -> None:
    """I6: the venue's messages about one order, in any order and number, end the same."""
    draws = world.luck.of(f"permutation {order.order_hash}")
    straight = [(trade.trade_id, stage) for trade in order.trades for stage in trade.history]
    shuffled = draws.shuffled(straight + [draws.choice(straight) for _ in range(min(2, len(straight)))])
    one = _replayed(world.desk.protocol, order, [("live", None), *straight, ("end", None)], world)
    other = _replayed(world.desk.protocol, order, _with_words(draws, shuffled), world)
    if one != other:
        raise Violation(f"I6: {order.intent.key} ends as {one} or as {other}, by the order of its messages")


def _with_words(draws: Draws, trades: list[tuple[str, Stage]]) -> list[tuple[str, Stage | None]]:
    """Put the acceptance and the end anywhere among the trades; the end is told again until it is believed."""
    words: list[tuple[str, Stage | None]] = list(trades)
    words.insert(draws.randint(0, len(words)), ("live", None))
    words.insert(draws.randint(0, len(words)), ("end", None))
    return [*words, ("live", None), ("end", None)]


def _replayed(
    protocol: Protocol, order: VenueOrder, words: list[tuple[str, Stage | None]], world: World
) -> tuple[object, ...]:
    desk = Desk(protocol, limit=world.desk.limit, shares=world.desk.books.opening_shares)
    intent, key = order.intent, order.intent.key
    sent = Submission(
        key=key, order_hash=order.order_hash, state=S.SENDING, size=order.size, rests=intent.rests,
        max_age_at_ms=0, attempt=1, claimed_at_ms=0, last_claim_ms=0,
    )  # fmt: skip
    desk.adopt(intent, sent)
    trades = {trade.trade_id: trade for trade in order.trades}
    for name, stage in words:
        if stage is not None:
            desk.trade(name, order.order_hash, trades[name].size, trades[name].fee, stage)
        elif name == "live" and desk.rows[key].state is S.SENDING:
            desk.attach(key, S.LIVE)
        elif name == "end" and not order.is_open:
            desk.ended_at_venue(key, matched=order.standing)
    row = desk.rows[key]
    state = S.LIVE if row.state is S.MATCHED else row.state  # an order that rests, however it is called
    held = desk.books.position(intent.account, intent.token)
    return state, row.filled, held.size, held.confirmed, desk.books.cash(intent.account)
