"""Seeded schedules against a whole desk: trade, trouble it, let go, and everything must be exact within a minute."""

from __future__ import annotations

import heapq
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.processes.desk import RelayedDesk, printed
from tests.faults.processes.relay import Trouble
from tests.faults.processes.schedule import LASTS_S, Fault, schedule_of

CONVERGES_WITHIN_S = 60.0
PACE_S = 0.25
ENOUGH_ORDERS = 5
KINDS = ("proxy", "eoa", "safe", "deposit_beacon")


class Campaign:
    """One desk for several schedules, one after the other."""

    def __init__(self, folder: Path, *, rate: str = "40") -> None:
        self.desk = RelayedDesk(folder / "desk", "--rate", rate, "--seed", "7")
        self.hit: Counter[str] = Counter()
        self.account = 0
        self._accounts = 0

    def start(self) -> None:
        self.desk.wait_ready()

    def _account_open(self, seed: int) -> None:
        """Give the schedule an account of its own: what earlier ones left unknown is not its trouble."""
        self._accounts += 1
        name = f"L2 {seed}.{self._accounts}"
        kind = KINDS[seed % len(KINDS)]
        self.desk.command("account_open", name, "--new-key", "--cash", "100000", "--type", kind)
        ready = self.desk.inside(f"wait_connected({name!r})")
        assert "account" in ready, f"{ready}\n{self.desk.tail()}"
        self.account = int(ready["account"])

    def run(self, seed: int, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
        """Run one schedule; return what the auditor said, with `broken` empty when everything is exact."""
        desk = self.desk
        self._account_open(seed)
        desk.inside(f"begin({self.account})")
        person = desk.start_inside(f"trade({self.account}, {seed}, {LASTS_S + 4}, {PACE_S})")
        time.sleep(2.0)  # its Django starts
        self._trouble(schedule_of(seed, without))
        out, _ = person.communicate(timeout=LASTS_S + 60)
        desk.relay.trouble(Trouble.NONE)
        desk.control("schedule", method="DELETE")
        desk.control("faults", method="DELETE")
        desk.control("mode", mode="normal")
        said = desk.inside(f"settle({self.account}, {CONVERGES_WITHIN_S})", timeout_s=180, keys=True)
        after = desk.inside(f"sends_after_kill({self.account})")
        if after["broken"] or after["first_bytes_15_s_later"]:
            said["broken"] = [*said["broken"], f"I13 {after}"]
        person_said = printed(out)
        if person_said["wanted"] < ENOUGH_ORDERS:
            said["broken"] = [*said["broken"], f"nothing was proved: {person_said}"]
        return said | {"seed": seed, "person": person_said}

    def close(self) -> None:
        self.desk.end()

    def _trouble(self, faults: list[Fault]) -> None:
        """Do what the schedule says, and undo what lasts, by the clock."""
        began, number = time.monotonic(), 0
        waiting: list[tuple[float, int, Callable[[], None]]] = []

        def later(at: float, act: Callable[[], None]) -> None:
            nonlocal number
            number += 1
            heapq.heappush(waiting, (at, number, act))

        for fault in faults:
            later(fault.at_s, lambda fault=fault: self._do(fault, later))
        while waiting:
            at, _, act = heapq.heappop(waiting)
            time.sleep(max(0.0, began + at - time.monotonic()))
            act()
        time.sleep(max(0.0, began + LASTS_S - time.monotonic()))

    def _do(self, fault: Fault, later: Callable[[float, Callable[[], None]], None]) -> None:
        desk = self.desk
        end = fault.at_s + fault.lasts_s
        self.hit[fault.name] += 1
        if fault.kind == "kill":
            desk.send(fault.who, signal.SIGKILL)
        elif fault.kind == "pause":
            pid = desk.send(fault.who, signal.SIGSTOP)
            if pid is not None:
                later(end, lambda: _continue(pid))
        elif fault.kind == "flush":
            desk.start_inside_redis("FLUSHALL")
        elif fault.kind == "wire":
            desk.relay.trouble(Trouble(fault.who))
            later(end, lambda: desk.relay.trouble(Trouble.NONE))
        elif fault.kind == "exchange":
            desk.control("schedule", seed=int(fault.at_s * 1000), faults=[fault.who], duration_s=5, every_s=1)
        elif fault.kind == "switch":
            desk.kill_switch()


def _continue(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return
