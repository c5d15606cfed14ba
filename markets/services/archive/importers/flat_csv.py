"""Books of 2025, flattened: one row per level of a book or per change, both tokens of a market in one file.

A message is a run of rows with equal asset, time, hash and kind. Columns go by name and sides by bid/ask or BUY/SELL.
The files have no receive time: the venue's time stands for it.

Trades are not in these files, and can be read from them: in 2025 the venue sent a whole `book` when somebody
subscribed, and after each trade, orders and cancels came as `price_change` alone. So what a later book lacks at the
touch of one side, best level first, is a trade of that size (flagged INFERRED); the taker's rest may turn up on the
other side. Up to three other levels may have changed meanwhile. Trades are told by the token that speaks first in the
file, since both say the same. A book that such a trade does not explain proves none: after a second of silence it
counts as a restart of the recorder, as does a changed book after a minute, or one that a metadata file beside names.

The tick is 0.01 until a price is finer. Minimum sizes, fees and results are not recorded.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from markets.domain.tape import ASK, BID, Fidelity
from markets.selectors.archive.files import ArchiveError
from markets.selectors.archive.manifest import market_key
from markets.services.archive.drafts import Draft, Level
from markets.services.archive.importers.base import ImportJob
from markets.services.archive.invented import facts_invented
from markets.services.archive.sources import Source
from markets.venues.base import ParseError
from markets.venues.polymarket.parse import read_ms, read_price, read_size

_NEEDED = {"asset_id", "event_type", "price", "side", "size", "hash", "timestamp"}
_KNOWN = _NEEDED | {"market_slug", "market_id", "market", "outcome_name"}
_SIDES = {"bid": BID, "BUY": BID, "ask": ASK, "SELL": ASK}
_METADATA = {"market_slug", "asset_id", "outcome_name", "executed_at_timestamp"}
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+-20\d\d-\d\d-\d\d")
_OTHERS = 3  # levels that may have changed besides a trade
_RESTART_MS, _SILENCE_MS = 1_000, 60_000
_MS = 1_000_000
_FINE = 1_000


@dataclass(slots=True)
class _Message:
    token: str
    venue_ms: int
    is_book: bool
    levels: list[tuple[int, int, int]]  # (side, price, size)


@dataclass(slots=True)
class _Market:
    """One market while its file is read."""

    draft: Draft
    tokens: list[str]
    labels: dict[str, str]
    condition_id: str = ""
    restarts_ms: list[int] = field(default_factory=list)
    heard_ms: dict[int, int] = field(default_factory=dict)  # by outcome
    teller: int = -1  # the outcome whose books tell trades
    trades: int = 0
    unexplained: int = 0


class FlatCsv:
    kind = "flat"
    about = "order books of 2025, flattened to CSV (book, trades inferred)"

    def claims(self, source: Source) -> bool:
        return set(source.columns) >= _NEEDED

    def beside(self, source: Source) -> bool:
        return set(source.columns) >= _METADATA

    def read(self, sources: Sequence[Source], job: ImportJob) -> None:
        events = [source for source in sources if self.claims(source)]
        named = sorted(((_slug_of(source), source) for source in events), key=lambda pair: (pair[0], pair[1].name))
        markets = 0
        for slug, group in groupby(named, key=itemgetter(0)):
            files = [source for _, source in group]
            if not job.wants(slug, *(source.name for source in files)) or job.is_full(markets):
                job.report.note(f"{slug} was not chosen")
                continue
            markets += 1
            _read_market(slug, files, [source for source in sources if self.beside(source)], job)


def _read_market(slug: str, files: list[Source], beside: list[Source], job: ImportJob) -> None:
    facts = facts_invented(condition_id=f"unknown:{slug}", slug=slug)
    draft = Draft(
        job.spool, market=market_key(job.prefix, slug, slug), facts=facts, fidelity=Fidelity.BOOK,
        source="flattened capture of 2025", sources=[source.name for source in files],
    )  # fmt: skip
    market = _Market(draft=draft, tokens=[], labels={})
    for path in {p for source in files if (p := _metadata_path(source)).exists()}:
        beside = [*beside, Source(path)] if all(b.path != path for b in beside) else beside
    for source in beside:
        _read_metadata(source, slug, market, job)
    for source in files:
        before = job.report.read
        for message in _messages(source, market, job):
            _apply(message, market)
        if job.report.read == before:
            job.report.refuse(source.name, "the file has no rows")
    if not draft.rows and not draft.messages:
        draft.drop()
        return
    labels = [market.labels.get(token, f"token {token[:6]}") for token in market.tokens]
    draft.facts = facts_invented(
        condition_id=market.condition_id or f"unknown:{slug}", slug=slug, labels=labels, tokens=market.tokens
    )
    draft.notes.append(
        f"{market.trades:,} trades inferred from {len(market.tokens)} books, "
        f"{market.unexplained:,} books that no trade explains"
    )
    draft.notes.append("minimum size 5 and first tick 0.01 are assumed; fees and result are not recorded")
    job.save(draft)


def _apply(message: _Message, market: _Market) -> None:
    draft = market.draft
    outcome = market.tokens.index(message.token)
    ns = message.venue_ms * _MS
    _fit_tick(message, market, ns)
    if not message.is_book:
        for side, price, size in message.levels:
            draft.level(outcome, side, price, size, venue_ns=ns, received_ns=ns)
        draft.end((outcome,))
    else:
        sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        for side, price, size in message.levels:
            if size:
                sides[side][price] = size
        old = draft.books.get(outcome)
        if old is not None:
            _follow(message, market, outcome, old, sides)
        draft.book(outcome, sides[BID].items(), sides[ASK].items(), venue_ns=ns, received_ns=ns)
        if market.teller < 0:
            market.teller = outcome
    market.heard_ms[outcome] = message.venue_ms


def _follow(
    message: _Message,
    market: _Market,
    outcome: int,
    old: tuple[dict[int, int], dict[int, int]],
    new: tuple[dict[int, int], dict[int, int]],
) -> None:
    """Tell what lies between the book that we had and the one that came: trades, or a gap."""
    heard = market.heard_ms.get(outcome, 0)
    silence = message.venue_ms - heard
    draft, ns = market.draft, message.venue_ms * _MS
    if old == new:
        return
    if silence >= _SILENCE_MS or any(heard < at <= message.venue_ms for at in market.restarts_ms):
        draft.gap((outcome,), at_ns=heard * _MS)
        return
    taken = trade_between(old, new)
    if taken is None:
        market.unexplained += outcome == market.teller
        if silence >= _RESTART_MS:
            draft.gap((outcome,), at_ns=heard * _MS)
        return
    side, levels = taken
    for price, size in levels if outcome == market.teller else ():
        market.trades += 1
        draft.trade(outcome, side, price, size, venue_ns=ns, received_ns=ns, inferred=True)


def trade_between(
    old: tuple[dict[int, int], dict[int, int]], new: tuple[dict[int, int], dict[int, int]]
) -> tuple[int, list[Level]] | None:
    """Return (taker's side, [(price, size)]) of the trade that leads from one book to the next.

    Books are (asks, bids). None when no single trade explains the difference; an empty list when only orders changed.
    """
    consumed = {side: _consumed(side, old[side], new[side]) for side in (ASK, BID)}
    if consumed[ASK] and consumed[BID]:
        return None
    hit = ASK if consumed[ASK] else BID
    changed = sum(len({p for p, _ in old[side].items() ^ new[side].items()}) for side in (ASK, BID))
    if changed - len(consumed[hit]) > _OTHERS:
        return None
    return (BID if hit == ASK else ASK), consumed[hit]


def _consumed(side: int, old: dict[int, int], new: dict[int, int]) -> list[Level]:
    """Return the best levels that are gone, then the fall of the first that stays."""
    if not new:
        return []
    taken: list[Level] = []
    for price in sorted(old, reverse=side == BID):
        left = new.get(price, 0)
        if left < old[price]:
            taken.append((price, old[price] - left))
        if left:
            break
    return taken


def _fit_tick(message: _Message, market: _Market, ns: int) -> None:
    draft = market.draft
    if draft.tick > _FINE and any(price % draft.tick for _, price, _ in message.levels):
        finer = _FINE if all(price % _FINE == 0 for _, price, _ in message.levels) else 100
        draft.ticks(finer, venue_ns=ns, received_ns=ns)
        draft.notes.append(f"the tick becomes {finer / 1e6:g} with the first finer price; no message says so")


def _messages(source: Source, market: _Market, job: ImportJob) -> Iterator[_Message]:
    report = job.report
    reader = csv.reader(_text(source, job))
    columns = next(reader, [])
    missing = sorted(_NEEDED - set(columns))
    if missing:
        raise ArchiveError(f"{source.name} has no column {', '.join(missing)}; it is no flattened capture")
    if extra := sorted(set(columns) - _KNOWN):
        report.note(f"{source.name}: columns {', '.join(extra)} are not known and were not read")
    token_of, kind_of = columns.index("asset_id"), columns.index("event_type")
    key_of = itemgetter(token_of, columns.index("timestamp"), columns.index("hash"), kind_of)
    level_of = itemgetter(columns.index("side"), columns.index("price"), columns.index("size"))
    name_of = columns.index("outcome_name") if "outcome_name" in columns else -1
    condition_of = columns.index("market") if "market" in columns else -1
    width, key, previous = len(columns), ("", "", "", ""), [""]
    message: _Message | None = None
    for row in reader:
        job.row(source.name)
        where = f"{source.name}:{reader.line_num}"
        if len(row) != width:
            report.refuse(where, f"{len(row)} fields instead of {width}")
            continue
        if row == previous:
            report.refuse(where, "the same line twice")
            continue
        previous = row
        try:
            side, price, size = level_of(row)
            level = (_SIDES[side], read_price(price), read_size(size))
            found = key_of(row)
            if message is None or found != key:
                begun = _begun(found, market)
                if message:
                    yield message
                message, key = begun, found
        except (ParseError, KeyError) as error:
            report.refuse(where, _words(error))
            continue
        message.levels.append(level)
        report.kept += 1
        if name_of >= 0 and row[name_of]:
            market.labels[row[token_of]] = row[name_of]
        if condition_of >= 0 and not market.condition_id:
            market.condition_id = row[condition_of]
    if message:
        yield message


def _begun(key: tuple[str, str, str, str], market: _Market) -> _Message:
    token, timestamp, _, kind = key
    if not token.isdecimal():
        raise ParseError("asset_id", f"{token!r:.40} is no token")
    if token not in market.tokens and len(market.tokens) == 2:
        raise ParseError("asset_id", "a third token in one market")
    if kind not in ("book", "price_change"):
        raise ParseError("event_type", f"{kind!r:.40} is unknown")
    venue_ms = read_ms(timestamp)
    if token not in market.tokens:
        market.tokens.append(token)
    return _Message(token=token, venue_ms=venue_ms, is_book=kind == "book", levels=[])


def _words(error: Exception) -> str:
    return f"side {error} is unknown" if isinstance(error, KeyError) else str(error)


def _text(source: Source, job: ImportJob) -> Iterable[str]:
    return (line.decode("utf-8", "replace") for _, line in source.lines(job.report))


def _slug_of(source: Source) -> str:
    """Return the market's slug: from the first row, else the file's name."""
    rows = csv.DictReader(source.head.decode("utf-8", "replace").splitlines()[:2])
    found = next(rows, {}).get("market_slug") or ""
    if found:
        return found
    named = _SLUG.search(source.name.replace("_", " "))
    return named[0] if named else source.name.split(".")[0].lower()


def _metadata_path(source: Source) -> Path:
    stem = source.name.split("_polymarket-market-events")[0]
    return source.path.with_name(f"{stem}_market-metadata.csv")


def _read_metadata(source: Source, slug: str, market: _Market, job: ImportJob) -> None:
    """Read which token is which team, and when the recorder was started."""
    for row in csv.DictReader(_text(source, job)):
        if row.get("market_slug") != slug or not row.get("asset_id"):
            continue
        token, at = row["asset_id"], row.get("executed_at_timestamp") or ""
        if token not in market.tokens and len(market.tokens) < 2:
            market.tokens.append(token)
        market.labels[token] = row.get("outcome_name") or ""
        if at.isdecimal():
            market.restarts_ms.append(int(at))
