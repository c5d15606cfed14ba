"""What the answer to POST /order means (contract.md 4.3): a pure function that never guesses.

Every combination of status, headers and bytes is exactly one AnswerKind. REJECTED and NOT_PROCESSED are
given only for what the protocol names; everything else, however much it looks like a no, is UNKNOWN.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from markets.domain.answers import AnswerKind, OrderAnswer
from markets.domain.units import AmountError, micro_from_text
from markets.venues.polymarket import refusals
from markets.venues.polymarket.exact_json import exact_json

MOST_BYTES = 1_000_000
LONGEST_PAUSE_S = 600.0
_ORDER_ID = re.compile(r"0x[0-9a-f]{64}", re.IGNORECASE)
_STATUSES = {"live": AnswerKind.LIVE, "matched": AnswerKind.MATCHED, "delayed": AnswerKind.DELAYED}
_ANSWER_FIELDS = frozenset(
    {"success", "errorMsg", "orderID", "status", "makingAmount", "takingAmount", "tradeIDs", "transactionsHashes"}
)
_ALWAYS_THERE = _ANSWER_FIELDS - {"tradeIDs", "transactionsHashes"}
_ERROR_FIELDS = frozenset({"error", "code", "retry_after_seconds"})
_RETYPED = "type_of_"
_SAID = 300


@dataclass(frozen=True, slots=True)
class History:
    """What is known of this order before the answer. An attempt is unknown when its answer settled nothing."""

    unknown_attempts: int = 0


class _BadBody(Exception):
    """The body cannot be used; the argument says why, as a code."""


def classify(
    *, status: int, headers: Mapping[str, str], body: bytes, order_id: str, history: History | None = None
) -> OrderAnswer:
    """Return the meaning of one HTTP answer to the order with this id."""
    alone = _judge(status, {name.lower(): value for name, value in headers.items()}, body, order_id.lower())
    return _in_light_of(alone, history or History())


def classify_silence(*, sent: bool, code: str, history: History | None = None) -> OrderAnswer:
    """Return the meaning of no answer: `sent` is whether any byte may have left us. `code` names what happened."""
    kind = AnswerKind.UNKNOWN if sent else AnswerKind.NOT_SENT
    return _in_light_of(OrderAnswer(kind=kind, alone=kind, code=code), history or History())


def classify_leg(leg: object, *, order_id: str, history: History | None = None) -> OrderAnswer:
    """Return the meaning of one entry of the array that answers POST /orders."""
    try:
        alone = _read_200(_checked(leg), order_id.lower())
    except _BadBody as error:
        alone = _unknown(str(error))
    return _in_light_of(alone, history or History())


def read_legs(body: bytes) -> list[object] | None:
    """Return the entries that answer POST /orders, or None when the body is not such an array."""
    try:
        legs = _decoded(body)
    except _BadBody:
        return None
    return legs if isinstance(legs, list) else None


def _in_light_of(answer: OrderAnswer, history: History) -> OrderAnswer:
    # A refusal of the second copy says nothing about the first, which may still arrive.
    settles_nothing = (AnswerKind.REJECTED, AnswerKind.NOT_PROCESSED, AnswerKind.NOT_SENT)
    if history.unknown_attempts and answer.alone in settles_nothing:
        return replace(answer, kind=AnswerKind.UNKNOWN)
    return answer


def _judge(status: int, headers: Mapping[str, str], body: bytes, order_id: str) -> OrderAnswer:
    try:
        parsed: dict[str, Any] | None = _checked(_decoded(_whole(headers, body)))
        problem = ""
    except _BadBody as error:
        parsed, problem = None, str(error)
    if status == 200:
        return _read_200(parsed, order_id) if parsed is not None else _unknown(problem, body)
    said = _message(parsed) if parsed is not None else None
    if parsed is not None and (claim := _claim(parsed, order_id)):
        return _unknown(claim, said=said or "")
    entry = refusals.find(said) if said else None
    if entry and entry.means is AnswerKind.EXISTING:
        return _existing(entry, said or "", order_id)
    return _by_status(status, headers, parsed, entry, said or _glimpse(body), problem, order_id)


def _by_status(  # noqa: PLR0917 - one row of the table after another, all from one answer
    status: int,
    headers: Mapping[str, str],
    parsed: dict[str, Any] | None,
    entry: refusals.Refusal | None,
    said: str,
    problem: str,
    order_id: str,
) -> OrderAnswer:
    if status in (401, 403):
        code = entry.code if entry else f"status_{status}"
        return _answer(AnswerKind.NOT_PROCESSED, code, said, halts_account=True)
    if status in (425, 429):
        pause = _pause(headers, parsed)
        code = entry.code if entry else ("restarting" if status == 425 else "rate_limited")
        return _answer(AnswerKind.NOT_PROCESSED, code, said, retry_after_s=pause)
    if status == 503 and entry and entry.means is AnswerKind.NOT_PROCESSED:
        return _answer(AnswerKind.NOT_PROCESSED, entry.code, said, retry_after_s=_pause(headers, parsed))
    if status in (400, 404) and entry and entry.means is AnswerKind.REJECTED:
        if _names_another(entry, said, order_id):
            return _unknown("other_order", said=said)
        return _answer(AnswerKind.REJECTED, entry.code, said)
    return _unknown(entry.code if entry else problem or f"status_{status}", said=said)


def _read_200(body: dict[str, Any], order_id: str) -> OrderAnswer:
    if body.get("success") is True and body.get("orderID"):
        return _read_acceptance(body, order_id)
    said = _message(body)
    if problem := "two_messages" if said is None else _claim(body, order_id):
        return replace(_unknown(problem, said=said or ""), drift=_drift(body))
    entry = refusals.find(said) if said else None
    if said is None or entry is None:
        return replace(_unknown("unknown_reason" if said else "no_reason", said=said or ""), drift=_drift(body))
    if entry.means is AnswerKind.EXISTING:
        return _existing(entry, said, order_id)
    if entry.means is AnswerKind.UNKNOWN or _names_another(entry, said, order_id):
        return _unknown(entry.code, said=said)
    return replace(_answer(entry.means, entry.code, said), drift=_drift(body))


def _read_acceptance(body: dict[str, Any], order_id: str) -> OrderAnswer:
    named, word, said = body["orderID"].lower(), body.get("status", "").lower(), _message(body)
    if named != order_id:
        return _answer(AnswerKind.BROKEN, "order_id_differs", named)
    if said != "" or word not in _STATUSES:  # it exists; what became of it must be read
        return replace(_unknown("status_unclear", said=said or word), drift=_drift(body))
    return replace(_answer(_STATUSES[word], word, ""), drift=_drift(body), **_details(body, named))


def _drift(body: dict[str, Any]) -> tuple[str, ...]:
    """Return the fields that are new, and with a minus those that are gone."""
    known = _ANSWER_FIELDS | _ERROR_FIELDS
    is_answer = "success" in body or "orderID" in body
    gone = _ALWAYS_THERE - body.keys() if is_answer else frozenset()
    return (*sorted(_storable(name)[:60] for name in body.keys() - known), *sorted(f"-{name}" for name in gone))


def _claim(body: dict[str, Any], order_id: str) -> str:
    """Return what contradicts a refusal in its own body, as a code: then it settles nothing."""
    named = body.get("orderID", "").lower()
    if named and named != order_id:
        return "other_order"
    traded = body.get("tradeIDs") or body.get("transactionsHashes")
    if traded or body.get("status", "").lower() in _STATUSES or (named and body.get("success") is True):
        return "contradiction"
    return ""


def _existing(entry: refusals.Refusal, said: str, order_id: str) -> OrderAnswer:
    if _names_another(entry, said, order_id):
        return _unknown("other_order", said=said)
    return _answer(AnswerKind.EXISTING, entry.code, said, order_id=order_id)


def _names_another(entry: refusals.Refusal, said: str, order_id: str) -> bool:
    """Whether the text is about an order that is not ours. For good news the id must be exactly ours."""
    found = entry.pattern.fullmatch(said.strip().removesuffix("."))
    named = ((found.groupdict().get("id") if found else "") or "").lower()
    is_hash = named.startswith("0x") or entry.means is AnswerKind.EXISTING
    return bool(named) and is_hash and named != order_id


def _whole(headers: Mapping[str, str], body: bytes) -> bytes:
    length = headers.get("content-length", "")
    packed = headers.get("content-encoding", "identity").lower() not in ("", "identity")
    if length.isascii() and length.isdecimal() and len(length) < 16 and not packed and int(length) != len(body):
        raise _BadBody("truncated")
    return body


def _decoded(body: bytes) -> object:
    if not body:
        raise _BadBody("empty_body")
    if len(body) > MOST_BYTES:
        raise _BadBody("body_too_large")
    if body.lstrip()[:1] == b"<":
        raise _BadBody("html")
    try:
        return exact_json(body)
    except (ValueError, RecursionError, ArithmeticError):
        raise _BadBody("not_json") from None


def _checked(value: object) -> dict[str, Any]:
    """Return the object if every field that we know has its type. Raises _BadBody naming the first that has not."""
    if not isinstance(value, dict):
        raise _BadBody("not_an_object")
    for name in ("errorMsg", "orderID", "status", "error", "code"):
        if not isinstance(value.get(name, ""), str):
            raise _BadBody(f"{_RETYPED}{name}")
    if "success" in value and not isinstance(value["success"], bool):
        raise _BadBody(f"{_RETYPED}success")
    if (order_id := value.get("orderID", "")) and not _ORDER_ID.fullmatch(order_id):
        raise _BadBody(f"{_RETYPED}orderID")
    for name in ("makingAmount", "takingAmount"):
        if value.get(name, "") != "" and _amount(value[name]) is None:
            raise _BadBody(f"{_RETYPED}{name}")
    for name in ("tradeIDs", "transactionsHashes"):
        words = value.get(name) or []
        if not isinstance(words, list) or not all(isinstance(word, str) and len(word) <= 100 for word in words):
            raise _BadBody(f"{_RETYPED}{name}")
    return value


def _amount(text: object) -> int | None:
    try:
        micro = micro_from_text(text, field="amount")
    except AmountError:
        return None
    return micro if micro >= 0 else None


def _details(body: dict[str, Any], order_id: str) -> dict[str, Any]:
    return {
        "order_id": order_id.lower(),
        "making": _amount(body["makingAmount"]) if body.get("makingAmount") else None,
        "taking": _amount(body["takingAmount"]) if body.get("takingAmount") else None,
        "trade_ids": tuple(word for word in body.get("tradeIDs") or () if word),
        "transaction_hashes": tuple(word for word in body.get("transactionsHashes") or () if word),
    }


def _message(body: dict[str, Any]) -> str | None:
    """Return the venue's words, "" for none, None when it says two different things."""
    words = {str(body.get(name, "")) for name in ("error", "errorMsg")} - {""}
    return None if len(words) > 1 else next(iter(words), "")


def _pause(headers: Mapping[str, str], parsed: dict[str, Any] | None) -> float | None:
    """Return the pause that the venue asks for, or None: then the caller's back-off decides."""
    asked = (parsed or {}).get("retry_after_seconds")
    if isinstance(asked, (int, Decimal)) and not isinstance(asked, bool) and asked >= 0:
        return float(min(asked, LONGEST_PAUSE_S))
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:9]), LONGEST_PAUSE_S) if len(text) < 10 else LONGEST_PAUSE_S
    return None


def _answer(kind: AnswerKind, code: str, said: str, **more: Any) -> OrderAnswer:
    return OrderAnswer(kind=kind, alone=kind, code=code, said=_storable(said), **more)


def _storable(said: str) -> str:
    """Return text that a database, a log line and a page can hold: no control characters, no lone surrogates."""
    return "".join(character if character.isprintable() else " " for character in said[:_SAID]).strip()


def _unknown(code: str, body: bytes = b"", *, said: str = "") -> OrderAnswer:
    retyped = (f"~{code.removeprefix(_RETYPED)}",) if code.startswith(_RETYPED) else ()
    return _answer(AnswerKind.UNKNOWN, code, said or _glimpse(body), drift=retyped)


def _glimpse(body: bytes) -> str:
    return body[:_SAID].decode("utf-8", "replace")
