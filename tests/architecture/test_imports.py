"""The import contract of pyproject.toml holds, and the pure parts start without any framework."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.files import PROJECT, python_files, text

FRAMEWORKS = ("django", "celery", "redis", "channels", "rest_framework", "kombu", "twisted")


def test_the_import_contract_is_kept() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([str(linter), "--no-cache"], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


@pytest.mark.parametrize(
    "modules",
    [
        ["markets.domain", "orders.domain", "risk.domain", "risk.rules", "strategies.domain", "strategies.library"],
        ["markets.venues.simulated", "polybot.sandbox"],
        ["polybot.supervisor"],
    ],
    ids=["core", "local exchange", "supervisor"],
)
def test_it_starts_without_a_framework(modules: list[str]) -> None:
    folders = tuple(module.replace(".", "/") for module in modules)
    names = [
        str(path.with_suffix("")).replace("/", ".").removesuffix(".__init__")
        for path in python_files()
        if str(path).startswith(folders)
    ]
    assert names
    code = f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
    code += f"print([name for name in {FRAMEWORKS!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr[-1500:]


def test_the_supervisor_needs_the_standard_library_only() -> None:
    foreign = []
    for path in python_files():
        if path.parts[:2] != ("polybot", "supervisor") or path.name == "figures.py":
            continue
        for node in ast.walk(ast.parse(text(path))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            tops = {name.partition(".")[0] for name in names}
            foreign += [f"{path}: {top}" for top in tops if top not in sys.stdlib_module_names and top != "polybot"]
    assert not foreign
