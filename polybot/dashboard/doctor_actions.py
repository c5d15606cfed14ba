"""What the doctor's page can do: examine, accept what changed at a venue, rehearse a kill."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from markets.services import drift
from orders.services.doctor import DoctorError, run_request
from orders.services.rehearsals import rehearsal_open
from polybot.dashboard.actions import action
from polybot.dashboard.frame import desk_of
from risk.tasks import run_doctor, run_rehearsal

log = logging.getLogger(__name__)


def _back(part: str = "") -> HttpResponse:
    return HttpResponseRedirect(reverse("desk:doctor") + (f"#{part}" if part else ""))


def _send(task: Any, row_id: int, request: HttpRequest, said: str) -> None:
    try:
        task.delay(row_id)
    except OperationalError as error:
        log.warning("not handed over", extra={"row": row_id, "problem": str(error)[:200]})
        messages.error(request, "The broker does not answer, so nobody was asked. Try again when it is back.")
    else:
        messages.success(request, said)


@action
def examine(request: HttpRequest) -> HttpResponse:
    """Ask for an examination; a deep one places one free order."""
    account = desk_of(request).account
    deep = request.POST.get("deep") == "1"
    who = request.user.get_username()
    try:
        run = run_request(account.id, user=request.user, deep=deep, by=who, now=timezone.now())
    except DoctorError as error:
        messages.error(request, f"Not examined: {error}.")
        return _back()
    _send(run_doctor, run.pk, request, "The trader examines the account. Look again in a few seconds.")
    return _back()


@action
def drift_accept(request: HttpRequest, drift_id: int) -> HttpResponse:
    """Say that a difference is fine; with `alike` on every market that has it."""
    if not request.user.is_staff:
        messages.error(request, "Only staff can accept a difference: it concerns every account.")
        return _back("drift")
    by, now = request.user.get_username(), timezone.now()
    try:
        if request.POST.get("alike") == "1":
            count = drift.drift_accept_alike(drift_id, by=by, now=now)
            messages.success(request, f"Accepted {count} differences.")
        elif drift.drift_accept(drift_id, by=by, now=now):
            messages.success(request, "Accepted. Entries may go again.")
        else:
            messages.success(request, "Accepted. Other differences still keep entries out.")
    except drift.DriftError as error:
        messages.error(request, f"Not accepted: {error}.")
    return _back("drift")


@action
def rehearse(request: HttpRequest) -> HttpResponse:
    """Walk the kill path on this account; its orders end. Real money is only counted."""
    account = desk_of(request).account
    row = rehearsal_open(account.id, by=request.user.get_username(), now=timezone.now())
    _send(run_rehearsal, row.pk, request, "The rehearsal runs. Look again in a few seconds.")
    return _back("rehearsal")
