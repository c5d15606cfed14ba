"""What pages change about parameter searches: start and cancel one."""

from __future__ import annotations

from dataclasses import asdict

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from backtests.domain.options import options_of
from backtests.selectors import runs, searches
from backtests.services.searches import search_ask
from backtests.services.searches import search_cancel as cancel
from backtests.tasks import search_soon
from polybot.dashboard.actions import who
from polybot.dashboard.backtest_actions import research
from polybot.dashboard.search_form import FormError, plan_of
from polybot.dashboard.views import searches as pages
from strategies.domain.parameters import ParameterError


@research
def search_start(request: HttpRequest, run_id: int) -> HttpResponse:
    """Start what was typed, or show it again with what is wrong at each field."""
    row = runs.run_get(run_id)
    if row is None:
        raise Http404("no such backtest")
    form = pages.form_of(row, typed=request.POST)
    base = form.request
    try:
        search_id = search_ask(
            strategy=base.strategy,
            params=base.params,
            data=[asdict(ref) for ref in base.data],
            options=options_of(base),
            plan=plan_of(form),
            by=who(request),
            name=form.name,
            now=timezone.now(),
        )
    except (ParameterError, FormError) as error:
        form.errors = error.errors
        messages.error(request, f"Nothing was started: {next(iter(error.errors.values()))}.")
        return pages.search_new(request, run_id, form=form)
    search_soon(search_id)
    return HttpResponseRedirect(reverse("desk:search", args=[search_id]))


@research
def search_cancel(request: HttpRequest, search_id: int) -> HttpResponse:
    if searches.search_get(search_id) is None:
        raise Http404("no such search")
    if cancel(search_id, who(request), now=timezone.now()):
        messages.success(request, "It ended. What was tried until now is kept.")
    else:
        messages.warning(request, "Nothing to cancel: it was over.")
    return HttpResponseRedirect(reverse("desk:search", args=[search_id]))
