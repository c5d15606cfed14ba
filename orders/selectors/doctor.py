"""Examinations and rehearsals as pages, commands and the API read them; and what can be said without any key."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet

from alerts.selectors.health import heartbeat_get
from orders.domain.checkup import Finding, Health, finding_of
from orders.domain.lifecycle import Environment
from orders.domain.readiness import account_check, entries_check
from orders.models import Account, DoctorRun, KillRehearsal, Secret, VenueCondition
from orders.selectors.conditions import conditions_get
from orders.selectors.permits import permits_missing

TRADER_LIMIT_S = 45
_HOSTS = ("clob", "gamma", "data", "ws_market", "ws_user", "relayer", "rpc")


def runs(account_id: int) -> QuerySet[DoctorRun]:
    return DoctorRun.objects.filter(account_id=account_id).select_related("order").order_by("-pk")


def rehearsals(account_id: int) -> QuerySet[KillRehearsal]:
    return KillRehearsal.objects.filter(account_id=account_id).order_by("-pk")


def findings_now(account_id: int, *, now: datetime) -> list[Finding]:
    """Return everything that our own tables say about the account's way to the venue."""
    account = Account.objects.get(pk=account_id)
    return [*_account(account), *_keys(account), *_conditions(account, now), *_venue(account), *_trader(account, now)]


def _account(account: Account) -> list[Finding]:
    kind = account.wallet_kind or "none"
    is_paper = account.environment == Environment.PAPER
    found = [
        Finding(area="account", label="Environment", health=Health.OK, value=account.environment),
        Finding(
            area="account",
            label="Wallet kind",
            health=Health.OK if is_paper or account.wallet_kind else Health.BAD,
            value="paper needs none" if is_paper else kind,
            cause="" if is_paper or account.wallet_kind else "the kind of wallet is not known yet",
            remedy="" if is_paper or account.wallet_kind else "Connect the account: the trader finds out.",
        ),
    ]
    for label, address in (("Wallet", account.wallet_address), ("Signer", account.signer_address)):
        if address:
            found.append(Finding(area="account", label=label, health=Health.OK, value=address))
    missing = permits_missing(account.pk, None)
    if account.environment == Environment.LIVE:
        found.append(
            Finding(
                area="account",
                label="Live permits",
                health=Health.BAD if missing else Health.OK,
                value=f"{len(missing)} missing" if missing else "installation and account",
                cause="; ".join(missing),
                remedy="Approve live trading step by step on the accounts page." if missing else "",
            )
        )
    return found


def _keys(account: Account) -> list[Finding]:
    """Return which sealed keys there are. What is in them only the trader can say."""
    if account.environment == Environment.PAPER:
        return []
    held = dict(Secret.objects.filter(account=account, retired_at=None).values_list("kind", "public"))
    wanted = {
        Secret.Kind.API_CREDENTIALS: "API credentials",
        Secret.Kind.PRIVATE_KEY: "Signing key",
    }
    signs = Secret.Kind.PRIVATE_KEY in held or Secret.Kind.SESSION_KEY in held
    found = []
    for kind, label in wanted.items():
        there = signs if kind == Secret.Kind.PRIVATE_KEY else kind in held
        found.append(
            Finding(
                area="keys",
                label=label,
                health=Health.OK if there else Health.BAD,
                value=f"sealed, {held.get(kind, '')}".rstrip(", ") if there else "missing",
                remedy="" if there else "Give the key on the accounts page; the trader makes the rest from it.",
            )
        )
    return found


def _conditions(account: Account, now: datetime) -> list[Finding]:
    known = conditions_get(account.pk)
    return [finding_of(c) for c in (*account_check(known, now=now), *entries_check(known, now=now))]


def _venue(account: Account) -> list[Finding]:
    if account.environment == Environment.PAPER:
        return []
    found = [
        Finding(area="endpoints", label=name, health=Health.OK, value=str(settings.POLYMARKET.get(name, "")))
        for name in _HOSTS
        if settings.POLYMARKET.get(name)
    ]
    row = VenueCondition.objects.filter(venue=account.venue, environment=account.environment).first()
    if row is not None:
        version = row.version or "not told"
        found.append(
            Finding(
                area="venue",
                label="Version",
                health=Health.OK if row.version else Health.UNKNOWN,
                value=version,
            )
        )
        if row.error:
            found.append(
                Finding(
                    area="venue",
                    label="Last measurement",
                    health=Health.WARNING,
                    value="incomplete",
                    cause=row.error,
                    remedy="Look whether the hosts above can be reached from here.",
                )
            )
    return found


def _trader(account: Account, now: datetime) -> list[Finding]:
    beat = heartbeat_get("queue:trading")
    age = None if beat is None else int((now - beat.at).total_seconds())
    alive = age is not None and age <= TRADER_LIMIT_S
    return [
        Finding(
            area="processes",
            label="Trader",
            health=Health.OK if alive else Health.BAD,
            value="never seen" if age is None else f"{age} s ago",
            limit=f"{TRADER_LIMIT_S} s",
            cause="" if alive else "the process that signs and sends shows no life",
            remedy="" if alive else "It restarts by itself; see System, then the logs.",
        )
    ]
