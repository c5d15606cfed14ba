"""Backtests: the list, the form, and one run with its progress and what it came to."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from backtests.domain.options import RunOptions, options_of, request_load
from backtests.domain.request import RequestError
from backtests.selectors import runs
from polybot.dashboard import words
from polybot.dashboard.backtest_form import BacktestForm, Estimate, form_new, unplaced
from polybot.dashboard.frame import desk_of
from polybot.dashboard.report_page import report_shown
from polybot.dashboard.tables import Column, Table
from strategies.domain import parameters as schema
from strategies.library import registry


def took_s(row: Any) -> float | None:
    """Return how long a run has been at work, in seconds; None before it began."""
    if row.started_at is None:
        return None
    end = row.ended_at or row.beat_at or row.started_at
    return float((end - row.started_at).total_seconds())


COLUMNS = (
    Column(key="name", label="Backtest", value=str, order="name"),
    Column(key="state", label="State", value=lambda r: r.state, order="state"),
    Column(key="strategy", label="Strategy", value=lambda r: r.strategy, order="strategy"),
    Column(key="mode", label="Mode", value=lambda r: r.mode, order="mode", css="p2"),
    Column(key="pnl", label="P&L $", value=lambda r: r.pnl, order="pnl", css="r"),
    Column(key="fees", label="Fees $", value=lambda r: r.fees, order="fees", css="r p2"),
    Column(key="fills", label="Fills", value=lambda r: r.fills, order="fills", css="r"),
    Column(key="equity", label="Equity $", value=lambda r: r.equity_end, order="equity_end", css="r p2"),
    Column(key="events", label="Events", value=lambda r: r.events, order="events", css="r p2"),
    Column(key="took", label="Took", value=took_s, css="r p2"),
    Column(key="tags", label="Tags", value=lambda r: " ".join(r.tags)),
    Column(key="by", label="By", value=lambda r: r.by, order="by", css="p2"),
    Column(key="asked", label="Asked", value=lambda r: r.created_at, order="created_at"),
)


def left_s(row: Any) -> float | None:
    """Return how long a running run still needs if it goes on as it did, in seconds; None while that is a guess."""
    took = took_s(row)
    return None if took is None or row.progress < 0.02 else took * (1 - row.progress) / row.progress


def may_run(request: HttpRequest) -> bool:
    """Say whether the person may start, cancel and edit: who holds the scope `trade` over the API."""
    return bool(request.user.is_staff or desk_of(request).accounts)  # type: ignore[union-attr]


def backtests(request: HttpRequest) -> HttpResponse:
    text, state, tag, strategy = (_asked(request, name) for name in ("q", "state", "tag", "strategy"))
    state = state if state in words.BACKTEST_STATES else ""
    matching = runs.run_rows(strategy=strategy, tag=tag, text=text)
    shown = runs.run_rows(states=[state] if state else (), strategy=strategy, tag=tag, text=text)
    table = Table(request, COLUMNS, shown, default="-asked", rows_per_page=50, transform=lines)
    if table.wants_csv:
        table.transform = None
        return table.csv_response("backtests")
    counts = runs.state_counts(matching)
    context = {
        "table": table,
        "text": text,
        "state": state,
        "tag": tag,
        "strategy": strategy,
        "chips": [
            _chip(table, "state", name, label=word, count=counts[name], chosen=state)
            for name, (word, _) in words.BACKTEST_STATES.items()
            if counts.get(name)
        ],
        "tags": [_chip(table, "tag", name, label=name, count=count, chosen=tag) for name, count in runs.tag_counts()],
        "any": bool(counts) or runs.run_rows().exists(),
        "may": may_run(request),
    }
    return render(request, "dashboard/backtests.html", context)


def _asked(request: HttpRequest, name: str) -> str:
    """Return a word of the address, without what no database takes."""
    return "".join(letter for letter in request.GET.get(name, "") if letter.isprintable()).strip()[:100]


def _chip(table: Table, key: str, value: str, *, label: str, count: int, chosen: str) -> dict[str, Any]:
    on = chosen == value
    return {"label": label, "count": count, "on": on, "href": table.link(**{key: "" if on else value, "page": ""})}


def lines(rows: list[Any]) -> list[dict[str, Any]]:
    titles = dict(registry.strategy_choices())
    return [
        {
            "row": row,
            "word": words.BACKTEST_STATES[row.state][0],
            "shape": words.BACKTEST_STATES[row.state][1],
            "title": titles.get(row.strategy, row.strategy),
            "took": took_s(row),
        }
        for row in rows
    ]


def backtest_new(
    request: HttpRequest, *, form: BacktestForm | None = None, estimate: Estimate | None = None
) -> HttpResponse:
    """The form. Actions come back here with what was typed, what is wrong with it, or what it would take."""
    if form is None:
        form = form_new(request.GET, like=_like(request.GET.get("from", "")))
    picks, matching, in_all = form.picks()
    may = may_run(request)
    context = {
        "form": form,
        "strategies": [registry.strategy_get(name) for name, _ in registry.strategy_choices()],
        "picks": picks,
        "matching": matching,
        "in_all": in_all,
        "estimate": estimate,
        "unplaced": unplaced(form),
        "may": may,
        "why": "" if may else "a key or person with the scope trade may run backtests; you may read them",
    }
    return render(request, "dashboard/backtest_new.html", context)


def _like(run_id: str) -> Any | None:
    if not run_id:
        return None
    row = runs.run_get(int(run_id)) if run_id.isdecimal() and len(run_id) < 19 else None
    if row is None:
        raise Http404("no such backtest")
    return row


def backtest(request: HttpRequest, run_id: int) -> HttpResponse:
    row = runs.run_get(run_id)
    if row is None:
        raise Http404("no such backtest")
    desk = desk_of(request)
    desk.show_recorded()
    word, shape = words.BACKTEST_STATES[row.state]
    typed = request.session.pop(f"backtest_{row.pk}", None) or {}
    context: dict[str, Any] = {
        "row": row,
        "word": word,
        "shape": shape,
        "took": took_s(row),
        "left": left_s(row) if row.state == "running" else None,
        "before": runs.waiting_before(row) if row.state == "queued" else 0,
        "settings": _settings(row),
        "changed": _changed(row),
        "known": registry.STRATEGIES.get(row.strategy),
        "reruns": runs.rerun_rows(row.pk),
        "same": row.parent is not None and row.parent.result_digest == row.result_digest != "",
        "has_trades": runs.trades_path(row.pk) is not None,
        "errors": typed.get("errors") or {},
        "typed": typed.get("typed") or {"name": row.name, "tags": ", ".join(row.tags), "notes": row.notes},
        "may": may_run(request),
    }
    if row.is_over and row.report:
        context = {**report_shown(row.report, request), **context, "has_report": True}
    return render(request, "dashboard/backtest.html", context)


def backtest_trades(request: HttpRequest, run_id: int) -> FileResponse:
    path = runs.trades_path(run_id)
    if path is None or runs.run_get(run_id) is None:
        raise Http404("this backtest has no trades on file")
    return FileResponse(path.open("rb"), as_attachment=True, filename=f"backtest-{run_id}-trades.csv")


def _settings(row: Any) -> list[tuple[str, str, str]]:
    """Return (title, value, unit) of every option the run was asked with, as the form names them."""
    try:
        flat = schema.flatten(options_of(request_load(row.request)))
    except RequestError as error:
        return [("Request", str(error), "")]
    out = []
    for spec in schema.fields(RunOptions):
        value = flat[spec.path]
        text = dict(spec.choices).get(str(value), _text(value))
        title = f"{spec.group}, {spec.title.lower()}" if spec.group else spec.title
        out.append((title, text, spec.unit if text else ""))
    return out


def _changed(row: Any) -> list[schema.Difference]:
    """Return the strategy's parameters that are not its defaults."""
    known = registry.STRATEGIES.get(row.strategy)
    if known is None:
        return []
    defaults = schema.parameters_dump(schema.parameters_load(known.params, {}))
    return list(schema.difference(known.params, defaults, row.request.get("params", {})))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
