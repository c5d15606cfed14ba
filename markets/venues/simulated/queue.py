"""Where a resting simulated order stands in the line at its price, and what moves it forward.

`ahead` counts displayed shares that trade before ours. Trades at our price consume it; a level that shrinks
without a trade moves us only as far as the chosen model says:
  pessimistic  cancels come from behind us, so `ahead` falls only to the new displayed size;
  neutral      cancels are spread evenly over the level;
  optimistic   cancels come from before us, so `ahead` falls by all of them.
A trade and the shrinkage it causes may arrive in either order; neither is counted twice (`slack`).
Prices and sizes are millionths, times are the venue's milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from markets.domain.instruments import Side

SLACK_MS = 1_000  # a trade explains a shrinkage that came at most this much earlier


class QueueModel(StrEnum):
    PESSIMISTIC = "pessimistic"
    NEUTRAL = "neutral"
    OPTIMISTIC = "optimistic"


@dataclass(slots=True, kw_only=True)
class RestingOrder:
    """A simulated order in a displayed book. Mutable; `ahead` and `filled` are what must be persisted."""

    key: str
    side: Side
    price: int
    size: int
    placed_ms: int
    filled: int = 0
    ahead: int = 0
    expires_ms: int | None = None
    slack: int = 0  # shares by which a shrinkage already moved us, until a trade explains it
    slack_ms: int = 0

    @property
    def remaining(self) -> int:
        return self.size - self.filled

    def level_changed(self, before: int, after: int, *, traded: int, at_ms: int, model: QueueModel) -> None:
        """Account for the displayed size at our price going from `before` to `after`.

        `traded` is how much of the fall was already reported as trades.
        """
        if after >= before:
            return
        ahead = self.ahead
        if model is not QueueModel.PESSIMISTIC and before > 0:
            unexplained = max(0, before - after - traded)
            ahead -= ahead * unexplained // before if model is QueueModel.NEUTRAL else min(ahead, unexplained)
        ahead = min(ahead, after)
        if at_ms - self.slack_ms > SLACK_MS:
            self.slack = 0
        self.slack += self.ahead - ahead
        self.slack_ms = at_ms
        self.ahead = ahead

    def traded_at_price(self, volume: int, *, at_ms: int) -> int:
        """Return how much of `volume`, traded at our price against our side, is ours."""
        if self.slack and at_ms - self.slack_ms <= SLACK_MS:
            explained = min(self.slack, volume)
            self.slack -= explained
            volume -= explained
        else:
            self.slack = 0
        consumed = min(self.ahead, volume)
        self.ahead -= consumed
        return min(self.remaining, volume - consumed)
