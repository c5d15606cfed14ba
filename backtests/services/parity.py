"""Holding a run of a strategy against its replays: one by the record's clock, one by a backtest's own.

The first must be the same, decision by decision and fill by fill. The second shows what a backtest of the same hours
would have said: its clock, its latency, its queue. Orders stand side by side, matched by outcome, side, price and size
in the order in which they were placed.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from alerts.domain.events import Severity
from alerts.services.journal import event_record
from backtests.domain.request import BacktestRequest, DataRef, Fees, RequestError
from backtests.models import BacktestRun, ParityRun
from backtests.services.claims import STREAM
from markets.domain.units import Usd
from markets.selectors.catalogue import market_facts
from orders.selectors.run_orders import RunOrder, cash_before_trading, run_orders
from risk.selectors.limits import limits_get
from strategies.domain.parameters import parameters_load
from strategies.library.registry import strategy_get
from strategies.selectors.runs import RunFacts, run_facts

if TYPE_CHECKING:
    from markets.domain.tape import Tape

log = logging.getLogger(__name__)
SILENT_FOR = timedelta(hours=2)
SHOWN = 500  # orders side by side
State = ParityRun.State


class ParityRefused(ValueError):
    """This run cannot be held against a replay; the message says why."""


def parity_ask(run_id: int, *, by: str, now: datetime) -> int:
    """Queue the comparison of a strategy's run; return its id. Raises ParityRefused for a run that there is not."""
    run = run_facts(run_id)
    if run is None:
        raise ParityRefused("there is no such run")
    with transaction.atomic():
        row = ParityRun.objects.create(
            strategy_run_id=run_id, strategy_label=run.name, account_id=run.account_id, by=by, created_at=now
        )
        _event(row, "backtest.parity_queued", f"{row} of {run.name} is queued", now=now)
    return row.pk


def parity_work(parity_id: int) -> bool:
    """Do a queued comparison; False when it was not ours to do."""
    now = timezone.now()
    taken = ParityRun.objects.filter(pk=parity_id, state=State.QUEUED).update(state=State.RUNNING, started_at=now)
    if not taken:
        return False
    row = ParityRun.objects.get(pk=parity_id)
    try:
        found = compared(row.strategy_run_id)
    except (ParityRefused, RequestError) as error:
        _end(row, State.FAILED, error=str(error))
    except Exception as error:  # the edge of a job: whatever it is, the row says so
        log.exception("a comparison failed", extra={"parity": parity_id})
        _end(row, State.FAILED, error=f"{type(error).__name__}: {error}"[:1000])
    else:
        _end(row, State.DONE, result=found, holds=found["holds"])
    return True


def parities_recover(*, now: datetime) -> list[int]:
    """Fail comparisons whose worker ended without a word; return those that wait for a message."""
    for row in ParityRun.objects.filter(state=State.RUNNING, started_at__lt=now - SILENT_FOR):
        _end(row, State.FAILED, error="its process ended without a word")
    if BacktestRun.objects.filter(state=BacktestRun.State.RUNNING).exists():
        return []  # their messages stand in the queue behind it
    waiting = ParityRun.objects.filter(state=State.QUEUED, created_at__lt=now - timedelta(seconds=60))
    return list(waiting.values_list("pk", flat=True))


def compared(run_id: int) -> dict[str, Any]:
    """Return the comparison as plain values. Raises ParityRefused with the reason and what to do about it."""
    from backtests.domain.paper_record import RecordError, records_read
    from backtests.domain.parity import parity_check
    from backtests.domain.replay import replay_exact

    run = run_facts(run_id)
    if run is None:
        raise ParityRefused("there is no such run")
    capital = cash_before_trading(run.account_id, run.started_at)
    if capital is None:
        raise ParityRefused(
            "the account had traded before this run began, so the replay does not know what it held: compare the first"
            " run of an account"
        )
    limits = limits_get(run.account_id)
    if limits is None:
        raise ParityRefused("the account has no risk profile")
    end = run.ended_at or timezone.now()
    days = [f"{run.started_at.astimezone(UTC) + timedelta(days=n):%Y-%m-%d}" for n in range(_days(run, end))]
    try:
        record = records_read(_lines("ticks", days), _lines("venue", days), run_id=run_id)
    except RecordError as error:
        raise ParityRefused(str(error)) from None
    tapes = _tapes(run, days)
    strategy = strategy_get(run.strategy)
    params = parameters_load(strategy.params, run.parameters)
    request = BacktestRequest(
        strategy=run.strategy,
        params=run.parameters,
        data=tuple(DataRef(market=str(tape.facts.slug), day="-", digest=tape.digest) for tape in tapes),
        capital=Usd(capital),
        interval_ms=run.interval_s * 1000,
        fees=Fees.MARKET,
        bands=False,
    )
    actual = run_orders(run_id)
    found = parity_check(record, tapes, request, strategy, params, limits=limits)  # type: ignore[arg-type]
    span = replace(request, start_ns=record.ticks[0].at_ns, end_ns=record.ticks[-1].at_ns + 60 * 10**9)
    free = replay_exact(tapes, span, limits=limits)
    replayed = {pair.order_id: pair.replayed for pair in found.orders}
    return {
        "holds": found.holds,
        "ticks": found.ticks,
        "ticks_recorded": found.ticks_recorded,
        "decisions": [found.decisions_recorded, found.decisions_replayed],
        "fills": [found.fills_recorded, found.fills_replayed],
        "difference": None if found.difference is None else asdict(found.difference),
        "broken": found.broken,
        "orders": _side_by_side(actual[:SHOWN], replayed, _backtested(free, tapes)),
        "orders_in_all": len(actual),
        "backtest": {"orders": len(free.orders), "fills": len(free.fills)},
    }


def _days(run: RunFacts, end: datetime) -> int:
    return (end.astimezone(UTC).date() - run.started_at.astimezone(UTC).date()).days + 1


def _lines(name: str, days: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the record's lines of these days. A line cut off by a full disk is left out: a gap line follows it."""
    if settings.DECISION_RECORD_DIR is None:
        raise ParityRefused("records are switched off (POLYBOT_DECISION_RECORD_DIR=off)")
    for day in days:
        path = Path(settings.DECISION_RECORD_DIR) / name / f"{day}.jsonl"
        if not path.exists():
            continue
        with path.open("rb") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    yield {"k": "gap", "lost": 1}


def _tapes(run: RunFacts, days: Sequence[str]) -> list[Tape]:
    """Return the recordings of the run's markets in the desk's order, with the desk's facts."""
    from markets.selectors import archive

    facts = {one.condition_id: one for one in market_facts(run.market_ids).values()}
    found = [
        replace(archive.tape_open(info.market, info.day), facts=facts[info.condition_id])
        for info in archive.tapes_list()
        if info.condition_id in facts and info.day in days
    ]
    missing = set(facts) - {tape.facts.condition_id for tape in found}
    if missing:
        names = ", ".join(sorted(facts[one].slug for one in missing)[:3])
        words = f"{len(missing)} of {len(facts)} markets of the run are not in the archive ({names})"
        raise ParityRefused(f"{words}: what the feed hears becomes tapes once an hour")
    return sorted(found, key=lambda tape: (tape.facts.market_id, tape.start_ns))


def _backtested(result: Any, tapes: Sequence[Tape]) -> dict[tuple[int, str, int, int], deque[list[list[Any]]]]:
    """Return the fills of a backtest's orders by (outcome, side, price, size), oldest first."""
    outcomes: dict[tuple[int, int], int] = {}
    places: dict[int, int] = {}
    for tape in tapes:
        place = places.setdefault(tape.facts.market_id, len(places))
        for outcome in tape.facts.outcomes:
            outcomes[place, outcome.index] = outcome.outcome_id
    fills: dict[int, list[list[Any]]] = defaultdict(list)
    for row in result.fills:
        role = "taker" if row["taker"] else "maker"
        fills[int(row["order"])].append([int(row["price"]), int(row["size"]), int(row["fee"]), role])
    out: dict[tuple[int, str, int, int], deque[list[list[Any]]]] = defaultdict(deque)
    for row in result.orders:
        side = "buy" if row["side"] else "sell"
        key = (outcomes[int(row["market"]), int(row["outcome"])], side, int(row["price"]), int(row["size"]))
        out[key].append(fills[int(row["id"])])
    return out


def _side_by_side(
    orders: Sequence[RunOrder],
    replayed: dict[int, Any],
    backtested: dict[tuple[int, str, int, int], deque[list[list[Any]]]],
) -> list[dict[str, Any]]:
    rows = []
    for order in orders:
        same = backtested.get((order.outcome_id, order.side, order.price, order.size))
        rows.append(
            {
                "order": order.order_id,
                "outcome": order.outcome_id,
                "side": order.side,
                "price": order.price,
                "size": order.size,
                "state": order.state,
                "at": order.created_at.isoformat(),
                "actual": [list(fill) for fill in order.fills],
                "replayed": None if order.order_id not in replayed else [list(f) for f in replayed[order.order_id]],
                "backtest": same.popleft() if same else None,
            }
        )
    return rows


@transaction.atomic
def _end(
    row: ParityRun, state: str, *, error: str = "", result: dict[str, Any] | None = None, holds: bool | None = None
) -> None:
    now = timezone.now()
    row.state, row.error, row.result, row.holds, row.ended_at = state, error, result, holds, now
    row.save(update_fields=["state", "error", "result", "holds", "ended_at"])
    if state == State.FAILED:
        words = f"{row} of {row.strategy_label} could not be made: {error}"
    else:
        words = f"{row} of {row.strategy_label}: {'identical' if holds else 'not identical'}"
    severity = Severity.INFO if holds or state == State.FAILED else Severity.WARNING
    _event(row, "backtest.parity", words, now=now, severity=severity)


def _event(row: ParityRun, kind: str, words: str, *, now: datetime, severity: Severity = Severity.INFO) -> None:
    event_record(
        kind,
        words[:480],
        severity=severity,
        stream=STREAM,
        subject_kind="parity",
        subject_id=row.pk,
        subject_label=str(row),
        actor=row.by,
        payload={"state": row.state, "holds": row.holds},
        now=now,
    )
