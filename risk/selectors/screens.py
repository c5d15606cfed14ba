"""What the desk's pages read of limits, verdicts and halts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import F, Q, QuerySet, Sum

from risk.models import AccountLimits, Halt, OriginLimits, RiskProfile, RiskVerdict

REFUSED = RiskVerdict.Decision.REFUSED


def profile_of(account_id: int) -> RiskProfile | None:
    row = AccountLimits.objects.filter(account_id=account_id).select_related("profile").first()
    return row.profile if row else None


def profile_name(account_id: int) -> str | None:
    profile = profile_of(account_id)
    return profile.name if profile else None


def profile_rows() -> list[RiskProfile]:
    return list(RiskProfile.objects.order_by("account_exposure", "name"))


def origin_limit_rows() -> list[OriginLimits]:
    return list(OriginLimits.objects.order_by("origin_kind", "origin_id"))


def verdict_rows(
    account_id: int,
    *,
    decision: str = "",
    rule: str = "",
    since: datetime | None = None,
    origin: tuple[str, int] | None = None,
    outcome_ids: Iterable[int] | None = None,
    decision_id: int | None = None,
) -> QuerySet[RiskVerdict]:
    rows = RiskVerdict.objects.filter(account_id=account_id)
    if decision_id is not None:
        rows = rows.filter(decision_id=decision_id)
    if decision:
        rows = rows.filter(decision=decision)
    if rule:
        rows = rows.filter(rule=rule)
    if since is not None:
        rows = rows.filter(at__gte=since)
    if origin is not None:
        rows = rows.filter(origin_kind=origin[0], origin_id=origin[1])
    if outcome_ids is not None:
        rows = rows.filter(outcome_id__in=list(outcome_ids))
    return rows.order_by("-id")


def verdict_get(verdict_id: int) -> RiskVerdict | None:
    return RiskVerdict.objects.filter(pk=verdict_id).first()


def verdict_of_order(order_id: int) -> RiskVerdict | None:
    return RiskVerdict.objects.filter(order_id=order_id).first()


def verdict_counts(account_id: int, *, since: datetime, origin: tuple[str, int] | None = None) -> dict[str, int]:
    rows = verdict_rows(account_id, since=since, origin=origin)
    return dict(rows.order_by().values_list("decision").annotate(n=Sum(F("repeats") + 1)))


def refusals_by_rule(
    account_id: int, *, since: datetime, origin: tuple[str, int] | None = None
) -> list[tuple[str, int]]:
    rows = verdict_rows(account_id, since=since, origin=origin, decision=REFUSED)
    said = Sum(F("repeats") + 1)  # a repeated refusal is counted on its first row
    return list(rows.order_by().values_list("rule").annotate(n=said).order_by("-n", "rule"))


def halt_rows(*, account_id: int | None = None, active: bool | None = None) -> QuerySet[Halt]:
    """Return halts of one account and of the whole installation, newest first."""
    rows = Halt.objects.filter(Q(account_id__isnull=True) | Q(account_id=account_id))
    if active is not None:
        rows = rows.filter(lifted_at__isnull=active)
    return rows.order_by("-id")
