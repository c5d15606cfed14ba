"""The desk's tasks as the scheduler calls them, each for one lane: what Celery and the streams would do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import F, Q

from markets.domain.trading import TradeStage
from markets.domain.units import micro_from_decimal
from markets.domain.views import BookView
from markets.models import Market
from markets.venues.base import VenueError
from orders.domain.lifecycle import OPEN, OrderState
from orders.models import Fill, Order, OrderSubmission, Position
from orders.selectors import conditions
from orders.services import execution, keyholder, ownership
from orders.services import sweep as sweeps
from orders.services.kill import killed
from orders.services.legs import legs_ingest
from orders.services.resync import account_resync
from orders.services.submission import senders, tend
from orders.services.submission.cancels import cancels_due
from orders.services.submission.claim import UNSENT
from orders.services.submission.killing import account_clear
from orders.services.submission_rows import milliseconds
from tests.orders.model.luck import Draws

if TYPE_CHECKING:
    from tests.faults.services.lanes import Lane
    from tests.faults.services.world import World

Clock = Callable[[], datetime]
Job = Callable[[], object]


def submit(lane: Lane, order_id: int, clock: Clock) -> Job:
    """The task `submit_order`: any number of copies of it may run."""

    def job() -> None:
        ownership.take(lane.account.pk)
        senders.orders_send(lane.account.pk, [order_id], clock)

    return job


def cancel(lane: Lane, order_id: int, clock: Clock) -> Job:
    def job() -> None:
        execution.order_cancel_request(order_id, "not wanted any more", "L1", clock())
        senders.cancels_send(lane.account.pk, [order_id], clock)

    return job


def sweep(lane: Lane, clock: Clock) -> Job:
    """One account's part of the trader's round (`orders.services.submission.tend`), and of a kill."""

    def job() -> None:
        account_id, now = lane.account.pk, clock()
        ownership.take(account_id)
        if killed():
            execution.cancel_all(account_id, "kill switch", "sweep", now)
            account_clear(account_id, now)
        unsent = Order.objects.filter(account_id=account_id, state__in=UNSENT).order_by("pk")
        senders.orders_send(account_id, list(unsent.values_list("pk", flat=True)), clock)
        for pk in Order.objects.filter(account_id=account_id, state=OrderState.SENDING).values_list("pk", flat=True):
            tend.lease_expire(pk, clock())
        tend._resolve(account_id, clock(), clock)
        if wanted := cancels_due(clock()).get(account_id, []):
            tend._cancel(account_id, wanted, clock)

    return job


def told(lane: Lane, draws: Draws, clock: Clock) -> Job:
    """The user stream's messages about our trades: some of them, in any order, some twice, some told early."""

    def job() -> None:
        try:
            legs = keyholder.gateway(lane.account.pk).legs(since_ms=milliseconds(clock()) - 3_600_000)
        except VenueError:
            return
        messages = [replace(leg, stage=TradeStage.MATCHED) for leg in legs if draws.random() < 0.5]
        messages += [leg for leg in legs if draws.random() < 0.8]
        messages += [leg for leg in legs if draws.random() < 0.3]
        for leg in draws.shuffled(messages):
            legs_ingest(lane.account.pk, [leg], now=clock())

    return job


def resync(lane: Lane, clock: Clock) -> Job:
    """The look over REST that the user stream and the reconciliation take."""

    def job() -> None:
        account_resync(lane.account.pk, keyholder.gateway(lane.account.pk), since_ms=0, clock=clock)

    return job


def accept(error: BaseException) -> None:
    """A job that ends in one of these is like a task that failed and runs again; anything else is a bug."""
    if isinstance(error, VenueError):
        return
    raise error


def accounts_to_sweep(lanes: Mapping[int, Lane], now: datetime) -> list[int]:
    """Return the accounts with anything that a sweep would look at, after asking for the ends that are due."""
    sweeps.stopped_cancel(now)
    rows = Order.objects.filter(account_id__in=list(lanes), state__in=OPEN)
    if not killed():
        rests = Q(state=OrderState.LIVE, cancel_requested_at=None, submission__next_read_ms=None)
        rows = rows.exclude(rests)
    return sorted(set(rows.values_list("account_id", flat=True)))


def under_way(lanes: Mapping[int, Lane]) -> bool:
    """Whether anything of these accounts has not come to rest."""
    mine = Order.objects.filter(account_id__in=list(lanes), state__in=OPEN)
    if mine.exclude(state=OrderState.LIVE).exists() or mine.filter(cancel_requested_at__isnull=False).exists():
        return True
    return Fill.objects.filter(account_id__in=list(lanes)).exclude(settlement__in=("confirmed", "failed")).exists()


def lasting_markets(now: datetime) -> list[int]:
    """Return the open markets that the exchange does not end while a campaign runs, on however slow a machine."""
    lasts = Q(closes_at=None) | Q(closes_at__gt=now + timedelta(hours=12))
    return list(Market.objects.filter(lasts, state="open").order_by("pk").values_list("pk", flat=True))


def sellable(lane: Lane) -> int:
    held = Position.objects.filter(account=lane.account, outcome=lane.outcome)
    free = held.values_list(F("confirmed_size") - F("reserved_size"), flat=True).first()
    return micro_from_decimal(free) if free else 0


def claimed_just_now(lane: Lane, now: datetime) -> bool:
    rows = OrderSubmission.objects.filter(order__account=lane.account, claimed_at_ms=milliseconds(now))
    return rows.exists()


class Books:
    """A store whose books are fresh, except those of lanes whose plan keeps them stale."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lanes = {lane.outcome.pk: lane for lane in world.lanes.values()}

    def books_get(self, outcome_ids: Iterable[int]) -> dict[int, BookView]:
        now_ms = milliseconds(self._world.clock())
        return {
            outcome_id: BookView(
                outcome_id=outcome_id, confirmed_ms=now_ms - (60_000 if self._is_old(outcome_id) else 100)
            )
            for outcome_id in outcome_ids
        }

    def _is_old(self, outcome_id: int) -> bool:
        lane = self._lanes.get(outcome_id)
        return lane is not None and "book" in self._world.stale(lane)


def patch_books(world: World) -> Callable[[], None]:
    """Let the conditions of an order read these books; return what undoes it."""
    true = conditions.get_tickstore
    conditions.get_tickstore = lambda: Books(world)

    def undo() -> None:
        conditions.get_tickstore = true

    return undo
