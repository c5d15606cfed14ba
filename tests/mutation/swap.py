"""A lie told in place: a function that is already loaded gets the body of its mutant, nothing is imported again."""

from __future__ import annotations

import ast
import functools
import sys
from types import CodeType, FunctionType

from tests.mutation.mutate import mutated

UNCHANGED = -1


def changed_function(source: str, number: int) -> tuple[str, CodeType] | None:
    """Return the name (dotted inside its module) and new body of the function that mutant `number` lies in.

    None where the lie is outside every function: whoever imported that constant or class keeps a copy of it.
    """
    before = _functions(_compiled(mutated(source, UNCHANGED)))
    after = _functions(_compiled(mutated(source, number)))
    changed = [name for name, code in after.items() if before.get(name) != code]
    if len(changed) != 1 or before.keys() != after.keys():
        return None
    return changed[0], after[changed[0]]


def swap(module: str, name: str, code: CodeType) -> bool:
    """Give the loaded function that body; False when it cannot be found behind its decorators."""
    found = _function(module, name)
    if found is None or len(found.__code__.co_freevars) != len(code.co_freevars):
        return False
    found.__code__ = code
    return True


def _compiled(tree: ast.Module) -> CodeType:
    return compile(tree, "mutant", "exec")


def _functions(code: CodeType) -> dict[str, CodeType]:
    """Return the functions of a module or class body by their dotted name; inner functions belong to their outer."""
    found: dict[str, CodeType] = {}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_flags & 0x02:  # CO_NEWLOCALS: a function, not the body of a class
                found[inner.co_qualname] = inner
            else:
                found |= _functions(inner)
    return found


def _function(module: str, name: str) -> FunctionType | None:
    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = vars(found).get(part) if hasattr(found, "__dict__") else None
    if isinstance(found, property):
        found = found.fget
    elif isinstance(found, functools.cached_property):
        found = found.func
    elif isinstance(found, classmethod | staticmethod):
        found = found.__func__
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    return found if isinstance(found, FunctionType) else None
