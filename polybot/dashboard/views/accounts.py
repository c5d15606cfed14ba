"""Accounts: where the money is, how far each is connected, and who permitted trading with real money."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from orders.domain.lifecycle import Environment
from orders.selectors.permits import permit_list
from orders.selectors.wallets import WalletLine, wallet_lines
from polybot.dashboard.frame import desk_of
from polybot.dashboard.tables import Column, Table
from polybot.dashboard.words import WALLETS, wallet_words
from strategies.selectors import screens as strategy_pages

COLUMNS = (
    Column(key="name", label="Account", value=lambda w: w.account.name),
    Column(key="environment", label="Money", value=lambda w: w.account.environment),
    Column(key="state", label="Connection", value=lambda w: w.account.connection),
    Column(key="wallet", label="Wallet", value=lambda w: w.account.wallet_address, css="p2"),
    Column(key="kind", label="Type", value=lambda w: wallet_words(w.account.wallet_kind), css="p2"),
    Column(key="cash", label="Cash", value=lambda w: w.account.cash, css="r"),
    Column(key="reconciled", label="Reconciled", value=lambda w: w.account.reconciled_at, css="p2"),
    Column(key="note", label="Note", value=lambda w: w.account.connection_note, shown=False),
)
SHAPES = {"none": "off", "connecting": "half", "ready": "ok", "failed": "bad"}
MONEY = {"paper": "simulated", "sandbox": "play money", "live": "real money"}


def accounts(request: HttpRequest) -> HttpResponse:
    desk = desk_of(request)
    lines = wallet_lines(desk.accounts)
    table = Table(request, COLUMNS, lines, default="", rows_per_page=50)
    if table.wants_csv:
        return table.csv_response("accounts")
    is_sandbox = settings.POLYBOT_VENUE == "sandbox"
    context: dict[str, Any] = {
        "table": table,
        "shapes": SHAPES,
        "money": MONEY,
        "kinds": WALLETS,
        "environment": "sandbox" if is_sandbox else "live",
        "given": request.session.pop("account_given", None) or {},
        "account_error": request.session.pop("account_error", ""),
        "permit_error": request.session.pop("permit_error", ""),
        "permits": permit_list()[:30],
        "subjects": _subjects(lines) if request.user.is_staff else [],  # type: ignore[union-attr]
    }
    response = render(request, "dashboard/accounts.html", context)
    response["Cache-Control"] = "no-store"
    return response


def _subjects(lines: list[WalletLine]) -> list[tuple[str, str]]:
    """Return what can be permitted: (value, label)."""
    found = [("installation:0", "this installation")]
    for line in lines:
        account = line.account
        if account.environment != Environment.LIVE:
            continue
        found.append((f"account:{account.pk}", f"account {account.name}"))
        found += [(f"strategy:{row.pk}", f"strategy {row.name}") for row in strategy_pages.strategy_rows(account.pk)]
    return found
