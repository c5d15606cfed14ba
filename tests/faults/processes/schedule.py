"""What goes wrong in one schedule of L2, by its seed: at which second, to whom, for how long. Plain data.

Every list below is gone through in turn over the seeds, so that sixty schedules hit each entry five times and
more; luck adds some and says when.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tests.faults.processes.relay import Trouble
from tests.orders.model.luck import Luck

LASTS_S = 18
PROCESSES = ("trader", "fills", "worker", "beat", "feed", "web", "valkey", "postgres", "sandbox")
PAUSED = ("trader", "fills", "worker", "feed", "valkey", "postgres", "sandbox")
TROUBLES = tuple(trouble for trouble in Trouble if trouble is not Trouble.NONE)
# Named points at which a process of the desk kills itself; the points of sending are armed besides.
POINTS = (
    "paper.before_commit", "paper.accepted", "paper.traded", "paper.written", "paper.committed", "paper.booked",
    "paper.attached", "plan.stepped", "drain.begun",
)  # fmt: skip
SENDING_POINTS = (
    "send.signed", "claim.stored", "claim.committed", "post.first_byte", "post.answered", "answer.stored",
    "answer.committed", "cancel.claimed", "cancel.sent", "cancel.stored", "fill.inserted", "fill.journaled",
    "leg.booked", "resync.read", "resync.booked",
)  # fmt: skip
# Of the exchange's catalogue: what only a socket, the clock or a whole desk can meet. The rest is L1's by the hundred.
SOCKETS = (
    "user_disconnect", "user_drop", "user_duplicate", "user_reorder", "user_delay", "user_stall", "user_corrupt",
    "market_disconnect", "market_drop", "market_duplicate", "market_reorder", "market_delay", "market_stall",
    "market_corrupt", "restart_drill", "cancel_only", "disabled", "book_error", "read_slow", "post_slow",
)  # fmt: skip
ANSWERS = (
    "post_refused_425", "post_refused_429", "post_refused_500", "post_refused_503", "post_lost_before",
    "post_lost_after", "post_late", "post_error_after", "post_reset_after", "post_truncated_after",
    "post_malformed_after", "post_empty_after", "post_wrong_type_after", "cancel_lost_before", "cancel_lost_after",
    "cancel_error", "read_error", "read_truncated", "failed", "failed_after_mined", "retrying", "read_lag",
    "stale_balance", "page_small", "page_overlap", "reorg", "partial",
)  # fmt: skip
STORES = (
    "flush valkey", "drop valkey", "hold valkey", "fill valkey", "terminate postgres", "lock postgres",
    "exhaust postgres",
)  # fmt: skip
HOST = (
    "disk full", "clock ahead", "clock behind", "clock hour", "descriptors trader", "descriptors web", "end trader",
    "end worker", "second beat", "second trader", "backlog", "slow readers", "race",
)  # fmt: skip
SWITCH_EVERY = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    at_s: float
    kind: str  # kill, pause, point, wire, exchange, switch, or the first word of a line of STORES or HOST
    who: str = ""
    lasts_s: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.kind} {self.who}".strip()


def schedule_of(seed: int, without: tuple[str, ...] = ()) -> list[Fault]:
    """Return the seed's faults in their order, perhaps without some ("kill trader")."""
    draws = Luck(seed).of("schedule")

    def soon(low: float, high: float) -> float:
        return low + draws.random() * (high - low)

    faults = [
        Fault(at_s=soon(2, 8), kind="kill", who=_in_turn(PROCESSES, seed)),
        Fault(at_s=soon(8, 14), kind="pause", who=_in_turn(PAUSED, seed), lasts_s=soon(1, 6)),
        Fault(at_s=soon(2, 12), kind="wire", who=_in_turn(TROUBLES, seed), lasts_s=soon(1, 4)),
        Fault(at_s=0.2, kind="point", who=_in_turn(POINTS, seed)),
        Fault(at_s=soon(1, 9), kind="point", who=_in_turn(SENDING_POINTS, seed)),
        Fault(at_s=soon(0, 3), kind="exchange", who=_in_turn(SOCKETS, seed)),
        Fault(at_s=soon(3, 8), kind="exchange", who=_in_turn(SOCKETS, seed + 7)),
        Fault(at_s=soon(0, 6), kind="exchange", who=_in_turn(ANSWERS, seed * 5)),
        Fault(at_s=soon(6, 11), kind="exchange", who=_in_turn(ANSWERS, seed * 5 + 13)),
        _named(_in_turn(STORES, seed), soon(6, 12), soon(2, 4)),
        _named(_in_turn(HOST, seed), soon(3, 9), soon(4, 6)),
    ]
    if seed % 2 == 0:
        faults.append(_named(_in_turn(HOST, seed // 2 + 6), soon(9, 12), soon(3, 5)))
    if _in_turn(POINTS, seed) == "drain.begun":
        faults.append(_named("end trader", 5.0, 0.0))  # only a process that is told to stop passes it
    if seed % SWITCH_EVERY == 2:
        faults.append(Fault(at_s=14, kind="switch"))
    return sorted((f for f in faults if f.name not in without), key=lambda f: f.at_s)


def as_json(faults: list[Fault]) -> str:
    return json.dumps([asdict(fault) for fault in faults])


def _in_turn(names: Sequence[str], number: int) -> str:
    """Go through the names round by round, each round from another beginning: so others meet."""
    return names[(number + 2 * (number // len(names))) % len(names)]


def _named(name: str, at_s: float, lasts_s: float) -> Fault:
    kind, _, who = name.partition(" ")
    return Fault(at_s=at_s, kind=kind, who=who, lasts_s=lasts_s)
