"""What the alert rules ask for, for the apps that evaluate their subjects."""

from __future__ import annotations

from decimal import Decimal

from alerts.models import AlertRule


def threshold_highest(kind: str) -> Decimal | None:
    """Return the highest threshold that an enabled rule about exactly this kind compares with, if any."""
    rows = AlertRule.objects.filter(enabled=True, kind=kind, threshold__isnull=False)
    return rows.order_by("-threshold").values_list("threshold", flat=True).first()
