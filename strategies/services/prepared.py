"""What a process keeps of each strategy between its ticks, so that an unchanged tick asks for little.

A row's `revision` moves with every change of configuration, state or universe, and the
memory's `version` with every save; one query per tick compares both and reloads what moved.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from markets.domain.instruments import MarketFacts
from markets.selectors.catalogue import market_facts
from orders.domain.intents import Origin, OriginKind, Quote
from strategies.domain.base import Strategy, TradingParameters
from strategies.domain.parameters import ParameterError, parameters_load
from strategies.domain.patience import Signature
from strategies.domain.view import Needs
from strategies.library.registry import UnknownStrategy, strategy_get
from strategies.models import Decision, StrategyConfig, StrategyRun, StrategyState, UniverseMember
from strategies.services.claims import array

FACTS_AGE_S = 30.0  # as old as the schedule lets traded markets get; the gate reads its own
ACTIVE = (StrategyConfig.State.RUNNING, StrategyConfig.State.OBSERVE)

UNREAD = -2


@dataclass(slots=True)
class Prepared:
    """One active strategy, ready to tick. Used only while its claim is held."""

    id: int
    name: str
    strategy: Strategy
    params: TradingParameters
    account_id: int
    mode: str
    interval_s: int
    revision: int
    run_id: int
    origin: Origin
    needs: Needs
    market_ids: tuple[int, ...]
    markets: Mapping[int, MarketFacts] = field(default_factory=dict)
    facts_at: datetime | None = None
    outcome_ids: tuple[int, ...] = ()
    first_outcome_ids: tuple[int, ...] = ()
    # What it remembers, and how far it has been told.
    memory: Mapping[str, Any] = field(default_factory=dict)
    memory_version: int = UNREAD  # -1: nothing was saved yet
    fill_cursor: int = 0
    resolved_cursor: datetime | None = None
    fills_mark: tuple[int, int] | None = None  # None: `own` is not known yet
    own: Mapping[int, int] = field(default_factory=dict)  # shares bought and not sold, by outcome
    resolutions_at: datetime | None = None  # when resolutions were last looked for
    dirty: bool = False  # `memory` moved since it was saved
    # What its last decision was.
    wanted_hash: str = ""
    quotes: tuple[Quote, ...] | None = None  # None: not known in this process yet
    decision_id: int = 0
    # What the gate said, so that the same refusal is not asked for every second.
    refused: Signature = frozenset()
    refusals: int = 0
    retry_at: datetime | None = None
    asked_sizes: dict[int, int] = field(default_factory=dict)  # order id -> size asked for, where the gate shrank it
    errors: int = 0


class Shelf:
    """The prepared strategies of one process. Reads the database; safe to share between threads.

    One entry is only changed by the thread that holds the strategy's claim.
    """

    def __init__(self, *, facts_age_s: float = FACTS_AGE_S) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[int, Prepared] = {}
        self._facts: dict[int, MarketFacts] = {}
        self._facts_at: dict[int, datetime] = {}
        self._facts_age_s = facts_age_s
        self.problems: dict[int, str] = {}  # strategies that cannot be prepared, and why

    def load(self, strategy_ids: Sequence[int], *, now: datetime) -> list[Prepared]:
        """Return the active ones of `strategy_ids`, reloaded where a row moved."""
        for pk, revision, version in self._moved(strategy_ids):
            known = self._by_id.get(pk)
            if known is None or known.revision != revision:
                self.forget(pk)
            elif known.memory_version != version:
                known.memory_version = UNREAD
        unknown = [pk for pk in strategy_ids if pk not in self._by_id]
        if unknown:
            self._prepare(unknown)
        ready = [self._by_id[pk] for pk in strategy_ids if pk in self._by_id]
        stale = [item for item in ready if item.memory_version == UNREAD]
        if stale:
            self._remember(stale)
        self._give_facts(ready, now)
        return ready

    def _moved(self, strategy_ids: Sequence[int]) -> list[tuple[int, int, int]]:
        """Return (id, revision, memory version) of the known ones that somebody changed; none, as a rule."""
        known = [self._by_id[pk] for pk in strategy_ids if pk in self._by_id]
        if not known:
            return []
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT known.id, COALESCE(config.revision, -1), COALESCE(memory.version, -1)"
                " FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS known(id, revision, version)"
                " LEFT JOIN strategies_strategyconfig AS config ON config.id = known.id"
                " LEFT JOIN strategies_strategystate AS memory ON memory.strategy_id = known.id"
                " WHERE config.revision IS DISTINCT FROM known.revision"
                " OR COALESCE(memory.version, -1) <> known.version",
                [
                    array(item.id for item in known),
                    array(item.revision for item in known),
                    array(item.memory_version for item in known),
                ],
            )
            return list(cursor.fetchall())

    def forget(self, strategy_id: int) -> None:
        self._by_id.pop(strategy_id, None)

    def _prepare(self, ids: Sequence[int]) -> None:
        """Load rows, open runs, universes and the last decision of `ids`: four queries."""
        runs = {
            row["strategy_id"]: row["pk"]
            for row in StrategyRun.objects.filter(strategy_id__in=ids, ended_at__isnull=True).values(
                "pk", "strategy_id"
            )
        }
        universes: dict[int, list[int]] = {pk: [] for pk in ids}
        members = UniverseMember.objects.filter(strategy_id__in=ids, included=True).order_by("market_id")
        for strategy_id, market_id in members.values_list("strategy_id", "market_id"):
            universes[strategy_id].append(market_id)
        last = Decision.objects.filter(run_id__in=runs.values()).order_by("strategy_id", "-pk").distinct("strategy_id")
        decisions = {row.strategy_id: row for row in last.only("pk", "strategy_id", "run_id", "wanted_hash")}
        for row in StrategyConfig.objects.filter(pk__in=ids, state__in=ACTIVE):
            run_id = runs.get(row.pk)
            if run_id is None:
                self._refuse(row.pk, "it has no open run: stop it and start it again")
                continue
            try:
                strategy = strategy_get(row.strategy_class)
                params = parameters_load(strategy.params, row.parameters)
            except (UnknownStrategy, ParameterError) as error:
                self._refuse(row.pk, str(error))
                continue
            known = self._by_id.get(row.pk)
            item = Prepared(
                id=row.pk,
                name=row.name,
                strategy=strategy,
                params=params,  # type: ignore[arg-type]
                account_id=row.account_id,
                mode=row.state,
                interval_s=row.interval_s,
                revision=row.revision,
                run_id=run_id,
                origin=Origin(
                    kind=OriginKind.STRATEGY,
                    id=row.pk,
                    label=row.name,
                    strategy_class=row.strategy_class,
                    version=row.version,
                    run_id=run_id,
                    priority=row.priority,
                ),
                needs=strategy.needs(params),
                market_ids=tuple(universes[row.pk]),
                errors=row.consecutive_errors,
            )
            decision = decisions.get(row.pk)
            if decision is not None and decision.run_id == run_id:
                item.wanted_hash, item.decision_id = decision.wanted_hash, decision.pk
            if known is not None and known.run_id == run_id:
                item.asked_sizes = known.asked_sizes
            with self._lock:
                self._by_id[row.pk] = item
                self.problems.pop(row.pk, None)

    def _refuse(self, pk: int, problem: str) -> None:
        with self._lock:
            self._by_id.pop(pk, None)
            self.problems[pk] = problem

    def _remember(self, items: Sequence[Prepared]) -> None:
        rows = {row.strategy_id: row for row in StrategyState.objects.filter(strategy_id__in=[i.id for i in items])}
        for item in items:
            row = rows.get(item.id)
            item.dirty = False
            if row is None:
                item.memory, item.memory_version = {}, -1
            else:
                item.memory, item.memory_version = row.state, row.version
                item.fill_cursor, item.resolved_cursor = row.fill_cursor, row.resolved_cursor
            item.fills_mark = None

    def facts_get(self, market_ids: Iterable[int], *, now: datetime) -> dict[int, MarketFacts]:
        """Return the facts of the markets, at most `facts_age_s` old."""
        wanted = set(market_ids)
        self._facts_refresh(wanted, now)
        return {pk: self._facts[pk] for pk in wanted if pk in self._facts}

    def _facts_refresh(self, wanted: set[int], now: datetime) -> set[int]:
        """Read what is missing or too old; return the markets that were read."""
        oldest = now - timedelta(seconds=self._facts_age_s)
        old = {pk for pk in wanted if pk not in self._facts_at or self._facts_at[pk] < oldest}
        if old:
            found = market_facts(old)
            with self._lock:
                for pk in old:
                    self._facts_at[pk] = now
                    if pk in found:
                        self._facts[pk] = found[pk]
        return old

    def _give_facts(self, items: Sequence[Prepared], now: datetime) -> None:
        """Give every item whose facts are missing or old new ones; a market that several watch is read once."""
        oldest = now - timedelta(seconds=self._facts_age_s)
        due = [item for item in items if item.facts_at is None or item.facts_at < oldest]
        if not due:
            return
        self._facts_refresh({market_id for item in due for market_id in item.market_ids}, now)
        for item in due:
            item.facts_at = min((self._facts_at[pk] for pk in item.market_ids), default=now)
            item.markets = {pk: self._facts[pk] for pk in item.market_ids if pk in self._facts}
            item.outcome_ids = tuple(o.outcome_id for facts in item.markets.values() for o in facts.outcomes)
            item.first_outcome_ids = tuple(
                facts.outcomes[0].outcome_id for facts in item.markets.values() if facts.outcomes
            )


SHELF = Shelf()
