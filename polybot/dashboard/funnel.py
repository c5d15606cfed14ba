"""From evaluated to filled: how many wishes there were, what blocked them, what was sent and what traded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orders.domain.intents import OriginKind
from orders.selectors import screens as order_pages
from polybot.dashboard import pictures, words
from risk.selectors import screens as risk_pages
from strategies.selectors import screens as strategy_pages

SHOWN = 4
_SHADES = ("b1", "b2", "b3", "b4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One reason, with how often it decided. `stage`: a strategy's own gate, or a rule of the risk gate."""

    name: str
    label: str
    stage: str
    count: int
    share: float
    css: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    since: datetime
    ticks: int
    blocked: int
    refused: int
    sent: int
    filled: int
    partly: int
    gates: tuple[Gate, ...]

    @property
    def evaluated(self) -> int:
        return self.blocked + self.refused + self.sent

    @property
    def blocked_share(self) -> float:
        return (self.blocked + self.refused) / self.evaluated * 100 if self.evaluated else 0.0

    @property
    def sent_share(self) -> float:
        return self.sent / self.evaluated * 100 if self.evaluated else 0.0

    @property
    def filled_share(self) -> float:
        return self.filled / self.sent * 100 if self.sent else 0.0

    @property
    def stopped(self) -> int:
        return self.blocked + self.refused

    @property
    def top(self) -> list[Gate]:
        return list(self.gates[:SHOWN])

    @property
    def rest(self) -> int:
        return sum(gate.count for gate in self.gates[SHOWN:])

    @property
    def rest_gates(self) -> int:
        return len(self.gates[SHOWN:])

    @property
    def picture(self) -> str:
        if not self.stopped:
            return ""
        parts = [(gate.css, gate.count / self.stopped) for gate in self.top]
        return pictures.stacked_bar([*parts, ("b4", self.rest / self.stopped)])


def funnel_get(account_id: int, *, since: datetime, strategy_id: int | None = None) -> Funnel:
    """Return the funnel of an account, or of one strategy, since a moment."""
    origin = (OriginKind.STRATEGY.value, strategy_id) if strategy_id is not None else None
    gate_totals = strategy_pages.gate_totals(account_id, since=since, strategy_id=strategy_id)
    refusals = risk_pages.refusals_by_rule(account_id, since=since, origin=origin)
    blocked = sum(total.count for total in gate_totals)
    refused = sum(count for _, count in refusals)
    found = [("strategy", total.gate, total.count) for total in gate_totals]
    found += [("risk", rule, count) for rule, count in refusals]
    found.sort(key=lambda item: -item[2])
    filled, partly = order_pages.fill_counts(account_id, since=since, origin=origin)
    return Funnel(
        since=since,
        ticks=strategy_pages.run_totals(account_id, since=since, strategy_id=strategy_id).ticks,
        blocked=blocked,
        refused=refused,
        sent=order_pages.order_count(account_id, since=since, origin=origin),
        filled=filled,
        partly=partly,
        gates=tuple(
            Gate(
                name=name,
                label=words.sentence(name) if name else "Other",
                stage=stage,
                count=count,
                share=count / (blocked + refused) if blocked + refused else 0.0,
                css=_SHADES[min(index, len(_SHADES) - 1)],
            )
            for index, (stage, name, count) in enumerate(found)
        ),
    )
