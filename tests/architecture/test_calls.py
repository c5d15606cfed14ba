"""What the linter of imports cannot see: calls by name, models fetched upwards, tasks that carry more than ids."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.files import LINE, python_files, text


def _calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Every call in a file with the last word of what is called."""
    for node in ast.walk(ast.parse(text(path))):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Attribute):
                yield function.attr, node
            elif isinstance(function, ast.Name):
                yield function.id, node


def _allowed(app: str) -> tuple[str, ...]:
    return LINE[LINE.index(app) :]


def test_no_task_is_sent_by_its_name() -> None:
    found = [f"{path}:{call.lineno}" for path in python_files() for name, call in _calls(path) if name == "send_task"]
    assert not found, f"import the task and call .delay: {found}"


def test_no_model_is_fetched_from_an_app_above() -> None:
    found = []
    for path in python_files():
        if "migrations" in path.parts:
            continue
        for name, call in _calls(path):
            if name != "get_model" or not call.args or not isinstance(call.args[0], ast.Constant):
                continue
            app = str(call.args[0].value).partition(".")[0]
            if app in LINE and app not in _allowed(path.parts[0]):
                found.append(f"{path}:{call.lineno}: {app}")
    assert not found


def test_foreign_keys_point_down_the_line_only() -> None:
    found = []
    for path in python_files():
        if "migrations" in path.parts or "models" not in (path.stem, *path.parts):
            continue
        for name, call in _calls(path):
            if name not in ("ForeignKey", "OneToOneField", "ManyToManyField") or not call.args:
                continue
            target = call.args[0]
            if isinstance(target, ast.Constant) and "." in str(target.value):
                app = str(target.value).partition(".")[0]
                if app in LINE and app not in _allowed(path.parts[0]):
                    found.append(f"{path}:{call.lineno}: {app}")
    assert not found


def test_tasks_take_ids_only() -> None:
    """Arguments travel in clear text in the broker, and a row may have changed since: ids, never values."""
    found = []
    for path in python_files():
        if path.name != "tasks.py":
            continue
        for node in ast.walk(ast.parse(text(path))):
            if not isinstance(node, ast.FunctionDef) or not _is_task(node):
                continue
            for argument in [*node.args.args, *node.args.kwonlyargs]:
                is_id = argument.arg == "self" or argument.arg.endswith(("_id", "_ids"))
                words = ast.unparse(argument.annotation) if argument.annotation else ""
                if not is_id or (argument.arg != "self" and words not in ("int", "list[int]", "str", "list[str]")):
                    found.append(f"{path}:{node.lineno}: {node.name}({argument.arg}: {words})")
    assert not found


def _is_task(node: ast.FunctionDef) -> bool:
    return any("shared_task" in ast.unparse(decorator) for decorator in node.decorator_list)


def test_tasks_are_safe_to_lose_and_repeat() -> None:
    """Every task acknowledges late (by itself or by the setting) and none retries blindly or waits long."""
    found = [
        f"{path}:{call.lineno}"
        for path in python_files()
        for name, call in _calls(path)
        if (path.name == "tasks.py" and name in ("retry", "sleep")) or (name == "apply_async" and _waits(call))
    ]
    assert not found


def _waits(call: ast.Call) -> bool:
    return any(
        word.arg in ("countdown", "eta") and not (isinstance(word.value, ast.Constant) and int(word.value.value) <= 60)
        for word in call.keywords
    )


def test_no_pickle_and_no_code_from_text() -> None:
    names = {"eval", "exec", "__import__"}
    found = [
        f"{path}:{call.lineno}: {name}"
        for path in python_files()
        for name, call in _calls(path)
        if name in names and isinstance(call.func, ast.Name)
    ]
    imports = [
        f"{path}:{node.lineno}"
        for path in python_files()
        for node in ast.walk(ast.parse(text(path)))
        if isinstance(node, ast.Import) and any(alias.name in ("pickle", "marshal") for alias in node.names)
    ]
    assert not found + imports
