"""Reconciling an account at a real venue: orders, trades, cash and shares, through the account's gateway.

    1. the venue's orders, trades and payments are taken over (`resync`, `venue_payments`), then its balances are
       read, fresh from the chain, then its trades once more, then our figures again;
    2. nothing in flight for 30 s, and our figures the same before and after: both sides must be equal exactly;
    3. otherwise the difference must lie within what the listed open items can explain;
    4. what is not explained is an open end: told at once, and a halt when the next run sees it too.

Balances come from the venue's own service for every token that either side holds; the data service, which lags,
only says which tokens to ask for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max

from markets.domain.units import decimal_from_micro, micro_from_decimal, text_from_micro
from markets.selectors.catalogue import outcome_ids_for_tokens, outcome_labels, tokens_for_outcomes
from markets.venues.base import VenueUnavailable
from markets.venues.trading import OrderGateway
from orders.domain.ledger import outcome_asset
from orders.domain.open_items import USD, OpenItem, cash_cause, explains
from orders.domain.reconcile import Difference, DiscrepancyKind
from orders.models import Account, ChainAction, Discrepancy, Fill, LedgerTransaction, Order, Position, ReconcileRun
from orders.selectors.open_items import open_items
from orders.services.accounts import account_lock
from orders.services.invariants import check_invariants
from orders.services.reconciliation_runs import Finding, Reconciliation, run_store
from orders.services.resync import Resynced, account_resync, since_of
from orders.services.states import plain
from orders.services.venue_payments import moved_cause, payments_book, payments_read

log = logging.getLogger(__name__)

QUIET_S = 30
CANCEL_WITHIN_MS = 5_000
MOST_TOKENS = 60  # asked for in one run; more than that are asked for in turn
_FINGERS = 5  # booked facts that are tried as the cause of a cash difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Our side at one moment. `mark` changes whenever a balance of ours may have."""

    cash: int
    shares: Mapping[int, int]  # by outcome
    mark: tuple[object, ...]
    items: tuple[OpenItem, ...]
    last_change: datetime | None


def compare(
    account_id: int, run: ReconcileRun, gateway: OrderGateway, *, clock: Callable[[], datetime]
) -> Reconciliation:
    """Do one run. Raises VenueError when the venue cannot be read to the end."""
    looked_at = clock()
    account = Account.objects.get(pk=account_id)
    since_ms = since_of(account_id, account.reconciled_at)
    seen = account_resync(account_id, gateway, since_ms=since_ms, clock=clock)
    payments = payments_read(account)
    payments_book(account_id, payments, now=clock())
    before = figures(account_id, now=clock())
    cash, shares = _theirs(gateway, before)
    # What settled while the balances were read is booked before the figures are compared.
    again = account_resync(account_id, gateway, since_ms=since_ms, clock=clock)
    found = [*_trades(seen, again), *_orders(account_id, seen, again, gateway)]
    after = figures(account_id, now=clock())
    quiescent = _is_quiet(before, after, now=looked_at)
    items = (
        () if quiescent else tuple({(i.kind, i.subject, i.asset): i for i in (*before.items, *after.items)}.values())
    )
    moved = moved_cause(payments, difference=cash - after.cash, since=account.reconciled_at)
    found += _cash(account_id, after, cash, items, foreign=again.foreign_cash, moved=moved)
    found += _shares(account_id, after, shares, items)
    found += [
        Finding(
            difference=Difference(
                kind=DiscrepancyKind.LEDGER_DIFFERS, subject=v.subject, ours=f"{v.invariant}: {v.message}"
            ),
            cause="our own books disagree with each other",
        )
        for v in check_invariants([account_id], since=looked_at - timedelta(minutes=10))
    ]
    found += [_refused(problem) for problem in dict.fromkeys(seen.legs.refused + again.legs.refused)]
    return run_store(
        run,
        found,
        orders=len(seen.listed),
        fills=seen.legs_read,
        now=clock(),
        looked_at=looked_at,
        items=items,
        figures={
            "quiescent": quiescent,
            "cash_ours": decimal_from_micro(after.cash),
            "cash_theirs": decimal_from_micro(cash),
        },
    )


@transaction.atomic
def figures(account_id: int, *, now: datetime) -> Figures:
    """Return our side, while nothing of the account moves."""
    account = account_lock(account_id)
    held = Position.objects.filter(account_id=account_id, size__gt=0).values_list("outcome_id", "size")
    last = LedgerTransaction.objects.filter(account_id=account_id).aggregate(last=Max("pk"))["last"]
    changes = (
        Fill.objects.filter(account_id=account_id).aggregate(at=Max("recorded_at"))["at"],
        ChainAction.objects.filter(account_id=account_id).aggregate(at=Max("ended_at"))["at"],
        # An order that was over a moment ago may have traded right before.
        Order.objects.filter(account_id=account_id).exclude(sent_at=None).aggregate(at=Max("ended_at"))["at"],
        Order.objects.filter(account_id=account_id).aggregate(at=Max("sent_at"))["at"],
    )
    items = tuple(open_items(account, now=now))
    return Figures(
        cash=micro_from_decimal(account.cash),
        shares={outcome_id: micro_from_decimal(size) for outcome_id, size in held},
        mark=(account.cash, last, tuple(sorted((i.kind, i.subject) for i in items if i.in_flight))),
        items=items,
        last_change=max((at for at in changes if at is not None), default=None),
    )


def _is_quiet(before: Figures, after: Figures, *, now: datetime) -> bool:
    """Whether nothing was in flight for 30 s before the reading began, nor while it went on."""
    if before.mark != after.mark or any(item.in_flight for item in (*before.items, *after.items)):
        return False
    return after.last_change is None or after.last_change <= now - timedelta(seconds=QUIET_S)


def _theirs(gateway: OrderGateway, ours: Figures) -> tuple[int, dict[str, int]]:
    """Return the venue's cash and shares by token, from the chain and not from its cache."""
    tokens = tokens_for_outcomes(ours.shares)
    told = gateway.positions()
    differ = [t for t in {*tokens.values(), *told} if told.get(t, 0) != _held(ours, tokens, t)]
    # Those that the lagging service agrees on need no second question, as long as somebody asks now and then.
    asked = sorted(differ) + [t for t in sorted(tokens.values()) if t not in differ]
    asked = asked[: max(len(differ), MOST_TOKENS)]
    gateway.balances_refresh()
    for token in asked:
        gateway.balances_refresh(token)
    balances = gateway.balances(asked)
    if set(asked) - set(balances.shares):
        raise VenueUnavailable("balances: the venue did not name every token that it was asked for")
    return balances.cash, {token: size for token, size in {**told, **balances.shares}.items() if size or token in asked}


def _held(ours: Figures, tokens: Mapping[int, str], token: str) -> int:
    return next((ours.shares[outcome_id] for outcome_id, known in tokens.items() if known == token), 0)


def _trades(*looks: Resynced) -> list[Finding]:
    return [
        Finding(
            difference=Difference(kind=DiscrepancyKind.MISSING_FILL, subject=subject, theirs="traded"),
            repair="booked from the venue's record",
            cause="the user stream did not bring it",
        )
        for seen in looks
        for subject in seen.late
        if not any(problem.startswith(subject) for problem in seen.legs.refused)
    ]


def _orders(account_id: int, seen: Resynced, again: Resynced, gateway: OrderGateway) -> list[Finding]:
    found = []
    ended = {*seen.ended, *again.ended}
    for order in Order.objects.filter(pk__in=ended.union(seen.moved, again.moved)).order_by("pk"):
        gone = order.pk in ended
        found.append(
            Finding(
                difference=Difference(
                    kind=DiscrepancyKind.LOST_ORDER if gone else DiscrepancyKind.STATE_DIFFERS,
                    subject=f"order {order.pk}",
                    theirs="not listed" if gone else "listed",
                ),
                repair=f"now {order.state}",
                cause="the venue ended it and its word was lost" if gone else "our answer was lost or late",
            )
        )
    for order_id, (booked, matched) in sorted({**seen.unbooked, **again.unbooked}.items()):
        found.append(
            Finding(
                difference=Difference(
                    kind=DiscrepancyKind.MISSING_FILL,
                    subject=f"order {order_id}",
                    ours=f"{plain(booked)} booked",
                    theirs=f"{plain(matched)} matched",
                ),
                cause="the venue named more shares as matched than its trades show: what is set aside for them stays",
            )
        )
    if seen.foreign + again.foreign:
        log.warning("foreign orders", extra={"account": account_id, "new": seen.foreign + again.foreign})
    if seen.undead:
        answer = gateway.cancel(seen.undead, deadline_ms=time.time_ns() // 1_000_000 + CANCEL_WITHIN_MS)
        for order_id in seen.undead:
            canceled = order_id in {known.lower() for known in answer.canceled}
            found.append(
                Finding(
                    difference=Difference(
                        kind=DiscrepancyKind.STATE_DIFFERS,
                        subject=f"venue order {order_id}",
                        ours="over",
                        theirs="rests",
                    ),
                    repair="cancelled at the venue" if canceled else "",
                    cause="it was given up here while the venue still had it",
                )
            )
    return found


def _cash(
    account_id: int, ours: Figures, theirs: int, items: tuple[OpenItem, ...], *, foreign: int, moved: str
) -> list[Finding]:
    difference = theirs - ours.cash
    if explains(items, asset=USD, difference=difference):
        return []
    recent = LedgerTransaction.objects.filter(account_id=account_id).order_by("-pk")[:_FINGERS]
    facts = [
        (
            fact.memo or f"{fact.kind} {fact.reference}",
            sum(micro_from_decimal(e.amount) for e in fact.entries.filter(asset=USD, book="own")),
        )
        for fact in recent
    ]
    return [
        Finding(
            difference=Difference(
                kind=DiscrepancyKind.CASH_DIFFERS,
                subject="cash",
                ours=text_from_micro(ours.cash),
                theirs=text_from_micro(theirs),
            ),
            cause=moved or cash_cause(difference, foreign=foreign, recent=facts),
        )
    ]


def _shares(account_id: int, ours: Figures, theirs: Mapping[str, int], items: tuple[OpenItem, ...]) -> list[Finding]:
    outcomes = outcome_ids_for_tokens(theirs)
    known = {outcome_id: theirs[token] for token, outcome_id in outcomes.items()}
    labels = outcome_labels({*known, *ours.shares})
    found = []
    for outcome_id in sorted({*known, *ours.shares}):
        held, told = ours.shares.get(outcome_id, 0), known.get(outcome_id, 0)
        if explains(items, asset=outcome_asset(outcome_id), difference=told - held):
            continue
        found.append(
            Finding(
                difference=Difference(
                    kind=DiscrepancyKind.POSITION_DIFFERS,
                    subject=f"outcome {outcome_id}",
                    ours=text_from_micro(held),
                    theirs=text_from_micro(told),
                ),
                cause=f"shares of {labels.get(outcome_id, '?')} came or went without a trade of this desk",
            )
        )
    known_strangers = _set_aside(account_id)
    for token in sorted(set(theirs) - set(outcomes)):
        if theirs[token] and (f"token {token}"[:120], text_from_micro(theirs[token])) not in known_strangers:
            found.append(
                Finding(
                    difference=Difference(
                        kind=DiscrepancyKind.POSITION_DIFFERS,
                        subject=f"token {token}"[:120],
                        theirs=text_from_micro(theirs[token]),
                    ),
                    cause="shares of a market that this desk does not know: close this to set them aside",
                )
            )
    return found


def _set_aside(account_id: int) -> set[tuple[str, str]]:
    """Return the unknown tokens, with their figures, that a person has closed: real wallets hold old dust for ever."""
    closed = Discrepancy.objects.filter(
        run__account_id=account_id,
        kind=DiscrepancyKind.POSITION_DIFFERS,
        subject__startswith="token ",
        closed_at__isnull=False,
    )
    return set(closed.values_list("subject", "theirs"))


def _refused(problem: str) -> Finding:
    subject, _, said = problem.partition(": ")
    return Finding(
        difference=Difference(kind=DiscrepancyKind.FILL_DIFFERS, subject=subject, theirs=said[:200]),
        cause="the venue contradicts itself, or our books cannot hold it",
    )
