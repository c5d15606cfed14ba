"""Ticks on change: reads the feed's wakes and ticks the strategies that asked for them, one tick in flight each.

One thread in one trader process does this (a PostgreSQL advisory lock elects it). What
arrives while it ticks is gathered and ticked next; a strategy is woken at most every
`MIN_GAP_S`. A missed wake costs nothing: the interval tick follows.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.conf import settings
from django.db import Error, close_old_connections, connection
from django.db.models import Count, Sum

from markets.domain.views import Wake
from markets.tickstore import Tickstore, TickstoreUnavailable, get_tickstore
from orders.selectors.since import fills_mark, origins_filled_since
from strategies.domain.base import WakeKind
from strategies.library.registry import STRATEGIES
from strategies.models import StrategyConfig, UniverseMember
from strategies.services import dispatch, runner
from strategies.services.claims import leader_claim, leader_is, leader_release
from strategies.services.prepared import ACTIVE, SHELF

log = logging.getLogger(__name__)

MIN_GAP_S = 0.25
RELOAD_S = 5.0
BLOCK_MS = 500
IDLE_S = 5.0  # between two attempts to become the waking process

_KINDS = {"book": WakeKind.BOOK, "trade": WakeKind.TRADE, "resolved": WakeKind.RESOLUTION}


@dataclass(slots=True)
class Subscriptions:
    """Who wants to be woken by what: strategy ids by (outcome, kind), with the price move they asked for."""

    by_outcome: dict[tuple[int, WakeKind], list[tuple[int, int]]] = field(default_factory=dict)
    on_fill: set[int] = field(default_factory=set)

    def woken(self, wakes: Iterable[Wake], last_mid: dict[int, dict[int, int]]) -> dict[int, WakeKind]:
        """Return the strategies that `wakes` concern. `last_mid` is, per strategy and outcome, where it last woke."""
        out: dict[int, WakeKind] = {}
        for wake in wakes:
            kind = _KINDS.get(wake.kind)
            if kind is None:
                continue
            for strategy_id, threshold in self.by_outcome.get((wake.outcome_id, kind), ()):
                if kind is WakeKind.BOOK and threshold and wake.mid is not None:
                    mids = last_mid.setdefault(strategy_id, {})
                    before = mids.get(wake.outcome_id)
                    if before is not None and abs(wake.mid - before) < threshold:
                        continue
                    mids[wake.outcome_id] = wake.mid
                out[strategy_id] = kind
        return out


def subscriptions_read(*, now: datetime) -> Subscriptions:
    """Return the wakes that all active strategies declare, for their universes."""
    classes = dict(StrategyConfig.objects.filter(state__in=ACTIVE).values_list("pk", "strategy_class"))
    found = Subscriptions()
    wanted: dict[int, list[tuple[WakeKind, int]]] = {}
    for strategy_id, name in classes.items():
        strategy = STRATEGIES.get(name)
        for wake in strategy.wakes if strategy else ():
            if wake.kind is WakeKind.FILL:
                found.on_fill.add(strategy_id)
            elif wake.kind is not WakeKind.INTERVAL:
                wanted.setdefault(strategy_id, []).append((wake.kind, wake.threshold))
    members = UniverseMember.objects.filter(strategy_id__in=list(wanted), included=True)
    pairs = list(members.values_list("strategy_id", "market_id"))
    facts = SHELF.facts_get({market_id for _, market_id in pairs}, now=now)
    for strategy_id, market_id in pairs:
        for outcome in facts[market_id].outcomes if market_id in facts else ():
            for kind, threshold in wanted[strategy_id]:
                found.by_outcome.setdefault((outcome.outcome_id, kind), []).append((strategy_id, threshold))
    return found


def _revisions() -> tuple[int, int]:
    """Return a mark that moves when any active strategy, its state or its universe changes."""
    found = StrategyConfig.objects.filter(state__in=ACTIVE).aggregate(n=Count("pk"), total=Sum("revision"))
    return found["n"], found["total"] or 0


class Waker:
    """The thread. `start` and `stop` may be called any number of times."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_mid: dict[int, dict[int, int]] = {}
        self._last_tick: dict[int, float] = {}
        self._waiting: dict[int, WakeKind] = {}
        self.ticks = 0

    def start(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="strategy-waker", daemon=True)
        self._thread.start()

    def stop(self, *, timeout_s: float = 3.0) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        """Wake until told to stop; whatever goes wrong is logged and tried again."""
        while not self._stop.is_set():
            try:
                if settings.POLYBOT_MODE in dispatch.IDLE_MODES or not leader_claim():
                    close_old_connections()
                    self._stop.wait(IDLE_S)
                    continue
                self._lead(get_tickstore())
            except TickstoreUnavailable as error:
                log.warning("waker waits for redis", extra={"problem": str(error)[:200]})
                self._stop.wait(1.0)
            except Error as error:  # of the database
                log.warning("waker waits for the database", extra={"problem": str(error)[:200]})
                connection.close()
                self._stop.wait(1.0)
            except Exception:
                log.exception("waker failed and starts again")
                self._stop.wait(1.0)
        leader_release()
        connection.close()

    def _lead(self, tickstore: Tickstore) -> None:
        cursor = tickstore.wakes_head()
        subscriptions, known, looked_at = subscriptions_read(now=datetime.now(UTC)), _revisions(), time.monotonic()
        mark = fills_mark()
        while not self._stop.is_set():
            cursor, wakes = tickstore.wakes_read(cursor, block_ms=BLOCK_MS)
            if time.monotonic() - looked_at > RELOAD_S:
                looked_at = time.monotonic()
                if not leader_is():  # the database session, and with it the claim, was lost
                    return
                if (now_known := _revisions()) != known:
                    subscriptions, known = subscriptions_read(now=datetime.now(UTC)), now_known
            self._waiting.update(subscriptions.woken(wakes, self._last_mid))
            if subscriptions.on_fill and (now_mark := fills_mark()) != mark:
                filled = origins_filled_since(mark[0]) & subscriptions.on_fill
                self._waiting.update(dict.fromkeys(filled, WakeKind.FILL))
                mark = now_mark
            self._tick_waiting(time.monotonic())

    def _tick_waiting(self, clock: float) -> None:
        """Tick those whose pause is over, together; the others keep waiting."""
        ready = {i: kind for i, kind in self._waiting.items() if clock - self._last_tick.get(i, 0.0) >= MIN_GAP_S}
        for kind in sorted(set(ready.values())):
            ids = sorted(i for i, one in ready.items() if one is kind)
            report = runner.tick(ids, now=datetime.now(UTC), trigger=kind)
            self.ticks += report.ticked
            for strategy_id in ids:
                self._last_tick[strategy_id] = clock
                if strategy_id not in report.busy:  # somebody else ticks it now, perhaps on the older book: ask again
                    self._waiting.pop(strategy_id, None)


WAKER = Waker()
