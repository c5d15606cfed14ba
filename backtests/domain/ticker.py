"""One strategy's ticks in a replay, by the runner's rules: hooks first, then a decision, then perhaps the gate.

A tick that changes nothing never opens the gate. What the strategy newly wants is a decision; what the gate refused
is asked again after a growing pause; an error takes back what the tick has remembered, and five in a row stop it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from backtests.domain.desk import ReplayDesk
from backtests.domain.views import Books, SeenMarket
from markets.domain.instruments import MarketFacts
from orders.domain.intents import Origin, Quote
from orders.domain.ledger import Position
from risk.domain.verdicts import Decision as Ruling
from strategies.domain.base import Decision, Resolved, Strategy, TradingParameters, WakeKind
from strategies.domain.cycle import CycleResult, Plan, decision_apply, decision_plan
from strategies.domain.exits import decide_with_exits
from strategies.domain.patience import ASKED_SIZES_KEPT, Signature, is_refused_again, pause_s, signature
from strategies.domain.view import NOTHING, MarketView
from strategies.domain.wanted import wanted_hash, wanted_json

ERROR_LIMIT = 5  # errors in a row, as live
_STATE_CHECKED_EVERY = 256  # a state that JSON cannot hold is found at once or soon, not at every tick


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """One evaluation, for whoever compares streams of them."""

    at_ns: int
    trigger: str
    digest: str  # the wanted hash, also where nothing changed
    new: bool
    books: Mapping[int, int]  # the sequence seen, by outcome id
    decision: Decision


class Ticker:
    """Everything that lives from tick to tick."""

    def __init__(
        self,
        strategy: Strategy,
        params: TradingParameters,
        desk: ReplayDesk,
        markets: Mapping[int, SeenMarket],
        *,
        origin: Origin,
        on_tick: Callable[[Ticked], None] | None,
    ) -> None:
        self.strategy = strategy
        self.params = params
        self.origin = origin
        self.ticks = self.unchanged = self.decided = self.errors = 0
        self.first_error = ""
        self.gates: Counter[str] = Counter()
        self.decisions: list[tuple[int, str]] = []
        self.resolved: list[Resolved] = []  # not told yet
        self.in_a_row = 0
        self.is_stopped = False
        self._desk = desk
        self._needs = strategy.needs(params)
        self._first = {i: market for i, market in markets.items() if (i - 1) & 1 == 0}  # by first outcome
        self._on_tick = on_tick
        self._memory: Mapping[str, Any] = {}
        self._digest = ""
        self._quotes: tuple[Quote, ...] | None = None
        self._refused: Signature = frozenset()
        self._refusals = 0
        self._retry_at: datetime | None = None
        self._asked_sizes: dict[int, int] = {}
        self._plan: tuple[int, int, Plan | None] | None = None  # of the last quotes, at these versions
        self._positions: tuple[int, Mapping[int, Position]] = (-1, NOTHING)
        self._keys = count(1)
        self._saves = 0

    def tick(self, trigger: WakeKind, facts: Mapping[int, MarketFacts], books: Books) -> bool:
        """Evaluate once at the desk's moment; return False when the strategy is taken out of service."""
        self.ticks += 1
        desk = self._desk
        memory, told, resolved = self._memory, len(desk.news), len(self.resolved)
        try:
            for fill in desk.news[:told]:
                self._memory = self.strategy.on_fill(self._memory, fill)
            for one in self.resolved[:resolved]:
                self._memory = self.strategy.on_resolved(self._memory, one)
            view = self._view(facts, books)
            decision = decide_with_exits(self.strategy, view)
            if decision.state is not None:
                self._memory = decision.state
            self._check_state(memory)
            self._carry(decision, view, trigger, books)
        except Exception as error:
            self._memory = memory
            self._failed(error)
            return not self.is_stopped
        finally:
            books.close()
        del desk.news[:told], self.resolved[:resolved]
        self.in_a_row = 0
        for entry in decision.trace:
            if not entry.passed:
                self.gates[entry.gate] += 1
        return True

    def _view(self, facts: Mapping[int, MarketFacts], books: Books) -> MarketView:
        desk, needs = self._desk, self._needs
        now_ns = desk.now_ns
        if self._positions[0] != desk.holdings.version:
            self._positions = (desk.holdings.version, dict(sorted(desk.holdings.positions.items())))
        return MarketView(
            now=desk.now,
            now_ms=now_ns // 10**6,
            markets=facts,
            books=books,
            samples_1s={i: m.sampler.seconds(now_ns) for i, m in self._first.items() if m.sampler}
            if needs.samples_1s
            else NOTHING,
            samples_1m={i: m.sampler.minutes(now_ns) for i, m in self._first.items() if m.sampler}
            if needs.samples_1m
            else NOTHING,
            trades={i: m.trades() for i, m in self._first.items()} if needs.trades else NOTHING,
            positions=self._positions[1],
            own=desk.holdings.own,
            open_orders=desk.open_orders,
            params=self.params,
            state=self._memory,
        )

    def _carry(self, decision: Decision, view: MarketView, trigger: WakeKind, books: Books) -> None:
        once = bool(decision.intents or decision.baskets)
        same = self._quotes is not None and decision.quotes == self._quotes
        digest = wanted_hash(wanted_json(decision)) if once or not same else None
        new = digest is not None and (once or digest != self._digest)
        if new or not self._is_settled(decision, view, same=same):
            self._apply(decision, view)
            if new and digest is not None:
                self._digest = digest
                self.decided += 1
                self.decisions.append((self._desk.now_ns, digest))
        else:
            self.unchanged += 1
        self._quotes = decision.quotes
        if self._on_tick is not None:
            shown = digest or wanted_hash(wanted_json(decision))
            seqs = {i: view.seq for i, view in books.items()}
            at_ns, why = self._desk.now_ns, str(trigger)
            self._on_tick(Ticked(at_ns=at_ns, trigger=why, digest=shown, new=new, books=seqs, decision=decision))

    def _is_settled(self, decision: Decision, view: MarketView, *, same: bool) -> bool:
        """Whether the orders already are what is wanted, or the gate refused the rest a moment ago."""
        desk = self._desk
        version = (desk.version, desk.holdings.version)
        once = decision.intents or decision.baskets or decision.cancels
        if not once and same and self._plan is not None and self._plan[:2] == version:
            plan = self._plan[2]
        else:
            plan = self._planned(decision, view)
            self._plan = None if once else (*version, plan)
        if plan is None or plan.is_empty:
            return True
        return is_refused_again(plan, refused=self._refused, retry_at=self._retry_at, now=view.now, observes=False)

    def _planned(self, decision: Decision, view: MarketView) -> Plan | None:
        if not (decision.quotes or decision.intents or decision.baskets or view.open_orders):
            return None
        return decision_plan(
            decision,
            view,
            self._desk.open_orders,
            origin=self.origin,
            new_key=self._key,
            asked_sizes=self._asked_sizes,
            positions=self._desk.holdings.positions,
        )

    def _apply(self, decision: Decision, view: MarketView) -> None:
        self._plan = None
        if not (decision.quotes or decision.intents or decision.baskets or decision.cancels or view.open_orders):
            self._remember(CycleResult(decision=decision, plan=Plan(placements=(), stale_order_ids=())), view.now)
            return
        origin = replace(self.origin, decision_id=self.decided)
        result = decision_apply(
            decision, view, self._desk, origin=origin, new_key=self._key, asked_sizes=self._asked_sizes
        )
        self._remember(result, view.now)

    def _remember(self, result: CycleResult, now: datetime) -> None:
        """Keep what was refused, with a growing pause before it is asked for again; and what was made smaller."""
        self._refused = signature([verdict.placement for verdict in (*result.refused, *result.observed)])
        if result.refused:
            self._refusals += 1
            self._retry_at = now + timedelta(seconds=pause_s(self._refusals))
        else:
            self._refusals, self._retry_at = 0, None
        for verdict, order_id in zip(result.verdicts, result.created, strict=True):
            if order_id is not None and verdict.decision is Ruling.SHRUNK:
                self._asked_sizes[order_id] = int(verdict.placement.size)
        if len(self._asked_sizes) > 2 * ASKED_SIZES_KEPT:
            self._asked_sizes = dict(list(self._asked_sizes.items())[-ASKED_SIZES_KEPT:])

    def _check_state(self, before: Mapping[str, Any]) -> None:
        if self._memory is before or self._memory == before:
            return
        if self._saves % _STATE_CHECKED_EVERY == 0:
            json.dumps(self._memory, allow_nan=False)
        self._saves += 1

    def _failed(self, error: Exception) -> None:
        self.errors += 1
        self.in_a_row += 1
        self.first_error = self.first_error or f"{type(error).__name__}: {error}"[:300]
        self.is_stopped = self.in_a_row >= ERROR_LIMIT

    def _key(self, now: datetime) -> str:
        return f"replay-{next(self._keys)}"
