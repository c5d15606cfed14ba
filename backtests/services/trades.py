"""A run's fills as CSV: one line per fill, in the order in which they happened, numbers as plain decimals."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from markets.domain.units import text_from_micro

if TYPE_CHECKING:
    from backtests.domain.result import BacktestResult

HEAD = (
    "time", "market", "question", "outcome", "side", "price", "size", "fee", "cash", "realized", "mid", "liquidity",
    "order", "inferred",
)  # fmt: skip


def trades_csv(result: BacktestResult) -> str:
    """Return the text. Times are UTC, amounts dollars and shares; a middle that was not known is empty."""
    from markets.domain.tape import BID

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEAD)
    for fill in result.fills:
        facts = result.markets[int(fill["market"])]
        writer.writerow(
            [
                time_text(int(fill["at_ns"])),
                _safe(facts.slug),
                _safe(facts.question),
                _safe(facts.outcomes[int(fill["outcome"])].label),
                "buy" if fill["side"] == BID else "sell",
                *(text_from_micro(int(fill[name])) for name in ("price", "size", "fee", "cash", "realized")),
                "" if fill["mid"] < 0 else text_from_micro(int(fill["mid"])),
                "taker" if fill["taker"] else "maker",
                int(fill["order"]),
                "yes" if fill["inferred"] else "no",
            ]
        )
    return out.getvalue()


def time_text(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _safe(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
