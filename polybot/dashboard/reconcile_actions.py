"""What the reconcile page changes: foreign orders are acknowledged, differences booked or closed, with a reason."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from orders.selectors import reconciling
from orders.services.differences import DifferenceError, difference_book, difference_close
from orders.services.foreign import ForeignError, foreign_acknowledge
from polybot.dashboard.views.scope import account_ids


@require_POST
def foreign_known(request: HttpRequest) -> HttpResponse:
    """Say whose order it was; entries of the account go on when all are known."""
    row = reconciling.foreign_rows(account_ids(request)).filter(pk=_number(request)).first()
    if row is None:
        raise Http404("no such order")
    try:
        foreign_acknowledge(row.pk, by=_who(request), reason=_reason(request), now=timezone.now())
        messages.success(request, f"Order {row.venue_order_id[:10]}… is acknowledged.")
    except ForeignError as error:
        messages.error(request, f"{error}.".capitalize())
    return _back("foreign")


@require_POST
def difference_settle(request: HttpRequest) -> HttpResponse:
    """Book a difference as a transfer, or close it."""
    row = reconciling.difference_rows(account_ids(request)).filter(pk=_number(request)).first()
    if row is None:
        raise Http404("no such difference")
    try:
        if request.POST.get("how") == "book":
            said = difference_book(row.pk, by=_who(request), reason=_reason(request), now=timezone.now())
            messages.success(request, f"Booked: {said}. A halt stays until it is lifted on Risk.")
        else:
            difference_close(row.pk, by=_who(request), reason=_reason(request), now=timezone.now())
            messages.success(request, "Closed. If it is still there, the next run finds it again.")
    except DifferenceError as error:
        messages.error(request, f"{str(error)[:1].upper()}{str(error)[1:]}.")
    return _back("differences")


def _number(request: HttpRequest) -> int:
    text = request.POST.get("id", "")
    if not text.isascii() or not text.isdecimal() or len(text) > 15:
        raise Http404("no such row")
    return int(text)


def _reason(request: HttpRequest) -> str:
    return request.POST.get("reason", "").strip()[:240]


def _who(request: HttpRequest) -> str:
    return request.user.get_username()


def _back(part: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{reverse('desk:reconcile')}#{part}")
