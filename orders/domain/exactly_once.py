"""A fill counts once and is taken back at most once, whatever order its messages come in (I6, I7).

A trade is told again at each of its stages; messages are repeated, reordered and lost. `TradePart` is what
we know of one (trade, order, role); sizes are millionths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from markets.domain.trading import TradeStage as Stage

# One order for all: two stages of equal rank would let the order of messages decide.
_RANK = {Stage.MATCHED: 0, Stage.RETRYING: 1, Stage.MINED: 2, Stage.CONFIRMED: 3, Stage.FAILED: 3}
FINAL = frozenset({Stage.CONFIRMED, Stage.FAILED})


class SettlementConflict(Exception):
    """The venue says that one trade both settled and failed, or changed its size: a person must look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradePart:
    size: int
    stage: Stage

    @property
    def counted(self) -> int:
        """How much of the size stands."""
        return 0 if self.stage is Stage.FAILED else self.size

    @property
    def confirmed(self) -> int:
        return self.size if self.stage is Stage.CONFIRMED else 0


def after_message(known: TradePart | None, *, size: int, stage: Stage) -> TradePart:
    """Return the part after one more message about it. The same messages in any order end the same.

    Raises SettlementConflict for a second, different end or another size.
    """
    if known is None:
        return TradePart(size=size, stage=stage)
    if known.size != size:
        raise SettlementConflict(f"a trade of {known.size} is now told as {size}")
    if known.stage in FINAL and stage in FINAL and known.stage is not stage:
        raise SettlementConflict(f"a trade that {known.stage} is now told as {stage}")
    return replace(known, stage=stage) if _RANK[stage] > _RANK[known.stage] else known


def counted_change(before: TradePart | None, after: TradePart) -> int:
    """Return what to book: the size once, minus the size once, or nothing."""
    return after.counted - (before.counted if before else 0)
