"""The whole examination, run in the trader: what the tables say, what the keys say, and on request one free order.

The order of a deep examination goes through the gate like any other: post-only at the lowest price there is,
worth about a dollar, cancelled at once. It costs nothing, and shows signing, sending, the user stream and
cancelling at work.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime

from django.utils import timezone

from alerts.selectors.screens import event_rows
from markets.domain.instruments import MarketFacts, Side
from markets.domain.units import ONE, Price, Shares
from markets.domain.views import BookStatus, BookView
from markets.selectors.catalogue import market_facts, market_ids_open
from markets.selectors.refusals import refusal_explain
from markets.tickstore import TickstoreUnavailable, get_tickstore
from orders.domain.checkup import Finding, Health
from orders.domain.intents import OrderType, Origin, OriginKind, Placement
from orders.domain.keys import new_key
from orders.domain.lifecycle import TERMINAL, OrderState
from orders.selectors.doctor import findings_now
from orders.selectors.pages import order_brief
from orders.services import execution
from orders.services.doctor import findings_at_venue, run_claim, run_finish
from risk.selectors.limits import limits_get
from risk.services.gate import review_manual

ARRIVES_WITHIN_S = 20.0
ENDS_WITHIN_S = 60.0  # a cancelled order ends when four reads over about 40 s agree on what it traded
_LOT = 10_000
_FAR = 100_000  # the best bid stands at least 10 cents above zero: nobody reaches down to our price

Clock = Callable[[], datetime]


def doctor_run(
    run_id: int, *, clock: Clock = timezone.now, sleep: Callable[[float], object] = time.sleep
) -> list[Finding]:
    """Do one examination and store it; a second delivery of the same message finds it taken."""
    run = run_claim(run_id, clock())
    if run is None:
        return []
    findings: list[Finding] = []
    try:
        at_venue = findings_at_venue(run.account_id, clock=clock)
        findings = [*findings_now(run.account_id, now=clock()), *at_venue]
        fields: dict[str, object] = {}
        if run.deep:
            test, order_id, story = deep_test(run.account_id, run.user_id or 0, run.requested_by, clock, sleep)
            findings += test
            fields = {"order_id": order_id, "story": story}
        run_finish(run, findings, now=clock(), **fields)
    except Exception as error:
        # The person who asked must see that it failed; the words of an exception may hold anything, its kind not.
        run_finish(run, findings, now=clock(), error=f"the examination broke off: {type(error).__name__}")
        raise
    return findings


def deep_test(
    account_id: int, user_id: int, by: str, clock: Clock, sleep: Callable[[float], object]
) -> tuple[list[Finding], int | None, list[dict[str, str]]]:
    """Place, see arrive, cancel and see end one free order; return the findings, the order and its story."""
    chosen = far_market(clock())
    if chosen is None:
        said = "no open market has a live book with a bid far enough from the lowest price"
        return [_bad("Free order", "not placed", said, "Wait until the feed has books, then ask again.")], None, []
    facts, outcome_id = chosen
    limits = limits_get(account_id)
    placement = Placement(
        key=new_key(now=clock(), bits=random.SystemRandom()),
        market_id=facts.market_id,
        outcome_id=outcome_id,
        side=Side.BUY,
        price=Price(facts.tick),
        size=free_size(facts, order_minimum=limits.order_minimum if limits else ONE),
        order_type=OrderType.GTC,
        post_only=True,
        origin=Origin(kind=OriginKind.MANUAL, id=user_id, label=f"doctor, for {by}"[:120]),
        created_at=clock(),
        reason="free test order",
    )
    result = review_manual(account_id, placement, by=by, clock=clock)
    if result.order_id is None:
        return (
            [_bad("Free order", "refused by the gate", result.verdict.message, "See the finding it names.")],
            None,
            [],
        )
    order_id = result.order_id
    execution.order_submit(order_id, clock())
    arrived = _wait(order_id, lambda s: s not in _UNDER_WAY, ARRIVES_WITHIN_S, sleep)
    findings = [_arrived(order_id, arrived)]
    if arrived not in TERMINAL:
        execution.order_cancel_request(order_id, "free test order", by, clock())
        ended = _wait(order_id, lambda s: s in TERMINAL, ENDS_WITHIN_S, sleep)
        gone = ended in TERMINAL
        findings.append(
            Finding(
                area="free order",
                label="Cancelled",
                health=Health.OK if gone else Health.BAD,
                value=ended.value,
                limit=f"{ENDS_WITHIN_S:.0f} s",
                cause="" if gone else "the cancel was not confirmed in time; it is repeated by itself",
                remedy="" if gone else "Watch the order's own page until it has ended.",
            )
        )
    return findings, order_id, story_of(order_id)


def story_of(order_id: int) -> list[dict[str, str]]:
    """Return what the journal says about one order, in order."""
    rows = event_rows(account_ids=None, subject=("order", str(order_id))).order_by("id")[:60]
    return [{"at": row.at.isoformat(), "kind": row.kind, "what": row.message} for row in rows]


def far_market(now: datetime) -> tuple[MarketFacts, int] | None:
    """Return an open market with a live book whose best bid lies far above its lowest price, and the outcome."""
    known = market_facts(market_ids_open()[:200])
    outcomes = {o.outcome_id: facts for facts in known.values() for o in facts.outcomes}
    try:
        books = get_tickstore().books_get(list(outcomes))
    except (TickstoreUnavailable, OSError):
        return None
    now_ms = int(now.timestamp() * 1000)
    for outcome_id, facts in outcomes.items():
        book = books.get(outcome_id)
        if book is not None and _is_far(book, now_ms):
            return facts, outcome_id
    return None


def free_size(facts: MarketFacts, *, order_minimum: int) -> Shares:
    """Return the smallest size at the lowest price that venue and gate allow, in whole lots."""
    least = max(facts.minimum_size, -(-max(order_minimum, ONE) * ONE // facts.tick))
    return Shares(-(-least // _LOT) * _LOT)


_UNDER_WAY = frozenset({OrderState.NEW, OrderState.RESERVED, OrderState.SIGNED, OrderState.SENDING})


def _is_far(book: BookView, now_ms: int) -> bool:
    return (
        book.status is BookStatus.LIVE
        and not book.is_crossed
        and book.best_bid is not None
        and book.best_bid >= _FAR
        and book.is_fresh(now_ms, 15_000)
    )


def _wait(
    order_id: int, done: Callable[[OrderState], bool], limit_s: float, sleep: Callable[[float], object]
) -> OrderState:
    waited = 0.0
    while True:
        state = order_brief(order_id).state
        if done(state) or waited >= limit_s:
            return state
        sleep(0.25)
        waited += 0.25


def _arrived(order_id: int, state: OrderState) -> Finding:
    reason = order_brief(order_id).reason
    if state in (OrderState.LIVE, OrderState.DELAYED):
        return Finding(area="free order", label="Placed", health=Health.OK, value=state.value)
    known = refusal_explain(reason)
    return _bad(
        "Placed",
        state.value,
        known.cause if known else reason or "it did not arrive in time",
        known.remedy if known else "Look at the order's own page.",
    )


def _bad(label: str, value: str, cause: str, remedy: str) -> Finding:
    return Finding(area="free order", label=label, health=Health.BAD, value=value, cause=cause, remedy=remedy)
