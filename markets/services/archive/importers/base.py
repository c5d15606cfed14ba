"""What every importer is given, and what it offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from markets.selectors.archive.files import ArchiveError
from markets.services.archive.drafts import Draft, Spool
from markets.services.archive.invented import Known, unknown_to_all
from markets.services.archive.report import ImportReport
from markets.services.archive.sources import Source


@dataclass(slots=True, kw_only=True)
class ImportJob:
    """One run of one importer over files of one kind."""

    spool: Spool
    report: ImportReport
    markets: Sequence[str] = ()  # patterns of slugs or condition ids, none: all of them
    limit: int | None = None  # at most so many markets
    replace_others: bool = False
    known: Known = unknown_to_all
    prefix: str = "polymarket"  # of the archive's keys
    size: int = 100_000_000  # millionths of a share, assumed where a source has prices without sizes

    def wants(self, *names: str) -> bool:
        """Whether a market of these names was chosen."""
        return not self.markets or any(fnmatchcase(n.lower(), p.lower()) for n in names if n for p in self.markets)

    def is_full(self, markets: int) -> bool:
        return self.limit is not None and markets >= self.limit

    def row(self, where: str) -> None:
        """Count a row that was read."""
        self.report.row(where)

    def save(self, draft: Draft) -> None:
        """Put a draft into the archive; one that the archive refuses is told, and the others go on."""
        try:
            for info in draft.save(replace_others=self.replace_others):
                self.report.tapes.append(info)
                for note in info.notes:
                    self.report.note(f"{info.market}: {note}" if len(self.report.tapes) < 50 else note)
        except ArchiveError as error:
            self.report.not_saved.append(str(error))
        self.report.progress(f"{draft.market} stored")


class Importer(Protocol):
    """One kind of source."""

    kind: str
    about: str

    def claims(self, source: Source) -> bool:
        """Whether this file is of the kind, by its content."""
        ...

    def beside(self, source: Source) -> bool:
        """Whether this file belongs to the kind without being events: labels, names."""
        ...

    def read(self, sources: Sequence[Source], job: ImportJob) -> None:
        """Import all of them. Raises ArchiveError for what makes the whole import senseless."""
        ...
