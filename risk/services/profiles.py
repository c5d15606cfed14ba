"""Profiles: the three sets of limits every installation starts with (design.md §5), and who uses which."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from alerts.services.journal import event_record
from orders.selectors.portfolio import account_get
from risk.models import AccountLimits, OriginLimits, RiskProfile

# Dollars and counts as in design.md §5. It names no event limit: an event may use what a
# strategy may, because the markets of one event rise and fall together.
PROFILES: dict[str, dict[str, Any]] = {
    "conservative": {
        "account_exposure": 500,
        "market_exposure": 100,
        "event_exposure": 200,
        "strategy_exposure": 200,
        "order_size": 25,
        "open_orders": 20,
        "open_positions": 5,
        "daily_loss": 50,
        "drawdown_stop_bps": 500,
        "drawdown_kill_bps": 1000,
        "slippage_bps": 100,
    },
    "moderate": {
        "account_exposure": 2_500,
        "market_exposure": 500,
        "event_exposure": 1_000,
        "strategy_exposure": 1_000,
        "order_size": 100,
        "open_orders": 30,
        "open_positions": 10,
        "daily_loss": 150,
        "drawdown_stop_bps": 1000,
        "drawdown_kill_bps": 1500,
        "slippage_bps": 150,
        "orders_per_minute": 120,
    },
    "aggressive": {
        "account_exposure": 10_000,
        "market_exposure": 2_000,
        "event_exposure": 3_000,
        "strategy_exposure": 3_000,
        "order_size": 500,
        "open_orders": 50,
        "open_positions": 25,
        "daily_loss": 500,
        "drawdown_stop_bps": 1000,
        "drawdown_kill_bps": 2000,
        "slippage_bps": 200,
        "orders_per_minute": 240,
    },
}


def install() -> int:
    """Create the profiles that do not exist yet; return how many. Edited ones stay as they are."""
    made = [RiskProfile.objects.get_or_create(name=name, defaults=values)[1] for name, values in PROFILES.items()]
    return sum(made)


@transaction.atomic
def profile_assign(account_id: int, profile: str, *, by: str = "", now: datetime | None = None) -> bool:
    """Let the account use `profile`; return whether that changed anything. Raises LookupError for an unknown name."""
    row = RiskProfile.objects.filter(name=profile).first()
    if row is None:
        names = ", ".join(RiskProfile.objects.order_by("name").values_list("name", flat=True))
        raise LookupError(
            f"there is no risk profile {profile!r}: choose one of {names or 'none, run profiles.install'}"
        )
    account = account_get(account_id)
    limits, created = AccountLimits.objects.get_or_create(account_id=account_id, defaults={"profile": row})
    if not created and limits.profile_id == row.pk:
        return False
    before = "" if created else limits.profile.name
    limits.profile = row
    limits.save()
    event_record(
        "risk.limits",
        f"{account.name} uses the {profile} limits" + (f", was {before}" if before else ""),
        stream=f"account:{account_id}",
        account_id=account_id,
        subject_kind="account",
        subject_id=account_id,
        subject_label=account.name,
        actor=by,
        payload={"before": before, "after": profile},
        now=now,
    )
    return True


@transaction.atomic
def profile_save(profile: RiskProfile, *, by: str, before: dict[str, Any] | None = None) -> None:
    """Store an edited profile and write down which numbers changed. Raises ValidationError for a limit of 0."""
    profile.full_clean()
    profile.save()
    after = {field.name: getattr(profile, field.name) for field in RiskProfile._meta.fields if field.name != "id"}
    changed = {name: value for name, value in after.items() if before is None or before.get(name) != value}
    if not changed:
        return
    event_record(
        "risk.limits",
        f"profile {profile.name}: " + ", ".join(f"{name} = {value}" for name, value in changed.items()),
        subject_kind="profile",
        subject_id=profile.pk,
        subject_label=profile.name,
        actor=by,
        payload={"before": {name: (before or {}).get(name) for name in changed}, "after": changed},
    )


@transaction.atomic
def origin_limits_set(
    origin_kind: str,
    origin_id: int,
    *,
    exposure: Decimal | None = None,
    order_size: Decimal | None = None,
    open_orders: int | None = None,
    daily_loss: Decimal | None = None,
    by: str = "",
) -> OriginLimits:
    """Give one strategy tighter limits. A value above the account's profile has no effect."""
    values = {
        "exposure": exposure,
        "order_size": order_size,
        "open_orders": open_orders,
        "daily_loss": daily_loss,
    }
    row, _ = OriginLimits.objects.update_or_create(origin_kind=origin_kind, origin_id=origin_id, defaults=values)
    event_record(
        "risk.limits",
        f"limits of {origin_kind} {origin_id} changed",
        subject_kind=origin_kind,
        subject_id=origin_id,
        actor=by,
        payload=values,
    )
    return row
