"""Which entry of a batch's answer belongs to which order, and what it means. Pure.

An entry that names an order is that order's, wherever it stands. A refused entry names none: it is given
by its place only while the named ones all stand at theirs, or where it makes no difference. Everything
that this leaves open is unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from markets.domain.answers import AnswerKind, OrderAnswer
from markets.venues.polymarket import responses
from markets.venues.polymarket.responses import History

# Refusals of a request as a whole. Any other text beside an error status may be about one leg of it only.
_WHOLE = frozenset({"payload", "too_large", "too_many"})


def classify_batch(
    *,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    order_ids: Sequence[str],
    unknown_attempts: Sequence[int],
) -> list[OrderAnswer]:
    """Return the meaning of the answer to POST /orders for each order, in the order they were sent."""
    histories = [History(attempts) for attempts in unknown_attempts]
    legs = responses.read_legs(body) if status == 200 else None
    if legs is not None and _length_fits(headers, body):
        return _by_legs(legs, [order_id.lower() for order_id in order_ids], histories)
    return [
        _as_a_whole(status, headers, body, order_id, history, alone=len(order_ids) == 1)
        for order_id, history in zip(order_ids, histories, strict=True)
    ]


def _as_a_whole(
    status: int, headers: Mapping[str, str], body: bytes, order_id: str, history: History, *, alone: bool
) -> OrderAnswer:
    answer = responses.classify(status=status, headers=headers, body=body, order_id=order_id, history=history)
    if status == 200:  # one object, or nothing readable, where a list was due
        return _unknown("not_a_list", answer)
    settles = answer.alone is AnswerKind.NOT_PROCESSED or answer.code in _WHOLE
    names_this_one = answer.alone is AnswerKind.EXISTING and order_id.lower() in answer.said.lower()
    return answer if alone or settles or names_this_one else _unknown(answer.code, answer)


def _by_legs(legs: list[object], order_ids: list[str], histories: list[History]) -> list[OrderAnswer]:
    names = [_name(leg) for leg in legs]
    counts = Counter(name for name in names if name)
    sound = len(legs) == len(order_ids) and all(n == 1 for n in counts.values()) and counts.keys() <= set(order_ids)
    in_place = sound and all(name in ("", order_id) for name, order_id in zip(names, order_ids, strict=True))
    nameless = [leg for leg, name in zip(legs, names, strict=True) if not name]
    found = []
    for place, (order_id, history) in enumerate(zip(order_ids, histories, strict=True)):
        if counts[order_id] == 1:
            leg = legs[names.index(order_id)]
        elif in_place:
            leg = legs[place]
        elif sound and _all_alike(nameless, order_id):
            leg = nameless[0]
        elif place < len(legs) and names[place] and names[place] not in order_ids:
            leg = legs[place]  # an order that we did not send stands where ours should
        else:
            found.append(responses.classify_silence(sent=True, code="leg_missing", history=history))
            continue
        found.append(responses.classify_leg(leg, order_id=order_id, history=history))
    return found


def _all_alike(nameless: list[object], order_id: str) -> bool:
    kinds = {responses.classify_leg(leg, order_id=order_id).alone for leg in nameless}
    return kinds == {AnswerKind.REJECTED}


def _name(leg: object) -> str:
    """Return the order that an entry names, "" for none."""
    name = leg.get("orderID") if isinstance(leg, dict) else None
    return name.lower() if isinstance(name, str) else ""


def _length_fits(headers: Mapping[str, str], body: bytes) -> bool:
    length = headers.get("content-length", "")
    return not length.isdecimal() or int(length) == len(body)


def _unknown(code: str, answer: OrderAnswer) -> OrderAnswer:
    return replace(answer, kind=AnswerKind.UNKNOWN, alone=AnswerKind.UNKNOWN, code=code)
