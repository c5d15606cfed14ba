"""Polled best bid and ask in Parquet tables: Polymarket US quotes, and panels of Gamma's own quotes.

Each poll is a whole book of one level a side. The tables have no sizes: the job's size stands at each price, and the
tape says so. The other outcome's book is the mirror image, as it is at the venue. A poll that finds nothing new repeats
one level, so that replays know the book was confirmed. Polls further apart than five times the usual are a gap.

Such tables hold thousands of markets: --markets or --limit chooses, those whose quotes change most first. Names and
results are read from tables beside the quotes, up to two folders higher. A result stands in the tape where it is
dated, or right after the last quote of a market that ended there; otherwise only its payouts are known, for after.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from markets.domain.instruments import MarketFacts
from markets.domain.tape import ASK, BID, Fidelity
from markets.domain.units import ONE
from markets.selectors.archive.files import ArchiveError
from markets.selectors.archive.manifest import market_key
from markets.services.archive.drafts import Draft
from markets.services.archive.importers.base import ImportJob
from markets.services.archive.importers.quote_tables import PANEL, US, AboutMarket, Layout, tables_beside, time_of
from markets.services.archive.invented import category_named, facts_invented
from markets.services.archive.sources import Source

_NEEDED = {"ts", "slug", "market_id", "bid", "ask", "best_bid", "best_ask", "y"}
_NOT_NEEDED = {
    "category",
    "mid",
    "spread",
    "volume24hr",
    "segment",
    "price_yes",
    "price_no",
    "last_trade_price",
    "volume",
}
_NOT_NEEDED |= {"volume_24hr", "liquidity", "one_day_price_change", "one_hour_price_change", "event_volume_24hr"}
_AT_ONCE = 200  # markets in memory together
_CHOOSE_ABOVE = 1_000
_ENDED_NS = 600 * 10**9  # a market whose last quote anywhere is no later than this after ours ended with our data
_LEAST_GAP_NS = 600 * 10**9
_S = 10**9
Numbers = npt.NDArray[Any]


class Quotes:
    kind = "quotes"
    about = "polled best bid and ask in Parquet (top of book)"

    def claims(self, source: Source) -> bool:
        return source.is_parquet and layout_of(source) is not None

    def beside(self, source: Source) -> bool:
        return any(set(source.columns) >= table for lay in (US, PANEL) for table in (lay.names, lay.results))

    def read(self, sources: Sequence[Source], job: ImportJob) -> None:
        for layout in (US, PANEL):
            files = [s for s in sources if layout_of(s) is layout]
            if files:
                _read(layout, files, sources, job)


def layout_of(source: Source) -> Layout | None:
    """Return the shape of a table of quotes, None if it is none."""
    columns = set(source.columns)
    return next((lay for lay in (US, PANEL) if columns >= {lay.time, lay.market, lay.bid, lay.ask}), None)


def _read(layout: Layout, files: list[Source], others: Sequence[Source], job: ImportJob) -> None:
    report = job.report
    counts, changes = _census(layout, files, job)
    about = tables_beside(layout, files, others, job)
    wanted = [
        key for key in counts
        if job.wants(key, str(about.get(key, AboutMarket()).names.get("slug") or ""),
                     str(about.get(key, AboutMarket()).names.get("condition_id") or ""))
    ]  # fmt: skip
    if not wanted:
        raise ArchiveError(f"none of {len(counts):,} markets is one of {', '.join(job.markets)}")
    if job.limit is None and len(wanted) > _CHOOSE_ABOVE:
        raise ArchiveError(
            f"these tables hold {len(wanted):,} markets; choose with --markets (for example --markets "
            f"'{wanted[0][:24]}*') or --limit, which takes those whose quotes change most"
        )
    wanted.sort(key=lambda key: (-changes[key], key))
    chosen = wanted[: job.limit]
    report.ignored += report.read - sum(counts[key] for key in chosen)
    names = [f"{source.path.parent.name}/{source.name}" for source in files]
    for first in range(0, len(chosen), _AT_ONCE):
        part = chosen[first : first + _AT_ONCE]
        rows = _rows_of(layout, files, part, job)
        for key in part:
            _write(layout, rows.pop(key, []), key=key, about=about.get(key, AboutMarket()), names=names, job=job)


def _census(layout: Layout, files: list[Source], job: ImportJob) -> tuple[Counter[str], Counter[str]]:
    """Count the quotes of each market, and how often they change from one row to the next."""
    counts: Counter[str] = Counter()
    changes: Counter[str] = Counter()
    for source in files:
        if extra := sorted(set(source.columns) - _NEEDED - _NOT_NEEDED):
            job.report.note(f"{source.name}: columns {', '.join(extra)} are not known and were not read")
        for batch in _batches(source, [layout.market, layout.bid, layout.ask]):
            job.report.read += batch.num_rows
            job.report.progress(f"{job.report.read:,} rows counted, at {source.path}")
            keys = batch.column(0).cast(pa.string()).dictionary_encode()
            codes = keys.indices.to_numpy(zero_copy_only=False)
            bid, ask = (np.nan_to_num(_floats(batch.column(n)), nan=-1.0) for n in (1, 2))
            same = codes[1:] == codes[:-1]
            moved = codes[1:][same & ((bid[1:] != bid[:-1]) | (ask[1:] != ask[:-1]))]
            names = keys.dictionary.to_pylist()
            for counter, some in ((counts, codes), (changes, moved)):
                for name, count in zip(names, np.bincount(some, minlength=len(names)).tolist(), strict=True):
                    counter[name] += count
    return counts, changes


def _rows_of(layout: Layout, files: list[Source], keys: list[str], job: ImportJob) -> dict[str, list[list[Numbers]]]:
    """Return the chosen markets' columns (time, bid, ask, result) in pieces."""
    found: dict[str, list[list[Numbers]]] = {}
    values = pa.array(keys, type=pa.string())
    for source in files:
        names = [layout.market, layout.time, layout.bid, layout.ask]
        if layout.result in source.columns:
            names.append(layout.result)
        for batch in _batches(source, names):
            market = batch.column(0).cast(pa.string())
            some = batch.filter(pc.is_in(market, value_set=values))
            if not some.num_rows:
                continue
            job.report.progress(f"{source.path}: reading the chosen markets")
            columns = [_nanoseconds(some.column(1)), *(_floats(some.column(n)) for n in range(2, len(names)))]
            if len(names) == 4:
                columns.append(np.full(some.num_rows, np.nan))
            slugs = np.array(some.column(0).to_pylist(), dtype=object)
            order = np.argsort(slugs, kind="stable")
            cuts = np.flatnonzero(slugs[order][1:] != slugs[order][:-1]) + 1
            for rows in np.split(order, cuts):
                found.setdefault(str(slugs[rows[0]]), []).append([column[rows] for column in columns])
    return found


def _write(
    layout: Layout, pieces: list[list[Numbers]], *, key: str, about: AboutMarket, names: list[str], job: ImportJob
) -> None:
    at, bids, asks, results = (np.concatenate([piece[n] for piece in pieces]) for n in range(4))
    if (np.diff(at) < 0).any():
        job.report.note("rows of a market stand in no order of time; they were sorted")
        order = np.argsort(at, kind="stable")
        at, bids, asks, results = at[order], bids[order], asks[order], results[order]
    facts = _facts(layout, key, about)
    draft = Draft(
        job.spool, market=market_key(layout.prefix, facts.slug, facts.condition_id), facts=facts,
        fidelity=Fidelity.TOP_OF_BOOK, source=layout.source, sources=names,
    )  # fmt: skip
    last = _quotes(draft, key, (at, _micro(bids), _micro(asks)), job)
    if not last:
        draft.drop()
        return
    draft.notes.append(f"sizes are not recorded: {job.size // ONE:,} shares are assumed at each price")
    said = results[~np.isnan(results)]
    won = (1 - int(said[-1])) if len(said) else about.won
    if won is not None:
        _settle(draft, won, last, about)
    job.save(draft)


def _quotes(draft: Draft, key: str, columns: tuple[Numbers, Numbers, Numbers], job: ImportJob) -> int:
    """Write a market's polls; returns the time of the last one, 0 if none could be read."""
    report = job.report
    steps = np.diff(columns[0])
    longest = max(_LEAST_GAP_NS, 5 * int(np.median(steps))) if len(steps) else _LEAST_GAP_NS
    before, last = (-1, -1), 0
    for ns, bid, ask in zip(*(column.tolist() for column in columns), strict=True):
        if ns == last:
            report.refuse(key, "quoted twice at the same moment; the first stands")
            continue
        if not (0 <= bid < ONE and 0 <= ask < ONE):
            report.refuse(key, f"a quote of {bid / ONE:g} to {ask / ONE:g} is not between 0 and 1")
            continue
        if last and ns - last > longest:
            draft.gap((0, 1), at_ns=last)
            before = (-1, -1)
        if (bid, ask) == before:
            _confirm(draft, bid, ask, job.size, ns)
        else:
            _show(draft, bid, ask, job.size, ns)
        before, last = (bid, ask), ns
        report.kept += 1
    return last


def _show(draft: Draft, bid: int, ask: int, size: int, ns: int) -> None:
    for outcome, (high, low) in enumerate(((bid, ask), (ask and ONE - ask, bid and ONE - bid))):
        bids = [(high, size)] if high else []
        asks = [(low, size)] if low else []
        draft.book(outcome, bids, asks, venue_ns=ns, received_ns=ns)


def _confirm(draft: Draft, bid: int, ask: int, size: int, ns: int) -> None:
    """Say once more what is there."""
    if not bid and not ask:
        _show(draft, bid, ask, size, ns)
        return
    side, price = (BID, bid) if bid else (ASK, ask)
    for outcome in (0, 1):
        there, at = (side, price) if outcome == 0 else (ASK if side == BID else BID, ONE - price)
        draft.level(outcome, there, at, size, venue_ns=ns, received_ns=ns)
        draft.end((outcome,))


def _settle(draft: Draft, won: int, last: int, about: AboutMarket) -> None:
    payouts = tuple(ONE if outcome == won else 0 for outcome in (0, 1))
    if about.at_ns >= last:
        draft.resolved(payouts, venue_ns=about.at_ns, received_ns=about.at_ns)
    elif about.last_ns <= last + _ENDED_NS:
        draft.resolved(payouts, venue_ns=last + _S, received_ns=last + _S)
        draft.notes.append("the result stands right after the last quote; when it was known is not recorded")
    else:
        draft.payouts = payouts
        draft.notes.append("the market went on after these quotes; its result is known from a table beside them")


def _facts(layout: Layout, key: str, about: AboutMarket) -> MarketFacts:
    names = about.names
    tags = [tag for tag in str(names.get("event_tags") or "").split("|") if tag]
    labels = [text.strip(' "') for text in str(names.get("outcomes") or "").strip("[]").split(",") if text.strip(' "')]
    return facts_invented(
        condition_id=str(names.get("condition_id") or key),
        slug=str(names.get("slug") or key),
        question=str(names.get("question") or key),
        labels=labels if len(labels) == 2 else (),
        category=category_named(str(names.get("category") or "")),
        tags=tags,
        event=str(names.get("event_slug") or ""),
        neg_risk="Neg Risk" in tags,
        closes_at=time_of(names.get("end_date")),
        venue=layout.venue,
    )


def _batches(source: Source, columns: list[str]) -> Iterator[pa.RecordBatch]:
    try:
        for batch in source.parquet().iter_batches(batch_size=131_072, columns=columns):
            yield batch.select(columns)
    except (pa.ArrowException, OSError) as error:
        raise ArchiveError(f"{source.path} is damaged: {str(error)[:120]}") from None


def _nanoseconds(column: pa.Array) -> Numbers:
    if not pa.types.is_timestamp(column.type):
        raise ArchiveError(f"the time column has the type {column.type}; a timestamp is needed")
    return np.asarray(
        column.cast(pa.timestamp("ns", tz=column.type.tz)).cast(pa.int64()).to_numpy(zero_copy_only=False)
    )


def _floats(column: pa.Array) -> Numbers:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False))


def _micro(prices: Numbers) -> Numbers:
    """Return prices in millionths, 0 for a side that is empty."""
    return np.rint(np.nan_to_num(prices, nan=0.0) * ONE).astype(np.int64)
