"""No event is written where no transaction is open: tests run inside one, so only reading the code can tell.

Functions are followed through their callers, by what a module defines and imports. What reaches the journal
without an `atomic` on the way, and is called by nobody, is an entry that would raise in a running desk.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.files import python_files, text

Name = tuple[str, str]  # module, function

JOURNAL: Name = ("alerts.services.journal", "event_record")
OPENS = ("atomic", "events_together")
# Methods of values that live inside a transaction somebody else opened: `GateDesk.open`.
INSIDE = {("risk.services.gate", "GateAccount.record"), ("risk.services.verdicts", "VerdictBook.flush")}
# Called through a variable in `legs._book`, which runs inside its caller's transaction.
INSIDE |= {("orders.services.fills", "fill_failed")}


class _Module:
    """The calls of one file, each with its function and whether a transaction is open around it."""

    def __init__(self, path: Path) -> None:
        self.name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        self.tree = ast.parse(text(path))
        self.imported: dict[str, Name] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                self.imported |= {a.asname or a.name: (node.module, a.name) for a in node.names}
        self.local = {n.name for n in self.tree.body if isinstance(n, ast.FunctionDef)}

    def calls(self) -> Iterator[tuple[Name, Name, bool]]:
        """Yield (what is called, by whom, whether inside a transaction)."""
        for node in self.tree.body:
            yield from self._walk(node, owner=None, class_name="", inside=False)

    def _walk(
        self, node: ast.AST, *, owner: Name | None, class_name: str, inside: bool
    ) -> Iterator[tuple[Name, Name, bool]]:
        if isinstance(node, ast.ClassDef):
            owner, class_name, inside = None, node.name, False
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            owner = owner or (self.name, f"{class_name}.{node.name}".lstrip("."))
            inside = inside or any(_opens(each) for each in node.decorator_list)
        elif isinstance(node, ast.With):
            inside = inside or any(_opens(item.context_expr) for item in node.items)
        elif isinstance(node, ast.Call) and owner and (called := self._called(node.func, class_name)):
            yield called, owner, inside
        for child in ast.iter_child_nodes(node):
            yield from self._walk(child, owner=owner, class_name=class_name, inside=inside)

    def _called(self, function: ast.expr, class_name: str) -> Name | None:
        if isinstance(function, ast.Name):
            return (self.name, function.id) if function.id in self.local else self.imported.get(function.id)
        if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)):
            return None
        if function.value.id == "self" and class_name:
            return self.name, f"{class_name}.{function.attr}"
        if function.value.id in self.imported:
            return ".".join(self.imported[function.value.id]), function.attr
        return None


def _opens(node: ast.expr) -> bool:
    return any(word in ast.unparse(node) for word in OPENS)


def _unguarded(modules: list[_Module]) -> set[Name]:
    """Return the functions that nobody calls and that reach the journal without a transaction."""
    callers: dict[Name, list[tuple[Name, bool]]] = defaultdict(list)
    for module in modules:
        for called, owner, inside in module.calls():
            callers[called].append((owner, inside))
    reached, waiting = {JOURNAL}, [JOURNAL]
    while waiting:
        for owner, inside in callers[waiting.pop()]:
            if not inside and owner not in reached:
                reached.add(owner)
                waiting.append(owner)
    return {name for name in reached if not callers[name]} - INSIDE


def test_every_event_is_written_inside_a_transaction() -> None:
    modules = [_Module(path) for path in python_files() if "sandbox" not in path.parts]
    assert len(modules) > 300
    assert not _unguarded(modules)


def test_a_thread_that_forgets_the_transaction_is_found() -> None:
    module = _Module(Path("orders/services/heartbeat.py"))
    module.tree = ast.parse(text(Path("orders/services/heartbeat.py")).replace("@transaction.atomic\n", ""))
    event = _Module(Path("orders/services/account_events.py"))  # through which the heartbeat writes
    assert _unguarded([module, event]) >= {(module.name, "_run")}
