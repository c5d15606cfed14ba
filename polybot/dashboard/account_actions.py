"""What the accounts page changes: accounts opened and connected, live trading permitted and revoked.

A private key, a keystore or a passphrase that arrives here is sealed in the same request. It is not put
into the session, a message, a log or the page again, so a form with a mistake asks for it anew.
"""

from __future__ import annotations

import logging
from decimal import Decimal, InvalidOperation

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from markets.domain.units import AmountError, Usd, micro_from_decimal
from orders.domain.lifecycle import Environment
from orders.domain.private_keys import PrivateKeyError, key_new, key_read
from orders.domain.wallet_entry import WalletEntryError, wallet_entry
from orders.services.accounts import AccountError, account_open
from orders.services.connection_asks import connection_ask, credentials_rotation_ask
from orders.services.heartbeat import HeartbeatError, heartbeat_set
from orders.services.permits import PermitError, permit_grant, permit_revoke
from orders.services.secrets import SecretError, relayer_key_store
from orders.tasks import connect_account
from polybot.dashboard.frame import desk_of
from polybot.identity.step_up import StepUpError, password_confirm
from strategies.selectors import screens as strategy_pages

log = logging.getLogger(__name__)

# What a form with a mistake shows again; keys and passphrases are not among it.
KEPT = ("name", "wallet", "kind", "cash", "builder_code", "source")
LONGEST_KEY = 64 * 1024


@require_POST
@sensitive_post_parameters("key", "passphrase", "password")
@sensitive_variables("key")
def account_new(request: HttpRequest) -> HttpResponse:
    """Open a sandbox or live account for the person who asks."""
    form = request.POST
    try:
        _staff_only(request, "Only staff open accounts.")
        environment = Environment(form.get("environment", "sandbox"))
        if environment is Environment.LIVE:
            password_confirm(request, form.get("password", ""))
        makes = form.get("source") == "new" and environment is Environment.SANDBOX
        key = key_new() if makes else key_read(form.get("key", "")[:LONGEST_KEY], passphrase=form.get("passphrase", ""))
        entry = wallet_entry(
            key,
            wallet=form.get("wallet", "").strip(),
            kind=form.get("kind", "") if makes or not form.get("wallet", "").strip() else "",
            is_session=form.get("source") == "session",
        )
        account = account_open(
            name=form.get("name", "").strip(),
            owner=request.user,
            environment=environment,
            cash=_dollars(form.get("cash", "")),
            wallet=entry,
            builder_code=form.get("builder_code", "").strip(),
            by=request.user.get_username(),
        )
    except (PrivateKeyError, WalletEntryError, AccountError, SecretError, StepUpError, ValueError) as error:
        request.session["account_error"] = _sentence(str(error))
        request.session["account_given"] = {name: form.get(name, "")[:120] for name in KEPT}
        return HttpResponseRedirect(reverse("desk:accounts") + "#open")
    _tell_trader(account.pk)
    messages.success(request, f"{account.name} is added: {entry.kind} {entry.wallet}. The trader connects it now.")
    return _page()


@require_POST
def account_connect(request: HttpRequest, account_id: int) -> HttpResponse:
    """Ask the trader to connect the account again, with new API credentials if asked for."""
    account = _own(request, account_id)
    try:
        if request.POST.get("credentials"):
            credentials_rotation_ask(account_id, by=request.user.get_username())
        else:
            connection_ask(account_id, by=request.user.get_username())
    except AccountError as error:
        messages.error(request, _sentence(str(error)))
        return _page()
    _tell_trader(account_id)
    messages.success(request, f"The trader connects {account.name}; this page says how it went.")
    return _page()


@require_POST
def heartbeat_switch(request: HttpRequest, account_id: int) -> HttpResponse:
    """Ask for the account's heartbeat or let it fall silent, with a reason; both change what the venue does alone."""
    account = _own(request, account_id)
    wanted, reason = request.POST.get("on") == "1", request.POST.get("reason", "").strip()
    try:
        if not reason:
            raise HeartbeatError("say why: the venue acts on its own after this")
        by, now = request.user.get_username(), timezone.now()
        if heartbeat_set(account_id, wanted=wanted, by=by, now=now, reason=reason):
            silent = "falls silent: the venue cancels all orders of its key in about 10 s"
            messages.success(request, f"The heartbeat of {account.name} {'is kept from now on' if wanted else silent}.")
    except HeartbeatError as error:
        messages.error(request, _sentence(str(error)))
    return HttpResponseRedirect(reverse("desk:accounts") + f"#account-{account_id}")


@require_POST
@sensitive_post_parameters("relayer_key")
def relayer_key_new(request: HttpRequest, account_id: int) -> HttpResponse:
    """Keep the account's relayer key, sealed."""
    account = _own(request, account_id)
    try:
        relayer_key_store(
            account_id,
            key=request.POST.get("relayer_key", ""),
            address=request.POST.get("relayer_address", "") or account.signer_address,
            by=request.user.get_username(),
        )
        messages.success(request, f"The relayer key of {account.name} is sealed; the trader uses it from now on.")
    except SecretError as error:
        messages.error(request, _sentence(str(error)))
    return _page()


@require_POST
@sensitive_post_parameters("password")
def permit_new(request: HttpRequest) -> HttpResponse:
    """Permit live trading: password again, the phrase, and a reason."""
    form = request.POST
    try:
        _staff_only(request, "Only staff permit live trading.")
        scope, _, number = form.get("subject", "").partition(":")
        subject_id = int(number) if number.isdecimal() and len(number) < 19 else -1
        password_confirm(request, form.get("password", ""))
        permit = permit_grant(
            scope=scope,
            subject_id=subject_id,
            subject_label=_strategy_name(request, subject_id) if scope == "strategy" else "",
            reason=form.get("reason", ""),
            phrase=form.get("phrase", ""),
            by=request.user.get_username(),
        )
    except (PermitError, StepUpError, AccountError) as error:
        request.session["permit_error"] = _sentence(str(error))
        return HttpResponseRedirect(reverse("desk:accounts") + "#permits")
    messages.warning(request, f"Permitted to trade with real money: {permit.subject_label}.")
    return HttpResponseRedirect(reverse("desk:accounts") + "#permits")


@require_POST
def permit_end(request: HttpRequest) -> HttpResponse:
    """Revoke a permit, at once."""
    if not request.user.is_staff:
        raise Http404("no such permit")
    scope, _, number = request.POST.get("subject", "").partition(":")
    try:
        gone = permit_revoke(
            scope=scope, subject_id=int(number) if number.isdecimal() else -1, by=request.user.get_username()
        )
    except PermitError as error:
        raise Http404("no such permit") from error
    messages.success(request, "Revoked: nothing is signed on it any more." if gone else "It was revoked before.")
    return HttpResponseRedirect(reverse("desk:accounts") + "#permits")


def _own(request: HttpRequest, account_id: int):  # type: ignore[no-untyped-def]
    for account in desk_of(request).accounts:
        if account.pk == account_id:
            return account
    raise Http404("no such account")


def _strategy_name(request: HttpRequest, strategy_id: int) -> str:
    ids = [account.pk for account in desk_of(request).accounts if account.environment == Environment.LIVE]
    found = strategy_pages.strategy_get(strategy_id, account_ids=ids)
    if found is None:
        raise PermitError("there is no such strategy on a live account")
    return str(found.name)


def _staff_only(request: HttpRequest, words: str) -> None:
    if not request.user.is_staff:
        raise AccountError(words)


def _dollars(text: str) -> Usd:
    try:
        return Usd(micro_from_decimal(Decimal(text.strip() or "0")))
    except (InvalidOperation, AmountError):
        raise AccountError(f"{text!r:.30} is not an amount in dollars") from None


def _tell_trader(account_id: int) -> None:
    try:
        connect_account.delay(account_id)
    except OperationalError:
        log.warning("the broker is away", extra={"account": account_id})  # the trader looks every 10 s by itself


def _page() -> HttpResponse:
    return HttpResponseRedirect(reverse("desk:accounts"))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"
