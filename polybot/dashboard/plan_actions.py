"""What pages change about plans: flatten, replace an order, end a plan, end everything in a market."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from markets.domain.units import Price, Shares, micro_from_decimal
from markets.selectors import screens as market_pages
from orders.selectors import plans as plan_pages
from orders.selectors.pages import order_story
from orders.services import execution, plans
from polybot.dashboard.actions import action, sentence
from polybot.dashboard.frame import desk_of
from polybot.dashboard.ticket import TermsForm, manual_origin
from polybot.dashboard.views.plans import flatten_strategy, strategy_origin
from polybot.dashboard.views.scope import account_ids
from risk.services import plans as asked_plans
from risk.services.flatten import flatten as flatten_now


@action
def plan_cancel(request: HttpRequest, plan_id: int) -> HttpResponse:
    if plan_pages.plan_story(plan_id, account_ids=account_ids(request)) is None:
        raise Http404("no such plan")
    if plans.plan_cancel(plan_id, "cancelled by hand", request.user.get_username(), timezone.now()):
        messages.success(request, "The plan is over. Its open orders may still fill until the venue confirms.")
    else:
        messages.warning(request, "Nothing to end: the plan was over already.")
    return HttpResponseRedirect(reverse("desk:plan", args=[plan_id]))


@action
def order_replace(request: HttpRequest, order_id: int) -> HttpResponse:
    """Carry a replacement through the gate. What is refused is shown on the form again, with the reason."""
    story = order_story(order_id, account_ids=account_ids(request))
    if story is None:
        raise Http404("no such order")
    typed = {name: request.POST.get(name, "")[:30] for name in ("price", "size")}
    page = f"{reverse('desk:replace', args=[order_id])}?{urlencode(typed)}#terms"
    form = TermsForm(request.POST, market=story.order.market)
    if not form.is_valid():
        messages.error(request, "Nothing was replaced: correct the marked fields.")
        return HttpResponseRedirect(page)
    try:
        made = asked_plans.order_replace(
            story.order.account_id,
            order_id,
            price=Price(micro_from_decimal(form.cleaned_data["price"])),
            size=Shares(micro_from_decimal(form.cleaned_data["size"])),
            origin=manual_origin(request.user),
            by=request.user.get_username(),
        )
    except asked_plans.PlanError as error:
        messages.error(request, sentence(f"Nothing was replaced: {error}"))
        return HttpResponseRedirect(page)
    if made.plan_id is None:
        messages.error(request, sentence(f"Refused by the gate, and the old order stays: {made.message}"))
        return HttpResponseRedirect(page)
    messages.success(request, "The gate approved it. The old order ends first; the new one takes what is then left.")
    return HttpResponseRedirect(reverse("desk:plan", args=[made.plan_id]))


@action
def market_cancel(request: HttpRequest, market_id: int) -> HttpResponse:
    """Ask for the end of the account's orders and plans in one market."""
    if market_pages.market_get(market_id) is None:
        raise Http404("no such market")
    by = request.user.get_username()
    asked = execution.cancel_market(desk_of(request).account.id, market_id, "cancelled by hand", by, timezone.now())
    words = "order was" if asked == 1 else "orders were"
    messages.success(request, f"{asked} {words} asked to cancel; each stays fillable until the venue confirms.")
    return HttpResponseRedirect(reverse("desk:market", args=[market_id]))


@action
def flatten(request: HttpRequest) -> HttpResponse:
    """Sell what the account or one strategy holds. A person ticks that they read the preview."""
    page = reverse("desk:flatten")
    if request.POST.get("sure") != "on":
        messages.error(request, "Nothing was done: tick that you have read what will be sold.")
        return HttpResponseRedirect(page)
    strategy = flatten_strategy(request, request.POST.get("strategy", ""))
    asked = request.POST.get("slippage", "").strip()
    result = flatten_now(
        desk_of(request).account.id,
        by=request.user.get_username(),
        strategy=None if strategy is None else strategy_origin(strategy),
        slippage_bps=int(asked) if asked.isdecimal() and len(asked) < 6 else None,
    )
    for verdict in result.refused[:5]:
        messages.error(request, f"Refused by the gate: {verdict.message}.")
    if result.plan_id is None:
        messages.warning(request, f"Nothing is being sold; {result.cancelled} orders were asked to cancel.")
        return HttpResponseRedirect(page)
    messages.success(request, f"The sale runs as a plan; {result.cancelled} orders were asked to cancel first.")
    return HttpResponseRedirect(reverse("desk:plan", args=[result.plan_id]))
