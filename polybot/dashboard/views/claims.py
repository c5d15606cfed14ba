"""Claims: what resolved markets owe, transactions outside the book with their previews, and allowances."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from orders.selectors import claims as claim_rows
from orders.selectors.allowances import allowances_get
from polybot.dashboard.frame import desk_of
from polybot.dashboard.tables import Column, Table

HISTORY_COLUMNS = (
    Column(key="asked", label="Asked", value=lambda a: a.created_at, order="created_at"),
    Column(key="kind", label="Kind", value=lambda a: a.kind, order="kind"),
    Column(key="what", label="What", value=lambda a: "; ".join(a.expected["says"])),
    Column(key="state", label="State", value=lambda a: a.state, order="state"),
    Column(key="why", label="Why", value=lambda a: a.state_reason, css="p2"),
    Column(key="hash", label="Transaction", value=lambda a: a.transaction_hash or "", css="p2"),
    Column(key="by", label="By", value=lambda a: a.requested_by, order="requested_by", css="p2"),
    Column(key="ended", label="Ended", value=lambda a: a.ended_at, order="ended_at"),
)


def claims(request: HttpRequest) -> HttpResponse:
    desk = desk_of(request)
    if desk.account is None:
        return render(request, "dashboard/no_account.html")
    account = desk.account
    history = Table(
        request, HISTORY_COLUMNS, claim_rows.ended(account.id), name="ca", default="-ended", rows_per_page=25
    )
    if history.wants_csv:
        return history.csv_response(f"{account.name}-transactions")
    context = {
        "on_chain": claim_rows.settles_on_chain(account),
        "previews": claim_rows.previews(account.id),
        "underway": claim_rows.underway(account.id),
        "claims": claim_rows.claims_get(account.id),
        "sets": claim_rows.sets_get(account.id),
        "allowances": allowances_get(account.id),
        "history": history,
    }
    return render(request, "dashboard/claims.html", context)
