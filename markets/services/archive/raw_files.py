"""Our recorder's files as they lie on the disk: complete gzip members from a place on, and where they end."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markets.services.archive.lines import header_read

_BLOCK = 1 << 20


def members(path: Path, start: int, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield (where the member ends, its text) for every complete member between two places.

    A member that is still being written, or was cut off, ends the reading. Raises OSError, and zlib.error for bytes
    that are no member.
    """
    with path.open("rb") as file:
        file.seek(start)
        at, rest = start, b""
        unpacker, text = zlib.decompressobj(wbits=31), []
        while end is None or at < end:
            block = rest or file.read(_BLOCK)
            if not block:
                return
            text.append(unpacker.decompress(block))
            if not unpacker.eof:
                rest = b""
                at += len(block)
                continue
            rest = unpacker.unused_data
            at += len(block) - len(rest)
            yield at, b"".join(text)
            unpacker, text = zlib.decompressobj(wbits=31), []


def header_of(path: Path) -> dict[str, Any]:
    """Return the file's first line; nothing where there is none yet."""
    for _, text in members(path, 0):
        return header_read(text.split(b"\n", 1)[0])
    return {}
