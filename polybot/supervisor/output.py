"""One stream of lines from many processes: a coloured name before each line, and a file per process in logs/."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO

_COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
_LARGEST_LOG = 10_000_000  # bytes; then the file becomes <name>.log.1 and a new one begins


class Output:
    """Prints the children's lines and keeps them. A terminal that went away silences printing, nothing else."""

    def __init__(self, folder: Path, *, stream: TextIO | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._stream = stream or sys.stdout
        self._colour = self._stream.isatty() and not os.environ.get("NO_COLOR")
        self._files: dict[str, tuple[int, int]] = {}  # name -> (descriptor, bytes written)

    def child(self, name: str, line: str) -> None:
        self.keep(name, line)
        label = f"{name:<9}│"
        if self._colour:
            label = f"\x1b[{_COLOURS[sum(name.encode()) % len(_COLOURS)]}m{label}\x1b[0m"
        self._print(f"{label} {line}")

    def say(self, text: str) -> None:
        """The supervisor's own words."""
        self.keep("up", text)
        label = "polybot  │"
        self._print(f"\x1b[1m{label}\x1b[0m {text}" if self._colour else f"{label} {text}")

    def plain(self, text: str) -> None:
        """A line other programs look for: no name before it, no colour in it, and not kept in a file."""
        self._print(text)

    def close(self) -> None:
        for descriptor, _ in self._files.values():
            os.close(descriptor)
        self._files.clear()

    def _print(self, text: str) -> None:
        try:
            print(text, file=self._stream, flush=True)
        except (OSError, ValueError):
            self._stream = open(os.devnull, "w")  # noqa: SIM115  the reader has gone; the desk has not

    def keep(self, name: str, line: str) -> None:
        """Write a line to the file of `name` only."""
        content = (line + "\n").encode(errors="replace")
        try:
            descriptor, written = self._files.get(name) or self._open(name)
            if written > _LARGEST_LOG:
                os.close(descriptor)
                path = self._folder / f"{name}.log"
                path.replace(self._folder / f"{name}.log.1")
                descriptor, written = self._open(name)
            os.write(descriptor, content)
            self._files[name] = (descriptor, written + len(content))
        except OSError:
            return  # a full disk must not stop the supervisor

    def _open(self, name: str) -> tuple[int, int]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self._folder / f"{name}.log", flags, 0o600)
        self._files[name] = (descriptor, os.fstat(descriptor).st_size)
        return self._files[name]
