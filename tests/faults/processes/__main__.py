"""`python -m tests.faults.processes --seeds 60 [--from 0]`: L2 at length.

A failure prints (L2, seed, commit); with `--shrink` it is tried again with one fault less at a time.
`--from SEED --seeds 1 --without "kill trader"` runs one schedule by hand.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults.processes.campaign import Campaign
from tests.faults.processes.schedule import EXCHANGE, PROCESSES, TROUBLES, as_json, schedule_of
from tests.orders.model.shrink import commit, report, write

DESK_FOR = 15  # schedules on one desk
ENOUGH = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--from", type=int, default=0, dest="start")
    parser.add_argument("--shrink", action="store_true", help="try a failing schedule with one fault less at a time")
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--reports", type=Path, default=Path("fault-reports"))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the desk must not outlive its campaign
    hit: Counter[str] = Counter()
    failed: list[int] = []
    took: list[float] = []
    began = time.monotonic()
    for first in range(options.start, options.start + options.seeds, DESK_FOR):
        with tempfile.TemporaryDirectory(prefix="pb-l2-") as folder:
            campaign = Campaign(Path(folder))
            try:
                campaign.start()
                for seed in range(first, min(first + DESK_FOR, options.start + options.seeds)):
                    said = campaign.run(seed, without=tuple(options.without))
                    took.append(said["took"])
                    print({key: value for key, value in said.items() if key != "broken"}, flush=True)
                    for each in said["broken"]:
                        print(f"(L2, {seed}, {commit()}): {each}", flush=True)
                    if said["broken"]:
                        failed.append(seed)
                        if options.shrink:
                            _keep(campaign, seed, said["broken"], options.reports)
            finally:
                hit += campaign.hit
                campaign.close()
    print(
        f"{options.seeds} schedules, {len(failed)} failed, {time.monotonic() - began:.0f} s, slowest {max(took):.0f} s"
    )
    print("hits:", ", ".join(f"{name} {count}" for name, count in sorted(hit.items())))
    wanted = {f"kill {who}" for who in PROCESSES} | {f"wire {who}" for who in TROUBLES} | {"flush valkey", "switch"}
    few = sorted(name for name in wanted if hit[name] < ENOUGH) if options.seeds >= 60 else []
    if few:
        print("too few hits:", few, "of the exchange's", len(EXCHANGE))
    return 1 if failed or few else 0


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
