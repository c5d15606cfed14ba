"""The doctor's examination where the keys are: asked for anywhere, done by the trader, its findings stored.

Reads only. The one order of a deep examination is the gate's affair (`risk.services.doctor`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from markets.domain.instruments import Venue
from markets.domain.units import text_from_micro
from markets.selectors.refusals import refusal_explain
from markets.venues.base import VenueError
from orders.domain.checkup import Finding, Health
from orders.domain.lifecycle import Environment
from orders.models import Account, DoctorRun
from orders.services import conditions, keyholder
from orders.services.account_events import account_event

GIVEN_UP_AFTER = timedelta(minutes=5)


class DoctorError(ValueError):
    """An examination that is not possible as asked; the message says why."""


@transaction.atomic
def run_request(account_id: int, *, user: Any, deep: bool, by: str, now: datetime) -> DoctorRun:
    """Ask for an examination; one that waits already is returned. A deep one is asked for by a person only."""
    if deep and user is None:
        raise DoctorError("a deep examination places an order: a person must ask for it")
    stale = DoctorRun.objects.filter(
        account_id=account_id, state__in=["wanted", "running"], requested_at__lt=now - GIVEN_UP_AFTER
    )
    stale.update(state="failed", finished_at=now, error="nobody did it within 5 minutes: is the trader running?")
    waiting = DoctorRun.objects.filter(account_id=account_id, state__in=["wanted", "running"]).first()
    if waiting is not None:
        if deep and not waiting.deep:
            raise DoctorError("an examination is under way: ask for the deep one when it is done")
        return waiting
    run = DoctorRun.objects.create(account_id=account_id, deep=deep, user=user, requested_by=by[:120], requested_at=now)
    account_event(
        run.account,
        "doctor.requested",
        f"{by} asked for {'a deep' if deep else 'an'} examination",
        by=by,
        payload={"run": run.pk, "deep": deep},
        now=now,
    )
    return run


def run_claim(run_id: int, now: datetime) -> DoctorRun | None:
    """Return the examination as running, or None when somebody has it or it is over."""
    if not DoctorRun.objects.filter(pk=run_id, state="wanted").update(state="running", started_at=now):
        return None
    return DoctorRun.objects.select_related("account", "user").get(pk=run_id)


def run_finish(run: DoctorRun, findings: Sequence[Finding], *, now: datetime, error: str = "", **fields: Any) -> None:
    """Store what was found."""
    for name, value in fields.items():
        setattr(run, name, value)
    run.state = DoctorRun.State.FAILED if error else DoctorRun.State.DONE
    run.findings, run.error, run.finished_at = [f.as_dict() for f in findings], error[:300], now
    run.save()


def findings_at_venue(account_id: int, *, clock: Callable[[], datetime] = timezone.now) -> list[Finding]:
    """Return what only a holder of the keys can find out: keys that open, balances, allowances, open orders."""
    account = Account.objects.get(pk=account_id)
    if account.environment == Environment.PAPER:
        return [Finding(area="venue", label="Simulated venue", health=Health.OK, value="inside the desk")]
    conditions.venue_measure(Venue(account.venue), Environment(account.environment), clock(), everything=True)
    return [*_keys(account_id), *_venue(account_id)]


def _keys(account_id: int) -> list[Finding]:
    found = []
    for label, use in (
        ("Signing key opens", lambda: keyholder.signer().wallet(account_id).signer_address),
        ("API credentials open", lambda: (keyholder.gateway(account_id), "yes")[1]),
    ):
        try:
            found.append(Finding(area="keys", label=label, health=Health.OK, value=use()))
        except keyholder.NotInThisProcess as error:
            found.append(Finding(area="keys", label=label, health=Health.UNKNOWN, value="not here", cause=str(error)))
        except (keyholder.KeyRefused, ValueError) as error:
            found.append(
                Finding(
                    area="keys",
                    label=label,
                    health=Health.BAD,
                    value="no",
                    cause=str(error),
                    remedy="Give the key again on the accounts page.",
                )
            )
    return found


def _venue(account_id: int) -> list[Finding]:
    try:
        gateway = keyholder.gateway(account_id)
    except (keyholder.NotInThisProcess, keyholder.KeyRefused, ValueError):
        return []  # said above
    try:
        balances = gateway.balances()
        still_open = gateway.open_orders()
    except VenueError as error:
        return [_refused(str(error))]
    found = [
        Finding(area="money", label="Cash at the venue", health=Health.OK, value=f"${text_from_micro(balances.cash)}")
    ]
    for spender, amount in sorted(balances.allowances.items()):
        enough = amount > 0 and amount >= balances.cash
        found.append(
            Finding(
                area="allowances",
                label=spender,
                health=Health.OK if enough else Health.BAD,
                value="enough" if enough else f"${text_from_micro(amount)}",
                limit="" if enough else f"${text_from_micro(balances.cash)}",
                cause="" if enough else "this contract may not move as much as the account holds",
                remedy="" if enough else "Grant it on the allowances page: the transaction is shown before it is sent.",
            )
        )
    found.append(Finding(area="venue", label="Open orders there", health=Health.OK, value=str(len(still_open))))
    return found


def _refused(said: str) -> Finding:
    known = refusal_explain(said)
    return Finding(
        area="venue",
        label="Reading the account",
        health=Health.BAD,
        value="refused" if known else "no answer",
        cause=known.cause if known else said[:300],
        remedy=known.remedy if known else "Look whether the venue's host can be reached, and try again.",
    )
