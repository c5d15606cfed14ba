"""The dashboard's one door to services: every change a page makes is a POST that ends here.

Each action checks that the person may do it, calls one service, says what happened, and goes back.
A service's refusal is shown in its own words; nothing is retried.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from alerts.selectors import screens as alert_pages
from alerts.services import channels
from markets.selectors import catalogue
from markets.selectors import screens as market_pages
from markets.services import watch
from orders.domain.drafts import PlanDraft
from orders.selectors import pages as order_pages
from orders.services import execution
from orders.tasks import submit_order
from polybot.dashboard.frame import desk_of
from polybot.dashboard.parameters import parameters_from
from polybot.dashboard.ticket import TicketForm, manual_origin
from polybot.dashboard.ticket_plans import ticket_draft
from polybot.dashboard.views.choices import safe_next
from polybot.dashboard.views.market import order_preview
from polybot.dashboard.views.scope import account_ids
from polybot.identity.step_up import StepUpError, password_confirm
from risk.selectors import screens as risk_pages
from risk.selectors.halts import lift_is_grave
from risk.services import gate, halts, plans
from risk.services.halts import HaltError
from strategies.domain.parameters import ParameterError
from strategies.library import registry
from strategies.selectors import screens as strategy_pages
from strategies.services import configs, states
from strategies.services.states import StateError

log = logging.getLogger(__name__)
WATCH_FOR = timedelta(minutes=10)
Action = Callable[..., HttpResponse]


def action(view: Action) -> Action:
    """POST only; an account must be chosen, and a refusal of a service becomes a message."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if desk_of(request).account is None:
            raise Http404("no account")
        try:
            return view(request, *args, **kwargs)
        except (HaltError, StateError, StepUpError) as error:
            messages.error(request, sentence(str(error)))
            return HttpResponseRedirect(_back(request))

    return require_POST(wrapped)


def sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def _back(request: HttpRequest, fallback: str = "") -> str:
    """Return the page the person came from: a posted `next`, else the referring page of ours."""
    if request.POST.get("next"):
        return safe_next(request)
    referrer = request.headers.get("Referer", "")
    own = f"{request.scheme}://{request.get_host()}/"
    return referrer if referrer.startswith(own) else fallback or reverse("desk:cockpit")


def who(request: HttpRequest) -> str:
    return request.user.get_username()


# ---- stopping and letting go -------------------------------------------------------------


@action
def stop_entries(request: HttpRequest) -> HttpResponse:
    """Let the account only reduce from now on."""
    account = desk_of(request).account
    reason = request.POST.get("reason", "").strip()[:200] or "stopped by hand"
    halts.halt_create(account.id, "reduce_only", reason, who(request), now=timezone.now())
    messages.success(request, f"Entries are stopped on {account.name}: only orders that reduce pass the gate.")
    return HttpResponseRedirect(_back(request))


@action
def cancel_all(request: HttpRequest) -> HttpResponse:
    account = desk_of(request).account
    asked = execution.cancel_all(account.id, "cancelled by hand", who(request), timezone.now())
    said = f"{asked} {'order was' if asked == 1 else 'orders were'} asked to cancel"
    messages.success(request, f"{said}; each stays fillable until the venue confirms.")
    return HttpResponseRedirect(_back(request))


@action
def kill(request: HttpRequest) -> HttpResponse:
    if not request.user.is_staff:
        messages.error(request, "Only staff can kill: it stops every account. Use stop entries for yours.")
        return HttpResponseRedirect(_back(request))
    reason = request.POST.get("reason", "").strip()[:200] or "killed by hand"
    asked = halts.kill(reason, who(request), now=timezone.now())
    messages.warning(request, f"Killed. Nothing is sent any more; {asked} open orders were asked to cancel.")
    return HttpResponseRedirect(reverse("desk:release"))


@action
def kill_release(request: HttpRequest) -> HttpResponse:
    if not request.user.is_staff:
        messages.error(request, "Only staff can release the kill switch.")
        return HttpResponseRedirect(reverse("desk:release"))
    phrase = request.POST.get("phrase", "")
    if phrase.strip().lower() == halts.RELEASE_PHRASE:
        password_confirm(request, request.POST.get("password", ""))
    released = halts.release(who(request), phrase, now=timezone.now())
    messages.success(request, "Released. Orders may be sent again." if released else "The switch was not set.")
    return HttpResponseRedirect(reverse("desk:release"))


@action
def halt_lift(request: HttpRequest, halt_id: int) -> HttpResponse:
    account = desk_of(request).account
    row = risk_pages.halt_rows(account_id=account.id, active=True).filter(pk=halt_id).first()
    if row is None:
        messages.error(request, "That halt is lifted already, or it is not on your account.")
    elif row.account_id is None and not request.user.is_staff:
        messages.error(request, "Only staff can lift a halt of the whole desk.")
    else:
        if lift_is_grave(halt_id):
            password_confirm(request, request.POST.get("password", ""))
        halts.halt_lift(halt_id, by=who(request), now=timezone.now())
        messages.success(request, "The halt is lifted. Others, if any, still hold the account.")
    return HttpResponseRedirect(reverse("desk:release"))


# ---- orders ------------------------------------------------------------------------------


@action
def order_cancel(request: HttpRequest, order_id: int) -> HttpResponse:
    if order_pages.order_story(order_id, account_ids=account_ids(request)) is None:
        raise Http404("no such order")
    if execution.order_cancel_request(order_id, "cancelled by hand", who(request), timezone.now()):
        messages.success(request, "The cancel is on its way. The order may still fill until the venue confirms.")
    else:
        messages.warning(request, "Nothing to cancel: the order had ended already, or a cancel was on its way.")
    return HttpResponseRedirect(_back(request, reverse("desk:order", args=[order_id])))


@action
def order_place(request: HttpRequest, market_id: int) -> HttpResponse:
    """Carry a manual order through the gate, like any strategy's."""
    market = market_pages.market_get(market_id)
    account = desk_of(request).account
    if market is None or account is None:
        raise Http404("no such market")
    form = TicketForm(request.POST, market=market)
    if not form.is_valid() or not form.cleaned_data.get("key"):
        messages.error(request, "Nothing was sent: correct the marked fields.")
        return order_preview(request, market_id)
    now = timezone.now()
    facts = catalogue.facts_from_row(market)
    book = market_pages.books([form.cleaned_data["outcome"]]).get(form.cleaned_data["outcome"])
    key, origin = str(form.cleaned_data["key"]), manual_origin(request.user)
    placement = form.placement(key=key, facts=facts, book=book, origin=origin, now=now)
    try:
        draft = ticket_draft(form, placement)
    except plans.PlanError as error:
        messages.error(request, sentence(str(error)))
        return order_preview(request, market_id)
    if draft is not None:
        return _planned(request, account.id, draft)
    result = gate.review_manual(
        account.id,
        placement,
        by=who(request),
        allow_smaller=request.POST.get("allow_smaller") == "1",
    )
    if result.order_id is None:
        messages.error(request, sentence(f"Refused by the gate: {result.verdict.message}"))
        return order_preview(request, market_id)
    _submit(result.order_id)
    said = f" {sentence(result.verdict.message)}" if result.verdict.message else ""
    messages.success(request, f"Order {result.order_id} passed the gate and is on its way.{said}")
    return HttpResponseRedirect(reverse("desk:order", args=[result.order_id]))


def _planned(request: HttpRequest, account_id: int, draft: PlanDraft) -> HttpResponse:
    """Carry a chase or slices through the gate; the trader takes the first step within a second."""
    whole = replace(draft, whole=request.POST.get("allow_smaller") != "1")
    made = plans.draft_review(account_id, whole, by=who(request))
    if made.plan_id is None:
        messages.error(request, sentence(f"Refused by the gate: {made.message}"))
        return HttpResponseRedirect(_back(request))
    messages.success(request, f"Plan {made.plan_id} passed the gate and starts within a second.")
    return HttpResponseRedirect(reverse("desk:plan", args=[made.plan_id]))


def _submit(order_id: int) -> None:
    """Hand the order to the trader. If the broker is down the sweep of lost orders sends it instead."""
    try:
        submit_order.delay(order_id)
    except OperationalError as error:
        log.warning("order waits for the sweep", extra={"order": order_id, "problem": str(error)[:200]})


# ---- strategies --------------------------------------------------------------------------


def _strategy(request: HttpRequest, strategy_id: int) -> Any:
    row = strategy_pages.strategy_get(strategy_id, account_ids=account_ids(request))
    if row is None:
        raise Http404("no such strategy")
    return row


@action
def strategy_create(request: HttpRequest) -> HttpResponse:
    account = desk_of(request).account
    interval = request.POST.get("interval_s", "").strip()
    try:
        row = configs.strategy_create(
            name=request.POST.get("name", "").strip(),
            strategy_class=request.POST.get("strategy_class", ""),
            account_id=account.id,
            owner=request.user,
            interval_s=int(interval) if interval.isdecimal() and len(interval) < 7 else 0,
            by=who(request),
            now=timezone.now(),
        )
    except ParameterError as error:
        request.session["strategy_errors"] = error.errors
        request.session["strategy_typed"] = {
            name: request.POST.get(name, "")[:80] for name in ("name", "strategy_class", "interval_s")
        }
        messages.error(request, "No draft was made: correct the marked fields.")
        return HttpResponseRedirect(reverse("desk:strategies") + "#new")
    messages.success(request, f"{row.name} is a draft. Set its parameters, then start it or let it observe.")
    return HttpResponseRedirect(reverse("desk:strategy", args=[row.pk]))


@action
def strategy_switch(request: HttpRequest, strategy_id: int) -> HttpResponse:
    row = _strategy(request, strategy_id)
    now, by = timezone.now(), who(request)
    asked = request.POST.get("action", "")
    if asked in ("start", "observe"):
        states.strategy_start(row.pk, by=by, now=now, observe=asked == "observe")
        words = "runs from its next tick" if asked == "start" else "observes: it decides and sends nothing"
        messages.success(request, f"{row.name} {words}.")
    elif asked in ("pause", "stop"):
        end = states.strategy_pause if asked == "pause" else states.strategy_stop
        cancelled = end(row.pk, by=by, now=now)
        words = "is paused" if asked == "pause" else "is stopped"
        messages.success(request, f"{row.name} {words}; {cancelled} open orders were asked to cancel.")
    else:
        messages.error(request, "Choose start, observe, pause or stop.")
    return HttpResponseRedirect(reverse("desk:strategy", args=[row.pk]))


@action
def strategy_parameters(request: HttpRequest, strategy_id: int) -> HttpResponse:
    row = _strategy(request, strategy_id)
    schema = registry.strategy_get(row.strategy_class).params
    posted = {key: value for key, value in request.POST.items() if isinstance(value, str)}
    try:
        version, changes = configs.parameters_change(
            row.pk, parameters_from(posted, schema), by=who(request), now=timezone.now()
        )
    except ParameterError as error:
        request.session[f"parameters_{row.pk}"] = {"errors": error.errors, "typed": posted}
        messages.error(request, "Nothing was changed: correct the marked parameters.")
        return HttpResponseRedirect(reverse("desk:strategy", args=[row.pk]) + "#parameters")
    if changes:
        words = ", ".join(f"{c.title.lower()} {c.before} → {c.after}" for c in changes[:4])
        messages.success(request, f"Version {version} is in effect from the next tick: {words}.")
    else:
        messages.info(request, "Nothing was changed: every value is as it was.")
    return HttpResponseRedirect(reverse("desk:strategy", args=[row.pk]) + "#parameters")


@action
def strategy_version(request: HttpRequest, strategy_id: int, version: int) -> HttpResponse:
    """Make an older version's parameters the newest version."""
    row = _strategy(request, strategy_id)
    older = next((v for v in strategy_pages.version_rows(row.pk, limit=500) if v.version == version), None)
    if older is None:
        raise Http404("no such version")
    try:
        number, changes = configs.parameters_change(row.pk, older.parameters, by=who(request), now=timezone.now())
    except ParameterError as error:
        messages.error(request, f"Version {version} no longer fits the schema: {error}.")
        return HttpResponseRedirect(reverse("desk:strategy", args=[row.pk]))
    said = f"Version {number} repeats version {version}." if changes else f"Version {version} equals what is in effect."
    messages.success(request, said)
    return HttpResponseRedirect(reverse("desk:strategy", args=[row.pk]))


# ---- watching, alerts, keys --------------------------------------------------------------


@action
def watch_market(request: HttpRequest, market_id: int) -> HttpResponse:
    market = market_pages.market_get(market_id)
    if market is None:
        raise Http404("no such market")
    page_watch(request.user.pk, [outcome.pk for outcome in market.outcomes.all()])
    messages.success(request, "The feed listens to this market for ten minutes. The book appears within seconds.")
    return HttpResponseRedirect(reverse("desk:market", args=[market_id]))


def page_watch(user_id: int, outcome_ids: Iterable[int]) -> None:
    """Let the feed listen to what a person's pages show, until the pages stop asking.

    Sockets get this as an argument (polybot/asgi.py), because consumers only read.
    """
    watch.watch_set(f"page:{user_id}", outcome_ids, until=timezone.now() + WATCH_FOR)


@action
def alert_test(request: HttpRequest) -> HttpResponse:
    """Send a test message through one channel, or through every enabled one, and say how each went."""
    if not request.user.is_staff:
        messages.error(request, "Only staff can send test alerts: channels belong to the whole desk.")
        return HttpResponseRedirect(reverse("desk:alerts"))
    chosen = request.POST.get("channel", "")
    rows = [row for row in alert_pages.channel_rows() if (str(row.pk) == chosen if chosen else row.enabled)]
    for row in rows:
        delivery = channels.channel_test(row.pk, by=who(request))
        if delivery.state == "sent":
            messages.success(request, f"{row}: sent.")
        else:
            messages.error(request, f"{row}: {delivery.last_error or delivery.state}.")
    if not rows:
        messages.warning(request, "No channel is switched on. Add one in the admin, then test it.")
    return HttpResponseRedirect(reverse("desk:alerts") + "#channels")
