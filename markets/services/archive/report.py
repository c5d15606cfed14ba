"""What an import did: rows read, refused with reasons and examples, kept; and what a reader of it must know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from markets.selectors.archive.manifest import TapeInfo

_EXAMPLES = 5
_REASONS = 50
_EVERY = 20_000  # rows between two reports of progress


def silent(_: str) -> None:
    """Report progress to nobody."""


@dataclass(slots=True)
class ImportReport:
    """Counts of one import. `progress` is called with a line of text every few thousand rows."""

    progress: Callable[[str], None] = silent
    kind: str = ""
    read: int = 0  # rows, lines or array entries of the source
    kept: int = 0  # of these, how many are in the archive now
    ignored: int = 0  # readable, and nothing for a tape: other messages, markets not chosen
    refused: Counter[str] = field(default_factory=Counter)  # by reason
    examples: list[str] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)  # each once, in order
    tapes: list[TapeInfo] = field(default_factory=list)
    series: list[str] = field(default_factory=list)
    not_saved: list[str] = field(default_factory=list)  # markets whose tapes the archive refused, and why

    def row(self, where: str) -> None:
        """Count a row that was read."""
        self.read += 1
        if self.read % _EVERY == 0:
            self.progress(f"{self.read:,} rows read, at {where}")

    def refuse(self, where: str, reason: object) -> None:
        """Count a row that cannot be read, and remember the first few with their place."""
        words = str(reason)[:160]
        if words in self.refused or len(self.refused) < _REASONS:
            self.refused[words] += 1
        else:
            self.refused["other reasons"] += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"{where}: {words}")

    def note(self, words: str) -> None:
        self.notes[words] = None

    def lines(self) -> list[str]:
        """Return the report as text."""
        refused = sum(self.refused.values())
        found = [
            f"kind {self.kind}: {self.read:,} rows read, {self.kept:,} kept, {refused:,} refused, "
            f"{self.ignored:,} not for a tape"
        ]
        found += [f"  refused {count:,} times: {reason}" for reason, count in self.refused.most_common(10)]
        found += [f"  for example {example}" for example in self.examples]
        found += [f"  note: {note}" for note in self.notes]
        found += [f"  not saved: {words}" for words in self.not_saved]
        found += [f"  series {name}" for name in self.series]
        found += [
            f"  {info.market} {info.day}: {info.rows:,} rows, {info.trades:,} trades, {info.fidelity}"
            for info in self.tapes[:40]
        ]
        if len(self.tapes) > 40:
            found.append(f"  and {len(self.tapes) - 40:,} tapes more")
        return found
