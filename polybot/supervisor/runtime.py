"""The data directory and the file in it that tells other commands where a desk runs.

`desk.json` (mode 0600) holds the supervisor's process id and the environment its
children were given: store addresses, ports, venue hosts. It is removed at a clean stop.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

DESK_FILE = "desk.json"


def data_directory(named: str | None, *, project: Path) -> Path:
    return Path(named or os.environ.get("POLYBOT_DATA") or project / "var").expanduser().resolve()


def desk_read(data: Path) -> dict[str, Any] | None:
    """Return what `up` wrote, or None when no desk was started there or it stopped cleanly."""
    try:
        found = json.loads((data / DESK_FILE).read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def desk_write(data: Path, content: dict[str, Any]) -> None:
    part = data / f"{DESK_FILE}.part"
    part.touch(mode=0o600)
    part.write_text(json.dumps(content, indent=1))
    part.replace(data / DESK_FILE)


def desk_remove(data: Path) -> None:
    (data / DESK_FILE).unlink(missing_ok=True)


def process_is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def adopt_desk(arguments: list[str], *, project: Path) -> list[str]:
    """Take `--data DIR` out of `arguments` and give this process the environment of the desk found there."""
    rest: list[str] = []
    named: str | None = None
    words = iter(arguments)
    for word in words:
        if word == "--data":
            named = next(words, None)
        elif word.startswith("--data="):
            named = word.partition("=")[2]
        else:
            rest.append(word)
    data = data_directory(named, project=project)
    os.environ.setdefault("POLYBOT_DATA", str(data))
    desk = desk_read(data)
    if desk is not None:
        for key, value in desk.get("environment", {}).items():
            os.environ.setdefault(key, value)
    return rest
