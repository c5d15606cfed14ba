"""A result's columns as files: one per replay below `<data>/backtests/<run id>/`, written whole or not at all.

    result.npz              the main replay        trades.csv   its fills, for spreadsheets
    result.neutral.npz      another queue assumption

Arrays are stored as they are; everything else of a result is one JSON text among them. Nothing here is pickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import numpy as np
from django.conf import settings

from backtests.domain.result import BacktestResult

_REST = "rest"  # the name among the arrays of what is none


class ColumnsMissing(LookupError):
    """The files of a run are not there, or are not those that it wrote."""


def folder_of(run_id: int) -> Path:
    return Path(settings.POLYBOT_DATA) / "backtests" / str(int(run_id))


def result_digest(result: BacktestResult) -> str:
    """Return the SHA-256 of everything that a replay left behind: equal results have equal digests."""
    digest = hashlib.sha256(_rest(result).encode())
    for name, array in _arrays(result).items():
        digest.update(f"\n{name} {array.dtype.descr} {len(array)}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def result_save(run_id: int, result: BacktestResult, *, band: str = "") -> None:
    """Store a replay's columns, in the place of what an earlier attempt left there."""
    rest: Any = np.frombuffer(_rest(result).encode(), dtype=np.uint8)
    content = io.BytesIO()
    np.savez_compressed(content, **{_REST: rest}, **_arrays(result))
    file_write(run_id, _name(band), content.getvalue())


def result_load(run_id: int, *, band: str = "") -> BacktestResult:
    """Return what was stored. Raises ColumnsMissing."""
    path = folder_of(run_id) / _name(band)
    try:
        with np.load(path) as stored:  # no pickle is allowed in it: the default
            arrays = {name: stored[name] for name in stored.files if name != _REST}
            rest = json.loads(stored[_REST].tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ColumnsMissing(f"{path.name} of backtest {run_id} cannot be read: {error}") from None
    hints = get_type_hints(BacktestResult)
    return BacktestResult(**arrays, **{name: msgspec.convert(value, hints[name]) for name, value in rest.items()})


def files_delete(run_id: int) -> None:
    shutil.rmtree(folder_of(run_id), ignore_errors=True)


def file_write(run_id: int, name: str, content: bytes) -> None:
    """Put a file beside the columns: readers see the old one or the new one, never half of it."""
    folder = folder_of(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}.part"
    part.write_bytes(content)
    os.replace(part, folder / name)


def _name(band: str) -> str:
    return f"result.{band}.npz" if band else "result.npz"


def _arrays(result: BacktestResult) -> dict[str, Any]:
    values = {item.name: getattr(result, item.name) for item in fields(result)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


def _rest(result: BacktestResult) -> str:
    """Return everything that is no array; what is None is left to its default."""
    values = {item.name: getattr(result, item.name) for item in fields(result)}
    rest = {name: value for name, value in values.items() if value is not None and not isinstance(value, np.ndarray)}
    # Counts may come out of the arrays as numpy's own integers.
    return json.dumps(msgspec.to_builtins(rest, enc_hook=int), sort_keys=True, separators=(",", ":"))
