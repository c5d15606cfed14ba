"""Parameter searches: the list, the form that starts from a backtest, and one search with what it found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from backtests.domain.options import request_load
from backtests.domain.request import RequestError
from backtests.selectors import runs, searches
from polybot.dashboard import words
from polybot.dashboard.frame import desk_of
from polybot.dashboard.search_form import METHODS, OBJECTIVES, SearchForm
from polybot.dashboard.tables import Column, Table
from polybot.dashboard.views.backtests import may_run
from strategies.library import registry

COLUMNS = (
    Column(key="name", label="Search", value=str, order="name"),
    Column(key="state", label="State", value=lambda r: r.state, order="state"),
    Column(key="strategy", label="Strategy", value=lambda r: r.strategy, order="strategy"),
    Column(key="method", label="Method", value=lambda r: r.method, order="method"),
    Column(key="trials", label="Trials", value=lambda r: r.done, order="done", css="r"),
    Column(key="of", label="Of", value=lambda r: r.trials_wanted, order="trials_wanted", css="r"),
    Column(key="objective", label="Objective", value=lambda r: r.objective, order="objective", css="p2"),
    Column(key="by", label="By", value=lambda r: r.by, order="by", css="p2"),
    Column(key="asked", label="Asked", value=lambda r: r.created_at, order="created_at"),
)
_MILLION = 1_000_000


def search_list(request: HttpRequest) -> HttpResponse:
    text = "".join(letter for letter in request.GET.get("q", "") if letter.isprintable()).strip()[:100]
    table = Table(
        request, COLUMNS, searches.search_rows(text=text), default="-asked", rows_per_page=50, transform=_lines
    )
    if table.wants_csv:
        table.transform = None
        return table.csv_response("searches")
    return render(request, "dashboard/searches.html", {"table": table, "text": text, "may": may_run(request)})


def _lines(rows: list[Any]) -> list[dict[str, Any]]:
    titles = dict(registry.strategy_choices())
    return [
        {
            "row": row,
            "word": words.BACKTEST_STATES[row.state][0],
            "shape": words.BACKTEST_STATES[row.state][1],
            "title": titles.get(row.strategy, row.strategy),
        }
        for row in rows
    ]


def search_new(request: HttpRequest, run_id: int, *, form: SearchForm | None = None) -> HttpResponse:
    """The form. The action comes back here with what was typed and what is wrong with it."""
    row = runs.run_get(run_id)
    if row is None:
        raise Http404("no such backtest")
    if form is None:
        form = form_of(row)
    desk_of(request).show_recorded()
    may = may_run(request)
    context = {
        "row": row,
        "form": form,
        "methods": METHODS,
        "objectives": OBJECTIVES,
        "may": may,
        "why": "" if may else "a key or person with the scope trade may start searches; you may read them",
    }
    return render(request, "dashboard/search_new.html", context, status=422 if form.errors else 200)


def form_of(row: Any, **values: Any) -> SearchForm:
    try:
        return SearchForm(request=request_load(row.request), **values)
    except RequestError as error:
        raise Http404(str(error)) from None


def search(request: HttpRequest, search_id: int) -> HttpResponse:
    row = searches.search_get(search_id)
    if row is None:
        raise Http404("no such search")
    desk_of(request).show_recorded()
    counts = searches.trial_counts(row.pk)
    word, shape = words.BACKTEST_STATES[row.state]
    over = counts.get("done", 0) + counts.get("failed", 0)
    summary = row.summary or {}
    titles = {axis["path"]: axis for axis in summary.get("axes", ())}
    context = {
        "row": row,
        "word": word,
        "shape": shape,
        "known": registry.STRATEGIES.get(row.strategy),
        "over": over,
        "wanted": sum(counts.values()),
        "share": over / max(1, sum(counts.values())),
        "failed": counts.get("failed", 0),
        "paths": [path for path, _ in row.ranges],
        "ranges": [(path, ", ".join(values)) for path, values in row.ranges],
        "objective": dict(OBJECTIVES).get(row.objective, row.objective),
        "method": dict(METHODS).get(row.method, row.method),
        "trials": searches.trial_rows(row.pk, most=30),
        "failures": searches.failed_trials(row.pk) if counts.get("failed") else [],
        "summary": summary,
        "maps": [_map_shown(found, titles) for found in summary.get("heat_maps", ())],
        "walk": _walk_shown(summary.get("walk_forward")),
        "best_profit": _dollars(summary.get("best")),
        "held_out": _dollars(summary.get("holdout")),
        "may": may_run(request),
    }
    return render(request, "dashboard/search.html", context)


def _dollars(line: Mapping[str, Any] | None) -> float | None:
    return None if line is None else line["profit"] / _MILLION


def _map_shown(found: Mapping[str, Any], titles: Mapping[str, Any]) -> dict[str, Any]:
    """Return a heat map as rows of cells, each with its place between the worst and the best in steps of a tenth."""
    rows, columns = titles[found["rows"]], titles[found["columns"]]
    cells = {(cell["row"], cell["column"]): cell for cell in found["cells"]}
    values = [cell["best"] for cell in cells.values()]
    low, high = min(values), max(values)

    def shown(row: int, column: int) -> dict[str, Any] | None:
        cell = cells.get((row, column))
        if cell is None:
            return None
        heat = 5 if high == low else round(10 * (cell["best"] - low) / (high - low))
        return {**cell, "heat": heat}

    return {
        "down": rows,
        "across": columns,
        "lines": [
            {"value": value, "cells": [shown(row, column) for column in range(len(columns["values"]))]}
            for row, value in enumerate(rows["values"])
        ],
    }


def _walk_shown(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    bins = found.get("bins") or 1
    return {
        "reason": found.get("reason", ""),
        "profit": None if found.get("profit") is None else found["profit"] / _MILLION,
        "folds": [
            {
                "number": number,
                "train": [edge / bins for edge in fold["train"]],
                "test": [edge / bins for edge in fold["test"]],
                "values": fold["assignment"],
                "trial": fold["number"],
                "profit": fold["profit"] / _MILLION,
            }
            for number, fold in enumerate(found.get("folds", ()), start=1)
        ],
    }
