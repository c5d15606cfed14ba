"""The live approval chain as it stands: which links are there, which are missing (I11)."""

from __future__ import annotations

from orders.domain.lifecycle import Environment
from orders.models import Account, LivePermit

INSTALLATION = 0


def permits_missing(account_id: int, strategy_id: int | None) -> list[str]:
    """Return what stands between this account and orders with real money, in words; [] when nothing does.

    `strategy_id` None asks about the account itself, as for an order that a person places. Only live
    accounts need permits. Read fresh each time, because a permit can be revoked at any moment.
    """
    account = Account.objects.filter(pk=account_id).values_list("environment", "name").first()
    if account is None:
        return [f"there is no account {account_id}"]
    environment, name = account
    if environment != Environment.LIVE:
        return []
    held = set(LivePermit.objects.filter(revoked_at=None).values_list("scope", "subject_id"))
    scope = LivePermit.Scope
    missing = []
    if (scope.INSTALLATION, INSTALLATION) not in held:
        missing.append("live trading is not permitted on this installation")
    if (scope.ACCOUNT, account_id) not in held:
        missing.append(f"the account {name} is not permitted to trade live")
    if strategy_id is not None and (scope.STRATEGY, strategy_id) not in held:
        missing.append(f"strategy {strategy_id} is not permitted to trade live")
    return missing


def permit_list() -> list[LivePermit]:
    """Return all permits, standing ones first, then the newest."""
    rows = LivePermit.objects.order_by("-granted_at", "-pk")
    return sorted(rows, key=lambda row: row.revoked_at is not None)
