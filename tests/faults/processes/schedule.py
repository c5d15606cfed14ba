"""What goes wrong in one schedule of L2, by its seed: at which second, to whom, for how long. Plain data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from tests.faults.processes.relay import Trouble
from tests.orders.model.luck import Luck

LASTS_S = 18
PROCESSES = ("trader", "fills", "worker", "beat", "feed", "web", "valkey", "postgres", "sandbox")
PAUSED = ("trader", "fills", "worker", "feed", "valkey", "postgres", "sandbox")
TROUBLES = tuple(trouble for trouble in Trouble if trouble is not Trouble.NONE)
# Of the exchange's catalogue (`GET /catalogue`): what answers, reads, messages and settlements may do.
EXCHANGE = (
    "post_refused_425", "post_refused_429", "post_refused_500", "post_refused_503", "post_slow", "post_lost_before",
    "post_lost_after", "post_late", "post_error_after", "post_reset_after", "post_truncated_after",
    "post_malformed_after", "post_empty_after", "post_wrong_type_after", "cancel_lost_before", "cancel_lost_after",
    "cancel_error", "read_error", "read_slow", "read_truncated", "user_disconnect", "market_disconnect", "user_drop",
    "user_duplicate", "user_reorder", "user_delay", "failed", "failed_after_mined", "retrying", "read_lag",
    "stale_balance", "page_small", "page_overlap",
)  # fmt: skip
KINDS = ("kill", "kill", "pause", "flush", "wire", "wire", "exchange", "switch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    at_s: float
    kind: str  # kill, pause, flush, wire, exchange, switch
    who: str = ""
    lasts_s: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.kind} {self.who}".strip()


def schedule_of(seed: int, without: tuple[str, ...] = ()) -> list[Fault]:
    """Return the seed's faults in their order, perhaps without some ("kill trader")."""
    luck = Luck(seed)
    draws = luck.of("schedule")
    # In turn over the seeds, so that each class has its hits; the rest is luck.
    faults = [_kill(seed, 2.0 + draws.random() * 6), _exchange(seed, 0.5), _exchange(seed * 2 + 7, 6.0)]
    for number in range(draws.randint(1, 3)):
        draws = luck.of(f"fault {number}")
        at = 1 + draws.random() * (LASTS_S - 6)
        kind = draws.choice(KINDS)
        if kind == "kill":
            faults.append(Fault(at_s=at, kind="kill", who=draws.choice(PROCESSES)))
        elif kind == "pause":
            faults.append(Fault(at_s=at, kind="pause", who=draws.choice(PAUSED), lasts_s=1 + draws.random() * 7))
        elif kind == "wire":
            faults.append(Fault(at_s=at, kind="wire", who=draws.choice(TROUBLES), lasts_s=1 + draws.random() * 5))
        elif kind == "exchange":
            faults.append(_exchange(draws.randint(0, 1000), at))
        elif kind == "flush":
            faults.append(Fault(at_s=at, kind="flush", who="valkey"))
        elif draws.random() < 0.4:
            faults.append(Fault(at_s=at, kind="switch"))
    faults.append(Fault(at_s=4 + seed % 7, kind="wire", who=TROUBLES[seed % len(TROUBLES)], lasts_s=2.0))
    if seed % 3 == 0:
        faults.append(Fault(at_s=9, kind="pause", who=PAUSED[seed // 3 % len(PAUSED)], lasts_s=4.0))
    if seed % 4 == 1:
        faults.append(Fault(at_s=11, kind="flush", who="valkey"))
    if seed % 6 == 2:
        faults.append(Fault(at_s=14, kind="switch"))
    return sorted((f for f in faults if f.name not in without), key=lambda f: f.at_s)


def as_json(faults: list[Fault]) -> str:
    return json.dumps([asdict(fault) for fault in faults])


def _kill(seed: int, at: float) -> Fault:
    return Fault(at_s=at, kind="kill", who=PROCESSES[seed % len(PROCESSES)])


def _exchange(number: int, at: float) -> Fault:
    return Fault(at_s=at, kind="exchange", who=EXCHANGE[number % len(EXCHANGE)], lasts_s=5.0)
