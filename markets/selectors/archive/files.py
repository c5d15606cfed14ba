"""One file of columns, back to back, made to be mapped into memory and never changed.

    64 bytes   "polybot-columns 1 <rows>\\n", filled up with zeros
    columns    in the order and with the types of the format, each beginning at a multiple of 64 bytes

Files are written beside their place, renamed and made read-only, so that a reader sees all of one or none. What the
columns are and what their SHA-256 must be stands in the manifest beside it.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ALIGN = 64
VERSION = 1
_BLOCK = 1 << 18  # rows handled at once

Column = npt.NDArray[Any]
Format = Mapping[str, np.dtype[Any]]


class ArchiveError(ValueError):
    """Recorded data that are not there or cannot be used, with what to do about it."""


def columns_digest(columns: Mapping[str, Column], format: Format, *, about: str = "") -> str:
    """Return the SHA-256 of `about`, and of every column with its name and type."""
    digest = hashlib.sha256(about.encode())
    for name, dtype in format.items():
        digest.update(f"\n{name} {dtype.str} {len(columns[name])}\n".encode())
        for block in columns_blocks(columns[name]):
            digest.update(block)
    return digest.hexdigest()


def columns_size(rows: int, format: Format) -> int:
    """Return how many bytes a file of so many rows has."""
    return columns_layout(rows, format)[1]


def columns_map(path: Path, rows: int, format: Format) -> dict[str, Column]:
    """Return the columns of a file, mapped read-only. Raises ArchiveError when it is missing or not as long as said."""
    offsets, size = columns_layout(rows, format)
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno()).st_size
            if found != size:
                raise ArchiveError(f"{path} has {found:,} bytes instead of {size:,}: it is damaged; import it again")
            mapped = mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ)
    except FileNotFoundError:
        raise ArchiveError(f"{path} is missing although its manifest is there; import it again") from None
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror or error}") from None
    head = mapped[:ALIGN].split(b"\n")[0].split()
    if head != [b"polybot-columns", str(VERSION).encode(), str(rows).encode()]:
        raise ArchiveError(f"{path} begins with {bytes(mapped[:24])!r}, not as a file of {rows:,} rows; import again")
    return {
        name: np.frombuffer(mapped, dtype=dtype, count=rows, offset=offsets[name]) for name, dtype in format.items()
    }


def columns_layout(rows: int, format: Format) -> tuple[dict[str, int], int]:
    """Return where each column begins, and the file's size."""
    offsets, at = {}, ALIGN
    for name, dtype in format.items():
        offsets[name] = at
        at += -(-rows * dtype.itemsize // ALIGN) * ALIGN
    return offsets, at


def columns_blocks(column: Column) -> Iterator[memoryview]:
    """Yield a column's bytes a part at a time: what is read or written need not fit in memory."""
    for first in range(0, len(column), _BLOCK):
        yield memoryview(np.ascontiguousarray(column[first : first + _BLOCK])).cast("B")
