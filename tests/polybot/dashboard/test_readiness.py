"""Ready or not: each reason with its number, and the way out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from alerts.models import Heartbeat
from orders.models import Account
from polybot.dashboard.readiness import Ready, ready_get
from risk.models import AccountLimits
from risk.services import halts
from tests.factories.desk import DeskRows


@pytest.fixture
def ready_now(desk: DeskRows) -> Any:
    Account.objects.update(reconciled_at=timezone.now())
    return lambda: ready_get(desk.account.pk)


def failing(ready: Ready) -> dict[str, str]:
    return {check.label: check.value for check in ready.checks if not check.passed}


def test_a_healthy_desk_is_ready(ready_now: Any) -> None:
    assert failing(ready_now()) == {} and ready_now().yes


@pytest.mark.parametrize(
    ("name", "label", "seconds"),
    [("process:feed", "Feed process", 16), ("process:fills", "Paper fills", 16), ("queue:trading", "Trader", 46)],
)
def test_a_silent_process_is_a_reason(ready_now: Any, name: str, label: str, seconds: int) -> None:
    Heartbeat.objects.filter(name=name).update(at=timezone.now() - timedelta(seconds=seconds))
    assert failing(ready_now()) == {label: f"{seconds} s"}
    Heartbeat.objects.filter(name=name).delete()
    assert failing(ready_now()) == {label: "never"}


def test_a_kill_a_halt_a_missing_profile_and_an_old_reconciliation_are_reasons(desk: DeskRows, ready_now: Any) -> None:
    halts.halt_create(desk.account.pk, "reduce_only", "a look first", "owner")
    halts.kill("smoke", "admin")
    AccountLimits.objects.all().delete()
    Account.objects.update(reconciled_at=timezone.now() - timedelta(seconds=130), auto_trade=False)
    found = failing(ready_now())
    assert found == {
        "Kill switch": "set",
        "Trading state": "reduce only",
        "Automatic trading": "off",
        "Limits": "none",
        "Reconciled": "2 m",
    }
    assert [check.passed for check in ready_now().sorted][:5] == [False] * 5
    assert "Kill switch: set. smoke. A person must release it." in [c.reason for c in ready_now().checks]


def test_a_mode_that_places_nothing_is_a_reason(ready_now: Any, settings: Any) -> None:
    settings.POLYBOT_MODE = "monitor"
    assert failing(ready_now()) == {"Automatic trading": "off in mode monitor"}
