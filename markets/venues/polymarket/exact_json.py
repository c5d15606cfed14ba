"""JSON as money needs it: no key twice, no NaN, decimal fractions exact."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


def exact_json(body: bytes) -> object:
    """Return what `body` says. Raises ValueError, RecursionError or ArithmeticError for anything but exact JSON."""
    return json.loads(
        body.decode("utf-8"), object_pairs_hook=_no_twins, parse_float=Decimal, parse_constant=_refuse_constant
    )


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is written twice")
    return found


def _refuse_constant(word: str) -> None:
    raise ValueError(word)
