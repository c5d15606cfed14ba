"""How the desk names what it trades: short event name, then the outcome in grey: `Fed, December` `25 bps · YES`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import reverse

BLANK = "___"  # how the venue writes the place of the group label in an event's title


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a row belongs: what to print and where it leads."""

    title: str
    detail: str
    href: str
    full: str


def place_of(market: Any, outcome: Any | None = None, *, event: Any | None = None) -> Place:
    """Return the names of a market, and of one of its outcomes when given."""
    event = event or market.event
    title, detail = market.question, ""
    if market.group_label:
        title, detail = event.title, market.group_label
        if BLANK in title:
            title, detail = title.replace(BLANK, market.group_label), ""
    if outcome is not None:
        word = outcome.label.upper() if outcome.label.lower() in ("yes", "no") else outcome.label
        detail = f"{detail} · {word}" if detail else word
    href = reverse("desk:market", args=[market.pk])
    if outcome is not None and outcome.index:
        href += f"?outcome={outcome.pk}"
    return Place(title=title, detail=detail, href=href, full=f"{market.question} {detail}".strip())
