"""Connecting an account to its venue: in the trader, once, before anything is traded.

The key must belong to the wallet, the venue must hand out API credentials for it, and the money it holds
becomes the opening entry. Whatever goes wrong is written on the account in words, with what to do;
nothing is half open. Running it again is safe.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime

import httpx
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from alerts.domain.events import Severity
from markets.domain.units import Usd, decimal_from_micro, micro_from_decimal, text_from_micro
from markets.venues.base import ParseError, VenueError, VenueRefused, VenueUnavailable
from markets.venues.polymarket.credentials import ApiCredentials, level_2_headers
from markets.venues.polymarket.login import KEY_PATH, PolymarketLogin
from markets.venues.polymarket.wallets import AddressError, wallet_kind
from orders.domain.lifecycle import Environment
from orders.models import Account, Secret
from orders.services import keyholder
from orders.services.account_events import account_event
from orders.services.accounts import account_lock, opening_record
from orders.services.gateways import credentials_write
from orders.services.keyholder import KeyRefused
from orders.services.secrets import SecretError, secret_store
from orders.services.signer import TraderSigner

log = logging.getLogger("orders.connecting")

_VENUE_OF = {Environment.SANDBOX: "sandbox", Environment.LIVE: "polymarket"}


class ConnectingError(RuntimeError):
    """Why an account cannot be connected and what to do; kept on its row, free of secrets."""


def account_connect(account_id: int, *, now: datetime | None = None) -> bool:
    """Bring the account to `ready`; return whether it is. Raises NotInThisProcess outside the trader."""
    now = now or timezone.now()
    signer = keyholder.signer()
    account = Account.objects.get(pk=account_id)
    if account.environment == Environment.PAPER or account.connection == "ready":
        return account.connection == "ready"
    try:
        _check(account, signer)
        credentials = _credentials(account, signer)
        _credentials_keep(account, credentials, now)
        keyholder.forget(account_id)
        cash = _cash(account)
        _old_key_end(account)
    except ConnectingError as error:
        _failed(account_id, str(error), now)
        return False
    _ready(account_id, cash, now)
    keyholder.forget(account_id)
    return True


def accounts_connect_waiting(now: datetime) -> int:
    """Connect every account that waits; return how many were tried. A lost message is made up for here."""
    waiting = Account.objects.filter(connection="connecting").order_by("pk").values_list("pk", flat=True)
    tried = 0
    for account_id in list(waiting):
        tried += 1
        account_connect(account_id, now=now)
    return tried


def _check(account: Account, signer: keyholder.Signer) -> None:
    """Check what needs no venue: the installation, the key, the wallet."""
    wanted = _VENUE_OF[Environment(account.environment)]
    if wanted != settings.POLYBOT_VENUE:
        raise ConnectingError(
            f"a {account.environment} account needs a desk started with --venue {wanted}; "
            f"this one runs on {settings.POLYBOT_VENUE}"
        )
    try:
        wallet = signer.wallet(account.pk)
    except KeyRefused as error:
        raise ConnectingError(str(error)) from None
    if account.secrets.filter(kind=Secret.Kind.SESSION_KEY, retired_at=None).exists():
        return  # whose wallet it may use, only the venue can tell
    try:
        kind = wallet_kind(wallet.signer_address, wallet.wallet_address)
    except AddressError as error:
        raise ConnectingError(str(error)) from None
    if kind != account.wallet_kind:
        raise ConnectingError(f"the wallet is of type {kind}, not {account.wallet_kind}: open the account again")


def _credentials(account: Account, signer: keyholder.Signer) -> ApiCredentials:
    """Return the wallet's API credentials: derived where there are some, else created."""
    if not isinstance(signer, TraderSigner):
        raise ConnectingError("this process cannot log in: the trader can")
    login = PolymarketLogin(settings.POLYMARKET["clob"])
    try:
        # A rotation retires the credentials of one nonce; the next one's are others.
        nonce = account.secrets.filter(kind=Secret.Kind.API_CREDENTIALS).exclude(retired_at=None).count()
        headers = signer.login(account.pk, timestamp_s=int(time.time()), nonce=nonce)
        return login.derive(headers) or login.create(headers)
    except VenueUnavailable as error:
        raise ConnectingError(
            f"the venue cannot be reached ({error}): check the network and the hosts, then connect again"
        ) from None
    except VenueRefused as error:
        raise ConnectingError(
            f"the venue refused the log-in ({error}): check this machine's clock and that the key is allowed there"
        ) from None
    except ParseError as error:
        raise ConnectingError(f"the venue's answer to the log-in is not understood ({error})") from None
    except KeyRefused as error:
        raise ConnectingError(str(error)) from None
    finally:
        login.close()


def _credentials_keep(account: Account, credentials: ApiCredentials, now: datetime) -> None:
    """Seal them for the processes that listen and send, unless the same ones are kept already."""
    kind = Secret.Kind.API_CREDENTIALS
    known = account.secrets.filter(kind=kind, retired_at=None).values_list("public", flat=True).first()
    if known == credentials.api_key:
        return
    try:
        secret_store(account, kind, credentials_write(credentials), public=credentials.api_key, by="trader", now=now)
    except SecretError as error:
        raise ConnectingError(str(error)) from None


def _old_key_end(account: Account) -> None:
    """End the API key that was in use before, as well as that works: it may be ended already."""
    try:
        old = keyholder.credentials(account.pk, retired=True)
    except KeyRefused:
        return
    login = PolymarketLogin(settings.POLYMARKET["clob"])
    try:
        login.delete(
            level_2_headers(
                old, address=account.signer_address, timestamp_s=int(time.time()), method="DELETE", path=KEY_PATH
            )
        )
    except VenueError as error:
        log.info("the old API key was not ended", extra={"account": account.pk, "reason": str(error)})
    finally:
        login.close()


def _cash(account: Account) -> Usd:
    """Return what the wallet holds, after play money was given where it was asked for."""
    try:
        gateway = keyholder.gateway(account.pk)
        held = gateway.balances().cash
        wanted = micro_from_decimal(account.play_money)
        if account.environment == Environment.SANDBOX and wanted > held:
            play_money_give(account.wallet_address, Usd(wanted - held))
            gateway.balances_refresh()
            held = gateway.balances().cash
        return Usd(held)
    except KeyRefused as error:
        raise ConnectingError(str(error)) from None
    except VenueUnavailable as error:
        raise ConnectingError(
            f"the balance cannot be read ({error}): check the network and the hosts, then connect again"
        ) from None
    except VenueError as error:
        raise ConnectingError(f"the venue does not tell the balance ({error})") from None


def play_money_give(address: str, amount: Usd) -> None:
    """Ask the local exchange for play money. Raises VenueUnavailable; production has no such door."""
    base = settings.POLYMARKET["control"]
    if settings.POLYBOT_VENUE != "sandbox" or not base:
        raise VenueUnavailable("play money exists on the local exchange only")
    try:
        answer = httpx.post(
            f"{base}/faucet", json={"address": address, "amount": text_from_micro(amount)}, timeout=5, trust_env=False
        )
    except httpx.HTTPError as error:
        raise VenueUnavailable(f"the local exchange does not answer: {type(error).__name__}") from None
    if answer.status_code != 200:
        raise VenueUnavailable(f"the local exchange gives no play money: {answer.status_code}")


@transaction.atomic
def _ready(account_id: int, cash: Usd, now: datetime) -> None:
    account = account_lock(account_id)
    if account.connection == "ready":
        return
    is_first = not account.ledger.filter(kind="opening").exists() and not account.opening_cash
    account.connection, account.connection_note = "ready", ""
    fields = ["connection", "connection_note"]
    if is_first:
        amount = decimal_from_micro(cash)
        account.cash = account.opening_cash = account.peak_equity = amount
        fields += ["cash", "opening_cash", "peak_equity"]
    account.save(update_fields=fields)
    if is_first:
        opening_record(account, cash, by="trader", now=now)
    else:
        account_event(account, "account.connected", f"{account.name}: connected again", by="trader", now=now)


@transaction.atomic
def _failed(account_id: int, reason: str, now: datetime) -> None:
    account = account_lock(account_id)
    if account.connection == "ready":
        return
    account.connection, account.connection_note = "failed", reason[:300]
    account.save(update_fields=["connection", "connection_note"])
    account_event(
        account,
        "account.connect_failed",
        f"{account.name}: not connected: {reason}",
        by="trader",
        now=now,
        severity=Severity.WARNING,
    )
