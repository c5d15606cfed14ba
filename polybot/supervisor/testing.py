"""`manage.py test`: throw-away stores in a temporary folder, pytest, and nothing left behind.

Without a path the whole suite runs in two halves side by side, each on stores of its own: the
desks, browsers and exchanges that `SLOW` starts mostly wait, while the other half mostly computes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from polybot.supervisor import stores

SLOW = ("tests/end_to_end", "tests/browser", "tests/polybot/sandbox", "tests/faults")
NO_TESTS_COLLECTED = 5  # pytest's exit code; fine for one half when -k or -m chose from the other


def run_tests(arguments: list[str], *, project: Path) -> int:
    """Run pytest with `arguments` on private stores (or DATABASE_URL / REDIS_URL); return its exit code."""
    shared = "DATABASE_URL" in os.environ or "REDIS_URL" in os.environ
    if shared or names_a_path(arguments, project=project):
        return _run(arguments, project=project)
    with tempfile.TemporaryFile("w+") as printed:
        codes: list[int] = []
        slow = threading.Thread(target=lambda: codes.append(_run([*SLOW, *arguments], project=project, output=printed)))
        slow.start()
        code = _run([*(f"--ignore={path}" for path in SLOW), *arguments], project=project)
        slow.join()
        printed.seek(0)
        print(f"\n=== {' '.join(SLOW)}, run beside the others", flush=True)
        shutil.copyfileobj(printed, sys.stdout)
        sys.stdout.flush()
    return exit_code([code, *codes])


def names_a_path(arguments: Sequence[str], *, project: Path) -> bool:
    return any((project / word.partition("::")[0]).exists() for word in arguments if not word.startswith("-"))


def exit_code(codes: Sequence[int]) -> int:
    """Return the first failure of the halves; a half that had nothing to run is none unless both had nothing."""
    failures = [code for code in codes if code not in (0, NO_TESTS_COLLECTED)]
    if failures:
        return failures[0]
    return 0 if 0 in codes else NO_TESTS_COLLECTED


def _run(arguments: list[str], *, project: Path, output: IO[str] | None = None) -> int:
    environment = dict(os.environ, DJANGO_SETTINGS_MODULE="polybot.settings.test")
    folder = Path(tempfile.mkdtemp(prefix="pbt-"))
    started: list[stores.Store] = []
    try:
        if "DATABASE_URL" not in environment:
            postgres = stores.postgres_store(data=folder, sockets=folder, throwaway=True)
            postgres.start()
            started.append(postgres)
        if "REDIS_URL" not in environment:
            valkey = stores.valkey_store(data=folder, sockets=folder, throwaway=True)
            valkey.start()
            started.append(valkey)
        for store in started:
            stores.store_wait(store)
        environment |= dict(stores.store_url(store) for store in started)
        command = [sys.executable, "-m", "pytest", *arguments]
        return subprocess.run(command, cwd=project, env=environment, stdout=output, stderr=output).returncode
    except stores.StoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        for store in reversed(started):
            store.stop()
        shutil.rmtree(folder, ignore_errors=True)
