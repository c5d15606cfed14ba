"""From plain Python functions to machine code, once per installation: numba with a cache of its own on disk.

`compiled(function)` compiles the function and every function of ours that it calls by name. The original stays
what it is, so that tests can run the same lines uncompiled. `names` puts other functions in the place of those
that the source names: that is how a strategy's quote function gets into a loop. numba takes half a second to
import, so it is imported here only, when the first loop is wanted.

The cache lies in `<folder>/<digest>`: the digest covers the sources of all functions that were compiled into a
loop, numba and Python, so that a changed line can never meet the machine code of the old one.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, MappingProxyType
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

_PACKAGES = ("backtests.", "strategies.", "markets.", "tests.")
_INLINED = "compiled_into_callers"
_NONE: Mapping[str, Callable[..., Any]] = MappingProxyType({})
_folder: list[Path] = []
_digests: dict[tuple[Callable[..., Any], tuple[Any, ...]], str] = {}
_made: dict[tuple[Callable[..., Any], str], Any] = {}


def folder_set(folder: Path) -> None:
    """Keep machine code in `folder` from now on. Whoever sets up the application says where."""
    _folder[:] = [folder]


def cache_folder() -> Path:
    """Return where machine code is kept: what was set, else one folder per user beside other temporary files."""
    return _folder[0] if _folder else Path(tempfile.gettempdir()) / f"polybot-kernels-{os.getuid()}"


def inlined(function: Function) -> Function:
    """Mark a function whose call would cost more than its work: it is compiled into its callers."""
    setattr(function, _INLINED, True)
    return function


def compiled(function: Callable[..., Any], names: Mapping[str, Callable[..., Any]] = _NONE) -> Any:
    """Return `function` as a numba dispatcher, compiled at its first call or read from the cache."""
    return _compiled(function, names, _digest(function, names))


@contextmanager
def kept_with(function: Callable[..., Any]) -> Iterator[None]:
    """Let numba keep what is decorated inside where it keeps `function`."""
    from numba.core import config

    settings: Any = config
    before = settings.CACHE_DIR
    folder = cache_folder() / _digest(function, _NONE)
    folder.mkdir(parents=True, exist_ok=True)
    settings.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        settings.CACHE_DIR = before


def _digest(function: Callable[..., Any], names: Mapping[str, Callable[..., Any]]) -> str:
    import numba

    known = _digests.get((function, tuple(names.items())))
    if known is not None:
        return known
    digest = hashlib.sha256(f"{sys.version} {numba.__version__}".encode())
    parts = _parts(function, names, {})
    for part in sorted(parts, key=lambda one: f"{one.__module__}.{one.__qualname__}"):
        digest.update(inspect.getsource(part).encode())
        digest.update(repr(sorted(_constants(part).items())).encode())
    for name, part in sorted(names.items()):
        digest.update(f"{name}={part.__module__}.{part.__qualname__}".encode())
    found = _digests[function, tuple(names.items())] = digest.hexdigest()[:24]
    return found


def _compiled(function: Callable[..., Any], names: Mapping[str, Callable[..., Any]], digest: str) -> Any:
    known = _made.get((function, digest))
    if known is not None:
        return known
    import numba
    from numba.core import config

    replaced: dict[str, Any] = {
        name: _compiled(part, _NONE if name in names else names, digest)
        for name, part in _calls(function, names).items()
    }
    copy = FunctionType(function.__code__, {**function.__globals__, **replaced}, function.__name__)
    copy.__qualname__ = function.__qualname__
    copy.__module__ = function.__module__
    settings: Any = config
    before = settings.CACHE_DIR
    try:
        # numba asks for the folder when a function is decorated, not when it is compiled.
        folder = cache_folder() / digest
        folder.mkdir(parents=True, exist_ok=True)
        settings.CACHE_DIR = str(folder)
        # Without reference counts, which would cost more than the work: these loops make no arrays.
        njit: Any = numba.njit
        made = njit(cache=True, nogil=True, _nrt=False, forceinline=hasattr(function, _INLINED))(copy)
    finally:
        settings.CACHE_DIR = before
    _made[function, digest] = made
    return made


def _calls(function: Callable[..., Any], names: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """Return the functions of ours that `function` calls by name."""
    found: dict[str, Callable[..., Any]] = {}
    for name in function.__code__.co_names:
        part = names.get(name, function.__globals__.get(name))
        if isinstance(part, FunctionType) and part.__module__.startswith(_PACKAGES):
            found[name] = part
    return found


def _parts(
    function: Callable[..., Any], names: Mapping[str, Callable[..., Any]], seen: dict[Callable[..., Any], None]
) -> dict[Callable[..., Any], None]:
    if function not in seen:
        seen[function] = None
        for part in _calls(function, names).values():
            _parts(part, names, seen)
    return seen


def _constants(function: Callable[..., Any]) -> dict[str, str]:
    """Return the numbers that `function` takes from its module: they are compiled in."""
    return {
        name: repr(value)
        for name in function.__code__.co_names
        if isinstance(value := function.__globals__.get(name), int | float | str | tuple)
    }
