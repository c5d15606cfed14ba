"""Series of prices of markets: daily tables, polled tables, and the price history that the CLOB answers with.

A price is known when its period ends: a day's closing price stands in the last instant of its day. The other
outcome's price is one minus it. Points further apart than five times the usual are a gap; nothing is put in between.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import Any

import msgspec

from markets.domain.tape import Fidelity
from markets.domain.units import ONE
from markets.selectors.archive.files import ArchiveError
from markets.selectors.archive.manifest import DAY_NS, market_key
from markets.services.archive.drafts import Draft
from markets.services.archive.importers.base import ImportJob
from markets.services.archive.invented import facts_invented
from markets.services.archive.sources import Source

_S, _US = 10**9, 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_json = msgspec.json.Decoder(Any, float_hook=Decimal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which column holds what. `question`, `slug` and `event` may be missing in a table."""

    time: str
    market: str
    price: str
    question: str = ""
    slug: str = ""
    event: str = ""
    closes: str = ""
    period_ns: int = 0  # how long after `time` the price is known

    @property
    def needs(self) -> set[str]:
        return {self.time, self.market, self.price}


LAYOUTS = (
    Layout(time="trade_dt", market="token_id", price="close_price", question="question", event="event_id",
           period_ns=DAY_NS - 1),
    Layout(time="snapshot_time", market="market_id", price="yes_price", question="title", slug="raw_url",
           closes="close_date"),
)  # fmt: skip


@dataclass(slots=True)
class _Market:
    points: dict[int, int]
    about: Mapping[str, Any]
    conflicts: int = 0


class PriceTables:
    kind = "prices"
    about = "series of prices as CSV, Parquet or price-history JSON (prices only)"

    def claims(self, source: Source) -> bool:
        return layout_of(source) is not None or (source.is_json and b'"history"' in source.head[:200])

    def beside(self, source: Source) -> bool:
        return False

    def read(self, sources: Sequence[Source], job: ImportJob) -> None:
        for source in sources:
            layout = layout_of(source)
            found = _history(source, job) if layout is None else _table(source, layout, job)
            layout = layout or Layout(time="t", market="market", price="p", question="market", slug="market")
            markets = 0
            for name, market in found.items():
                slug = str(market.about.get(layout.slug) or "")
                if not job.wants(name, slug, str(market.about.get(layout.question) or "")) or job.is_full(markets):
                    job.report.ignored += len(market.points)
                    continue
                markets += 1
                _write(name, slug, market, layout, source, job)


def layout_of(source: Source) -> Layout | None:
    """Return the shape of a table of prices, None if it is none."""
    return next((layout for layout in LAYOUTS if set(source.columns) >= layout.needs), None)


def _table(source: Source, layout: Layout, job: ImportJob) -> dict[str, _Market]:
    found: dict[str, _Market] = {}
    for number, row in enumerate(_rows(source, job), 2):
        job.row(source.name)
        where = f"{source.name}:{number}"
        try:
            at, price = _ns(row[layout.time]) + layout.period_ns, _price(row[layout.price])
            name = str(row[layout.market])
            if not name:
                raise ValueError("no market is named")
        except (KeyError, ValueError, TypeError, ArithmeticError) as error:
            job.report.refuse(where, f"{error}")
            continue
        market = found.setdefault(name, _Market(points={}, about=row))
        if at in market.points:
            job.report.refuse(where, "a second price of the same moment; the first stands")
            continue
        market.points[at] = price
    return found


def _history(source: Source, job: ImportJob) -> dict[str, _Market]:
    """Read {"history": [{"t": seconds, "p": price}]}. It does not name its market: the file's name does."""
    with source.open() as file:
        try:
            history = _json.decode(file.read())["history"]
        except (msgspec.DecodeError, OSError, EOFError, KeyError, TypeError, ArithmeticError) as error:
            raise ArchiveError(f"{source.path} is no price history: {error}") from None
    name = source.name.split(".")[0]
    market = _Market(points={}, about={"market": name})
    for number, point in enumerate(history if isinstance(history, list) else (), 1):
        job.row(source.name)
        try:
            at, price = int(point["t"]) * _S, _price(point["p"])
        except (KeyError, ValueError, TypeError, ArithmeticError) as error:
            job.report.refuse(f"{source.name}, point {number}", f"{error}")
            continue
        if at in market.points:
            job.report.refuse(f"{source.name}, point {number}", "a second price of the same moment; the first stands")
            continue
        market.points[at] = price
    job.report.note(f"{source.name}: a price history does not name its market; it is stored under the file's name")
    return {name: market} if market.points else {}


def _write(name: str, slug: str, market: _Market, layout: Layout, source: Source, job: ImportJob) -> None:  # noqa: PLR0917
    event = str(market.about.get(layout.event) or "")
    facts = facts_invented(
        condition_id=name if name.startswith("0x") else f"unknown:{name}",
        slug=slug,
        question=str(market.about.get(layout.question) or ""),
        tokens=[name] if name.isdecimal() else (),
        event=f"event-{event}" if event else "",
        closes_at=_time(market.about.get(layout.closes)),
    )
    draft = Draft(
        job.spool, market=market_key(job.prefix, slug or name[:40], name), facts=facts,
        fidelity=Fidelity.PRICES, source=f"price series, {source.name}", sources=[source.name],
    )  # fmt: skip
    times = list(market.points)
    ordered = sorted(times)
    if times != ordered:
        draft.notes.append("the points stood in no order of time; they were sorted")
    steps = [b - a for a, b in pairwise(ordered)]
    longest = 5 * median(steps) if steps else 0
    before = 0
    for at in ordered:
        if before and at - before > longest:
            draft.gap((0, 1), at_ns=before)
        price = market.points[at]
        draft.price((price, ONE - price), venue_ns=at, received_ns=at)
        before = at
        job.report.kept += 1
    job.save(draft)


def _rows(source: Source, job: ImportJob) -> Iterator[Mapping[str, Any]]:
    if source.is_parquet:
        for batch in source.parquet().iter_batches(batch_size=16_384):
            yield from batch.to_pylist()
        return
    yield from csv.DictReader(line.decode("utf-8", "replace") for _, line in source.lines(job.report))


def _ns(value: Any) -> int:
    at = _time(value)
    if at is None:
        raise ValueError(f"{value!r:.40} is no time")
    return (at - _EPOCH) // (timedelta(microseconds=1)) * _US


def _time(value: Any) -> datetime | None:
    if isinstance(value, str) and value:
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _price(value: Any) -> int:
    price = round(Decimal(str(value)) * ONE)
    if not 0 <= price <= ONE:
        raise ValueError(f"price {value} is not between 0 and 1")
    return price
