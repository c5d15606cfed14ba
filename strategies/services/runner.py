"""Ticking many strategies together: one look at the market, then each on its own, isolated.

A tick that changes nothing writes nothing and never opens the gate. What a strategy newly
wants becomes a Decision, verdicts and orders in one transaction; the orders are submitted after it.
"""

from __future__ import annotations

import logging
import random
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import Error, transaction
from django.db.models import F
from django.utils import timezone

from alerts.domain.events import Severity
from markets.tickstore import Tickstore, TickstoreUnavailable, get_tickstore
from orders.domain.intents import Origin
from orders.domain.keys import new_key as make_key
from orders.services.execution import READ_ONLY_MODES, orders_submit
from orders.services.plans import plan_advance
from risk.domain.desk import Desk
from risk.domain.verdicts import Decision as Ruling
from risk.services.gate import OBSERVE, RUNNING, GateDesk
from strategies.domain.base import Decision, WakeKind
from strategies.domain.cycle import CycleResult, Plan, decision_apply, decision_plan
from strategies.domain.exits import decide_with_exits
from strategies.domain.patience import ASKED_SIZES_KEPT, is_refused_again, pause_s, signature
from strategies.domain.trace import TraceEntry
from strategies.domain.view import MarketView
from strategies.models import Decision as DecisionRow
from strategies.models import StrategyConfig
from strategies.services.claims import claimed
from strategies.services.configs import config_event
from strategies.services.counts import COUNTS, Ticked
from strategies.services.hooks import hooks_run
from strategies.services.pictures import Picture, picture_take, view_build
from strategies.services.prepared import ACTIVE, SHELF, UNREAD, Prepared
from strategies.services.recording import (
    decision_store,
    memory_save,
    wanted_hash,
    wanted_json,
    words_of_decision,
    words_of_result,
)
from strategies.services.states import StateError, strategy_fail
from strategies.services.tick_record import tick_note

log = logging.getLogger(__name__)

ERROR_LIMIT = 5  # errors in a row, then the strategy is taken out of service
_BITS = random.SystemRandom()

DeskMaker = Callable[[Prepared, Origin, datetime], Desk]


@dataclass(slots=True)
class TickReport:
    """What one call of `tick` did."""

    ticked: int = 0
    unchanged: int = 0
    decided: int = 0
    failed: int = 0
    busy: set[int] = field(default_factory=set)  # claimed by another tick
    order_ids: list[int] = field(default_factory=list)
    problem: str = ""
    counted: list[Ticked] = field(default_factory=list)


def tick(
    strategy_ids: Sequence[int],
    *,
    now: datetime,
    trigger: WakeKind = WakeKind.INTERVAL,
    tickstore: Tickstore | None = None,
    desk_for: DeskMaker | None = None,
) -> TickReport:
    """Evaluate the active ones of `strategy_ids` once. Safe to repeat and to run in several processes at a time."""
    report = TickReport()
    if not strategy_ids:
        COUNTS.flush_if_due(now)
        return report
    with claimed(strategy_ids) as mine:
        report.busy = set(strategy_ids).difference(mine)
        items = SHELF.load(mine, now=now)
        if not items:
            COUNTS.flush_if_due(now)
            return report
        try:
            picture = picture_take(items, tickstore or get_tickstore(), now=now)
        except TickstoreUnavailable as error:
            # Nothing is known of the books, so nothing can be decided.
            log.warning("tick skipped", extra={"strategies": len(items), "problem": str(error)[:200]})
            report.problem = str(error)
            return report
        broken = hooks_run(items, now=now)
        try:
            for item in items:
                if item.id in broken:
                    _failed(item, broken[item.id], report, now=now)
                else:
                    _tick_one(item, picture, trigger, report, desk_for or gate_desk)
        finally:
            COUNTS.ticks_add(report.counted, now=now)
    COUNTS.flush_if_due(now)
    return report


def observes(item: Prepared) -> bool:
    """Whether nothing may be sent for it: in modes that send nothing every strategy only observes."""
    return item.mode == StrategyConfig.State.OBSERVE or settings.POLYBOT_MODE in READ_ONLY_MODES


def gate_desk(item: Prepared, origin: Origin, now: datetime) -> Desk:
    return GateDesk(account_id=item.account_id, origin=origin, mode=OBSERVE if observes(item) else RUNNING)


def _tick_one(item: Prepared, picture: Picture, trigger: WakeKind, report: TickReport, desk_for: DeskMaker) -> None:
    began = time.perf_counter_ns()
    try:
        view = view_build(item, picture)
        decision = decide_with_exits(item.strategy, view)
        plan = _plan(item, decision, view, picture)
    except Exception as error:  # the strategy's own code: one that raises harms nobody else
        _failed(item, error, report, now=picture.now)
        return
    took_us = (time.perf_counter_ns() - began) // 1000
    if decision.state is not None and decision.state != item.memory:
        item.memory, item.dirty = decision.state, True
    wanted = digest = None
    once = bool(decision.intents or decision.baskets)
    if once or decision.quotes != item.quotes:
        wanted = wanted_json(decision)
        digest = wanted_hash(wanted)
    new = digest is not None and (once or digest != item.wanted_hash)
    try:
        if new or not (plan is None or plan.is_empty or _refused_before(item, plan, picture.now)):
            _carry_out(
                item,
                decision,
                view,
                trigger=trigger,
                report=report,
                desk_for=desk_for,
                new=(wanted or [], digest) if new and digest is not None else None,
                took_us=took_us,
            )
        else:
            item.quotes = decision.quotes
            if item.dirty:
                memory_save(item, now=picture.now)
            report.unchanged += 1
            tick_note(item, view, trigger=str(trigger), digest=item.wanted_hash, result=None)
            words = partial(words_of_decision, decision, plan)
            report.counted.append(Ticked(item.id, item.run_id, words, decision.trace, unchanged=True))
    except Error:  # of the database
        # Not the strategy's fault, and nothing was committed: reload everything and let the task show it.
        SHELF.forget(item.id)
        raise
    except Exception as error:
        _failed(item, error, report, now=picture.now)
        return
    report.ticked += 1
    if item.errors:
        item.errors = 0
        StrategyConfig.objects.filter(pk=item.id).update(consecutive_errors=0)


def _plan(item: Prepared, decision: Decision, view: MarketView, picture: Picture) -> Plan | None:
    """Return what the decision would change now; None when nothing is wanted and nothing of it rests."""
    if not (decision.quotes or decision.intents or decision.baskets or view.open_orders):
        return None
    return decision_plan(
        decision,
        view,
        picture.holdings[item.account_id].open_orders,
        origin=item.origin,
        new_key=_key,
        asked_sizes=item.asked_sizes,
        positions=picture.holdings[item.account_id].positions,
    )


def _key(now: datetime) -> str:
    return make_key(now=now, bits=_BITS)


def _refused_before(item: Prepared, plan: Plan, now: datetime) -> bool:
    return is_refused_again(plan, refused=item.refused, retry_at=item.retry_at, now=now, observes=observes(item))


def _carry_out(
    item: Prepared,
    decision: Decision,
    view: MarketView,
    *,
    trigger: WakeKind,
    report: TickReport,
    desk_for: DeskMaker,
    new: tuple[list[dict[str, object]], str] | None,
    took_us: int,
) -> None:
    """Store the decision and pass it through the gate, in one transaction; then submit what it created."""
    with transaction.atomic():
        # A stop waits for this lock, so it finds every order made here; a tick that comes second finds the stop.
        row = StrategyConfig.objects.select_for_update(no_key=True).filter(pk=item.id, state__in=ACTIVE).first()
        if row is None or row.revision != item.revision:
            SHELF.forget(item.id)
            return
        stored: DecisionRow | None = None
        if new is not None:
            stored = decision_store(
                item, decision, view, wanted=new[0], digest=new[1], trigger=str(trigger), took_us=took_us
            )
        decision_id = stored.pk if stored else item.decision_id
        origin = replace(item.origin, decision_id=decision_id)
        if decision.quotes or decision.intents or decision.baskets or decision.cancels or view.open_orders:
            result = decision_apply(
                decision,
                view,
                desk_for(item, origin, view.now),
                origin=origin,
                new_key=_key,
                asked_sizes=item.asked_sizes,
            )
        else:
            result = CycleResult(decision=decision, plan=Plan(placements=(), stale_order_ids=()))
        words = words_of_result(result)
        if stored is not None:
            DecisionRow.objects.filter(pk=stored.pk).update(outcome=words)
        if item.dirty:
            memory_save(item, now=view.now)
    item.decision_id = decision_id
    item.quotes = decision.quotes
    if new is not None:
        item.wanted_hash = new[1]
        report.decided += 1
    _remember_answers(item, result, view.now)
    tick_note(item, view, trigger=str(trigger), digest=item.wanted_hash, result=result)
    report.order_ids += result.order_ids
    report.counted.append(Ticked(item.id, item.run_id, words, decision.trace, unchanged=new is None))
    _submit(result.order_ids)
    for plan_id in result.plan_ids:
        _advance(plan_id)


def _remember_answers(item: Prepared, result: CycleResult, now: datetime) -> None:
    """Keep what was refused, with a growing pause before it is asked for again; and what was made smaller."""
    item.refused = signature([verdict.placement for verdict in (*result.refused, *result.observed)])
    if result.refused:
        item.refusals += 1
        item.retry_at = now + timedelta(seconds=pause_s(item.refusals))
    else:
        item.refusals, item.retry_at = 0, None
    for verdict, order_id in zip(result.verdicts, result.created, strict=True):
        if order_id is not None and verdict.decision is Ruling.SHRUNK:
            item.asked_sizes[order_id] = int(verdict.placement.size)
    if len(item.asked_sizes) > 2 * ASKED_SIZES_KEPT:
        item.asked_sizes = dict(list(item.asked_sizes.items())[-ASKED_SIZES_KEPT:])


def _submit(order_ids: Sequence[int]) -> None:
    """Send what was decided together at once; whatever goes wrong here, the sweep finds the rows."""
    if not order_ids:
        return
    try:
        # The time of sending, not of the tick: the gate took its own time in between.
        orders_submit(order_ids, timezone.now())
    except Exception:
        log.exception("submit left to the sweep", extra={"orders": list(order_ids)})


def _advance(plan_id: int) -> None:
    """Take a plan's first step at once; whatever goes wrong here, the next look at plans finds the row."""
    try:
        plan_advance(plan_id, timezone.now())
    except Exception:
        log.exception("plan left to the next look", extra={"plan": plan_id})


def _failed(item: Prepared, error: Exception, report: TickReport, *, now: datetime) -> None:
    """Record the error; after too many in a row take the strategy out of service."""
    report.failed += 1
    last = traceback.extract_tb(error.__traceback__)[-1:] or None
    where = f"{last[0].name} line {last[0].lineno}" if last else "unknown place"
    words = f"{type(error).__name__} in {where}: {error}"[:300]
    log.error("strategy raised", exc_info=error, extra={"strategy": item.id})
    item.errors += 1
    item.memory_version = UNREAD  # what it remembered may be half changed: read it again
    report.counted.append(Ticked(item.id, item.run_id, words, (TraceEntry("error", False),), failed=True))
    with transaction.atomic():
        row = StrategyConfig.objects.select_for_update(no_key=True).get(pk=item.id)
        StrategyConfig.objects.filter(pk=item.id).update(consecutive_errors=F("consecutive_errors") + 1)
        config_event(
            row,
            "strategy.error",
            f"{item.name}: {words}",
            by="desk",
            now=now,
            severity=Severity.CRITICAL,
            payload={"errors": item.errors, "limit": ERROR_LIMIT, "run": item.run_id},
        )
    if item.errors >= ERROR_LIMIT:
        try:
            strategy_fail(item.id, now=now, reason=f"{item.errors} errors in a row, the last: {words}")
        except StateError:
            log.info("stopped meanwhile", extra={"strategy": item.id})
        SHELF.forget(item.id)
