"""Shapes of quote tables, and what tables beside them say of their markets: names and results."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from markets.domain.instruments import Venue
from markets.services.archive.importers.base import ImportJob
from markets.services.archive.sources import Source

_S = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One shape of quote tables."""

    venue: Venue
    prefix: str
    source: str
    time: str
    market: str
    bid: str
    ask: str
    result: str = ""  # column with 1 for YES in the quotes themselves
    names: frozenset[str] = frozenset()  # columns of the table of names beside it
    results: frozenset[str] = frozenset()  # columns of the table of results beside it


US = Layout(
    venue=Venue.POLYMARKET_US, prefix="polymarket_us", source="Polymarket US quotes, polled",
    time="ts", market="slug", bid="bid", ask="ask", result="y",
    names=frozenset({"slug", "question", "last_ts"}), results=frozenset({"slug", "y", "source"}),
)  # fmt: skip
PANEL = Layout(
    venue=Venue.POLYMARKET, prefix="polymarket", source="Gamma quotes, polled",
    time="ts", market="market_id", bid="best_bid", ask="best_ask",
    names=frozenset({"market_id", "condition_id", "slug", "end_date"}),
    results=frozenset({"market_id", "outcome_real", "resolution_timestamp"}),
)  # fmt: skip


@dataclass(slots=True)
class AboutMarket:
    """What tables beside the quotes say of one market."""

    names: Mapping[str, Any] = field(default_factory=dict)
    won: int | None = None  # the outcome that won
    at_ns: int = 0  # when the result was known, 0: not told
    last_ns: int = 0  # of its last quote anywhere


def tables_beside(
    layout: Layout, files: list[Source], others: Sequence[Source], job: ImportJob
) -> dict[str, AboutMarket]:
    """Return what the tables among `others`, and up to two folders above the quotes, say of markets."""
    found: dict[str, AboutMarket] = {}
    tables = {s.path: s for s in others if s not in files}
    for folder in {parent for s in files for parent in islice(s.path.resolve().parents, 3)}:
        for path in (*sorted(folder.glob("*.parquet")), *sorted(folder.glob("*.csv"))):
            if all(path != s.path.resolve() for s in files):
                tables.setdefault(path, Source(path))
    for source in tables.values():
        columns = set(source.columns)
        if columns >= layout.names and layout.bid not in columns:
            for row in _table(source):
                about = found.setdefault(str(row[layout.market]), AboutMarket())
                about.names = row
                about.last_ns = ns_of(row.get("last_ts"))
        elif columns >= layout.results:
            for row in _table(source):
                _result(row, found.setdefault(str(row[layout.market]), AboutMarket()))
        else:
            continue
        job.report.note(f"names and results are also from {source.name}")
    return found


def _result(row: Mapping[str, Any], about: AboutMarket) -> None:
    if "y" in row:
        if row["source"] == "api":  # the other labels are guesses from the last price
            about.won = 1 - int(row["y"])
    elif row.get("outcome_real") in ("YES", "NO"):
        about.won = 0 if row["outcome_real"] == "YES" else 1
        about.at_ns = ns_of(time_of(row.get("resolution_timestamp")))


def _table(source: Source) -> Iterator[Mapping[str, Any]]:
    if source.is_parquet:
        for batch in source.parquet().iter_batches():
            yield from batch.to_pylist()
    else:
        with source.path.open(newline="", encoding="utf-8", errors="replace") as lines:
            yield from csv.DictReader(lines)


def time_of(value: object) -> datetime | None:
    if isinstance(value, str) and value:
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def ns_of(value: object) -> int:
    at = time_of(value)
    return int(at.timestamp()) * _S if at else 0
