"""Runs of strategies held against their replays: what to compare, what was compared, and one comparison by order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from backtests.selectors.parity import parity_get, parity_rows
from polybot.dashboard.frame import desk_of
from polybot.dashboard.views.backtests import may_run
from strategies.selectors.runs import runs_of_account

STATES = {
    "queued": ("queued", "half"),
    "running": ("running", "half"),
    "done": ("done", "ok"),
    "failed": ("failed", "bad"),
}


def parity_list(request: HttpRequest) -> HttpResponse:
    desk = desk_of(request)
    account_id = desk.account.id if desk.account else 0
    context = {
        "runs": runs_of_account(account_id),
        "rows": [(row, *STATES[row.state]) for row in parity_rows([account_id])],
        "may": may_run(request),
    }
    return render(request, "dashboard/parity_list.html", context)


def parity(request: HttpRequest, parity_id: int) -> HttpResponse:
    desk = desk_of(request)
    row = parity_get(parity_id, account_ids=[account.id for account in desk.accounts])
    if row is None:
        raise Http404("no such comparison")
    desk.show(row.account_id)
    result = row.result or {}
    word, shape = STATES[row.state]
    context = {
        "row": row,
        "word": word,
        "shape": shape,
        "result": result,
        "paper": desk.account is not None and str(desk.account.environment) == "paper",
        "orders": [_shown(order) for order in result.get("orders", ())],
    }
    return render(request, "dashboard/parity.html", context)


def _shown(order: Mapping[str, Any]) -> dict[str, Any]:
    replayed = order["replayed"]
    return {
        **order,
        "price": order["price"] / 1_000_000,
        "size": order["size"] / 1_000_000,
        "actual": _summed(order["actual"]),
        "replay": None if replayed is None else _summed(replayed),
        "backtest": None if order["backtest"] is None else _summed(order["backtest"]),
        "same": replayed is not None and replayed == order["actual"],
    }


def _summed(fills: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return how much was filled, at which average price, for which fee, as shares and dollars."""
    size = sum(fill[1] for fill in fills)
    worth = sum(fill[0] * fill[1] for fill in fills)
    return {
        "size": size / 1_000_000,
        "price": worth / size / 1_000_000 if size else None,
        "fee": sum(fill[2] for fill in fills) / 1_000_000,
        "roles": " and ".join(sorted({fill[3] for fill in fills})),
    }
