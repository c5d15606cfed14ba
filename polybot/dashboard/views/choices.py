"""What a reader chooses for this browser: theme and shown account. Both are cookies; nothing is stored."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from polybot.dashboard.frame import ACCOUNT_COOKIE, THEME_COOKIE, desk_of

YEAR_S = 365 * 24 * 3600


def safe_next(request: HttpRequest, fallback: str = "/") -> str:
    """Return the page to go back to: a path of ours, or the fallback."""
    wanted = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=False)
    return wanted if wanted.startswith("/") and is_ours else fallback


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    chosen = "dark" if request.POST.get("theme") == "dark" else "light"
    response = HttpResponseRedirect(safe_next(request))
    response.set_cookie(THEME_COOKIE, chosen, max_age=YEAR_S, samesite="Lax", secure=request.is_secure())
    return response


@require_POST
def account(request: HttpRequest) -> HttpResponse:
    chosen = request.POST.get("account", "")
    response = HttpResponseRedirect(safe_next(request))
    if any(str(row.id) == chosen for row in desk_of(request).accounts):
        response.set_cookie(
            ACCOUNT_COOKIE, chosen, max_age=YEAR_S, samesite="Lax", secure=request.is_secure(), httponly=True
        )
    return response
