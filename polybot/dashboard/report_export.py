"""A backtest's report as one HTML file that needs nothing else: styles inside, no script, nothing fetched."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from polybot.dashboard.report_page import report_shown

_STYLES = ("desk.css", "pages.css", "more.css", "widths.css")  # in the order of base.html
_FOLDER = Path(__file__).parent / "static" / "desk"


def report_html(row: Any) -> str:
    """Return the file of a run that has a report. Every picture is in it; all trades are in the CSV beside the page."""
    report = row.report
    context = report_shown(report, None, pictures_shown=len(report["prices"]))
    return render_to_string("dashboard/backtest_export.html", {**context, "row": row, "styles": _styles()})


@cache
def _styles() -> SafeString:
    """Return the desk's own style sheets. They are our files: a closing tag in them would be our mistake."""
    text = "\n".join((_FOLDER / name).read_text() for name in _STYLES)
    if "</style" in text.lower() or "url(" in text:
        raise ValueError("a style sheet of the desk closes its element or fetches something")
    return mark_safe(text)  # noqa: S308
