"""What changed at a venue without notice, and which entries that keeps out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from alerts.selectors.statements import rows_read
from markets.models import Block, Drift

_BLOCKED = """
SELECT market_id, reason FROM markets_block
WHERE venue = %s AND lifted_at IS NULL AND (market_id IS NULL OR market_id = ANY(%s)) ORDER BY id DESC
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Why entries are refused, in words; empty where they are not."""

    venue: str = ""
    market: str = ""


def blocked_get(venue: str, market_id: int | None = None) -> Blocked:
    """Return the open blocks of the venue and, where one is named, of the market."""
    found = blocked_markets(venue, [] if market_id is None else [market_id])
    return Blocked(venue=found.get(None, ""), market=found.get(market_id, "") if market_id is not None else "")


def blocked_markets(venue: str, market_ids: Iterable[int]) -> dict[int | None, str]:
    """Return the reasons of open blocks by market id; the venue's own under None. In one query."""
    return dict(rows_read(_BLOCKED, venue, list(market_ids)))


def block_rows(*, is_open: bool | None = None) -> QuerySet[Block]:
    """Return blocks, the newest first."""
    rows = Block.objects.select_related("market").order_by("-pk")
    return rows if is_open is None else rows.filter(lifted_at__isnull=is_open)


def drift_rows(*, accepted: bool | None = None) -> QuerySet[Drift]:
    """Return drifts, the last seen first."""
    rows = Drift.objects.select_related("market").order_by("-last_at", "-pk")
    return rows if accepted is None else rows.filter(accepted_at__isnull=not accepted)
