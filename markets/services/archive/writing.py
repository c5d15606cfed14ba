"""Writes files of the archive: beside their place, then renamed and read-only. Readers see all of one or none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from markets.selectors.archive.files import (
    ALIGN,
    VERSION,
    ArchiveError,
    Column,
    Format,
    columns_blocks,
    columns_layout,
)


def columns_write(path: Path, columns: Mapping[str, Column], format: Format, *, durable: bool) -> None:
    """Write the columns to `path`, all or nothing. `durable` waits until the disk has them."""
    rows = len(columns[next(iter(format))])
    offsets, size = columns_layout(rows, format)
    with replacing(path, durable=durable) as handle, os.fdopen(os.dup(handle), "wb") as file:
        file.write(f"polybot-columns {VERSION} {rows}\n".encode().ljust(ALIGN, b"\0"))
        for name in format:
            file.seek(offsets[name])
            for block in columns_blocks(columns[name]):
                file.write(block)
        file.truncate(size)


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
