"""What pages change about backtests: start, cancel, repeat one, and what is noted about it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from backtests.selectors import runs
from backtests.services import jobs
from backtests.tasks import run_soon
from polybot.dashboard.actions import sentence, who
from polybot.dashboard.backtest_form import asked_values, blanks, estimate_of, form_posted, matching_keys
from polybot.dashboard.views import backtests as pages
from strategies.domain.parameters import ParameterError


def research(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """POST only, by people who may run backtests. No account is needed: no order leaves."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not pages.may_run(request):
            messages.error(request, "You may read backtests, not run them: that takes an account of yours, or staff.")
            return HttpResponseRedirect(reverse("desk:backtests"))
        return view(request, *args, **kwargs)

    return require_POST(wrapped)


@research
def backtest_start(request: HttpRequest) -> HttpResponse:
    """Run what was typed, or say what it would take, or choose recordings; the form keeps everything typed."""
    form = form_posted(request.POST)
    asked = request.POST.get("do", "")
    if asked == "all":
        form.chosen = matching_keys(form)
        return pages.backtest_new(request, form=form)
    if asked not in ("run", "estimate"):  # the filter of the recordings, or another strategy
        return pages.backtest_new(request, form=form)
    problems = blanks(form)
    wanted = asked_values(form)
    try:
        checked = jobs.request_checked(**wanted)
    except ParameterError as error:
        problems = error.errors | problems
    if problems:
        form.errors = problems
        words = "1 field needs" if len(problems) == 1 else f"{len(problems)} fields need"
        messages.error(request, f"Nothing was started: {words} another value.")
        return pages.backtest_new(request, form=form)
    if asked == "estimate":
        return pages.backtest_new(request, form=form, estimate=estimate_of(checked))
    about = {name: wanted[name] for name in ("name", "tags", "notes")}
    try:
        run_id = jobs.backtest_start(checked, by=who(request), now=timezone.now(), **about)
    except ParameterError as error:
        form.errors = error.errors
        messages.error(request, f"Nothing was started: {error}.")
        return pages.backtest_new(request, form=form)
    run_soon(run_id)
    return HttpResponseRedirect(reverse("desk:backtest", args=[run_id]))


@research
def backtest_cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    _row(run_id)
    if jobs.backtest_cancel(run_id, who(request), now=timezone.now()):
        messages.success(request, "It is asked to end. What was replayed until then is kept.")
    else:
        messages.warning(request, "Nothing to cancel: it was over, or somebody asked before.")
    return HttpResponseRedirect(reverse("desk:backtest", args=[run_id]))


@research
def backtest_rerun(request: HttpRequest, run_id: int) -> HttpResponse:
    _row(run_id)
    try:
        again = jobs.backtest_rerun(run_id, who(request), now=timezone.now())
    except ValueError as error:  # a request of another version, or a full queue
        messages.error(request, sentence(str(error)))
        return HttpResponseRedirect(reverse("desk:backtest", args=[run_id]))
    run_soon(again)
    return HttpResponseRedirect(reverse("desk:backtest", args=[again]))


@research
def backtest_edit(request: HttpRequest, run_id: int) -> HttpResponse:
    _row(run_id)
    typed = {name: request.POST.get(name, "") for name in ("name", "tags", "notes")}
    tags = typed["tags"].replace(",", " ").split()
    page = reverse("desk:backtest", args=[run_id]) + "#about"
    try:
        changed = jobs.backtest_edit(
            run_id, by=who(request), name=typed["name"], tags=tags, notes=typed["notes"], now=timezone.now()
        )
    except ParameterError as error:
        request.session[f"backtest_{run_id}"] = {"errors": error.errors, "typed": typed}
        messages.error(request, "Nothing was changed: correct the marked fields.")
        return HttpResponseRedirect(page)
    messages.success(request, "Saved." if changed else "Nothing was changed: every value is as it was.")
    return HttpResponseRedirect(page)


def _row(run_id: int) -> Any:
    row = runs.run_get(run_id)
    if row is None:
        raise Http404("no such backtest")
    return row
