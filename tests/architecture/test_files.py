"""How files may look: short, named after what they know, and free of one machine's traces."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.files import PROJECT, python_files, text, tracked

LONGEST = 400
COUNTED = {".py", ".html", ".js", ".css"}
# Written in pieces, so that this file does not contain what it looks for.
REGISTRY_HOSTS = [
    "py" + "pi.org", "python" + "hosted.org", "registry." + "npmjs", "registry." + "yarnpkg", "/sim" + "ple/",
    "--index" + "-url", "--extra-index" + "-url", "arti" + "factory", "dev" + "pi/",
]  # fmt: skip
MACHINE_PATHS = [r"/wo" + r"rk/(main|shared|\.)", r"/tmp" + r"/pb", r"/ro" + r"ot/\.pyenv", r"/ho" + r"me/[a-z]+/"]


def _is_counted(path: Path) -> bool:
    return path.suffix in COUNTED and "migrations" not in path.parts


def test_no_file_is_longer_than_one_idea() -> None:
    long = {str(p): n for p in tracked() if _is_counted(p) and (n := text(p).count("\n")) > LONGEST}
    assert not long, f"split these by use case: {long}"


def test_no_drawer_for_odds_and_ends() -> None:
    drawers = [str(p) for p in python_files() if p.stem in ("utils", "util", "helpers", "common", "misc")]
    assert not drawers, f"name each after what it knows: {drawers}"


@pytest.mark.parametrize("host", REGISTRY_HOSTS)
def test_no_package_registry_is_named(host: str) -> None:
    assert not _files_with(re.escape(host))


@pytest.mark.parametrize("path", MACHINE_PATHS)
def test_no_path_of_one_machine_is_named(path: str) -> None:
    assert not _files_with(path)


def test_locks_are_hashed() -> None:
    for name in ("run", "dev"):
        lock = text(Path("polybot/requirements") / f"{name}.txt")
        pinned = re.findall(r"^[a-z0-9][\w.\[\]-]*==\S+.*\\$", lock, re.MULTILINE | re.IGNORECASE)
        assert len(pinned) > 20
        assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", lock)) >= len(pinned)


def test_the_development_lock_holds_the_versions_of_the_other_one() -> None:
    pins = {name: dict(re.findall(r"^([a-z0-9][\w.-]*)(?:\[[^]]*\])?==(\S+)", text(Path(f"polybot/requirements/{name}.txt")), re.MULTILINE | re.IGNORECASE)) for name in ("run", "dev")}  # fmt: skip  # noqa: E501
    assert {name: pins["dev"].get(name) for name in pins["run"]} == pins["run"]


def test_every_module_says_what_it_owns() -> None:
    silent = [
        str(path)
        for path in python_files()
        if path.name not in ("__init__.py", "apps.py", "urls.py") and "migrations" not in path.parts
        and not ast.get_docstring(ast.parse(text(path)))
    ]  # fmt: skip
    assert not silent, f"begin with a sentence: {silent}"


def test_nothing_unfinished_is_left() -> None:
    mark = r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b"
    assert not _files_with(mark, only={".py", ".html", ".js", ".css", ".md", ".toml", ".yml"})


def _files_with(pattern: str, *, only: set[str] | None = None) -> list[str]:
    expression = re.compile(pattern)
    found = []
    for path in tracked():
        if only is not None and path.suffix not in only:
            continue
        content = (PROJECT / path).read_bytes()
        if b"\0" in content[:4096]:
            continue
        for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
            if expression.search(line):
                found.append(f"{path}:{number}: {line.strip()[:100]}")
    return found
