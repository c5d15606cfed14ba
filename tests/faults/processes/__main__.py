"""`python -m tests.faults.processes --seeds 60 [--from 0] [--tally FILE]`: L2 at length.

A failure prints (L2, seed, commit); with `--shrink` it is tried again with one fault less at a time.
`--from SEED --seeds 1 --without "kill trader"` runs one schedule by hand. Several commands with seeds of their own
may run side by side: each has its own desks.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.faults import tally
from tests.faults.processes.campaign import Campaign
from tests.faults.processes.schedule import as_json, schedule_of
from tests.orders.model.shrink import commit, report, write

DESK_FOR = 15  # schedules on one desk


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--from", type=int, default=0, dest="start")
    parser.add_argument("--shrink", action="store_true", help="try a failing schedule with one fault less at a time")
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--tally", type=Path, help="append what each schedule hit to this file")
    parser.add_argument("--reports", type=Path, default=Path("fault-reports"))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the desk must not outlive its campaign
    runs: list[dict[str, Any]] = []
    began = time.monotonic()
    last = options.start + options.seeds
    while len(runs) < options.seeds:
        first = options.start + len(runs)
        with tempfile.TemporaryDirectory(prefix="pb-l2-") as folder:
            campaign = Campaign(Path(folder))
            try:
                campaign.start()
                for seed in range(first, min(first + DESK_FOR, last)):
                    runs.append(_run(campaign, seed, options))
            except (AssertionError, subprocess.TimeoutExpired, OSError) as error:
                broken = [f"the desk, or our hold on it, was lost: {type(error).__name__}: {str(error)[-1500:]}"]
                seed = options.start + len(runs)
                runs.append(_told({"seed": seed, "broken": broken, "proved": False, "hits": {}, "took": 0.0}, options))
            finally:
                campaign.close()
    failed = [run for run in runs if run["broken"]]
    idle = [run["seed"] for run in runs if not run["proved"]]
    print(
        f"{len(runs)} schedules, {len(failed)} failed, {len(idle)} proved nothing {idle or ''}, "
        f"{time.monotonic() - began:.0f} s, slowest convergence {max(run['took'] for run in runs):.1f} s"
    )
    print("hits:", ", ".join(f"{name} {count}" for name, count in sorted(tally.hits_of(runs).items())))
    return 1 if failed or idle else 0


def _run(campaign: Campaign, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    said = _told(campaign.run(seed, without=tuple(options.without)), options)
    if said["broken"]:
        campaign.desk.logs_keep(options.reports / f"l2_{seed}")
    if said["broken"] and options.shrink:
        _keep(campaign, seed, said["broken"], options.reports)
    return said


def _told(said: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Print one schedule and write it down."""
    print({key: value for key, value in said.items() if key != "broken"}, flush=True)
    where = f"(L2, {said['seed']}, {commit()})"
    for each in said["broken"]:
        print(f"{where}: {each}", flush=True)
    if not said["proved"]:
        print(f"{where} proved nothing: {said.get('person')}, sent {said.get('sent')}", flush=True)
    tally.append(
        options.tally, level="L2", seeds=[said["seed"]], commit=commit(), broken=said["broken"],
        proved=said["proved"], hits=said["hits"], converged_s=said["took"],
    )  # fmt: skip
    return said


def _keep(campaign: Campaign, seed: int, broken: list[str], reports: Path) -> None:
    """Write the schedule down, and which of its faults are not needed for a failure (each is tried once)."""
    left = [fault.name for fault in schedule_of(seed)]
    without: list[str] = []
    for name in dict.fromkeys(left):
        if campaign.run(seed, without=(*without, name))["broken"]:
            without.append(name)
    found = report("L2", seed, without, [name for name in left if name not in without], broken[0])
    print("smallest schedule:", write(reports, found | {"schedule": as_json(schedule_of(seed, tuple(without)))}))


if __name__ == "__main__":
    sys.exit(main())
