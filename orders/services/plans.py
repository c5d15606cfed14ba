"""Working plans off: every step is decided by `orders.domain`, taken under the account's lock, and safe to repeat.

`plans_advance` runs every second in the trader and finds what is due in Postgres, so a plan outlives every
process. Orders are sent after the commit that made them; the sweep sends what a crash left.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db import transaction

from alerts.domain.events import Severity
from markets.domain.instruments import MarketFacts, MarketState, Side
from markets.domain.units import decimal_from_micro
from markets.domain.views import BookStatus, BookView
from markets.selectors.catalogue import market_facts
from markets.tickstore import TickstoreUnavailable, get_tickstore
from orders.domain.intents import OriginKind
from orders.domain.lifecycle import Environment, TradingState
from orders.domain.plan_steps import plan_next
from orders.domain.plans import Child, Phase, Place, Plan, PlanKind, PlanState, Scene, Steps, Touch
from orders.domain.readiness import send_obstacle
from orders.models import Account, ExecutionPlan, Order, PlanLeg
from orders.selectors.conditions import conditions_get
from orders.selectors.plans import WORKING, children_of, order_as_child, plan_core, plans_due
from orders.selectors.portfolio import OPEN_STATES, position_list
from orders.services.children import OutsideEnvelope, child_create, plan_recount
from orders.services.envelopes import unwind_create
from orders.services.execution import order_cancel_request, orders_submit
from orders.services.faults import faultpoint
from orders.services.kill import killed
from orders.services.placement import ReservationError
from orders.services.plan_states import plan_end, plan_event, plan_label, plan_lock, plans_stop

log = logging.getLogger(__name__)

FRESH_TAKING_MS, FRESH_RESTING_MS, FRESH_EXIT_MS = 3_000, 15_000, 60_000
LOOK_AGAIN_S = 2
_CLOSING = (PlanKind.FLATTEN, PlanKind.UNWIND)


@dataclass(slots=True)
class Done:
    """What one look at a plan came to."""

    order_ids: list[int] = field(default_factory=list)
    cancels: list[int] = field(default_factory=list)  # orders to ask for the end of, after the commit
    reason: str = ""
    ended: bool = False


def plans_advance(now: datetime) -> int:
    """Look at every plan that is due; return how many orders were made. One that fails stops no other."""
    made = 0
    for plan_id in plans_due(now):
        try:
            made += len(plan_advance(plan_id, now).order_ids)
        except Exception:
            log.exception("a plan could not be advanced", extra={"plan": plan_id})
    return made


def plan_advance(plan_id: int, now: datetime) -> Done:
    """Take the plan's next step, whatever led to it, and send what it made."""
    legs = list(PlanLeg.objects.filter(plan_id=plan_id).order_by("number"))
    books = _books([leg.outcome_id for leg in legs])  # read before the lock: nobody waits for Redis
    with transaction.atomic():
        row = plan_lock(plan_id)
        done = _step(row, legs, books, now)
        faultpoint("plan.stepped")
    for order_id in done.cancels:
        order_cancel_request(order_id, done.reason, "desk", now)
    if done.order_ids:
        try:
            orders_submit(done.order_ids, now)
        except Exception:
            log.exception("submit left to the sweep", extra={"orders": done.order_ids, "plan": plan_id})
    return done


def plan_cancel(plan_id: int, reason: str, by: str, now: datetime) -> bool:
    """End the plan and ask for the end of its children; return whether it was still working."""
    with transaction.atomic():
        row = plan_lock(plan_id)
        stopped = plan_end(row, PlanState.CANCELED, reason, now=now, by=by)
        for child in row.children.filter(state__in=WORKING):
            plan_end(plan_lock(child.pk), PlanState.CANCELED, reason, now=now, by=by)
    ids = [plan_id, *ExecutionPlan.objects.filter(parent_id=plan_id).values_list("pk", flat=True)]
    for each in ids:
        for order_id in _working(children_of(each)):
            order_cancel_request(order_id, reason, by, now)
    return stopped


def plans_cancel(account_id: int, reason: str, by: str, now: datetime) -> int:
    """End every working plan of the account and its children; return how many plans were working."""
    ids = ExecutionPlan.objects.filter(account_id=account_id, state__in=WORKING).order_by("id")
    return sum(plan_cancel(plan_id, reason, by, now) for plan_id in list(ids.values_list("pk", flat=True)))


def _step(row: ExecutionPlan, legs: Sequence[PlanLeg], books: Mapping[int, BookView], now: datetime) -> Done:
    plan, children = plan_core(row, legs), children_of(row.pk)
    if beyond := plan_recount(row, plan, children):
        _overfilled(row, beyond, now)
    working = any(child.phase is not Phase.ENDED for child in children)
    if row.state not in WORKING:
        _due(row, now + timedelta(seconds=LOOK_AGAIN_S) if working else None)
        return Done(ended=True)
    if row.state == ExecutionPlan.State.UNWINDING:
        return _unwinding(row, now)  # it orders nothing more itself: what stops orders stops the plans that undo it
    facts = market_facts({leg.market_id for leg in legs})
    if reason := obstacle(row, plan, facts):
        plan_end(row, PlanState.CANCELED, reason, now=now, by="desk")
        return Done(cancels=_working(children), reason=reason, ended=True)
    scene = _scene(row, plan, books, facts, now)
    return _take(row, plan, plan_next(plan, children, scene), scene=scene, facts=facts, now=now)


def _take(
    row: ExecutionPlan, plan: Plan, steps: Steps, *, scene: Scene, facts: Mapping[int, MarketFacts], now: datetime
) -> Done:
    done = Done(cancels=list(steps.cancels), reason=f"{row.kind} plan {row.pk}")
    if steps.end is not None:
        done.ended = plan_end(row, steps.end, steps.reason, now=now)
        return done
    if steps.unwind:
        _unwind_begin(row, steps, now)
        return done
    again = datetime.fromtimestamp(steps.again_ms / 1000, tz=UTC) if steps.again_ms else None
    if any(_must_wait(row, plan, place, scene) for place in steps.places):
        # Without a fresh book nothing is placed; legs that belong together wait together.
        again = now + timedelta(seconds=1)
    elif steps.places:
        try:
            with transaction.atomic():  # all of them or none
                done.order_ids = [
                    child_create(row, place, now=now, facts=facts.get(plan.leg(place.leg).market_id))
                    for place in steps.places
                ]
        except ReservationError as error:
            if plan.kind in _CLOSING or plan.kind is PlanKind.REPLACE:
                again = now + timedelta(seconds=LOOK_AGAIN_S)  # shares that another order still holds, or unsettled
            else:
                done.ended = plan_end(row, PlanState.FAILED, str(error), now=now)
        except OutsideEnvelope as error:
            log.error("a step left its envelope", extra={"plan": row.pk, "problem": str(error)})
            done.ended = plan_end(row, PlanState.FAILED, str(error), now=now)
    if not done.ended:
        _due(row, min(again, row.expires_at) if again and now < row.expires_at else again)
    return done


def obstacle(row: ExecutionPlan, plan: Plan, facts: Mapping[int, MarketFacts]) -> str:
    """Return why the plan may go on no further, or nothing. What may pass again by itself is no obstacle."""
    account: Account = row.account
    buys = any(leg.side is Side.BUY for leg in plan.legs)
    closes = plan.kind in _CLOSING
    # What only sells is not stopped with the automatic orders: it takes risk away. Buying back does not.
    automatic = row.origin_kind == OriginKind.STRATEGY and (buys or not closes)
    shut = [leg.market_id for leg in plan.legs if _is_shut(facts.get(leg.market_id))]
    obstacles = (
        (killed(), "the kill switch is set"),
        (account.trading_state == TradingState.HALTED, f"the account is halted: {account.trading_state_reason}"),
        (account.trading_state == TradingState.REDUCE_ONLY and buys, "the account may only reduce"),
        (automatic and not account.auto_trade, "automatic orders are off"),
        # A flatten of many markets goes on where it can.
        (len(shut) == len(plan.legs) if closes else bool(shut), "the market takes no orders any more"),
    )
    return next((reason for stands, reason in obstacles if stands), "")


def _is_shut(facts: MarketFacts | None) -> bool:
    return facts is None or facts.state is not MarketState.OPEN


def _scene(
    row: ExecutionPlan, plan: Plan, books: Mapping[int, BookView], facts: Mapping[int, MarketFacts], now: datetime
) -> Scene:
    now_ms = int(now.timestamp() * 1000)
    lenient = row.account.environment != Environment.LIVE
    touches: dict[int, Touch] = {}
    for leg in plan.legs:
        book = books.get(leg.outcome_id)
        rests = plan.kind is PlanKind.REPLACE or plan.parameters.get("child") == "join"
        limit = FRESH_RESTING_MS if rests else FRESH_TAKING_MS
        if book is not None and _is_usable(book, now_ms, limit, exit_=leg.side is Side.SELL and lenient):
            touches[leg.outcome_id] = Touch(bid=book.best_bid, ask=book.best_ask, tick=book.tick)
    replaced = plan.parameters.get("replaces")
    held = position_list(row.account_id) if plan.kind in _CLOSING else None
    return Scene(
        now_ms=now_ms,
        touches=touches,
        ticks={
            outcome.outcome_id: books[outcome.outcome_id].tick if outcome.outcome_id in books else known.tick
            for known in facts.values()
            for outcome in known.outcomes
        },
        fees={market_id: known.fee for market_id, known in facts.items()},
        replaced=order_as_child(int(replaced), row.account_id) if replaced else None,
        free=None if held is None else {i: int(position.available) for i, position in held.items()},
        held=None if held is None else {i: int(position.size) for i, position in held.items()},
    )


def _is_usable(book: BookView, now_ms: int, limit_ms: int, *, exit_: bool) -> bool:
    """Whether a child may be placed on the book; as the gate, an exit may trust one that an entry would not."""
    if book.is_crossed or book.status in (BookStatus.CLOSED, BookStatus.MISSING):
        return False
    return book.age_ms(now_ms) <= FRESH_EXIT_MS if exit_ else book.is_fresh(now_ms, limit_ms)


def _must_wait(row: ExecutionPlan, plan: Plan, place: Place, scene: Scene) -> bool:
    """Whether there is no book to place on, the account may not send now (an order would only be dropped), or an
    order of ours, whose cancel travels, would be what a closing one meets."""
    leg = plan.leg(place.leg)
    if leg.outcome_id not in scene.touches:
        return True
    if row.account.environment != Environment.PAPER:
        known = conditions_get(row.account_id, market_id=leg.market_id, outcome_id=leg.outcome_id)
        now = datetime.fromtimestamp(scene.now_ms / 1000, tz=UTC)
        takes = not place.order_type.rests
        if send_obstacle(known, side=leg.side, marketable=takes, now=now, post_only=place.post_only):
            return True
    if plan.kind not in _CLOSING:
        return False
    price = decimal_from_micro(place.price)
    meets = {"price__gte": price} if leg.side is Side.SELL else {"price__lte": price}
    own = Order.objects.filter(account_id=row.account_id, outcome_id=leg.outcome_id).exclude(side=leg.side)
    return own.filter(state__in=OPEN_STATES, **meets).exists()


def _books(outcome_ids: Sequence[int]) -> Mapping[int, BookView]:
    try:
        return get_tickstore().books_get(outcome_ids)
    except (TickstoreUnavailable, OSError) as error:
        log.warning("no books for plans", extra={"problem": str(error)[:200]})
        return {}


def _unwind_begin(row: ExecutionPlan, steps: Steps, now: datetime) -> None:
    ExecutionPlan.objects.filter(pk=row.pk).update(
        state=ExecutionPlan.State.UNWINDING,
        state_reason=steps.reason[:240],
        next_due_at=now + timedelta(seconds=LOOK_AGAIN_S),
    )
    undo: list[int] = []
    words: list[str] = []
    for side, verb in ((Side.SELL, "sells what was bought"), (Side.BUY, "buys back what was sold")):
        if part := [item for item in steps.unwind if item.side is side]:
            undo.append(unwind_create(row, part, now=now))
            words.append(f"plan {undo[-1]} {verb}")
    plan_event(
        row,
        "plan.unwinding",
        f"{plan_label(row)}: {steps.reason}; {', '.join(words)}",
        severity=Severity.WARNING,
        now=now,
        payload={"unwind_plans": undo},
    )


def _unwinding(row: ExecutionPlan, now: datetime) -> Done:
    """End the basket when the plans that undo it have ended, with what became of them."""
    undo = list(row.children.order_by("id"))
    if any(plan.state in WORKING for plan in undo):
        _due(row, now + timedelta(seconds=LOOK_AGAIN_S))
        return Done()
    words = "; ".join(f"undone by plan {plan.pk}: {plan.state_reason}" for plan in undo) or "nothing undoes it"
    return Done(ended=plan_end(row, PlanState.FAILED, f"{row.state_reason}; {words}", now=now))


def _overfilled(row: ExecutionPlan, beyond: int, now: datetime) -> None:
    """Say once that fills came after their orders' ends and went beyond the envelope."""
    if row.progress.get("beyond") == beyond:
        return
    row.progress = {**row.progress, "beyond": beyond}
    ExecutionPlan.objects.filter(pk=row.pk).update(progress=row.progress)
    plan_event(
        row,
        "plan.overfilled",
        f"{plan_label(row)}: late fills went {beyond / 1_000_000:g} shares beyond what was approved",
        severity=Severity.CRITICAL,
        now=now,
        payload={"beyond": beyond},
    )


def _due(row: ExecutionPlan, at: datetime | None) -> None:
    ExecutionPlan.objects.filter(pk=row.pk).update(next_due_at=at)


def _working(children: Sequence[Child]) -> list[int]:
    return [child.order_id for child in children if child.phase is not Phase.ENDED and not child.ending]


__all__ = ["obstacle", "plan_advance", "plan_cancel", "plans_advance", "plans_cancel", "plans_stop"]
