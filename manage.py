#!/usr/bin/env python3
"""polybot's one entry point.

Outside the project's `.venv` it makes that environment from the hashed lock and starts
itself again inside. `up`, `status`, `test` and `verify` belong to the supervisor and
`run_sandbox` to the local exchange: they load no Django. Every other command is
Django's, and finds a running desk through its data directory (`--data DIR`).
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
WITHOUT_DJANGO = {
    "up": "polybot.supervisor.up:run_up",
    "status": "polybot.supervisor.status:run_status",
    "test": "polybot.supervisor.testing:run_tests",
    "verify": "polybot.supervisor.verify:run_verify",
}
DEVELOPING = ("test", "verify", "benchmark_signing", "benchmark_sending")  # these need the development lock


def main(arguments: list[str]) -> int:
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        print(f"error: polybot needs Python 3.11 to 3.13, this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    sys.path.insert(0, str(PROJECT))
    command = arguments[0] if arguments else "help"
    if command != "status" and not _is_ready(command, arguments):  # status answers in any Python
        return 2
    if place := WITHOUT_DJANGO.get(command):
        module, _, name = place.partition(":")
        return int(getattr(import_module(module), name)(arguments[1:], project=PROJECT))
    if command == "run_sandbox":
        return int(import_module("polybot.sandbox.main").main(arguments[1:]))
    from polybot.supervisor.runtime import adopt_desk

    arguments = adopt_desk(arguments, project=PROJECT)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "polybot.settings.base")
    from django.core.management import execute_from_command_line

    execute_from_command_line([sys.argv[0], *arguments])
    return 0


def _is_ready(command: str, arguments: list[str]) -> bool:
    """Be inside the virtual environment, or say why not. From outside this call does not come back."""
    from polybot.supervisor import bootstrap

    try:
        python = bootstrap.ensure(PROJECT, lock="dev" if command in DEVELOPING else "run")
    except bootstrap.BootstrapError as error:
        print(f"error: {error}", file=sys.stderr)
        return False
    if not bootstrap.is_inside(PROJECT):
        os.execv(python, [str(python), str(PROJECT / "manage.py"), *arguments])  # noqa: S606
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
