"""Whose wallet an account trades from, and how far its connection to the venue is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orders.models import Account, HeartbeatState, Secret
from orders.selectors.heartbeat import heartbeat_ok
from orders.selectors.permits import permits_missing


def wallet_stamp(account_id: int) -> tuple[object, ...]:
    """Return something that changes whenever the account's keys or addresses do: what is cached then is stale."""
    account = Account.objects.filter(pk=account_id)
    facts = account.values_list("environment", "wallet_address", "signer_address", "wallet_kind", "builder_code")
    secrets = (
        Secret.objects.filter(account_id=account_id, retired_at=None).order_by("kind").values_list("pk", flat=True)
    )
    return (*(facts.first() or ()), *secrets)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletLine:
    """What may be shown of an account's wallet: addresses, states, which secrets are kept; never one of them."""

    account: Account
    secrets: list[Secret]
    missing_permits: list[str]
    heartbeat: HeartbeatState | None = None  # None: it was never asked for
    heartbeat_ok: bool = True

    @property
    def has_session_key(self) -> bool:
        return any(secret.kind == Secret.Kind.SESSION_KEY for secret in self.secrets)


def wallet_lines(accounts: Iterable[Account]) -> list[WalletLine]:
    """Return one line per account, in the order given."""
    accounts = list(accounts)
    kept: dict[int, list[Secret]] = {}
    rows = Secret.objects.filter(account__in=[account.pk for account in accounts], retired_at=None)
    for secret in rows.defer("sealed").order_by("kind"):
        kept.setdefault(secret.account_id, []).append(secret)
    beats = HeartbeatState.objects.in_bulk([account.pk for account in accounts])
    return [
        WalletLine(
            account=account,
            secrets=kept.get(account.pk, []),
            missing_permits=permits_missing(account.pk, None),
            heartbeat=beats.get(account.pk),
            heartbeat_ok=heartbeat_ok(account.pk),
        )
        for account in accounts
    ]
