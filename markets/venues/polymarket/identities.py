"""What a listed market is called on the chain: its tokens under both protocols, and its place in a neg-risk group.

Under the newer protocol a token is a position id: the condition's 31 bytes, then the outcome's number. A neg-risk
question is its group's number with its own place in the last byte. Both are checked here, because transactions
outside the book are built from them. Pure; raises ValueError with the contradiction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from markets.venues.polymarket.wallets import is_position_id

_HASH = re.compile(r"0x[0-9a-f]{64}")
_OUTCOMES = 2


def check_tokens(condition_id: str, tokens: Sequence[str], *, positions: bool) -> None:
    """Raise unless these are two token numbers, and the condition's own where they are listed as position ids."""
    if len(set(tokens)) != _OUTCOMES or not all(t.isascii() and t.isdecimal() and len(t) <= 80 for t in tokens):
        raise ValueError(f"{list(tokens)!r:.120} are not two different token numbers")
    numbers = [int(token) for token in tokens]
    if max(numbers) >= 1 << 256:
        raise ValueError(f"{list(tokens)!r:.120} do not fit 256 bits")
    if not positions:
        return
    if not all(is_position_id(number) for number in numbers):
        raise ValueError(f"{list(tokens)!r:.180} are not position ids")
    condition = condition_id.removeprefix("0x").lower()
    if len(condition) == 64 and condition.endswith("00"):
        condition = condition[:-2]
    wanted = [int(condition, 16) << 8 | index for index in range(_OUTCOMES)]
    if numbers != wanted:
        raise ValueError(f"{list(tokens)!r:.180} are not the position ids of this condition")


def group_place(group_id: str, question_id: str) -> int | None:
    """Return the question's place in its group, or None where the two numbers do not prove it."""
    group, question = group_id.lower(), question_id.lower()
    if not _HASH.fullmatch(group) or not _HASH.fullmatch(question):
        return None
    if not group.endswith("00") or group[:-2] != question[:-2]:
        return None
    return int(question[-2:], 16)
