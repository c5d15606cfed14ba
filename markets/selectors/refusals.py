"""What a venue's refusal means, in plain words: cause and fix from the catalogue of known ones."""

from __future__ import annotations

from dataclasses import dataclass

from markets.venues.registry import REFUSALS


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One known refusal. `settles`: whether it alone proves that no order exists."""

    code: str
    cause: str
    remedy: str
    scope: str
    where: str
    settles: bool


def refusal_explain(text: str, *, venue: str = "polymarket") -> Explained | None:
    """Return what `text` means, or None: then nobody knows, and it proves nothing.

    Texts of our own around the venue's words ("the venue says: …") are looked through.
    """
    explain = REFUSALS.get(venue)
    if explain is None:
        return None
    parts = [text, *(text.split(mark, 1)[1] for mark in (": ", "“", '"') if mark in text)]
    for part in parts:
        found = explain(part.strip().strip('"“”'))
        if found is not None:
            return Explained(
                code=found.code,
                cause=found.cause,
                remedy=found.remedy,
                scope=found.scope.value,
                where=found.where.value,
                settles=found.means.value == "rejected",
            )
    return None
