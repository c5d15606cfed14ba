"""Run the local exchange as its own process for a test, and stop exactly that process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

PROJECT = Path(__file__).resolve().parent.parent
READY_S = 30.0


@contextmanager
def running_exchange(*arguments: str, entry: tuple[str, ...] = ()) -> Iterator[dict[str, str]]:
    """Yield the URLs that `run_sandbox` prints; a free port is taken unless `arguments` name one."""
    command = [sys.executable, *(entry or (str(PROJECT / "manage.py"), "run_sandbox")), *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DJANGO")}
    process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    errors: list[bytes] = []
    lines: Queue[bytes] = Queue()
    readers = [
        threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True),
        threading.Thread(target=lambda: [lines.put(line) for line in process.stdout or ()], daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        try:
            first = lines.get(timeout=READY_S)
        except Empty:
            raise AssertionError(f"no line within {READY_S} s: {b''.join(errors).decode()[-2000:]}") from None
        yield json.loads(first)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for reader in readers:
            reader.join(timeout=2)
