#!/usr/bin/env python3
"""polybot's one entry point.

Outside the project's `.venv` it makes that environment from the hashed lock and starts
itself again inside. `up`, `status` and `test` belong to the supervisor; every other
command is Django's and finds a running desk through its data directory.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent


def main(arguments: list[str]) -> int:
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        print(f"error: polybot needs Python 3.11 to 3.13, this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    sys.path.insert(0, str(PROJECT))
    from polybot.supervisor import bootstrap

    command = arguments[0] if arguments else "help"
    try:
        if command != "status":  # status answers from the outside too, in any Python
            python = bootstrap.ensure(PROJECT, lock="dev" if command in ("test", "verify") else "run")
            if not bootstrap.is_inside(PROJECT):
                os.execv(python, [str(python), str(PROJECT / "manage.py"), *arguments])
    except bootstrap.BootstrapError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if command == "test":
        from polybot.supervisor.testing import run_tests

        return run_tests(arguments[1:], project=PROJECT)
    if command == "up":
        from polybot.supervisor.up import run_up

        return run_up(arguments[1:], project=PROJECT)
    if command == "status":
        from polybot.supervisor.status import run_status

        return run_status(arguments[1:], project=PROJECT)
    if command == "run_sandbox":  # no Django: it starts in half the time and memory
        from polybot.sandbox.main import main as run_sandbox

        return run_sandbox(arguments[1:])
    from polybot.supervisor.runtime import adopt_desk

    arguments = adopt_desk(arguments, project=PROJECT)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "polybot.settings.base")
    from django.core.management import execute_from_command_line

    execute_from_command_line([sys.argv[0], *arguments])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
