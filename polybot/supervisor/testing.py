"""`manage.py test`: throw-away stores in a temporary folder, pytest, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from polybot.supervisor import stores


def run_tests(arguments: list[str], *, project: Path) -> int:
    """Run pytest with `arguments` on private stores (or DATABASE_URL / REDIS_URL); return its exit code."""
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
        return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=project, env=environment).returncode
    except stores.StoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        for store in reversed(started):
            store.stop()
        shutil.rmtree(folder, ignore_errors=True)
