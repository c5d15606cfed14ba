"""What the engine wants done: a batch for Redis, rows and notices for Postgres, requests to the sockets."""

from __future__ import annotations

from dataclasses import dataclass, field

from alerts.domain.events import Severity
from markets.domain.candles import CandleRow
from markets.domain.events import GapReason, TradePrint
from markets.feed.tracked import Tracked
from markets.services.notices import Notice
from markets.tickstore import Batch
from markets.venues.base import ParseError


@dataclass(slots=True)
class Outbox:
    """Filled by the engine, emptied by the listener with `take_batch` and `take_rows`."""

    batch: Batch = field(default_factory=Batch)
    trades: list[tuple[int, TradePrint]] = field(default_factory=list)
    candles: list[CandleRow] = field(default_factory=list)
    ticks: list[tuple[int, int]] = field(default_factory=list)  # (market id, new tick)
    notices: list[Notice] = field(default_factory=list)
    issues: list[ParseError] = field(default_factory=list)
    renew: list[str] = field(default_factory=list)
    _reported: set[int] = field(default_factory=set)

    def finish_candle(self, row: CandleRow | None) -> None:
        if row is not None:
            self.candles.append(row)

    def forget(self, outcome_id: int) -> None:
        self._reported.discard(outcome_id)

    def take_batch(self) -> Batch:
        batch, self.batch = self.batch, Batch()
        return batch

    def take_renewals(self) -> list[str]:
        renew, self.renew = self.renew, []
        return renew

    def notice_stale(self, tracked: Tracked, reason: GapReason, behind_ms: int) -> None:
        """Tell of one market whose book is wrong while its socket lives."""
        self._reported.add(tracked.outcome_id)
        said = (
            f"the socket is silent on it while the venue's book has moved on by {behind_ms / 1000:.1f} s"
            if reason is GapReason.STALLED
            else "our book differs from the venue's of the same moment"
        )
        self.notices.append(
            Notice(
                kind="feed.stale",
                message=f"{tracked.outcome.label}: {said}; subscribing again",
                severity=Severity.WARNING,
                subject_kind="outcome",
                subject_id=str(tracked.outcome_id),
                subject_label=tracked.outcome.label,
                payload={"reason": str(reason), "behind_ms": behind_ms},
            )
        )

    def notice_recovered(self, tracked: Tracked) -> None:
        """Tell that a market reported stale is live again; a reconnect is told once for its whole shard."""
        if tracked.outcome_id not in self._reported:
            return
        self._reported.discard(tracked.outcome_id)
        self.notices.append(
            Notice(
                kind="feed.recovered",
                message=f"{tracked.outcome.label}: live again",
                subject_kind="outcome",
                subject_id=str(tracked.outcome_id),
                subject_label=tracked.outcome.label,
            )
        )
