"""A seam for tests that end a process at a named step. Without POLYBOT_FAULTS and without a hook it does nothing.

`POLYBOT_FAULTS=fill.moved` kills this process the first time it passes that point,
`fill.moved:3` the third time. Commas separate several points. A test of several processes names a folder
in POLYBOT_FAULTS_FOLDER instead: the first process that passes a point after which a file there is named
takes that file away (it is `<point>.<pid>` then) and dies. A test inside one process installs a hook,
which may raise `Crash` where the process would have died.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable

_passed: Counter[str] = Counter()
_hooks: list[Callable[[str], None]] = []


class Crash(BaseException):
    """What follows did not happen: the worker died here. No `except Exception` may survive it."""


def faultpoint(name: str) -> None:
    """End this process at once, without any clean-up, when the environment asks for it here."""
    if _hooks:
        for hook in list(_hooks):
            hook(name)
    if plan := os.environ.get("POLYBOT_FAULTS"):
        for item in plan.split(","):
            point, _, count = item.partition(":")
            if point == name:
                _passed[name] += 1
                if _passed[name] == int(count or 1):
                    os.kill(os.getpid(), signal.SIGKILL)
    if (folder := os.environ.get("POLYBOT_FAULTS_FOLDER")) and _taken(folder, name):
        os.kill(os.getpid(), signal.SIGKILL)


def _taken(folder: str, name: str) -> bool:
    """Whether this process is the one that takes the point's file: a rename succeeds once."""
    armed = os.path.join(folder, name)
    try:
        os.rename(armed, f"{armed}.{os.getpid()}")
    except OSError:
        return False
    return True


def hook_install(hook: Callable[[str], None]) -> Callable[[], None]:
    """Call `hook` with the name of every point that is passed from now on; return what takes it away again."""
    _hooks.append(hook)
    return lambda: _hooks.remove(hook)
