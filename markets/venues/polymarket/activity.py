"""What the data service says came to a wallet or left it besides trades: rewards, rebates, deposits, withdrawals.

`fetch` brings the bytes. A list that cannot be read to its end raises. Dollars are millionths, always positive:
the kind says which way they went. Rows carry no number of their own, so each gets one that stays the same however
often the list is read: a hash of all it says, and of how many rows before it in its second said the same.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from markets.domain.units import AmountError, micro_from_text
from markets.venues.base import ParseError, VenueUnavailable
from markets.venues.polymarket.reads import decoded

SOURCE = "data.activity"
PATH = "/v2/activity"
PER_PAGE = "500"
MOST_PAGES = 200
Fetch = Callable[[str, Mapping[str, str]], bytes]


class Payment(StrEnum):
    """Activities that move only cash, in the venue's words."""

    REWARD = "REWARD"
    YIELD = "YIELD"
    MAKER_REBATE = "MAKER_REBATE"
    TAKER_REBATE = "TAKER_REBATE"
    REFERRAL_REWARD = "REFERRAL_REWARD"
    DEPOSIT = "DEPOSIT"
    WITHDRAWAL = "WITHDRAWAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class CashRow:
    kind: Payment
    amount: int
    at_s: int
    transaction_hash: str
    condition_id: str  # of the market it was paid for, or ""
    row_id: str  # 40 hexadecimal digits


def cash_rows(fetch: Fetch, *, wallet: str, since_s: int) -> list[CashRow]:
    """Return the wallet's payments from the second `since_s` on, oldest first."""
    query = {
        "user": wallet,
        "type": ",".join(Payment),
        "start": str(max(1, since_s)),  # without it the service shows a recent window only
        "sort_direction": "ASC",
        "limit": PER_PAGE,
    }
    found: list[CashRow] = []
    seen: Counter[tuple[object, ...]] = Counter()
    cursors: set[str] = set()
    cursor = ""
    while True:
        asked = {**query, "cursor": cursor} if cursor else query
        page = _mapping(decoded(fetch(PATH, asked), source=SOURCE), "body")
        rows, pagination = page.get("data"), _mapping(page.get("pagination"), "pagination")
        if not isinstance(rows, list):
            raise ParseError("data", "is missing or not a list", source=SOURCE)
        found += [_row(_mapping(row, "data"), wallet, seen) for row in rows]
        more, cursor = pagination.get("has_more"), pagination.get("next_cursor") or ""
        if not isinstance(more, bool) or not isinstance(cursor, str) or (more and not cursor):
            raise ParseError("pagination", "does not say whether there is more", source=SOURCE)
        if not more:
            return sorted(found, key=lambda row: (row.at_s, row.row_id))
        if cursor in cursors or len(cursors) > MOST_PAGES:
            raise VenueUnavailable(f"GET {PATH}: its pages do not come to an end")
        cursors.add(cursor)


def _row(row: Mapping[str, Any], wallet: str, seen: Counter[tuple[object, ...]]) -> CashRow:
    try:
        kind = Payment(row.get("type", ""))
    except ValueError:
        raise ParseError("type", f"{row.get('type')!r:.40} was not asked for", source=SOURCE) from None
    at_s, made, market = row.get("timestamp"), row.get("transaction_hash"), row.get("condition_id") or ""
    if isinstance(at_s, bool) or not isinstance(at_s, int) or at_s < 0:
        raise ParseError("timestamp", f"{at_s!r:.40} is not in whole seconds", source=SOURCE)
    if not isinstance(made, str) or not made or not isinstance(market, str):
        raise ParseError("transaction_hash", f"{made!r:.80} is not one", source=SOURCE)
    owner = row.get("proxy_wallet")
    if not isinstance(owner, str) or owner.lower() != wallet.lower():
        raise ParseError("proxy_wallet", f"{owner!r:.60} was not asked for", source=SOURCE)
    try:
        amount = micro_from_text(row.get("usdc_size", ""), field="usdc_size")
    except (AmountError, TypeError, AttributeError):
        raise ParseError("usdc_size", f"{row.get('usdc_size')!r:.60} are not dollars", source=SOURCE) from None
    if amount < 0:
        raise ParseError("usdc_size", f"{row.get('usdc_size')!r:.60} is negative", source=SOURCE)
    told = (kind.value, amount, at_s, made.lower(), market.lower())
    number = seen[told]
    seen[told] += 1
    text = "|".join(str(part) for part in (*told, number))
    return CashRow(
        kind=kind,
        amount=amount,
        at_s=at_s,
        transaction_hash=made.lower(),
        condition_id=market.lower(),
        row_id=hashlib.sha256(text.encode()).hexdigest()[:40],
    )


def _mapping(value: object, field: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ParseError(field, f"is {type(value).__name__}, not an object", source=SOURCE)
    return value
