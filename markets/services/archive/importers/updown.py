"""Markets on whether a price rises within minutes, with their results, and the price feed that decides them.

A market's tape has no events but its result, dated when the venue closed it; what it was decided by (strike, end, the
series' name) stands beside it. The feed is a series of its own, in the order of its own time.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from markets.domain.instruments import Category
from markets.domain.tape import Fidelity
from markets.domain.units import ONE, AmountError, micro_from_decimal, micro_from_text
from markets.selectors.archive.files import ArchiveError
from markets.selectors.archive.manifest import day_of, market_key
from markets.selectors.archive.series import REST, SERIES_COLUMNS
from markets.services.archive.drafts import Draft
from markets.services.archive.importers.base import ImportJob
from markets.services.archive.invented import facts_invented
from markets.services.archive.series import series_save
from markets.services.archive.sources import Source
from markets.venues.base import MarketRecord, ParseError
from markets.venues.polymarket.gamma import Skipped, market_from_json

_FEED = {"feed_ts_ms", "full_accuracy_value", "server_ts_ms", "recv_ms"}
_FIELDS = (b'"strike_value"', b'"end_sec"', b'"token_ids"')
_row = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_MS, _S = 10**6, 10**9


class UpDown:
    kind = "updown"
    about = "markets of five minutes on a price, as JSON lines with results, and the price feed as CSV"

    def claims(self, source: Source) -> bool:
        return set(source.columns) >= _FEED or (
            source.is_json and all(name in source.head.split(b"\n", 1)[0] for name in _FIELDS)
        )

    def beside(self, source: Source) -> bool:
        return False

    def read(self, sources: Sequence[Source], job: ImportJob) -> None:
        for source in sources:
            if set(source.columns) >= _FEED:
                _read_feed(source, job)
        markets = 0
        for source in sources:
            if set(source.columns) >= _FEED:
                continue
            for number, line in source.lines(job.report):
                if line.strip() and not job.is_full(markets):
                    job.row(source.name)
                    markets += _read_market(line, f"{source.name}:{number}", source.name, job)


def _read_market(line: bytes, where: str, name: str, job: ImportJob) -> bool:
    try:
        row = _row.decode(line)
        slug, condition = str(row["slug"]), str(row["condition_id"])
        if not job.wants(slug, condition):
            job.report.ignored += 1
            return False
        end_s = int(row["end_sec"])
        payouts = [micro_from_text(text, field="outcome_prices") for text in row["outcome_prices"]]
        if not row["resolved"] or sorted(payouts) != [0, ONE]:
            raise ValueError(f"the result {row['outcome_prices']} is not final")
        record = market_from_json(row["raw"])
        strike = str(row["strike_value"] or "")
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AmountError, ParseError, Skipped) as error:
        job.report.refuse(where, f"{type(error).__name__}: {error}")
        return False
    facts = facts_invented(
        condition_id=condition, slug=slug, question=record.question, tokens=[str(t) for t in row["token_ids"]],
        labels=[outcome.label for outcome in record.outcomes], category=Category.CRYPTO, fee=record.fee,
        tick=record.tick, minimum_size=_minimum(record), seconds_delay=record.seconds_delay,
        closes_at=record.closes_at,
    )  # fmt: skip
    draft = Draft(
        job.spool, market=market_key(job.prefix, slug, condition), facts=facts, fidelity=Fidelity.PRICES,
        source="settled markets of the venue's catalogue", sources=[name],
    )  # fmt: skip
    at_ns = max(end_s, int(record.resolved_at.timestamp()) if record.resolved_at else 0) * _S
    draft.resolved(payouts, venue_ns=end_s * _S, received_ns=at_ns)
    draft.extra = {
        "strike": strike, "start_s": str(row["start_sec"]), "end_s": str(end_s), "series": f"{row['asset']}usd",
    }  # fmt: skip
    draft.notes.append("only the result is recorded: there is no book and no trade in this tape")
    job.report.kept += 1
    job.save(draft)
    return True


def _minimum(record: MarketRecord) -> int:
    return record.minimum_size if isinstance(record.minimum_size, int) else micro_from_decimal(record.minimum_size)


def _read_feed(source: Source, job: ImportJob) -> None:
    named = re.match(r"[A-Za-z]+", source.name)
    if named is None:
        raise ArchiveError(f"{source.name} does not begin with the name of what it prices, as BTCUSD-prices.csv does")
    name, report = named[0].lower(), job.report
    days: dict[str, dict[tuple[int, ...], None]] = {}
    late, latest = 0, 0
    rows = csv.DictReader(line.decode("utf-8", "replace") for _, line in source.lines(report))
    for number, row in enumerate(rows, 2):
        job.row(source.name)
        where = f"{source.name}:{number}"
        try:
            value = int(row["full_accuracy_value"])
            at, server, received = (int(row[c]) * _MS for c in ("feed_ts_ms", "server_ts_ms", "recv_ms"))
            if value <= 0 or at <= 0:
                raise ValueError(f"value {value} at {at}")
        except (TypeError, ValueError) as error:
            report.refuse(where, f"no tick of the feed: {error}")
            continue
        found = days.setdefault(day_of(at), {})
        tick = (at, server, received, value // REST, value % REST)
        if tick in found:
            report.refuse(where, "the same tick twice")
            continue
        late += received < latest
        latest = max(latest, received)
        found[tick] = None
        report.kept += 1
    notes = [f"{late:,} ticks were received later than ticks stamped after them"] if late else []
    for day, ticks in days.items():
        table = np.array(sorted(ticks), dtype="<i8")
        columns = {column: np.ascontiguousarray(table[:, n]) for n, column in enumerate(SERIES_COLUMNS)}
        info = series_save(columns, name=name, day=day, source=f"price feed, {source.name}", notes=notes)
        job.report.series.append(f"{name} {day}: {info.rows:,} ticks, {len(info.gaps)} gaps of more than a minute")
