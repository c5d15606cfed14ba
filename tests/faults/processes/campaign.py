"""Seeded schedules against a whole desk: trade, trouble it, let go, and everything must be exact within a minute."""

from __future__ import annotations

import heapq
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from polybot.sandbox.fault_catalogue import CLASSES
from tests.faults.processes import hosts
from tests.faults.processes.desk import RelayedDesk
from tests.faults.processes.relay import Trouble
from tests.faults.processes.schedule import LASTS_S, Fault, schedule_of

CONVERGES_WITHIN_S = 60.0
PACE_S = 0.25
ENOUGH = (5, 3)  # orders wanted and sent; a schedule with fewer proves nothing
PATIENCE_S = 40.0
FIRST_WITHIN_S = 30.0
START_LIMIT_S = 400.0
COPIES = 2  # of one fault of the exchange, laid at once: each meets a request, if there is one
KINDS = ("proxy", "eoa", "safe", "deposit_beacon")


class Campaign:
    """One desk for several schedules, one after the other."""

    def __init__(self, folder: Path, *, rate: str = "40") -> None:
        self.desk = RelayedDesk(folder / "desk", "--rate", rate, "--seed", "7")
        self.account = 0
        self._accounts = 0
        self._hit: Counter[str] = Counter()
        self._laid: list[tuple[str, int]] = []  # (class, id of the exchange's rule)

    def start(self) -> None:
        self.desk.wait_for(lambda: f"READY {self.desk.url}" in self.desk.lines, "READY", limit_s=START_LIMIT_S)

    def _account_open(self, seed: int) -> None:
        """Give the schedule an account of its own: what earlier ones left unknown is not its trouble."""
        self._accounts += 1
        name = f"L2 {seed}.{self._accounts}"
        kind = KINDS[seed % len(KINDS)]
        ready = self.desk.inside(f"account_new({name!r}, {kind!r})")
        assert "account" in ready, f"{ready}\n{self.desk.tail()}"
        self.account = self.desk.account_id = int(ready["account"])

    def run(self, seed: int, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
        """Run one schedule; return what the auditor said.

        `broken` is empty when everything is exact. `proved` says whether enough was traded; without that
        nothing counts as hit.
        """
        desk, self._hit, self._laid = self.desk, Counter(), []
        began = time.monotonic()
        self._account_open(seed)
        desk.inside(f"begin({self.account})")
        desk.ask("person", f"trade({self.account}, {seed}, {LASTS_S + 5}, {PACE_S}, {ENOUGH}, {PATIENCE_S})")
        desk.inside(f"wait_sent({self.account}, {ENOUGH[1]}, {FIRST_WITHIN_S})")
        opened = time.monotonic()
        faults = schedule_of(seed, without)
        self._trouble(faults)
        troubled = time.monotonic()
        person_said = desk.hear("person")
        self._calm()
        calm = time.monotonic()
        said = desk.inside(f"settle({self.account}, {CONVERGES_WITHIN_S})")
        after = desk.inside(f"sends_after_kill({self.account})")
        if after["broken"] or after["first_bytes_15_s_later"]:
            said["broken"] = [*said["broken"], f"I13 {after}"]
        left_s = CONVERGES_WITHIN_S - said["took"]
        while (idle := desk.not_running()) and (left_s := left_s - 1.0) > 0:
            time.sleep(1.0)
        said["broken"] = [*said["broken"], *(f"I20 {each}" for each in idle)]
        proved = person_said["wanted"] >= ENOUGH[0] and said["sent"] >= ENOUGH[1]
        return said | {
            "seed": seed, "person": person_said, "proved": proved, "faults": [f"{f.at_s:.1f} {f.name}" for f in faults],
            "hits": dict(self._hit) if proved else {},
            "lasted": [round(b - a, 1) for a, b in pairwise((began, opened, troubled, calm, time.monotonic()))],
        }  # fmt: skip

    def close(self) -> None:
        self.desk.end()

    def _calm(self) -> None:
        """Undo what the exchange and the points still hold, and count what was met."""
        desk = self.desk
        desk.relay.trouble(Trouble.NONE)
        self._met()
        desk.control("faults", method="DELETE")
        desk.control("mode", mode="normal")
        self._hit.update(f"crash {point}" for point in desk.disarm())
        desk.clock_set(0.0)
        desk.disk_free()

    def _met(self) -> None:
        """Count the exchange's rules that met something: those that ran out are not listed any more."""
        answer = self.desk.control("faults", method="GET")
        if "faults" in answer:
            idle = {rule["id"] for rule in answer["faults"] if not rule["hits"]}
            self._hit.update(name for name, number in self._laid if number not in idle)
        self._laid = []

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
        desk, end = self.desk, fault.at_s + fault.lasts_s
        if fault.kind == "point":
            desk.arm(fault.who)
            return
        if fault.kind == "exchange":
            self._lay(fault.who, random.Random(int(fault.at_s * 1000)))
            return
        if fault.kind == "kill":
            if fault.who == "sandbox":
                self._met()  # it will have forgotten
            done = desk.send(fault.who, signal.SIGKILL) is not None
        elif fault.kind == "pause":
            pid = desk.send(fault.who, signal.SIGSTOP)
            done = pid is not None
            if pid is not None:
                later(end, lambda: _continue(pid))
        elif fault.kind == "wire":
            desk.relay.trouble(Trouble(fault.who))
            later(end, lambda: desk.relay.trouble(Trouble.NONE))
            done = True
        elif fault.kind == "switch":
            desk.start_inside("kill_now()")
            done = True
        else:
            undo = hosts.begin(desk, fault)
            done = undo is not None
            if undo is not None:
                later(end, undo)
        self._hit[fault.name] += done

    def _lay(self, name: str, rng: random.Random) -> None:
        """Tell the exchange what to do wrong. A rule lasts until it was met often enough, or the schedule ends."""
        for _ in range(COPIES):
            call, body = CLASSES[name](rng)
            body.pop("seconds", None) if call == "faults" else None
            answer = self.desk.control(call, **body)
            if call != "faults":
                self._hit[name] += bool(answer)
                return
            if "id" in answer:
                self._laid.append((name, int(answer["id"])))


def _continue(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return
