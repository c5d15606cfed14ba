"""The project's own files: what git tracks, or everything that is not ignored where there is no git."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
APPS = ("alerts", "markets", "orders", "risk", "strategies", "backtests", "polybot")
LINE = ("polybot", "backtests", "strategies", "risk", "orders", "markets", "alerts")  # left may import right


@cache
def tracked() -> tuple[Path, ...]:
    """Return the files of a commit made now, as paths below the project."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True)
    if done.returncode == 0:
        names = [name for name in done.stdout.decode().split("\0") if name]
        return tuple(sorted(Path(name) for name in names if (PROJECT / name).is_file()))
    found = (path.relative_to(PROJECT) for path in PROJECT.rglob("*") if path.is_file())
    hidden = {
        ".venv",
        ".git",
        "var",
        "__pycache__",
        "node_modules",
        ".mypy_cache",
        ".ruff_cache",
        ".import_linter_cache",
    }
    return tuple(sorted(path for path in found if not hidden.intersection(path.parts) and path.suffix != ".pyc"))


def python_files(*, tests: bool = False) -> tuple[Path, ...]:
    roots = (*APPS, "tests") if tests else APPS
    return tuple(path for path in tracked() if path.suffix == ".py" and path.parts[0] in roots)


def text(path: Path) -> str:
    return (PROJECT / path).read_text()
