"""Small lies in source code: every place of a module where one operator, constant, condition or result can be another.

Docstrings, annotations, decorators and messages are left alone: nothing that could be wrong with money is in them.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "notional_up": "notional_down",
          "notional_down": "notional_up", "sum": "len"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """One lie. `number` is its place in the module, so that it can be made again."""

    module: str
    number: int
    line: int
    what: str


class _Walker(ast.NodeTransformer):
    """Visits each place in a fixed order and changes the one that is asked for."""

    def __init__(self, wanted: int | None) -> None:
        self.wanted = wanted
        self.places: list[tuple[int, str]] = []

    def _lie(self, node: ast.AST, what: str, change: Callable[[], ast.AST]) -> ast.AST:
        number = len(self.places)
        self.places.append((getattr(node, "lineno", 0), what))
        return ast.copy_location(change(), node) if number == self.wanted else node

    # Nothing in here is mutated.
    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return self._lie(node, "raise dropped", ast.Pass)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.body = [each for each in (self.visit(statement) for statement in node.body) if each is not None]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        if any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases):
            return node
        node.body = [self.visit(statement) for statement in node.body]
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return node
        return self._negated(node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        return self._negated(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self.generic_visit(node)

    def _negated(self, node: ast.If | ast.IfExp) -> ast.AST:
        self.generic_visit(node)

        def negate() -> ast.AST:
            other = copy.deepcopy(node)
            other.test = ast.UnaryOp(op=ast.Not(), operand=node.test)
            return other

        return self._lie(node, "condition negated", negate)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        for at, operator in enumerate(node.ops):
            other = _COMPARE[type(operator)]

            def swap(at: int = at, other: type[ast.cmpop] = other) -> ast.AST:
                ops = [*node.ops[:at], other(), *node.ops[at + 1 :]]
                return ast.Compare(left=node.left, ops=ops, comparators=node.comparators)

            found = self._lie(node, f"{type(operator).__name__} to {other.__name__}", swap)
            if found is not node:
                return found
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        other = _ARITHMETIC.get(type(node.op))
        if other is None:
            return node
        return self._lie(
            node, f"{type(node.op).__name__} to {other.__name__}",
            lambda: ast.BinOp(left=node.left, op=other(), right=node.right),
        )  # fmt: skip

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        other = ast.Or if isinstance(node.op, ast.And) else ast.And
        return self._lie(
            node, f"{type(node.op).__name__} to {other.__name__}", lambda: ast.BoolOp(op=other(), values=node.values)
        )

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not | ast.USub) and not isinstance(node.operand, ast.Constant):
            return self._lie(node, f"{type(node.op).__name__} dropped", lambda: node.operand)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool):
            return self._lie(node, f"{node.value} to {not node.value}", lambda: ast.Constant(not node.value))
        if isinstance(node.value, int):
            return self._lie(node, f"{node.value} to {node.value + 1}", lambda: ast.Constant(node.value + 1))
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and (other := _CALLS.get(node.func.id)):
            name = node.func.id
            return self._lie(
                node, f"{name} to {other}",
                lambda: ast.Call(func=ast.Name(id=other, ctx=ast.Load()), args=node.args, keywords=node.keywords),
            )  # fmt: skip
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        if node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None):
            return node
        return self._lie(node, "result to None", lambda: ast.Return(value=ast.Constant(None)))


def places(module: str, source: str) -> list[Mutant]:
    """Return every lie that can be told in the module."""
    walker = _Walker(None)
    walker.visit(ast.parse(source))
    return [Mutant(module, number, line, what) for number, (line, what) in enumerate(walker.places)]


def mutated(source: str, number: int) -> ast.Module:
    """Return the module with one lie in it."""
    tree = _Walker(number).visit(ast.parse(source))
    return ast.fix_missing_locations(tree)


def sample(mutants: list[Mutant], count: int, seed: int) -> Iterator[Mutant]:
    """Yield `count` of them, spread evenly over all places from a seeded beginning."""
    step = max(1.0, len(mutants) / count)
    at = (seed * 0.618_033_988_75) % 1.0 * step
    while at < len(mutants) and count > 0:
        yield mutants[int(at)]
        at += step
        count -= 1
