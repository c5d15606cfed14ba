"""What the answer to a cancel request means. Pure.

Nothing here ends an order: "canceled" is the venue's word for what it did, a reason is why it did not,
and an order that the answer leaves out was perhaps cancelled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from markets.domain.trading import CancelAnswer
from markets.venues.polymarket import refusals
from markets.venues.polymarket.refusals import Where

_ORDER_ID = re.compile(r"0x[0-9a-f]{64}", re.IGNORECASE)
_SAID = 300
_LATER = frozenset({401, 403, 425, 429})  # nothing was looked at
LONGEST_PAUSE_S = 600.0


def read_cancel(
    *, status: int, headers: Mapping[str, str], body: bytes, asked: Collection[str] | None = None
) -> CancelAnswer:
    """Return the meaning of an answer. `asked` are the orders that were named, None for "all of them"."""
    parsed = whole_object(headers, body)
    if status == 200:
        return _read_200(parsed, body, asked)
    said = _message(parsed, body)
    entry = (refusals.find(said, where=Where.CANCEL) or refusals.find(said)) if parsed is not None else None
    code = entry.code if entry else f"status_{status}"
    if status in _LATER or (status == 503 and entry is not None):
        return CancelAnswer(code=code, said=said, retry_after_s=_pause(headers, parsed))
    if status in (400, 404) and entry is not None and entry.where is Where.CANCEL:
        refused = {order_id.lower(): said for order_id in asked or ()}
        return CancelAnswer(refused=refused, code=code, said=said)
    return CancelAnswer(unknown=True, code=code, said=said)


def merged(answers: Collection[CancelAnswer]) -> CancelAnswer:
    """Return several requests' answers as one."""
    told = next((answer for answer in answers if answer.code), CancelAnswer())
    pauses = [answer.retry_after_s for answer in answers if answer.retry_after_s is not None]
    refused: dict[str, str] = {}
    for answer in answers:
        refused.update(answer.refused)
    return CancelAnswer(
        canceled=frozenset().union(*(answer.canceled for answer in answers)),
        refused=refused,
        unknown=any(answer.unknown for answer in answers),
        code=told.code,
        said=told.said,
        retry_after_s=max(pauses, default=None),
    )


def _read_200(parsed: dict[str, Any] | None, body: bytes, asked: Collection[str] | None) -> CancelAnswer:
    canceled = None if parsed is None else parsed.get("canceled")
    refused = None if parsed is None else (parsed.get("not_canceled") or {})
    if not isinstance(canceled, list) or not isinstance(refused, dict) or not _are_ids([*canceled, *refused]):
        return CancelAnswer(unknown=True, code="malformed", said=_storable(body.decode("utf-8", "replace")))
    done = frozenset(order_id.lower() for order_id in canceled)
    reasons = {order_id.lower(): _storable(str(reason)) for order_id, reason in refused.items()}
    if done & reasons.keys():
        return CancelAnswer(unknown=True, code="contradiction", said=min(done & reasons.keys()))
    if asked is not None and (others := (done | reasons.keys()) - {order_id.lower() for order_id in asked}):
        ours = done - others
        kept = {order_id: reason for order_id, reason in reasons.items() if order_id not in others}
        return CancelAnswer(canceled=ours, refused=kept, unknown=True, code="other_order", said=min(others))
    return CancelAnswer(canceled=done, refused=reasons)


def _are_ids(words: list[object]) -> bool:
    return all(isinstance(word, str) and _ORDER_ID.fullmatch(word) for word in words)


def whole_object(headers: Mapping[str, str], body: bytes) -> dict[str, Any] | None:
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) != len(body):
        return None
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _message(parsed: dict[str, Any] | None, body: bytes) -> str:
    said = (parsed or {}).get("error")
    return _storable(said if isinstance(said, str) else body[:_SAID].decode("utf-8", "replace"))


def _pause(headers: Mapping[str, str], parsed: dict[str, Any] | None) -> float | None:
    asked = (parsed or {}).get("retry_after_seconds")
    if isinstance(asked, int) and not isinstance(asked, bool) and asked >= 0:
        return min(float(asked), LONGEST_PAUSE_S)
    text = headers.get("retry-after", "").strip()
    return min(float(text[:9]), LONGEST_PAUSE_S) if text.isascii() and text.isdecimal() else None


def _storable(said: str) -> str:
    return "".join(character if character.isprintable() else " " for character in said[:_SAID]).strip()
