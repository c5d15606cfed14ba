"""The Data API's envelope and the one parameter most of its routes need."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from polybot.sandbox.eip712 import SignatureError, address_bytes
from polybot.sandbox.http_core import ApiError, Request


def paged(
    request: Request, rows: list[Any], shape: Callable[[Any], Any] = lambda row: row, *, most: int = 1000
) -> dict[str, Any]:
    """Return one page in the v2 envelope; `has_more` says exactly whether there is a next cursor."""
    limit = max(1, request.whole("limit", 100, high=most))
    cursor, start = request.first("cursor"), 0
    if cursor:
        try:
            start = int(base64.urlsafe_b64decode(cursor).decode("ascii"))
        except (ValueError, binascii.Error, UnicodeDecodeError):
            raise ApiError(400, "invalid cursor") from None
    part = rows[start : start + limit]
    more = start + limit < len(rows)
    following = base64.urlsafe_b64encode(str(start + limit).encode()).decode() if more else None
    return {"data": [shape(row) for row in part], "pagination": {"has_more": more, "next_cursor": following}}


def wallet_of(request: Request) -> str:
    user = request.first("user")
    try:
        address_bytes(user)
    except SignatureError:
        raise ApiError(400, "user: an address is required") from None
    return user.lower()
