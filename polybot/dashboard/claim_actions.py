"""What the claims page changes: previews made, agreed to and discarded, allowances read, merging switched.

Nothing here signs or sends: a confirmed preview is wanted, and the trader does exactly what it showed.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from markets.domain.units import AmountError, micro_from_decimal
from orders.selectors import claims as claim_rows
from orders.services import allowances, chain, merging
from orders.services.chain import ChainError
from orders.services.chain_booking import action_judge
from orders.services.chain_wishes import convert_wish, set_wish
from polybot.dashboard.actions import sentence
from polybot.dashboard.frame import desk_of

Action = Callable[..., None]
FORMS = ("split", "sets", "convert")


def action(view: Action) -> Callable[..., HttpResponse]:
    """POST only, for the chosen account; a refusal is shown in its own words. Ends on the claims page.

    What was typed into a refused form that names itself (`form`) is shown there again.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if desk_of(request).account is None:
            raise Http404("no account")
        page = reverse("desk:claims")
        try:
            view(request, *args, **kwargs)
        except (ChainError, AmountError) as error:
            messages.error(request, sentence(str(error)))
            if form := request.POST.get("form", ""):
                typed = {name: request.POST.get(name, "")[:40] for name in ("form", "market", "amount")}
                typed["given"] = request.POST.getlist("given")[:64]  # type: ignore[assignment]
                page = f"{page}?{urlencode(typed, doseq=True)}#{form if form in FORMS else ''}"
        return HttpResponseRedirect(page)

    return require_POST(wrapped)


@action
def set_preview(request: HttpRequest) -> None:
    """Preview a split or a merge; it happens when it is confirmed."""
    made = set_wish(
        account_id=desk_of(request).account.id,
        market_id=_number(request, "market"),
        amount=_micro(request.POST.get("amount", "")),
        merge=request.POST.get("kind") == "merge",
        key=_key(request),
        by=request.user.get_username(),
        now=timezone.now(),
    )
    messages.success(request, f"Previewed: {made.kind}. Read it below, then confirm or discard it.")


@action
def convert_preview(request: HttpRequest) -> None:
    """Preview turning No shares of a group into Yes shares of its other questions; it happens when it is confirmed."""
    given = [int(n) for n in request.POST.getlist("given")[:256] if n.isascii() and n.isdecimal() and len(n) < 18]
    if not given:
        raise ChainError("choose at least one question whose No shares are given")
    made = convert_wish(
        account_id=desk_of(request).account.id,
        market_ids=given,
        amount=_micro(request.POST.get("amount", "")),
        key=_key(request),
        by=request.user.get_username(),
        now=timezone.now(),
    )
    messages.success(request, f"Previewed: {made.kind}. Read it below, then confirm or discard it.")


@action
def allowance_preview(request: HttpRequest) -> None:
    """Preview grants; the amount is always named, unlimited only in words."""
    unlimited = request.POST.get("amount", "").strip().lower() == "unlimited"
    amount = None if unlimited else _micro(request.POST.get("amount", ""))
    chosen = [int(n) for n in request.POST.getlist("grant") if n.isascii() and n.isdecimal()]
    made = allowances.allowances_preview(
        account_id=desk_of(request).account.id,
        numbers=chosen,
        amount=amount,
        key=_key(request),
        by=request.user.get_username(),
        now=timezone.now(),
    )
    count = sum(len(one.calls) for one in made)
    messages.success(request, f"Previewed: {count} allowance{'s' if count > 1 else ''}. Read below, then confirm.")


@action
def allowances_read(request: HttpRequest) -> None:
    """Ask the chain now what may be taken."""
    if allowances.allowances_check(desk_of(request).account.id, now=timezone.now()):
        messages.success(request, "Allowances were read from the chain.")
    else:
        messages.error(request, "The chain could not be read: see the reason beside the allowances.")


@action
def chain_confirm(request: HttpRequest, action_id: int) -> None:
    _mine(request, action_id)
    made = chain.action_confirm(action_id, by=request.user.get_username(), now=timezone.now())
    messages.success(request, f"The {made.kind} is wanted: the trader signs and sends exactly what was shown.")


@action
def chain_cancel(request: HttpRequest, action_id: int) -> None:
    _mine(request, action_id)
    if chain.action_cancel(action_id, by=request.user.get_username(), now=timezone.now()):
        messages.success(request, "Called off: nothing was signed.")
    else:
        messages.error(request, "Too late to call it off: it is signed already.")


@action
def chain_judge(request: HttpRequest, action_id: int) -> None:
    """Settle an unknown outcome by what the chain's explorer shows: staff only, because it moves the books."""
    _mine(request, action_id)
    if not request.user.is_staff:
        raise ChainError("only staff can settle an unknown outcome: it moves the books")
    happened = request.POST.get("happened") == "1"
    if action_judge(action_id, happened=happened, by=request.user.get_username(), now=timezone.now()):
        messages.success(request, "Settled: it happened and is booked." if happened else "Settled: it did not happen.")
    else:
        messages.error(request, "Its outcome is not unknown any more.")


@action
def merge_sets(request: HttpRequest) -> None:
    on = request.POST.get("on") == "1"
    merging.merge_sets_set(
        account_id=desk_of(request).account.id, on=on, by=request.user.get_username(), now=timezone.now()
    )
    messages.success(request, f"Complete sets are {'merged by themselves' if on else 'left alone'} from now on.")


def _mine(request: HttpRequest, action_id: int) -> None:
    if not claim_rows.action_rows([desk_of(request).account.id]).filter(pk=action_id).exists():
        raise Http404("no such transaction of this account")


def _micro(text: str) -> int:
    try:
        return micro_from_decimal(Decimal(text.strip().removeprefix("$")))
    except (InvalidOperation, AmountError):
        raise ChainError(f"{text[:40]!r} is no amount: give a number with at most six decimals") from None


def _number(request: HttpRequest, name: str) -> int:
    text = request.POST.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 18):
        raise ChainError(f"choose a {name}")
    return int(text)


def _key(request: HttpRequest) -> str:
    """Return the form's own key: a form that is sent twice makes one preview."""
    return request.POST.get("key", "")[:60] or f"{timezone.now().timestamp()}"
