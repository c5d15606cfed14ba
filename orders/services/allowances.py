"""Allowances: read from the chain, and granted only by a previewed action that a person confirms.

An amount is always named. "Unlimited" is possible, is never the default, and its preview says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from markets.domain.units import text_from_micro
from markets.venues.base import VenueError
from markets.venues.polymarket import calls
from markets.venues.polymarket.calls import GRANTS, UNLIMITED, CallError
from markets.venues.polymarket.rpc import Reverted
from orders.domain.lifecycle import Environment
from orders.models import Account, AllowanceCheck, ChainAction
from orders.services.chain import ChainError, action_create
from orders.services.chain_routes import rpc


def allowances_check(account_id: int, *, now: datetime) -> bool:
    """Read every grant of the account's wallet and store it; return whether the chain could be read."""
    account = Account.objects.get(pk=account_id)
    if account.environment == Environment.PAPER or not account.wallet_address:
        return False
    try:
        amounts = rpc().grants(account.wallet_address, GRANTS)
    except (VenueError, CallError, Reverted) as error:
        AllowanceCheck.objects.update_or_create(
            account=account,
            defaults={"error": str(error)[:240]},
            create_defaults={"error": str(error)[:240], "at": now},
        )
        return False
    found = [
        {
            "token": grant.token,
            "spender": grant.spender,
            "is_operator": grant.is_operator,
            "what_for": grant.what_for,
            "amount": str(amount),  # too large for JSON's numbers
        }
        for grant, amount in zip(GRANTS, amounts, strict=True)
    ]
    AllowanceCheck.objects.update_or_create(account=account, defaults={"found": found, "at": now, "error": ""})
    return True


def allowances_check_all(now: datetime) -> int:
    """Read the grants of every connected account; return how many could be read."""
    ready = Account.objects.exclude(environment=Environment.PAPER).filter(connection="ready")
    return sum(allowances_check(account_id, now=now) for account_id in ready.values_list("pk", flat=True))


@transaction.atomic
def allowances_preview(
    *, account_id: int, numbers: Sequence[int], amount: int | None, key: str, by: str, now: datetime
) -> list[ChainAction]:
    """Preview grants by their place in the list; `amount` in millionths, None for unlimited, 0 to take them back.

    A relayed wallet does them in one batch, the key's own account in one transaction each.
    """
    chosen = sorted(set(numbers))
    if not chosen or any(not 0 <= n < len(GRANTS) for n in chosen):
        raise ChainError("choose at least one of the listed allowances")
    if amount is not None and amount < 0:
        raise ChainError(f"${text_from_micro(amount)} cannot be allowed: give zero or more")
    account = Account.objects.get(pk=account_id)
    allowed = UNLIMITED if amount is None else amount
    batches = [[n] for n in chosen] if account.wallet_kind == "eoa" else [chosen]
    return [
        action_create(
            account_id=account_id,
            kind=ChainAction.Kind.APPROVE,
            key=f"approve:{account_id}:{key}:{'-'.join(map(str, batch))}",
            calls=[calls.approve(GRANTS[n], allowed) for n in batch],
            facts={"grants": batch, "allowed": str(allowed)},
            by=by,
            now=now,
            preview=True,
        )
        for batch in batches
    ]
