"""One account's orders from rows to stored answers, stage by stage: what the sender threads run, and tests in line.

claim (database) → post (venue, no database) → keep (database). Each stage is safe to lose: rows say where
everything stands, and the sweep goes on from there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from time import monotonic

from django.conf import settings
from django.db import Error

from alerts.domain.events import Severity
from alerts.selectors.statements import Select, rows_read
from alerts.services.journal import event_record_alone
from markets.venues.base import VenueError
from markets.venues.trading import OrderGateway
from orders.domain.readiness import VenueMode
from orders.models import Account, Order, VenueCondition
from orders.services import keyholder, rate_budget
from orders.services.conditions import venue_mode_note
from orders.services.drift_watch import answers_look
from orders.services.submission.answers import Stored, answers_store
from orders.services.submission.cancels import cancel_now
from orders.services.submission.claim import UNSENT, Claimed, Claims, orders_claim
from orders.services.submission.obstacles import gathered
from orders.services.submission.posting import MOST_TOGETHER, Posted, post, post_together
from orders.services.submission.signing import make_ready
from orders.services.submission_rows import milliseconds

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
_ACCOUNT = Select(Account, "WHERE id = %s")
_ORDERS = Select(Order, "WHERE account_id = %s AND id = ANY(%s) AND state = ANY(%s) ORDER BY id")
_BATCHES = "SELECT 1 FROM orders_account WHERE id = %s AND batch_orders"
TELL_EVERY_S = 60.0
_looked: dict[tuple[str, str], float] = {}
_told: dict[str, float] = {}  # signing key -> monotonic seconds of the last word about its budget
_MODES = {
    "restarting": VenueMode.RESTARTING,
    "post_only_mode": VenueMode.POST_ONLY,
    "cancel_only": VenueMode.CANCEL_ONLY,
    "disabled": VenueMode.DISABLED,
}


def running_clock(now: datetime) -> Clock:
    """Return a clock that stands at `now` and goes on from there."""
    began = monotonic()
    return lambda: now + timedelta(seconds=monotonic() - began)


def claims_make(account_id: int, order_ids: Sequence[int], clock: Clock) -> Claims:
    """Make, sign and claim what may go now. Raises NotInThisProcess, and KeyRefused where no gateway opens."""
    keyholder.gateway(account_id)  # nothing is claimed that could not be sent
    (account,) = _ACCOUNT.rows(account_id)
    orders = _ORDERS.rows(account_id, list(order_ids), list(UNSENT))
    orders, later = _within_budget(account, orders, clock)
    if not orders:
        return Claims(later=later)
    known = gathered(account, orders)
    claims = orders_claim(account, make_ready(account, orders, known.terms), known, now=clock())
    claims.later |= later
    return claims


def _within_budget(account: Account, orders: list[Order], clock: Clock) -> tuple[list[Order], dict[int, int]]:
    """Take from the shared budget before the claim, so that no lease runs while an order waits for its turn."""
    for place in range(len(orders)):
        wait_s = rate_budget.take(account.venue, account.signer_address, "order")
        if wait_s > 0:
            at_ms = milliseconds(clock()) + int(wait_s * 1000) + 1
            log.info("orders wait for the rate budget", extra={"account": account.pk, "orders": len(orders) - place})
            _budget_tell(account, len(orders) - place, wait_s, now=clock())
            return orders[:place], {order.pk: at_ms for order in orders[place:]}
    return orders, {}


def _budget_tell(account: Account, count: int, wait_s: float, *, now: datetime) -> None:
    """Write into the journal that orders wait for the venue's limits, at most once a minute for each key."""
    last = _told.get(account.signer_address)
    if last is not None and monotonic() - last < TELL_EVERY_S:
        return
    _told[account.signer_address] = monotonic()
    event_record_alone(  # nothing else is changed here, and no transaction is open
        "venue.budget",
        f"{account.name}: {count} order{'s' * (count != 1)} wait {wait_s:.1f} s or longer for the venue's rate limits",
        severity=Severity.WARNING,
        stream=f"account:{account.pk}",
        account_id=account.pk,
        subject_kind="account",
        subject_id=str(account.pk),
        actor="submission",
        payload={"orders": count, "wait_s": f"{wait_s:.3f}"},
        now=now,
    )


def parts_of(account_id: int, claimed: Sequence[Claimed]) -> list[list[Claimed]]:
    """Return which claimed orders leave in one request: one each, unless the account allows batches."""
    if len(claimed) < 2 or not rows_read(_BATCHES, account_id):
        return [[item] for item in claimed]
    return [list(claimed[i : i + MOST_TOGETHER]) for i in range(0, len(claimed), MOST_TOGETHER)]


def part_post(gateway: OrderGateway, part: Sequence[Claimed], clock: Clock) -> list[Posted]:
    now_ms = milliseconds(clock())
    return [post(gateway, part[0], now_ms=now_ms)] if len(part) == 1 else post_together(gateway, part, now_ms=now_ms)


def answers_keep(account_id: int, posted: Sequence[Posted], clock: Clock) -> Stored:
    """Store the answers together; where that fails, one by one, so that one order's trouble stays its own."""
    now = clock()
    try:
        result = answers_store(account_id, posted, now=now)
    except Error:
        raise  # the database's own trouble: the leases end, and the sweep asks the venue
    except Exception:
        if len(posted) == 1:
            raise
        log.exception("answers are stored one by one", extra={"account": account_id})
        result = Stored()
        for item in posted:
            one = answers_store(account_id, [item], now=now)
            result.retry |= one.retry
            result.refresh |= one.refresh
            result.cancels += one.cancels
    _modes_note(account_id, posted, now=now)
    answers_look(_whose(account_id)[0], (item.sent.answer for item in posted), now=now)
    return result


def after_answers(account_id: int, stored: Stored, clock: Clock) -> None:
    """Do at the venue what the stored answers ask for."""
    gateway = keyholder.gateway(account_id)
    for token in sorted(stored.refresh):
        try:
            gateway.balances_refresh(token)
        except VenueError as error:
            log.warning("balances were not refreshed", extra={"account": account_id, "problem": str(error)[:200]})
    if stored.cancels:
        cancel_now(account_id, stored.cancels, now=clock())


def send_now(account_id: int, order_ids: Sequence[int], clock: Clock) -> list[int]:
    """Run all stages in this thread; return the orders whose claim was committed. Raises NotInThisProcess."""
    claims = claims_make(account_id, order_ids, clock)
    post_now(account_id, claims.claimed, clock)
    return [item.order_id for item in claims.claimed]


def post_now(account_id: int, claimed: Sequence[Claimed], clock: Clock) -> None:
    """Send what is claimed and store the answers, in this thread."""
    if not claimed:
        return
    gateway = keyholder.gateway(account_id)
    posted = [item for part in parts_of(account_id, claimed) for item in part_post(gateway, part, clock)]
    after_answers(account_id, answers_keep(account_id, posted, clock), clock)


def _modes_note(account_id: int, posted: Sequence[Posted], *, now: datetime) -> None:
    """Remember what the answers say about the venue as a whole (V13)."""
    venue, environment = _whose(account_id)
    for item in posted:
        answer = item.sent.answer
        if mode := _MODES.get(answer.code):
            venue_mode_note(venue, environment, mode, answer.retry_after_s, now, said=answer.said)
            return
    if any(item.sent.answer.is_accepted for item in posted) and _is_time_to_look(venue, environment):
        strange = VenueCondition.objects.filter(venue=venue, environment=environment).exclude(mode__in=("", "normal"))
        if strange.exists():
            venue_mode_note(venue, environment, VenueMode.NORMAL, None, now)


@lru_cache(maxsize=1_000)
def _whose(account_id: int) -> tuple[str, str]:
    """Return venue and environment, which never change."""
    return Account.objects.values_list("venue", "environment").get(pk=account_id)


def _is_time_to_look(venue: str, environment: str) -> bool:
    """Whether the venue's mode was not looked at for the last second."""
    now = monotonic()
    if now - _looked.get((venue, environment), -1.0e9) < settings.READ_AHEAD_S:
        return False
    _looked[venue, environment] = now
    return True
