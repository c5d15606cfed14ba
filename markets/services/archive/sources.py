"""Files to import: what kind they are by their content, and their lines, plain or gzipped, whole or cut short."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from markets.selectors.archive.files import ArchiveError
from markets.services.archive.report import ImportReport

_HEAD = 65_536
_GZIP = b"\x1f\x8b"
_NOT_READ = (".md", ".tsv", ".txt", ".part", ".tmp")


@dataclass(frozen=True)
class Source:
    """One file. What it is called says nothing; `head` and `columns` do."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def is_parquet(self) -> bool:
        try:
            with self.path.open("rb") as file:
                return file.read(4) == b"PAR1"
        except OSError as error:
            raise ArchiveError(f"{self.path} cannot be read: {error.strerror or error}") from None

    @cached_property
    def head(self) -> bytes:
        """The first bytes, unpacked; nothing of a Parquet file."""
        if self.is_parquet:
            return b""
        try:
            with self.path.open("rb") as file:
                start = file.read(_HEAD)
            return zlib.decompressobj(wbits=31).decompress(start, _HEAD) if start[:2] == _GZIP else start
        except (OSError, zlib.error) as error:
            raise ArchiveError(f"{self.path} cannot be read: {error}") from None

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Column names of a Parquet or CSV file."""
        if self.is_parquet:
            return tuple(self.parquet().schema_arrow.names)
        first = self.head.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
        return tuple(first.split(",")) if "," in first and not first.startswith(("{", "[")) else ()

    @property
    def is_json(self) -> bool:
        return self.head.lstrip()[:1] in (b"{", b"[")

    def parquet(self) -> pq.ParquetFile:
        """Return the file as Parquet. Raises ArchiveError when it is damaged."""
        try:
            return pq.ParquetFile(self.path)
        except (pa.ArrowException, OSError) as error:
            raise ArchiveError(f"{self.path} cannot be read as Parquet: {str(error)[:120]}") from None

    def open(self) -> IO[bytes]:
        with self.path.open("rb") as file:
            packed = file.read(2) == _GZIP
        return gzip.open(self.path, "rb") if packed else self.path.open("rb")  # type: ignore[return-value]

    def lines(self, report: ImportReport) -> Iterator[tuple[int, bytes]]:
        """Yield numbered lines. A file that was cut short gives what it has, and the report says so."""
        number = 0
        try:
            with self.open() as file:
                for number, line in enumerate(file, 1):
                    yield number, line
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            report.refuse(f"{self.name}:{number + 1}", f"the file is damaged from here on ({error}); the rest is lost")
        except OSError as error:
            raise ArchiveError(f"{self.path} cannot be read: {error.strerror or error}") from None


def find_sources(paths: list[Path]) -> list[Source]:
    """Return the files that the paths name; folders are searched. Raises ArchiveError where nothing is."""
    found: list[Source] = []
    for path in paths:
        if path.is_dir():
            inside = (p for p in sorted(path.rglob("*")) if p.is_file() and not p.name.startswith("."))
            found += [Source(p) for p in inside if p.suffix not in _NOT_READ]
        elif path.exists():
            found.append(Source(path))
        else:
            raise ArchiveError(f"{path} does not exist; give files or folders of recordings")
    if not found:
        raise ArchiveError(f"there is no file in {', '.join(str(path) for path in paths)}")
    return found
