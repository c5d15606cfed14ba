"""`python -m tests.faults.services --seeds 500 [--from 0] [--tally FILE]`: L1 at length.

It makes throw-away stores of its own. A failure repeats with its group: `--from FIRST --seeds 20`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--from", type=int, default=0, dest="start")
    parser.add_argument("--tally", type=Path, help="append what each group hit to this file")
    options = parser.parse_args()
    environment = os.environ | {"POLYBOT_L1_SEEDS": str(options.seeds), "POLYBOT_L1_FROM": str(options.start)}
    if options.tally is not None:
        environment["POLYBOT_L1_TALLY"] = str(options.tally.resolve())
    command = [sys.executable, str(PROJECT / "manage.py"), "test", "tests/faults/services/test_services.py", "-q", "-s"]
    return subprocess.run(command, cwd=PROJECT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
