"""Plans that a person asks for: chases, slices over time and replacements, carried through the gate like any order."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import IntegrityError
from django.utils import timezone

from markets.domain.units import Price, Shares
from markets.selectors.catalogue import market_facts
from orders.domain.drafts import PlanDraft, chase_draft, replace_draft, slices_draft
from orders.domain.intents import OrderType, Origin, Placement
from orders.domain.keys import new_key
from orders.domain.plans import LOT
from orders.domain.replacing import replace_obstacle, replacement_of
from orders.domain.slices import JOIN
from orders.selectors.plans import plan_by_key, plan_replacing
from orders.selectors.portfolio import open_order_list
from risk.domain.context import GateContext, without
from risk.models import RiskVerdict
from risk.rules.review import review
from risk.selectors.picture import books_read
from risk.services.gate import GateDesk

_bits = random.SystemRandom()


class PlanError(ValueError):
    """The plan cannot be made as asked; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResult:
    """What became of a draft: the plan, or the verdicts that refused it."""

    plan_id: int | None
    verdicts: list[RiskVerdict]

    @property
    def message(self) -> str:
        """The first refusal or reduction in words."""
        return next((verdict.message for verdict in self.verdicts if verdict.message), "")


def draft_review(
    account_id: int,
    draft: PlanDraft,
    *,
    by: str,
    clock: Callable[[], datetime] = timezone.now,
    seen: Callable[[GateContext], GateContext] = lambda context: context,
) -> PlanResult:
    """Carry the draft through the gate. The same draft again returns what it made and makes nothing.

    `seen` may change the picture of the review: a replacement is reviewed without the order it replaces.
    """
    keys = [placement.key for placement in draft.placements]
    if (known := _stored(account_id, keys)) and plan_by_key(draft.key) is not None:
        return PlanResult(plan_id=plan_by_key(draft.key), verdicts=known)
    desk = GateDesk(account_id=account_id, origin=draft.placements[0].origin, by=by, clock=clock)
    try:
        with desk.open(clock()) as held:
            context = seen(held.context(draft.placements))
            held.record_plan(draft, review(draft.placements, context))
    except IntegrityError:
        # The same draft was sent twice at once, and the other one was first: it decided.
        if plan_by_key(draft.key) is None:
            raise
    return PlanResult(
        plan_id=plan_by_key(draft.key), verdicts=_stored(account_id, keys) or _repeated(draft, account_id)
    )


def chase_wanted(placement: Placement) -> PlanDraft | None:
    """Return the three-step chase of a person's order on the book of now; None where one order does it."""
    placement = replace(placement, order_type=OrderType.FAK, post_only=False, expires_at=None, marketable=True)
    book = books_read([placement.outcome_id]).get(placement.outcome_id)
    if book is None:
        return None
    touch = book.best_ask if placement.side == "buy" else book.best_bid
    return chase_draft(placement, touch=touch, tick=book.tick)


def slices_wanted(placement: Placement, *, count: int, interval_s: int, child: str, now: datetime) -> PlanDraft:
    """Return a person's order in `count` slices. Raises PlanError when a slice would be too small to place."""
    facts = market_facts([placement.market_id]).get(placement.market_id)
    smallest = int(facts.minimum_size) if facts is not None and child == JOIN else LOT
    if placement.size // count < smallest:
        raise PlanError(f"{count} slices are too many: each must be at least {smallest / 1_000_000:g} shares")
    return slices_draft(
        placement,
        count=count,
        interval_s=interval_s,
        jitter_s=interval_s // 5,
        joins=child == JOIN,
        smallest=smallest,
        now=now,
        rng=random.Random(placement.key),  # noqa: S311 - the times should only not be guessed by a glance
    )


def order_replace(
    account_id: int,
    order_id: int,
    *,
    price: Price,
    size: Shares,
    origin: Origin,
    by: str,
    clock: Callable[[], datetime] = timezone.now,
) -> PlanResult:
    """Replace a resting order by one at `price` for `size` shares beyond what it has filled so far.

    The old one is cancelled first; what it still fills until it has ended comes off the new one (V8).
    Raises PlanError for an order that cannot be replaced.
    """
    old = next((order for order in open_order_list(account_id) if order.order_id == order_id), None)
    obstacle = replace_obstacle(order_id, old)
    if old is None or obstacle:
        raise PlanError(obstacle)
    now = clock()
    facts = market_facts([old.market_id])[old.market_id]
    placement = replacement_of(old, price=price, size=size, key=new_key(now=now, bits=_bits), origin=origin, now=now)
    draft = replace_draft(placement, order_id=order_id, filled=int(old.filled), smallest=int(facts.minimum_size))

    def seen(context: GateContext) -> GateContext:
        if other := plan_replacing(order_id):  # asked under the account's lock: of two at once one is refused
            raise PlanError(f"plan {other} replaces order {order_id} already: wait for its end")
        return without(context, [old])

    return draft_review(account_id, draft, by=by, clock=clock, seen=seen)


def _stored(account_id: int, keys: list[str]) -> list[RiskVerdict]:
    return list(RiskVerdict.objects.filter(account_id=account_id, client_key__in=keys).order_by("id"))


def _repeated(draft: PlanDraft, account_id: int) -> list[RiskVerdict]:
    """Return the row on which a repeated refusal was counted."""
    first = draft.placements[0]
    rows = RiskVerdict.objects.filter(account_id=account_id, outcome_id=first.outcome_id, side=first.side)
    return list(rows.order_by("-last_at")[:1])
