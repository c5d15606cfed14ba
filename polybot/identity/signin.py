"""Signing in: one page that tells a stranger nothing but how many tries are left."""

from __future__ import annotations

from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def pause_words() -> str:
    return f"{int(settings.AXES_COOLOFF_TIME * 60)}-minute"


def tries_left(request: HttpRequest, username: str) -> int | None:
    """Return how many refused tries remain for this name from this address; None when nothing is counted."""
    if not getattr(settings, "AXES_ENABLED", True) or not username:
        return None
    failures = AxesProxyHandler.get_failures(request, {"username": username})
    return max(0, settings.AXES_FAILURE_LIMIT - int(failures))


class SignInView(LoginView):
    template_name = "login.html"
    redirect_authenticated_user = True

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        username = form.data.get("username", "")
        context: dict[str, Any] = {"tries_left": tries_left(self.request, username), "pause": pause_words()}
        return self.render_to_response(self.get_context_data(form=form, **context))


def locked_out(request: HttpRequest, *_: object, **__: object) -> HttpResponse:
    """The page axes shows once a name and address have used up their tries."""
    minutes = pause_words().partition("-")[0]
    context = {"locked": True, "pause": f"{minutes} minutes", "next": request.POST.get("next", "")}
    response = render(request, "login.html", context, status=429)
    response["Retry-After"] = str(int(settings.AXES_COOLOFF_TIME * 3600))
    return response
