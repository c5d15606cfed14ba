"""Loaded into the trader by the lateness benchmark: notes when each named tick began, and changes nothing."""

from __future__ import annotations

import os
import time
from typing import Any

from celery.signals import task_prerun

_file = open(os.environ["POLYBOT_LATENESS_FILE"], "a", buffering=1)  # noqa: SIM115 - open as long as the trader lives


@task_prerun.connect(weak=False)
def began(task_id: str = "", **_: Any) -> None:
    if task_id.startswith("due-"):
        _file.write(f"{task_id} {time.time():.6f}\n")
