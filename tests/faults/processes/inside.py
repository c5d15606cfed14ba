"""What runs inside the desk's environment: the person who trades, and the auditor who compares at the end.

Called through `manage.py shell`; each function prints one line of JSON.
"""

from __future__ import annotations

import ast
import json
import os
import random
import re
import sys
import threading
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.core.management import call_command
from django.db import Error, connection
from django.db.models import Count, Q
from django.utils import timezone

from alerts.models import AuditEvent
from markets.domain.instruments import Side
from markets.domain.units import Price, Shares, micro_from_decimal
from markets.models import Outcome
from markets.tickstore import get_tickstore
from orders.domain.intents import OrderType
from orders.domain.lifecycle import OPEN, TERMINAL, OrderState, TradingState
from orders.domain.readiness import VenueMode, mode_now
from orders.domain.slices import JOIN
from orders.models import Account, Fill, KillSwitch, Order, OrderSubmission, Position, SendAttempt, VenueCondition
from orders.services import execution, keyholder
from orders.services import plans as plan_services
from orders.services.accounts import trading_state_set
from orders.services.invariants import check_invariants, ledger_sum
from orders.services.invariants_live import changed_requests
from orders.services.kill import kill_release
from orders.tasks import submit_order, tend_orders
from risk.models import Halt
from risk.services import halts, plans, profiles
from risk.services.gate import review_manual
from risk.services.manual import manual_origin, placement_make
from tests.faults import truth


def say(**facts: Any) -> None:
    print(json.dumps(facts, default=str), flush=True)


def serve() -> None:
    """Be the auditor, who may read at the exchange, or the person: run one call per line until the input ends."""
    from polybot import roles

    roles.install(os.environ.get("POLYBOT_ROLE", ""))
    for line in sys.stdin:
        name, _, words = line.strip().partition("(")
        for attempt in range(5):
            connection.close()  # the database may have been another one's since
            try:
                CALLS[name](*ast.literal_eval(f"({words[:-1]},)" if words != ")" else "()"))
                break
            except Error as error:
                if attempt == 4:
                    say(broken=[f"{name}: {error}"])
                time.sleep(1)


def account_new(name: str, kind: str, limit_s: float = 150) -> None:
    """Open an account with a new key and wait until the trader has connected it and found its books clean."""
    if not Account.objects.filter(name=name).exists():
        call_command("account_open", name, "--new-key", "--cash", "100000", "--type", kind, stdout=StringIO())
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        account = Account.objects.filter(name=name).first()
        if account is not None and account.connection == "ready" and account.reconciled_at is not None:
            say(account=account.pk, wallet=account.wallet_address)
            return
        time.sleep(0.3)
    account = Account.objects.filter(name=name).first()
    say(error=f"not ready: {account and (account.connection, account.connection_note, account.reconciled_at)}")


def trade(  # noqa: PLR0917 - one line of text calls it
    account_id: int, seed: int, seconds: float, pace_s: float, enough: tuple[int, int], patience_s: float
) -> None:
    """Want orders at a pace, through the gate, and change one's mind about some; live through every outage.

    With fewer than `enough` orders (wanted, sent) by then it goes on for `patience_s` at most.
    """
    rng = random.Random(seed)
    began = time.monotonic()
    wanted = refused = planned = 0
    outcomes = rng.sample(_tradable(), 8)
    why: dict[str, int] = {}
    while (past_s := time.monotonic() - began - seconds) < patience_s:
        try:
            if past_s >= 0 and wanted >= enough[0] and _sent(account_id) >= enough[1]:
                break
            ids = _want(account_id, rng.choice(outcomes), rng)
            if isinstance(ids, str):
                refused += 1
                why[ids[:80]] = why.get(ids[:80], 0) + 1
            else:
                wanted += 1
                if rng.random() < 0.3:
                    submit_order.delay(ids)  # a second delivery
            if rng.random() < 0.3:
                _change_mind(account_id, rng)
            if rng.random() < 0.15:
                planned += _plan(account_id, rng.choice(outcomes), rng)
        except Exception as error:  # stores come and go: the person tries again
            name = type(error).__name__
            why[name] = why.get(name, 0) + 1
            connection.close()
            time.sleep(0.2)
        time.sleep(pace_s * rng.uniform(0.5, 1.5))
    say(wanted=wanted, refused=refused, planned=planned, why=why)


def _sent(account_id: int) -> int:
    return SendAttempt.objects.filter(order__account_id=account_id, kind="post").count()


def wait_sent(account_id: int, count: int, limit_s: float) -> None:
    """Wait until so many requests have left: what goes wrong is to meet somebody who trades."""
    end = time.monotonic() + limit_s
    while (sent := _sent(account_id)) < count and time.monotonic() < end:
        time.sleep(0.2)
    say(sent=sent)


def race(account_id: int, seconds: float) -> None:
    """Eight at once want orders of the same account, as fast as they can."""
    outcomes, wanted = _tradable()[:4], [0] * 8

    def want(number: int) -> None:
        rng, end = random.Random(number), time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                wanted[number] += isinstance(_want(account_id, rng.choice(outcomes), rng), int)
            except Exception:  # stores come and go
                time.sleep(0.1)
        connection.close()

    racers = [threading.Thread(target=want, args=(number,)) for number in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    say(wanted=sum(wanted))


def backlog(count: int) -> None:
    """Leave as many messages of one job in the queue as an hour without a trader would."""
    for _ in range(count):
        tend_orders.apply_async(expires=60)
    say(sent=count)


def second(name: str) -> None:
    """Become another beat, or another trader with the same keys, until somebody ends it."""
    manage = str(Path(settings.BASE_DIR) / "manage.py")
    command = [sys.executable, manage, "run_beat"]
    if name == "trader":
        command = [sys.executable, "-m", "celery", "-A", "polybot", "worker", "--pool", "threads", "-Q", "trading"]
        command += ["-c", "4", "-n", "second@%h"]
    os.execv(command[0], command)


def _tradable() -> list[Outcome]:
    later = Q(market__closes_at=None) | Q(market__closes_at__gt=timezone.now() + timedelta(minutes=30))
    return list(Outcome.objects.filter(later, market__state="open").order_by("-market__volume_24h", "pk")[:24])


def _takes_resting_only(account: Account) -> bool:
    """Whether the venue was restarted: two minutes of post-only orders and cancels (V13)."""
    row = VenueCondition.objects.filter(venue=account.venue, environment=account.environment).first()
    return row is not None and mode_now(row.mode, row.mode_until, timezone.now())[0] is VenueMode.POST_ONLY


def _placement(account: Account, outcome: Outcome, rng: random.Random) -> Any:
    """Return what the person wants now, as a placement; without a book the reason."""
    book = get_tickstore().books_get([outcome.pk]).get(outcome.pk)
    if book is None or book.best_bid is None or book.best_ask is None:
        return "no book"
    held = Position.objects.filter(account=account, outcome=outcome).first()
    free = 0 if held is None else micro_from_decimal(held.confirmed_size - held.reserved_size)
    side = Side.SELL if free >= 10_000_000 and rng.random() < 0.6 else Side.BUY
    tick = micro_from_decimal(outcome.market.tick)
    bid, ask = book.best_bid, book.best_ask
    rests_only = _takes_resting_only(account)
    crosses = rng.random() < 0.35 and not rests_only
    kind = rng.choice((OrderType.GTC, OrderType.FOK, OrderType.FAK)) if crosses else OrderType.GTC
    price = (ask if side is Side.BUY else bid) if crosses else (bid if side is Side.BUY else ask)
    if not crosses and rng.random() < 0.5:
        price = max(tick, bid - 2 * tick) if side is Side.BUY else min(1_000_000 - tick, ask + 2 * tick)
    return placement_make(
        outcome_id=outcome.pk, side=side, price=Price(price), size=Shares(rng.choice((6, 10, 15)) * 1_000_000),
        order_type=kind, post_only=rests_only or (not crosses and rng.random() < 0.2),
        origin=manual_origin(user_id=account.owner.pk, name=account.owner.username), now=timezone.now(),
    )  # fmt: skip


def _want(account_id: int, outcome: Outcome, rng: random.Random) -> int | str:
    account = Account.objects.select_related("owner").get(pk=account_id)
    placement = _placement(account, outcome, rng)
    if isinstance(placement, str):
        return placement
    result = review_manual(account_id, placement, by=account.owner.username)
    if result.order_id is None:
        return f"{result.verdict.rule}: {result.verdict.message}"[:160]
    submit_order.delay(result.order_id)
    return result.order_id


def _plan(account_id: int, outcome: Outcome, rng: random.Random) -> bool:
    """Want the same in three slices, a second apart."""
    account = Account.objects.select_related("owner").get(pk=account_id)
    placement = _placement(account, outcome, rng)
    if isinstance(placement, str) or placement.size < 15_000_000 or placement.order_type is not OrderType.GTC:
        return False
    draft = plans.slices_wanted(placement, count=3, interval_s=1, child=JOIN, now=timezone.now())
    return plans.draft_review(account_id, draft, by=account.owner.username).plan_id is not None


def _change_mind(account_id: int, rng: random.Random) -> None:
    ids = list(
        Order.objects.filter(account_id=account_id, state__in=OPEN, cancel_requested_at=None).values_list(
            "pk", flat=True
        )
    )
    if ids:
        execution.order_cancel_request(rng.choice(ids), "changed my mind", "a person", timezone.now())


def kill_now() -> None:
    """Set the kill switch; a database that is away is asked again until it answers."""
    for _ in range(60):
        try:
            halts.kill("L2", "L2")
            break
        except Error:
            connection.close()
            time.sleep(0.5)


def begin(account_id: int) -> None:
    """Undo what an earlier schedule left standing: halts, a kill."""
    now = timezone.now()
    profiles.profile_assign(account_id, "moderate", by="L2")
    for halt in Halt.objects.filter(lifted_at=None).exclude(kind=Halt.Kind.KILL):
        halts.halt_lift(halt.pk, by="L2")
    Halt.objects.filter(kind=Halt.Kind.KILL, lifted_at=None).update(lifted_at=now, lifted_by="L2")
    if KillSwitch.objects.filter(pk=1, killed=True).exists():
        kill_release("the next schedule", "L2", now)
    # The exchange was told to be well again from outside; nobody told the desk.
    VenueCondition.objects.update(mode="normal", mode_until=None)
    trading_state_set(account_id=account_id, state=TradingState.ACTIVE, reason="", by="L2", now=now)
    say(state=str(Account.objects.get(pk=account_id).trading_state))


def settle(account_id: int, limit_s: float) -> None:
    """Want nothing any more, wait for rest, and compare everything with the exchange. Prints what is left broken."""
    began = time.monotonic()
    broken: list[str] = ["never looked"]
    while time.monotonic() - began < limit_s:
        try:
            plan_services.plans_cancel(account_id, "end of the schedule", "L2", timezone.now())
            execution.cancel_all(account_id, "end of the schedule", "L2", timezone.now())
            broken = _broken(account_id)
        except (Error, httpx.HTTPError, Exception) as error:
            broken = [f"{type(error).__name__}: {str(error)[:200]}"]
            connection.close()
        if not broken:
            break
        time.sleep(1.0)
    orders = Order.objects.filter(account_id=account_id)
    states = dict(orders.values_list("state").annotate(n=Count("pk")).order_by("state"))
    never = orders.filter(state=OrderState.ABANDONED).values_list("state_reason").annotate(n=Count("pk"))
    say(
        took=round(time.monotonic() - began, 1), broken=broken, states=states,
        never_sent=dict(never.order_by("-n")[:5]),
        fills=Fill.objects.filter(account_id=account_id).count(),
        sent=_sent(account_id),
        unknown=OrderSubmission.objects.filter(order__account_id=account_id, unknown_attempts__gt=0).count(),
        state=str(Account.objects.get(pk=account_id).trading_state),
        why=Account.objects.get(pk=account_id).trading_state_reason,
        stories={said: _story(int(found[1])) for said in broken[:3] if (found := re.search(r"order (\d+)", said))},
    )  # fmt: skip


def _story(order_id: int) -> list[str]:
    """Return what the journal, the attempts and the row say about an order, for a failure's report."""
    events = AuditEvent.objects.filter(subject_kind="order", subject_id=str(order_id)).order_by("id")
    told = [f"{e.at:%H:%M:%S.%f} {e.kind}: {e.message}" for e in events]
    attempts = SendAttempt.objects.filter(order_id=order_id).order_by("claimed_at")
    told += [f"{a.claimed_at:%H:%M:%S.%f} {a.kind} {a.number}: {a.answer} {a.code}" for a in attempts]
    fields = ("reads", "next_read_ms", "ending", "matched_claim", "missing_reads", "missing_since")
    return [*told, *(str(row) for row in OrderSubmission.objects.filter(pk=order_id).values(*fields))]


def _broken(account_id: int) -> list[str]:
    account = Account.objects.get(pk=account_id)
    found = [str(v) for v in check_invariants()]
    found += [f"I1 {said}" for said in changed_requests([account_id])]
    found += [f"I9 {who}: {what}" for who, what in ledger_sum().items()]
    under_way = Order.objects.filter(account_id=account_id).exclude(
        state__in=[*TERMINAL, OrderState.QUARANTINED, OrderState.UNKNOWN]
    )
    found += [f"I20 order {row.pk} is {row.state}" for row in under_way]
    # What nobody can know yet is held until evidence (I5): it may wait longer than a schedule.
    unsettled = Fill.objects.filter(account_id=account_id).exclude(settlement__in=("confirmed", "failed"))
    found += [f"I20 fill {row.pk} is {row.settlement}" for row in unsettled]
    if found:
        return found
    gateway = keyholder.gateway(account_id)
    wallet = httpx.get(f"{settings.POLYMARKET['control']}/wallet/{account.wallet_address}", timeout=10).json()
    left = truth.compare(account, wallet=wallet, open_orders=gateway.open_orders(), legs=gateway.legs(since_ms=0))
    return [str(each) for each in left]


def sends_after_kill(account_id: int) -> None:
    """How many requests were claimed or left after the switch committed, by the journal and by the clock (I13)."""
    switch = KillSwitch.objects.get(pk=1)
    broken = [str(v) for v in check_invariants([account_id]) if v.invariant == "I13"]
    late = 0
    if switch.killed and switch.at is not None:
        posts = SendAttempt.objects.filter(order__account_id=account_id, kind="post")
        late = posts.filter(first_byte_at__gt=switch.at + timedelta(seconds=15)).count()
    say(killed_at=switch.at, broken=broken, first_bytes_15_s_later=late, confirmed_at=switch.confirmed_at)


CALLS = {call.__name__: call for call in (account_new, begin, trade, wait_sent, settle, sends_after_kill)}
