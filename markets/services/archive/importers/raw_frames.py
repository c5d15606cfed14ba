"""Raw frames of the market socket, in the format of 2026, and our own recorder's files of them.

Files are read in the order of their first line; what several of them say of one market becomes one tape a day. Which
tokens make a market is learnt from the frames in a first reading, their names from the file's first line, from our
catalogue, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from markets.domain.instruments import MarketFacts
from markets.domain.tape import Fidelity
from markets.domain.units import AmountError, micro_from_text
from markets.selectors.archive.manifest import market_key
from markets.services.archive.drafts import Draft
from markets.services.archive.frames import FrameReader, MarketTokens
from markets.services.archive.importers.base import ImportJob
from markets.services.archive.invented import MINIMUM_SIZE, TICK, category_named, facts_invented
from markets.services.archive.lines import header_read, line_ns, line_read
from markets.services.archive.report import ImportReport
from markets.services.archive.sources import Source

_READING_ERRORS = (msgspec.DecodeError, ValueError, RecursionError)


_OURS = re.compile(rb'\s*\{\s*"format"\s*:\s*"polybot-recording"')


class RawFrames:
    kind = "frames"
    about = "frames of the market socket, one JSON object a line, and our recorder's files (book and trades)"

    def claims(self, source: Source) -> bool:
        first = source.head.split(b"\n", 1)[0]
        # With many markets our header is longer than the head of a file that is looked at.
        if header_read(first) or _OURS.match(first):
            return True
        try:
            line = line_read(first)
        except _READING_ERRORS:
            return False
        return bool((line.receivedAt and "payloadUtf8" in first.decode("utf-8", "replace")) or (line.t and line.dir))

    def beside(self, source: Source) -> bool:
        return False

    def read(self, sources: Sequence[Source], job: ImportJob) -> None:
        ordered = sorted(sources, key=first_ns)
        tokens = MarketTokens()
        headers: dict[str, dict[str, Any]] = {}
        prefixes: dict[str, str] = {}
        for source in ordered:
            _learn(source, job, tokens, headers, prefixes)
        known = job.known(list(tokens.tokens)) if tokens.tokens else {}
        reader = FrameReader(job.report)
        names = [source.name for source in ordered]

        def make(condition_id: str, heard: Sequence[str]) -> Draft | None:
            facts = facts_of(condition_id, heard, headers.get(condition_id), known.get(condition_id))
            if not job.wants(facts.slug, condition_id) or job.is_full(len(reader.drafts)):
                return None
            prefix = prefixes.get(condition_id, job.prefix)
            return Draft(
                job.spool, market=market_key(prefix, facts.slug, condition_id), facts=facts,
                fidelity=Fidelity.BOOK_AND_TRADES, source="frames of the market socket", sources=names,
            )  # fmt: skip

        for condition_id, heard in tokens.tokens.items():
            reader.follow(condition_id, heard, make)
        previous = ""
        for source in ordered:
            _replay(source, previous, reader, job)
            previous = source.name
        for draft in reader.drafts.values():
            if draft.last_ns:
                job.save(draft)
            else:
                draft.drop()


def first_ns(source: Source) -> int:
    """Return the time of a file's first line with a time, 0 if none can be read."""
    for text in source.head.split(b"\n")[:20]:
        try:
            return line_ns(line_read(text))
        except _READING_ERRORS:
            continue
    return 0


def facts_of(
    condition_id: str, tokens: Sequence[str], header: dict[str, Any] | None, known: MarketFacts | None
) -> MarketFacts:
    """Return a market's facts: what our catalogue knows, else what the recording says, else what is usual."""
    if known is not None:
        return known
    header = header or {}
    return facts_invented(
        condition_id=condition_id,
        slug=str(header.get("slug") or ""),
        question=str(header.get("question") or ""),
        labels=[str(label) for label in header.get("outcomes") or ()] or [f"token {token[:6]}" for token in tokens],
        tokens=[str(token) for token in header.get("token_ids") or tokens],
        category=category_named(str(header.get("category") or "")),
        tick=_micro(header.get("tick"), TICK),
        minimum_size=_micro(header.get("minimum_size"), MINIMUM_SIZE),
        tags=[str(tag) for tag in header.get("tags") or ()],
        event=str(header.get("event") or ""),
        neg_risk=bool(header.get("neg_risk")),
        seconds_delay=int(header.get("seconds_delay") or 0),
    )


def _micro(text: object, usual: int) -> int:
    try:
        return micro_from_text(text, field="") or usual
    except AmountError:
        return usual


def _learn(
    source: Source, job: ImportJob, tokens: MarketTokens, headers: dict[str, dict[str, Any]], prefixes: dict[str, str]
) -> None:
    """Read which tokens make which market, without counting anything."""
    for number, text in source.lines(ImportReport()):
        if number == 1 and (header := header_read(text)):
            for market in header.get("markets") or ():
                condition = str(market.get("condition_id"))
                headers[condition] = market
                tokens.tokens.setdefault(condition, [str(token) for token in market.get("token_ids") or ()])
                prefixes[condition] = str(header.get("exchange") or job.prefix)
            continue
        try:
            line = line_read(text)
        except _READING_ERRORS:
            continue
        if line.is_frame:
            tokens.hear(line.text.encode())


def _replay(source: Source, previous: str, reader: FrameReader, job: ImportJob) -> None:
    report = job.report
    heard = False
    for number, text in source.lines(report):
        if not text.strip():
            continue
        where = f"{source.name}:{number}"
        if number == 1:
            header = header_read(text)
            if previous and header.get("follows") != previous:
                reader.gap_everywhere(at_ns=reader.last_ns)  # what lies between two files is not known
            if header:
                continue
        job.row(where)
        try:
            line = line_read(text)
            at_ns = line_ns(line)
        except _READING_ERRORS as error:
            report.refuse(where, f"no line of a recording: {error}"[:120])
            continue
        if line.is_gap:
            reader.gap(line.tokens, at_ns=at_ns) if line.tokens else reader.gap_everywhere(at_ns=at_ns)
            continue
        if not line.is_frame:
            report.ignored += 1
            continue
        if line.opening and heard:
            reader.gap_everywhere(at_ns=reader.last_ns)  # the recorder lost frames and began again with the books
        heard = not line.opening
        reader.frame(line.text.encode(), at_ns, where)
