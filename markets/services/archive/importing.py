"""Imports recorded data of any known kind: finds out what each file is, and has the right reader read it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from markets.selectors.archive.files import ArchiveError
from markets.services.archive.drafts import Spool
from markets.services.archive.importers.base import Importer, ImportJob
from markets.services.archive.importers.flat_csv import FlatCsv
from markets.services.archive.importers.prices import PriceTables
from markets.services.archive.importers.quotes import Quotes
from markets.services.archive.importers.raw_frames import RawFrames
from markets.services.archive.importers.trades import ChainFills, DataApiTrades
from markets.services.archive.importers.updown import UpDown
from markets.services.archive.invented import Known, unknown_to_all
from markets.services.archive.report import ImportReport, silent
from markets.services.archive.sources import Source, find_sources

IMPORTERS: tuple[Importer, ...] = (
    FlatCsv(),
    RawFrames(),
    Quotes(),
    UpDown(),
    DataApiTrades(),
    ChainFills(),
    PriceTables(),
)
KINDS = tuple(importer.kind for importer in IMPORTERS)


def data_import(
    paths: Sequence[Path],
    *,
    kind: str = "",
    markets: Sequence[str] = (),
    limit: int | None = None,
    replace_others: bool = False,
    known: Known = unknown_to_all,
    progress: Callable[[str], None] = silent,
    reports: list[ImportReport] | None = None,
) -> list[ImportReport]:
    """Import the files and return a report per kind; `reports` is filled while it works, for who interrupts it.

    Raises ArchiveError when nothing can be imported: no such file, none of a known kind, markets that must be chosen.
    """
    reports = [] if reports is None else reports
    by_kind, unknown = _sorted_out(find_sources(list(paths)), kind)
    if not by_kind:
        names = ", ".join(source.name for source in unknown[:5])
        kinds = "; ".join(f"{importer.kind}: {importer.about}" for importer in IMPORTERS)
        raise ArchiveError(f"no file is of a known kind ({names}). Known kinds: {kinds}. --kind names one")
    for importer, sources in by_kind.items():
        report = ImportReport(progress=progress, kind=importer.kind)
        reports.append(report)
        for source in unknown:
            report.note(f"{source.path} is of no known kind and was left out")
        unknown = []
        with Spool() as spool:
            job = ImportJob(
                spool=spool, report=report, markets=markets, limit=limit, replace_others=replace_others, known=known
            )
            importer.read(sources, job)
    return reports


def _sorted_out(sources: list[Source], kind: str) -> tuple[dict[Importer, list[Source]], list[Source]]:
    """Return which importer reads which files, and the files that none knows."""
    if kind:
        chosen = next((importer for importer in IMPORTERS if importer.kind == kind), None)
        if chosen is None:
            raise ArchiveError(f"{kind!r:.40} is no kind; there are {', '.join(KINDS)}")
        if not any(chosen.claims(source) for source in sources):
            names = ", ".join(source.name for source in sources[:5])
            raise ArchiveError(f"{names} is not of kind {kind}: {chosen.about}")
        return {chosen: sources}, []
    found: dict[Importer, list[Source]] = {}
    rest: list[Source] = []
    for source in sources:
        importer = next((i for i in IMPORTERS if i.claims(source)), None)
        if importer:
            found.setdefault(importer, []).append(source)
        else:
            rest.append(source)
    unknown = []
    for source in rest:
        owners = [importer for importer in IMPORTERS if importer.beside(source)]
        for importer in owners:
            if importer in found:
                found[importer].append(source)
        if not owners:
            unknown.append(source)
    return found, unknown
