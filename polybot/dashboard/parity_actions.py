"""What pages change about comparisons: ask for one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from backtests.services.parity import ParityRefused, parity_ask
from backtests.tasks import parity_soon
from polybot.dashboard.actions import who
from polybot.dashboard.backtest_actions import research
from polybot.dashboard.frame import desk_of
from strategies.selectors.runs import runs_of_account


@research
def parity_start(request: HttpRequest) -> HttpResponse:
    desk = desk_of(request)
    chosen = request.POST.get("run", "")
    mine = {str(run[0]): run[0] for run in runs_of_account(desk.account.id)} if desk.account else {}
    if chosen not in mine:
        messages.error(request, "Nothing was started: that run is not one of this account's.")
        return HttpResponseRedirect(reverse("desk:parities"))
    try:
        parity_id = parity_ask(mine[chosen], by=who(request), now=timezone.now())
    except ParityRefused as error:
        messages.error(request, f"Nothing was started: {error}.")
        return HttpResponseRedirect(reverse("desk:parities"))
    parity_soon(parity_id)
    return HttpResponseRedirect(reverse("desk:parity", args=[parity_id]))
