"""What a person changes about themselves: their API keys and their password."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from alerts.services import journal
from polybot.dashboard.actions import sentence, who
from polybot.identity import keys
from polybot.identity.models import ApiKey


@require_POST
def key_create(request: HttpRequest) -> HttpResponse:
    try:
        key, secret = keys.key_create(
            request.user, name=request.POST.get("name", ""), scopes=request.POST.getlist("scopes")
        )
    except keys.KeyRefused as error:
        request.session["key_error"] = sentence(str(error))
        return HttpResponseRedirect(reverse("desk:settings") + "#keys")
    # In this answer and nowhere else: no redirect, because a session is a row in the database.
    response = render(request, "dashboard/key_made.html", {"name": key.name, "secret": secret})
    response["Cache-Control"] = "no-store"
    return response


@require_POST
def key_revoke(request: HttpRequest, key_id: int) -> HttpResponse:
    try:
        key = keys.key_revoke(key_id, by=request.user)
    except ApiKey.DoesNotExist as error:
        raise Http404("no such key") from error
    messages.success(request, f"The key {key.prefix}… is revoked; requests with it are refused from now on.")
    return HttpResponseRedirect(reverse("desk:settings") + "#keys")


@require_POST
def password_change(request: HttpRequest) -> HttpResponse:
    form = PasswordChangeForm(request.user, request.POST)
    if not form.is_valid():
        request.session["password_errors"] = {name: list(errors) for name, errors in form.errors.items()}
        return HttpResponseRedirect(reverse("desk:settings") + "#password")
    with transaction.atomic():
        form.save()
        journal.event_record(
            "auth.password",
            f"{who(request)} changed the password",
            stream="auth",
            subject_kind="user",
            subject_id=request.user.pk,
            subject_label=who(request),
            actor=who(request),
        )
    update_session_auth_hash(request, form.user)
    messages.success(request, "The password is changed. Other browsers are signed out.")
    return HttpResponseRedirect(reverse("desk:settings"))
