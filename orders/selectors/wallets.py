"""Whose wallet an account trades from, and how far its connection to the venue is."""

from __future__ import annotations

from orders.models import Account, Secret


def wallet_stamp(account_id: int) -> tuple[object, ...]:
    """Return something that changes whenever the account's keys or addresses do: what is cached then is stale."""
    account = Account.objects.filter(pk=account_id)
    facts = account.values_list("environment", "wallet_address", "signer_address", "wallet_kind", "builder_code")
    secrets = (
        Secret.objects.filter(account_id=account_id, retired_at=None).order_by("kind").values_list("pk", flat=True)
    )
    return (*(facts.first() or ()), *secrets)
