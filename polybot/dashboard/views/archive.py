"""What the archive holds: tapes by market and day, with a strip of what is known of each day."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from markets.domain.tape import Fidelity
from markets.selectors.archive import TapeInfo, archive_folder, tapes_damaged, tapes_list
from markets.selectors.archive.series import series_list
from markets.selectors.archive.strips import day_stretches, known_words
from polybot.dashboard.tables import Column, Table

_UNITS = 2_880  # of the drawing: half a minute each


@dataclass(frozen=True, slots=True)
class Row:
    """One tape as the page shows it."""

    info: TapeInfo
    strip: SafeString
    known: str
    result: str
    size_kb: int


def result_words(info: TapeInfo) -> str:
    """Return which outcome paid, as far as it is known."""
    if not info.payouts:
        return ""
    best = max(range(len(info.payouts)), key=lambda index: info.payouts[index])
    won = info.outcomes[best] if info.payouts.count(info.payouts[best]) == 1 else "split"
    return won if info.resolved else f"{won}, later"


COLUMNS = (
    Column(key="market", label="Market", value=lambda i: i.question.lower()),
    Column(key="day", label="Day", value=lambda i: i.day),
    Column(key="coverage", label="0 to 24 h UTC", value=lambda i: i.coverage, title="what is known of the day"),
    Column(key="gaps", label="Gaps", value=lambda i: len(i.gaps), shown=False),
    Column(key="rows", label="Rows", value=lambda i: i.rows, css="r"),
    Column(key="trades", label="Trades", value=lambda i: i.trades, css="r"),
    Column(key="fidelity", label="Fidelity", value=lambda i: str(i.fidelity)),
    Column(key="result", label="Result", value=result_words, css="p2"),
    Column(key="source", label="Source", value=lambda i: i.source, css="p2"),
    Column(key="size", label="kB", value=lambda i: i.size_bytes, css="r p2"),
    Column(key="key", label="Key", value=lambda i: i.market, shown=False),
    Column(key="digest", label="SHA-256", value=lambda i: i.digest, shown=False),
)


def archive(request: HttpRequest) -> HttpResponse:
    everything = tapes_list()
    text = request.GET.get("q", "").strip()[:100]
    day = request.GET.get("day", "")[:10]
    fidelity = request.GET.get("fidelity", "")
    found = [info for info in everything if _matches(info, text.lower(), day)]
    counts = Counter(str(info.fidelity) for info in found)
    shown = [info for info in found if fidelity in ("", str(info.fidelity))]
    table = Table(request, COLUMNS, shown, default="-day")
    if table.wants_csv:
        return table.csv_response("archive")
    context: dict[str, Any] = {
        "table": table,
        "rows": _rows(table.rows),
        "text": text,
        "day": day,
        "fidelity": fidelity,
        "chips": [
            {
                "label": str(kind),
                "count": counts[str(kind)],
                "on": fidelity == str(kind),
                "href": table.link(fidelity="" if fidelity == str(kind) else str(kind), page=""),
            }
            for kind in Fidelity
            if counts[str(kind)] or fidelity == str(kind)
        ],
        "totals": {
            "tapes": len(everything),
            "markets": len({info.market for info in everything}),
            "rows": sum(info.rows for info in everything),
            "megabytes": round(sum(info.size_bytes for info in everything) / 1e6),
        },
        "series": series_list(),
        "damaged": tapes_damaged(),
        "folder": archive_folder(),
        "all_href": reverse("desk:archive"),
    }
    return render(request, "dashboard/archive.html", context)


def strip(info: TapeInfo) -> SafeString:
    """Return a day as a picture: a bar where something is known, a low one where there is a gap."""
    whole, *gaps = day_stretches(info) or [None]
    if whole is None:
        return mark_safe('<svg class="bar strip" role="img" aria-label="nothing in it"></svg>')
    edges = [whole.start, *(edge for gap in gaps for edge in (gap.start, gap.end)), whole.end]
    known = [(a, b, "f", 0, 8) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    low = [(gap.start, gap.end, "fw", 5, 3) for gap in gaps]
    bars = format_html_join(
        "",
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>',
        ((css, round(a * _UNITS), y, max(round((b - a) * _UNITS), 4), height) for a, b, css, y, height in known + low),
    )
    return format_html(
        '<svg class="bar strip" viewBox="0 0 {} 8" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        _UNITS, f"{known_words(info)} of {info.day}", bars,
    )  # fmt: skip


def _rows(infos: list[TapeInfo]) -> list[Row]:
    return [
        Row(
            info=info, strip=strip(info), known=known_words(info), result=result_words(info),
            size_kb=max(1, round(info.size_bytes / 1e3)),
        )
        for info in infos
    ]  # fmt: skip


def _matches(info: TapeInfo, words: str, day: str) -> bool:
    return (not day or info.day == day) and (
        words in info.market or words in info.question.lower() or words in info.event
    )
