"""Imported by every Python process of an L2 desk: its wall clock is off by what the file of POLYBOT_TEST_CLOCK says.

The database and the exchange keep the true time, and so does the monotonic clock.
"""

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder

_FILE = os.environ.get("POLYBOT_TEST_CLOCK", "")
_LOOK_EVERY_S = 0.1
_true_time, _true_time_ns = time.time, time.time_ns
_known = [-1.0, 0.0]  # when it was looked at (monotonic), seconds ahead


def _ahead() -> float:
    now = time.monotonic()
    if now - _known[0] >= _LOOK_EVERY_S:
        _known[0] = now
        try:
            with open(_FILE) as file:
                _known[1] = float(file.read() or 0)
        except (OSError, ValueError):
            _known[1] = 0.0
    return _known[1]


class _DjangoClock(MetaPathFinder):
    """Shifts `django.utils.timezone.now` when that module is loaded: `datetime` itself cannot be changed."""

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        if name != "django.utils.timezone":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module):  # type: ignore[no-untyped-def]
                execute(module)
                module.now = lambda: datetime.now(UTC) + timedelta(seconds=_ahead())

            spec.loader.exec_module = exec_module
        return spec


if _FILE and "run_sandbox" not in sys.orig_argv:
    time.time = lambda: _true_time() + _ahead()
    time.time_ns = lambda: _true_time_ns() + int(_ahead() * 1_000_000_000)
    sys.meta_path.insert(0, _DjangoClock())
