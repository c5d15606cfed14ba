"""The hash chain of the audit journal: what is hashed, and how one row follows from the one before.

h_n = SHA-256(h_{n-1} ‖ n ‖ canonical JSON). A row's content is turned into plain JSON
that PostgreSQL gives back unchanged, so a verifier recomputes the same bytes years later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

GENESIS = "0" * 64

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One stored row, as much of it as the chain covers."""

    seq: int
    previous_hash: str
    hash: str
    content: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Where a chain stops being what was written, and why."""

    seq: int
    problem: str


def clean_text(text: object, *, limit: int) -> str:
    """Return `text` as the database can store it, cut to `limit` characters.

    Venue text may hold NUL or lone surrogates; PostgreSQL refuses both, and an audit
    row must never be the reason that a change is rolled back.
    """
    plain = str(text).replace("\x00", "\ufffd")
    return plain.encode("utf-8", "replace").decode("utf-8")[:limit]


def clean_json(value: object) -> Any:  # noqa: PLR0911
    """Return `value` as JSON that survives a round trip through `jsonb` unchanged.

    Decimals and floats become text: jsonb rewrites numbers such as 1e20, and money is text anyway.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return clean_json(value.value)
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        return clean_text(value, limit=20_000)
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, datetime):
        return time_text(value) if value.tzinfo else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {clean_text(key, limit=200): clean_json(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((clean_json(item) for item in value), key=canonical_json)
    if isinstance(value, list | tuple):
        return [clean_json(item) for item in value]
    if isinstance(value, UUID):
        return str(value)
    return clean_text(value, limit=2_000)


def time_text(at: datetime) -> str:
    """Return an aware time in UTC with exactly six decimals, which is what PostgreSQL keeps."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def canonical_json(content: object) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def chained_hash(previous_hash: str, seq: int, content: Mapping[str, Any]) -> str:
    """Return the hash of row `seq`. The previous hash has 64 characters and the content starts with "{"."""
    return hashlib.sha256(f"{previous_hash}{seq}{canonical_json(content)}".encode()).hexdigest()


def first_break(links: Iterable[Link], *, after_seq: int = 0, after_hash: str = GENESIS) -> Break | None:
    """Return the first place where `links`, in order of `seq`, are not the chain that was written."""
    seq, previous = after_seq, after_hash
    for link in links:
        seq += 1
        if link.seq != seq:
            return Break(seq=seq, problem=f"row {seq} is missing, the next one is {link.seq}")
        if link.previous_hash != previous:
            return Break(seq=seq, problem=f"row {seq} does not follow from row {seq - 1}")
        if chained_hash(previous, seq, link.content) != link.hash:
            return Break(seq=seq, problem=f"row {seq} was changed after it was written")
        previous = link.hash
    return None
