"""`python -m tests.faults.measures kill|race`: the two measurements at length, on throw-away stores."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
NAMES = {"kill": "test_nothing_is_sent_after_a_kill", "race": "test_eight_processes_never_overshoot_one_limit"}


def main() -> int:
    names = sys.argv[1:] or sorted(NAMES)
    tests = [f"tests/faults/test_measures.py::{NAMES[name]}" for name in names]
    command = [sys.executable, str(PROJECT / "manage.py"), "test", *tests, "-q", "-s"]
    return subprocess.run(command, cwd=PROJECT, env=os.environ | {"POLYBOT_MEASURE": "1"}).returncode


if __name__ == "__main__":
    sys.exit(main())
