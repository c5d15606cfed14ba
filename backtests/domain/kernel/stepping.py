"""The loop as a C function, for strategies that stay in Python: a call costs a fraction of a microsecond.

Called with its arrays the loop would spend several microseconds on telling numba what each of them is. Here the
addresses and shapes of all arrays stand in one table of numbers, and the call takes the table's address.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from backtests.domain.kernel import loop
from backtests.domain.kernel.compiled import compiled, kept_with

ARRAYS, WIDTH = 27, 5  # rows of the table, and numbers per row: address, then up to four lengths
_made: list[Callable[[int], int]] = []


def stepper() -> Callable[[int], int]:
    """Return the loop as a function of a table's address, from the cache or compiled now."""
    if not _made:
        _made.append(_compile())
    return _made[0]


def table_of(arrays: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return addresses and shapes. The arrays must stay where they are as long as the table is used."""
    table = np.zeros((ARRAYS, WIDTH), np.int64)
    for row, array in enumerate(arrays):
        if not array.flags.c_contiguous:
            raise ValueError("the loop reads whole arrays only")
        table[row, 0] = array.ctypes.data
        table[row, 1 : 1 + array.ndim] = array.shape
    return table


# The names that `step` takes from elsewhere when it is compiled.
carray: Any = None
pointer: Any = None
run: Any = None
whole, real, small, flag = np.int64, np.float64, np.int32, np.uint8


def step(address: Any) -> Any:
    """Unpack the table and go on with the loop: its arrays in its order."""
    t = carray(pointer(address), (ARRAYS, WIDTH), whole)
    world = carray(pointer(t[0, 0]), (t[0, 1],), whole)
    market = carray(pointer(t[1, 0]), (t[1, 1], t[1, 2]), whole)
    book = carray(pointer(t[2, 0]), (t[2, 1], t[2, 2]), whole)
    depth = carray(pointer(t[3, 0]), (t[3, 1], t[3, 2], t[3, 3], t[3, 4]), whole)
    orders = carray(pointer(t[4, 0]), (t[4, 1], t[4, 2]), whole)
    fills = carray(pointer(t[5, 0]), (t[5, 1], t[5, 2]), whole)
    rings = carray(pointer(t[6, 0]), (t[6, 1], t[6, 2], t[6, 3]), whole)
    seen = carray(pointer(t[7, 0]), (t[7, 1], t[7, 2]), whole)
    lists = carray(pointer(t[8, 0]), (t[8, 1], t[8, 2]), whole)
    position = carray(pointer(t[9, 0]), (t[9, 1], t[9, 2]), whole)
    wanted = carray(pointer(t[10, 0]), (t[10, 1], t[10, 2], t[10, 3]), whole)
    made = carray(pointer(t[11, 0]), (t[11, 1],), whole)
    asked = carray(pointer(t[12, 0]), (t[12, 1], t[12, 2]), whole)
    prices = carray(pointer(t[13, 0]), (t[13, 1], t[13, 2]), whole)
    equity = carray(pointer(t[14, 0]), (t[14, 1], t[14, 2]), whole)
    settled = carray(pointer(t[15, 0]), (t[15, 1], t[15, 2]), whole)
    counts = carray(pointer(t[16, 0]), (t[16, 1],), whole)
    memory = carray(pointer(t[17, 0]), (t[17, 1], t[17, 2]), real)
    numbers = carray(pointer(t[18, 0]), (t[18, 1],), real)
    received = carray(pointer(t[19, 0]), (t[19, 1], t[19, 2]), whole)
    happened = carray(pointer(t[20, 0]), (t[20, 1], t[20, 2]), whole)
    size = carray(pointer(t[21, 0]), (t[21, 1], t[21, 2]), whole)
    ticks = carray(pointer(t[22, 0]), (t[22, 1], t[22, 2]), small)
    kind = carray(pointer(t[23, 0]), (t[23, 1], t[23, 2]), flag)
    outcome = carray(pointer(t[24, 0]), (t[24, 1], t[24, 2]), flag)
    side = carray(pointer(t[25, 0]), (t[25, 1], t[25, 2]), flag)
    flags = carray(pointer(t[26, 0]), (t[26, 1], t[26, 2]), flag)
    return run(
        world, market, book, depth, orders, fills, rings, seen, lists, position, wanted, made, asked, prices, equity,
        settled, counts, memory, numbers, received, happened, size, ticks, kind, outcome, side, flags,
    )  # fmt: skip


def _compile() -> Callable[[int], int]:
    import numba
    from numba import types
    from numba.extending import intrinsic

    @intrinsic
    def address_pointer(typing_context: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

        return types.voidptr(types.int64), codegen

    everything: Any = numba
    scope = {**globals(), "carray": everything.carray, "pointer": address_pointer, "run": compiled(loop.run)}
    copy = FunctionType(step.__code__, scope, step.__name__)
    copy.__module__ = __name__
    with kept_with(loop.run):
        made = everything.cfunc(types.int64(types.int64), cache=True)(copy)
    function: Any = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(made.address)
    function.keeps = made
    checked: Callable[[int], int] = function
    return checked
