"""A seam for tests that kill a process at a named step. Without POLYBOT_FAULTS it does nothing.

`POLYBOT_FAULTS=fill.moved` kills this process the first time it passes that point,
`fill.moved:3` the third time. Commas separate several points.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

_passed: Counter[str] = Counter()


def faultpoint(name: str) -> None:
    """End this process at once, without any clean-up, when the environment asks for it here."""
    plan = os.environ.get("POLYBOT_FAULTS")
    if not plan:
        return
    for item in plan.split(","):
        point, _, count = item.partition(":")
        if point == name:
            _passed[name] += 1
            if _passed[name] == int(count or 1):
                os.kill(os.getpid(), signal.SIGKILL)
