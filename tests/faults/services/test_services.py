"""Seeded schedules over the real services (L1): `python -m tests.faults.services --seeds 500` runs many.

A failure prints (L1, seed, commit); its group is repeated with `--from FIRST --seeds SIZE`.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Count

from alerts.models import AuditEvent
from markets.domain.trading import TradeStage, VenueLeg
from orders.models import ChainAction, Discrepancy, Fill, Order, SendAttempt
from orders.services import reconciliation
from orders.services.differences import difference_book
from orders.services.invariants import Violation, check_invariants, ledger_sum
from orders.services.invariants_live import changed_requests
from tests.faults import tally, truth
from tests.faults.services import side_jobs, venue_faults
from tests.faults.services.lanes import Lane
from tests.faults.services.world import FAULTS_FOR_S, World, install
from tests.live_desk import LiveDesk
from tests.orders.model.shrink import commit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
SEEDS = int(os.environ.get("POLYBOT_L1_SEEDS", "6"))
START = int(os.environ.get("POLYBOT_L1_FROM", "0"))
TALLY = os.environ.get("POLYBOT_L1_TALLY")
GROUP = 20
ENOUGH = 5  # hits of each crash point and each fault class in a campaign
CAMPAIGN = 100  # from this many seeds on, every class must have had its hits
COMMON = (
    "send.loaded", "send.prepared", "send.signed", "claim.begun", "claim.locked", "claim.stored", "claim.committed",
    "post.first_byte", "post.answered", "answer.locked", "answer.stored", "answer.committed",
)  # fmt: skip
RARE = (
    "lease.expired", "unknown.reading", "unknown.read", "unknown.booked", "unknown.noted", "unknown.claimed",
    "unknown.quarantined", "unknown.released", "cancel.claimed", "cancel.sent", "cancel.stored", "kill.cancelled",
    "kill.read", "fill.inserted", "fill.moved", "fill.ledger", "fill.journaled", "leg.booked", "leg.settled",
    "resync.read", "resync.booked", "chain.prepared", "chain.committed", "chain.answered", "chain.read",
    "chain.booked", "conversion.moved", "conversion.ledger", "paper.booked", "paper.attached", "settlement.moved",
)  # fmt: skip
POINTS = (*COMMON, *RARE)


def violations_of(world: World) -> list[str]:
    ids = [lane.account.pk for lane in world.lanes.values()]
    ids += [holder.account.pk for holder in world.papers.values()]
    found = [str(v) for v in check_invariants(ids)]
    found += [f"I1 {said}" for said in changed_requests(ids)]
    found += [f"I9 {account}: {amount}" for account, amount in ledger_sum(ids).items()]
    found += [f"I14 seed {seed}: claimed at {point} on stale {what}" for seed, what, point in world.claims]
    return found


def story_of(order_id: int) -> list[str]:
    """Return what the journal and the attempts say about an order, for a failure's report."""
    events = AuditEvent.objects.filter(subject_kind="order", subject_id=str(order_id)).order_by("id")
    told = [f"{e.at:%H:%M:%S.%f} {e.kind}: {e.message}" for e in events]
    attempts = SendAttempt.objects.filter(order_id=order_id).order_by("claimed_at")
    told += [
        f"{a.claimed_at:%H:%M:%S.%f} {a.kind} {a.number}: {a.answer} {a.code} first byte {a.first_byte_at}"
        for a in attempts
    ]
    return told


def money_of(account_id: int) -> list[str]:
    """Return what moved an account's money and shares: transactions outside the book, and fills."""
    told = []
    for action in ChainAction.objects.filter(account_id=account_id).order_by("pk"):
        told.append(f"{action.kind} {action.amount} by {action.route}: {action.state} {action.state_reason}")
        events = AuditEvent.objects.filter(subject_kind="chain_action", subject_id=str(action.pk)).order_by("id")
        told += [f"  {e.at:%H:%M:%S.%f} {e.kind}: {e.message}" for e in events]
        told.append(f"  {action.expected}")
    for fill in Fill.objects.filter(account_id=account_id).select_related("order__outcome").order_by("pk"):
        order = fill.order
        told.append(
            f"{fill.recorded_at:%H:%M:%S.%f} {order.side} {fill.size} at {fill.price} of {order.outcome.token_id[:12]} "
            f"({order.outcome_id}), order {order.pk}, {fill.settlement}{', voided' if fill.voided else ''}"
        )
    return told


def booked_by_hand(world: World, lane: Lane, legs: list[VenueLeg]) -> set[str]:
    """Do what a person does about trades that the venue confirmed after it had called them failed; return which.

    That is his only where the desk itself stopped the account over it, and nowhere without that fault.
    """
    confirmed = {leg.trade_id for leg in legs if leg.stage is not TradeStage.FAILED}
    voided = Fill.objects.filter(account=lane.account, voided=True, venue_trade_id__in=confirmed)
    trades = set(voided.values_list("venue_trade_id", flat=True))
    told = AuditEvent.objects.filter(kind="reconcile.difference", account_id=lane.account.pk)
    paged = all(told.filter(message__contains=trade).exists() for trade in trades)
    world.hit["booked by hand"] += len(trades)
    is_explained = world.hit["booked by hand"] <= world.hit["confirmed_after_failed"]
    if not trades or not paged or not is_explained or lane.account.trading_state != "halted":
        return set()
    run = reconciliation.reconcile(lane.account.pk, world.now)
    for row in Discrepancy.objects.filter(run_id=run.run_id, kind__in=("cash_differs", "position_differs")):
        difference_book(row.pk, by="L1", reason="the venue confirmed it after all", now=world.now)
    return trades


def truths_of(world: World) -> list[str]:
    found: list[Violation | str] = []
    for lane in world.lanes.values():
        gateway = world.desk.gateway(lane.account)
        lane.account.refresh_from_db()
        legs = gateway.legs(since_ms=0)
        by_hand = booked_by_hand(world, lane, legs)
        wallet = world.desk.exchange.wallet(lane.account.wallet_address)
        compared = truth.compare(lane.account, wallet=wallet, open_orders=gateway.open_orders(), legs=legs)
        found += [each for each in compared if not any(f"trade {known}:" in each.message for known in by_hand)]
        found += [f"I20 seed {lane.seed}: {said}" for said in truth.unsettled(lane.account)]
        if world.killed and (left := gateway.open_orders()):
            found.append(f"I13 seed {lane.seed}: {len(left)} orders rest at the venue after the kill")
        run = reconciliation.reconcile(lane.account.pk, world.now)
        if not run.clean and not by_hand:
            rows = Discrepancy.objects.filter(run_id=run.run_id)
            found.append(f"I20 seed {lane.seed}: not reconciled: {run.error or [str(row.subject) for row in rows]}")
    found += [said for holder in world.papers.values() for said in holder.broken()]
    found += [f"I20 {said}" for said in side_jobs.unsettled(world.by_account)]
    return [str(each) for each in found]


def run_group(desk: LiveDesk, seeds: list[int], house: object) -> tuple[Counter[str], Counter[str], list[str]]:
    world = World(desk, seeds, common=COMMON, rare=RARE, house=house)  # type: ignore[arg-type]
    remove = install(world)
    try:
        world.plan()
        for second in range(30, FAULTS_FOR_S + 1, 30):
            world.run(second)
            if found := violations_of(world):
                return world.hit, world.passed, found
        world.settle()
        return world.hit, world.passed, violations_of(world) + truths_of(world)
    finally:
        remove()
        world.close()


def test_the_services_hold_under_every_fault(live_desk: LiveDesk, settings: Any) -> None:
    settings.READ_AHEAD_S = 0  # our time is virtual: what was read ahead would be of another minute
    house = live_desk.account("eoa", cash="1000000")
    hit: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    failed: list[str] = []
    began = time.monotonic()
    for first in range(START, START + SEEDS, GROUP):
        seeds = list(range(first, min(first + GROUP, START + SEEDS)))
        more, went, found = run_group(live_desk, seeds, house)
        hit += more
        passed += went
        tally.append(
            Path(TALLY) if TALLY else None, level="L1", seeds=seeds, commit=commit(), broken=found, hits=dict(more)
        )
        for said in found:
            for account_id in sorted(set(re.findall(r"account (\d+)", said))):
                print(f"account {account_id}", *money_of(int(account_id)), sep="\n  ")
            for order_id in sorted(set(re.findall(r"order (\d+)", said))):
                print(f"order {order_id}", *story_of(int(order_id)), sep="\n  ")
            failed.append(f"(L1, {first}..{seeds[-1]}, {commit()}): {said}")
            print(failed[-1], flush=True)
    took = time.monotonic() - began
    print(f"L1: {SEEDS} seeds, {len(failed)} violations, {took:.0f} s ({SEEDS / took:.1f} schedules/s)")
    print("hits:", ", ".join(f"{name} {count}" for name, count in sorted(hit.items())))
    print("passed:", ", ".join(f"{name} {passed[name]}" for name in POINTS))
    ends = Order.objects.filter(submission__isnull=False).values_list("state").annotate(n=Count("pk"))
    answers = SendAttempt.objects.values_list("kind", "answer", "code").annotate(n=Count("pk")).order_by("-n")
    print("answers:", ", ".join(f"{kind} {answer or 'none'} {code} {n}" for kind, answer, code, n in answers))
    print("orders:", dict(ends.order_by("state")), f"fills: {Fill.objects.count()}")
    assert not failed, "\n".join(failed)
    assert passed["claim.committed"] >= SEEDS
    if SEEDS >= CAMPAIGN:
        wanted = {*(f"crash {point}" for point in POINTS), *venue_faults.ALL, "kill", "stopped", "duplicate delivery"}
        assert not {name: hit[name] for name in wanted if hit[name] < ENOUGH}, "too few hits"
