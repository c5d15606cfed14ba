"""Reports of finished backtests beside their page: as one file, and several side by side."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from backtests.selectors import runs
from polybot.dashboard.frame import desk_of
from polybot.dashboard.report_compare import MOST, compared
from polybot.dashboard.report_export import report_html


def backtest_export(request: HttpRequest, run_id: int) -> HttpResponse:
    """The report as one HTML file that opens anywhere, without a network."""
    row = runs.run_get(run_id)
    if row is None or row.report is None:
        raise Http404("this backtest has no report")
    response = HttpResponse(report_html(row), content_type="text/html; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="backtest-{run_id}.html"'
    return response


def backtest_compare(request: HttpRequest) -> HttpResponse:
    """Up to four runs side by side: `?run=3&run=5`."""
    desk_of(request).show_recorded()
    asked = list(dict.fromkeys(text for text in request.GET.getlist("run") if text.isdecimal() and len(text) < 19))
    found = [row for row in map(runs.run_get, map(int, asked[:MOST])) if row is not None]
    ready = [row for row in found if row.report is not None]
    context = {
        "asked": [row.pk for row in found],
        "unready": [row for row in found if row.report is None],
        "missing": len(asked[:MOST]) - len(found),
        "too_many": len(asked) - MOST if len(asked) > MOST else 0,
        "most": MOST,
        "choices": [row for row in runs.run_rows(states=["done"])[:30] if row.pk not in {r.pk for r in found}],
    }
    if len(ready) > 1:
        context |= compared(ready)
    return render(request, "dashboard/backtest_compare.html", context)
