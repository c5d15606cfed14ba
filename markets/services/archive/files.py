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
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ALIGN = 64
VERSION = 1
_BLOCK = 1 << 18  # rows handled at once: what is written need not fit in memory

Column = npt.NDArray[Any]
Format = Mapping[str, np.dtype[Any]]


class ArchiveError(ValueError):
    """Recorded data that are not there or cannot be used, with what to do about it."""


def columns_digest(columns: Mapping[str, Column], format: Format, *, about: str = "") -> str:
    """Return the SHA-256 of `about`, and of every column with its name and type."""
    digest = hashlib.sha256(about.encode())
    for name, dtype in format.items():
        digest.update(f"\n{name} {dtype.str} {len(columns[name])}\n".encode())
        for block in _blocks(columns[name]):
            digest.update(block)
    return digest.hexdigest()


def columns_size(rows: int, format: Format) -> int:
    """Return how many bytes a file of so many rows has."""
    return _layout(rows, format)[1]


def columns_write(path: Path, columns: Mapping[str, Column], format: Format, *, durable: bool) -> None:
    """Write the columns to `path`, all or nothing. `durable` waits until the disk has them."""
    rows = len(columns[next(iter(format))])
    offsets, size = _layout(rows, format)
    with replacing(path, durable=durable) as handle, os.fdopen(os.dup(handle), "wb") as file:
        file.write(f"polybot-columns {VERSION} {rows}\n".encode().ljust(ALIGN, b"\0"))
        for name in format:
            file.seek(offsets[name])
            for block in _blocks(columns[name]):
                file.write(block)
        file.truncate(size)


def columns_map(path: Path, rows: int, format: Format) -> dict[str, Column]:
    """Return the columns of a file, mapped read-only. Raises ArchiveError when it is missing or not as long as said."""
    offsets, size = _layout(rows, format)
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


class replacing:
    """`with replacing(path) as handle:` an open file that takes the place of `path` if the block ends well."""

    def __init__(self, path: Path, *, durable: bool) -> None:
        self._path, self._durable = path, durable

    def __enter__(self) -> int:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._handle, self._written = tempfile.mkstemp(prefix=".writing-", dir=self._path.parent)
        except OSError as error:
            raise ArchiveError(f"cannot write to {self._path.parent}: {error.strerror or error}") from None
        return self._handle

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        try:
            if error is None:
                os.fchmod(self._handle, 0o444)
                if self._durable:
                    os.fsync(self._handle)
                os.replace(self._written, self._path)
                return
        except OSError as fault:
            error = fault
        finally:
            os.close(self._handle)
            with suppress(OSError):
                os.unlink(self._written)
        if isinstance(error, OSError):
            raise ArchiveError(f"cannot write {self._path}: {error.strerror or error}") from error


def _layout(rows: int, format: Format) -> tuple[dict[str, int], int]:
    offsets, at = {}, ALIGN
    for name, dtype in format.items():
        offsets[name] = at
        at += -(-rows * dtype.itemsize // ALIGN) * ALIGN
    return offsets, at


def _blocks(column: Column) -> Iterator[memoryview]:
    for first in range(0, len(column), _BLOCK):
        yield memoryview(np.ascontiguousarray(column[first : first + _BLOCK])).cast("B")
