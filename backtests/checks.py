"""What must hold for backtests to run: their queue is apart, and their folders can be written.

`manage.py check` shows it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

QUEUE = "backtests"
REPLAYS = ("backtests.tasks.run_backtest", "backtests.tasks.run_trial")


@register("backtests")
def backtests_check(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    for task in REPLAYS:
        route = settings.CELERY_TASK_ROUTES.get(task, {})
        if route.get("queue") != QUEUE:
            hint = f'Route it to "{QUEUE}" in CELERY_TASK_ROUTES: a replay of hours would hold up what trades.'
            problems.append(Error(f"{task} runs on the queue {route.get('queue')!r}.", hint=hint, id="backtests.E001"))
    for name in (Path(settings.POLYBOT_DATA) / "backtests", Path(settings.ARCHIVE_DIR)):
        nearest = next((folder for folder in (name, *name.parents) if folder.exists()), None)
        if nearest is None or not os.access(nearest, os.W_OK):
            hint = "Give its owner the right to write there, or set POLYBOT_DATA or POLYBOT_ARCHIVE_DIR."
            problems.append(Warning(f"{name} cannot be written.", hint=hint, id="backtests.W001"))
    return problems
