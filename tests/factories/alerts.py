"""Journal rows, rules and channels in as few words as a test needs."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from alerts.domain.events import Severity
from alerts.models import AlertChannel, AlertRule
from alerts.services import journal

_numbers = itertools.count(1)
AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def channel_make(transport: str = "email", **values: Any) -> AlertChannel:
    fields: dict[str, Any] = {
        "label": f"channel {next(_numbers)}",
        "target": "ops@example.com",
        "minimum_severity": Severity.INFO,
    }
    return AlertChannel.objects.create(transport=transport, **{**fields, **values})


def rule_make(kind: str = "order.filled", **values: Any) -> AlertRule:
    fields: dict[str, Any] = {"name": f"rule-{next(_numbers)}", "severity": Severity.WARNING}
    return AlertRule.objects.create(kind=kind, **{**fields, **values})


def event_make(kind: str = "order.filled", message: str = "order 1 is filled", **values: Any) -> int:
    fields: dict[str, Any] = {"subject_kind": "order", "subject_id": "1", "now": AT}
    return journal.event_record_alone(kind, message, **{**fields, **values})
