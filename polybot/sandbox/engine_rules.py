"""What the engine itself does wrong on purpose: settlement that fails, caches that lag, pages that repeat.

A rule is one kind of trouble, how likely, how often and until when. With no rule the engine behaves well;
the engine asks at the moment something could go wrong, so a rule never changes what already happened.
Times are Unix milliseconds.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum


class EngineFault(StrEnum):
    # Settlement of a trade, chosen when it matches.
    RETRYING = "retrying"  # MATCHED, RETRYING, MINED, CONFIRMED
    FAILED = "failed"  # MATCHED, RETRYING, FAILED: shares and money go back
    FAILED_AFTER_MINED = "failed_after_mined"  # MINED, RETRYING, FAILED
    CONFIRMED_AFTER_FAILED = "confirmed_after_failed"  # FAILED is told, then CONFIRMED: nothing goes back
    REORG = "reorg"  # MINED again with another transaction hash
    PARTIAL = "partial"  # the match is split into two transactions, the second one fails
    SLOW_SETTLEMENT = "slow_settlement"  # every step comes `latency_ms` later
    # What users are told of their own.
    STALE_BALANCE = "stale_balance"  # settled trades do not refresh the balance cache: only /update does
    PHANTOM_RESERVATION = "phantom_reservation"  # a cancelled order keeps its money set aside for `latency_ms`
    READ_LAG = "read_lag"  # orders and trades are shown as they were `latency_ms` ago
    PAGE_SMALL = "page_small"  # pages of two
    PAGE_OVERLAP = "page_overlap"  # a page begins with the last row of the page before
    PAGE_LOOP = "page_loop"  # the cursor of a page is the cursor that asked for it
    PAGE_TAIL = "page_tail"  # a full last page has a successor, which is empty
    # What becomes of a hash.
    REPOST_CANCELED = "repost_canceled"  # a cancelled order's hash is accepted again
    REFUSE_KILLED = "refuse_killed"  # a killed FOK or FAK order's hash is a duplicate
    HEARTBEAT_DEAF = "heartbeat_deaf"  # a missed heartbeat cancels nothing: the switch is best effort
    # The chain and its relayer.
    RELAY_SLOW = "relay_slow"  # relayed transactions and receipts take `latency_ms`
    RELAY_FAILED = "relay_failed"  # accepted, then STATE_FAILED; signed transactions are mined as reverted
    RELAY_BUSY = "relay_busy"  # refused: the wallet has an action in flight


FATES = (
    EngineFault.RETRYING,
    EngineFault.FAILED,
    EngineFault.FAILED_AFTER_MINED,
    EngineFault.CONFIRMED_AFTER_FAILED,
    EngineFault.REORG,
    EngineFault.PARTIAL,
)


@dataclass(slots=True, kw_only=True)
class EngineRule:
    kind: EngineFault
    latency_ms: int = 2_000
    probability: float = 1.0
    times: int | None = None
    until_ms: int | None = None
    market: str = ""  # a condition id; none: every market
    id: int = 0
    hits: int = 0


class EngineRules:
    """The engine's rules in force. Chance comes from the seed alone."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"{seed}:engine-rules")
        self.rules: list[EngineRule] = []

    def strike(self, kind: EngineFault, now_ms: int, *, market: str = "") -> EngineRule | None:
        """Return the rule of this kind that strikes now, and count it; None when all is well."""
        for rule in list(self.rules) if self.rules else ():
            if rule.kind is not kind or not self._lives(rule, now_ms):
                continue
            if rule.market and market and rule.market != market:
                continue
            if rule.probability < 1.0 and self._rng.random() >= rule.probability:
                continue
            rule.hits += 1
            if rule.times is not None and rule.hits >= rule.times:
                self.rules.remove(rule)
            return rule
        return None

    def lag(self, kind: EngineFault, now_ms: int) -> int:
        """Return the milliseconds that a rule of this kind adds now, 0 without one."""
        rule = self.strike(kind, now_ms)
        return rule.latency_ms if rule is not None else 0

    def fate(self, now_ms: int, *, market: str) -> EngineFault | None:
        """Return how the settlement of a trade that just matched goes wrong, None when it goes well."""
        for kind in FATES if self.rules else ():
            if self.strike(kind, now_ms, market=market) is not None:
                return kind
        return None

    def _lives(self, rule: EngineRule, now_ms: int) -> bool:
        if rule.until_ms is not None and now_ms >= rule.until_ms:
            self.rules.remove(rule)
            return False
        return True
