"""What a lane does besides orders: sets split and merged on the chain, and a paper account that is paid out.

Transactions go to the same local exchange, by the relayer or by the node; the paper account has a market of its
own that resolves. Each is a job like the others: laid aside, killed at any point, and taken up again by a sweep.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils import timezone

from markets.models import Market, Outcome
from markets.venues.base import VenueError
from orders.domain.chain import ENDED, ChainState
from orders.models import Account, ChainAction, Order
from orders.services import chain_send, ownership
from orders.services.chain import ChainError, action_cancel
from orders.services.chain_wishes import set_wish
from orders.services.paper import paper_sync
from orders.services.settlement import resolution_apply
from tests.factories.markets import outcome_make
from tests.factories.orders import account_make, paper_order, paper_trade, sent_order
from tests.faults.services.desk_jobs import Clock, Job, lasting_markets
from tests.orders.model.luck import Draws

if TYPE_CHECKING:
    from tests.faults.services.lanes import Lane
    from tests.faults.services.world import World

SETS = 7_000_000  # millionths
_HELD, _PRICE = "10", "0.40"


def plan(world: World) -> None:
    """Plan a lane's wishes for transactions, and its paper account: booked, resolved, paid, each by two at once."""
    for lane in world.lanes.values():
        draws = lane.luck.of("beside")
        for number in range(draws.randint(0, 2)):
            world.at(draws.randint(1, 90), lane, wish(lane, lane.luck.of(f"wish {number}"), world.clock))
        holder = world.papers[lane.seed] = PaperHolder()
        resolved = draws.randint(40, 80)
        world.later(resolved, lambda holder=holder: holder.resolve(world.clock))
        for copy in range(2):
            world.at(draws.randint(1, 39), lane, holder.book(world.clock))
            world.at(resolved + draws.randint(1, 20) + copy, lane, holder.pay(world.clock))


def sweep(world: World) -> None:
    """Let the trader look at what is on its way."""
    for account_id in under_way(world.by_account):
        lane = world.by_account[account_id]
        world.at(world.second + lane.luck.of(f"chain {world.second}").random(), lane, step(lane, world.clock))


def finish(world: World) -> None:
    """Take up what died, and call off what a kill never let go."""
    for holder in world.papers.values():
        holder.book(world.clock)()
        holder.pay(world.clock)()
    if world.killed:
        for action_id in _open(world.by_account).values_list("pk", flat=True):
            action_cancel(action_id, by="L1", now=world.now, reason="the kill switch is set")


def wish(lane: Lane, draws: Draws, clock: Clock) -> Job:
    """Somebody wants sets split, or merges what was split; what is not free is not wanted."""
    number, market_id = draws.bits(), _another_market(lane)

    def job() -> None:
        done = ChainAction.objects.filter(account=lane.account, kind="split", state=ChainState.CONFIRMED)
        try:
            set_wish(
                account_id=lane.account.pk, market_id=market_id, amount=SETS, merge=done.exists(),
                key=f"{lane.seed}:{number}", by="L1", now=clock(), preview=False,
            )  # fmt: skip
        except ChainError:
            return

    return job


def _another_market(lane: Lane) -> int:
    """Return a market that the lane does not trade: shares that trades move as well prove no lost transaction."""
    others = Market.objects.filter(pk__in=lasting_markets(timezone.now()), neg_risk=lane.outcome.market.neg_risk)
    others = others.exclude(pk=lane.outcome.market_id).order_by("pk")
    return int(others[lane.seed % others.count()].pk)


def step(lane: Lane, clock: Clock) -> Job:
    """The trader's look at the account's transactions."""

    def job() -> None:
        ownership.take(lane.account.pk)
        for action_id in _open([lane.account.pk]).order_by("pk").values_list("pk", flat=True):
            try:
                chain_send.action_step(action_id, clock(), confirmations=0)
            except VenueError:
                continue

    return job


def under_way(account_ids: Iterable[int]) -> list[int]:
    """Return the accounts with a transaction that has not ended."""
    return sorted(set(_open(account_ids).values_list("account_id", flat=True)))


def unsettled(account_ids: Iterable[int]) -> list[str]:
    rows = _open(account_ids).exclude(state=ChainState.UNKNOWN)  # a person's, when the chain does not tell
    return [f"transaction {row.pk} is {row.state}: {row.state_reason}" for row in rows]


def _open(account_ids: Iterable[int]):  # type: ignore[no-untyped-def]
    rows = ChainAction.objects.filter(account_id__in=list(account_ids))
    return rows.exclude(state__in=[*ENDED, ChainState.PREVIEW])


class PaperHolder:
    """A paper account that bought ten shares at 40 cents of a market which resolves in its favour."""

    def __init__(self) -> None:
        self.account: Account = account_make("100")
        outcome: Outcome = outcome_make(fee_rate_ppm=0)
        self.market_id = outcome.market_id
        self.order: Order = sent_order(self.account, outcome, price=_PRICE, size=_HELD)
        paper_order(self.order, state="filled", filled=_HELD)
        paper_trade(self.order, _HELD)

    def resolve(self, clock: Clock) -> None:
        Market.objects.filter(pk=self.market_id).update(state="resolved", resolved_at=clock())
        Outcome.objects.filter(market_id=self.market_id).update(payout=Decimal(0))
        Outcome.objects.filter(pk=self.order.outcome_id).update(payout=Decimal(1))

    def book(self, clock: Clock) -> Job:
        return lambda: paper_sync(self.order.venue_order_id or "", now=clock())

    def pay(self, clock: Clock) -> Job:
        return lambda: resolution_apply(self.market_id, now=clock())

    def broken(self) -> list[str]:
        """After everything was taken up again: it was paid once, to the cent."""
        cash = Account.objects.values_list("cash", flat=True).get(pk=self.account.pk)
        return [] if cash == Decimal(106) else [f"I9 paper account {self.account.pk} has ${cash}, not $106"]
