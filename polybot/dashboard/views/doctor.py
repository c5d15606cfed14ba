"""The doctor's page: what stands between the account and its venue, what changed there, what a refusal means."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from markets.selectors.drift import block_rows, drift_rows
from markets.selectors.refusals import refusal_explain
from orders.domain.checkup import Health
from orders.selectors import doctor as examinations
from polybot.dashboard.frame import desk_of

SHAPES = {"ok": "ok", "warning": "warn", "bad": "bad", "unknown": "half"}
FRESH = timedelta(minutes=15)
_MOST = 30
_WORST_FIRST = ("bad", "unknown", "warning", "ok")


def doctor(request: HttpRequest) -> HttpResponse:
    desk = desk_of(request)
    if desk.account is None:
        return render(request, "dashboard/no_account.html")
    account = desk.account
    last = examinations.runs(account.id).first()
    now = [finding.as_dict() for finding in examinations.findings_now(account.id, now=desk.now)]
    is_fresh = last is not None and last.finished_at is not None and desk.now - last.finished_at < FRESH
    stored = last.findings if is_fresh and last is not None else []
    seen = {(f["area"], f["label"]) for f in now}
    # What the tables say is of now; from the stored examination comes what only the trader could see.
    findings = now + [f for f in stored if (f["area"], f["label"]) not in seen]
    said = request.GET.get("said", "").strip()[:2_000]
    context: dict[str, Any] = {
        "last": last,
        "under_way": last is not None and last.finished_at is None,
        "areas": _areas(findings),
        "health": worst_of(findings),
        "bad": sum(f["health"] == Health.BAD for f in findings),
        "is_live": account.environment == "live",
        "drifts": drift_rows(accepted=False)[:_MOST],
        "accepted": drift_rows(accepted=True)[:10],
        "blocks": block_rows(is_open=True)[:_MOST],
        "rehearsals": examinations.rehearsals(account.id)[:5],
        "said": said,
        "explained": refusal_explain(said) if said else None,
    }
    return render(request, "dashboard/doctor.html", context)


def worst_of(findings: list[dict[str, str]]) -> str:
    found = {f["health"] for f in findings}
    return next((health for health in _WORST_FIRST if health in found), "ok")


def _areas(findings: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return the findings by area, an area with something bad first."""
    areas: dict[str, list[dict[str, str]]] = {}
    for finding in findings:
        areas.setdefault(finding["area"], []).append(finding | {"shape": SHAPES[finding["health"]]})
    rows = [{"name": name, "rows": rows, "health": worst_of(rows)} for name, rows in areas.items()]
    return sorted(rows, key=lambda area: _WORST_FIRST.index(str(area["health"])))
