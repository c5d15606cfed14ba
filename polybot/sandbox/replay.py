"""Placeholder of the interface while the parsers land."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polybot.sandbox.announce import Announcer
from polybot.sandbox.core import Core
from polybot.sandbox.execution import Execution


class Replay:
    def __init__(
        self, core: Core, announcer: Announcer, execution: Execution, *, paths: tuple[Path, ...], speed: float
    ) -> None:
        raise NotImplementedError

    def step(self) -> None: ...

    def open_books(self) -> None: ...

    def saved(self) -> dict[str, Any] | None: ...

    def status(self) -> dict[str, object]: ...
