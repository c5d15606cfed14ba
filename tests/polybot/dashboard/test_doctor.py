"""The doctor's page: findings, differences of a venue, rehearsals and refusals."""

from __future__ import annotations

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from markets.models import Block, Drift
from markets.services import drift
from orders.models import DoctorRun, KillRehearsal, Order
from polybot.dashboard import doctor_actions
from tests.factories.desk import DeskRows


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Messages to the trader, which does not run here."""
    found: list[tuple[str, int]] = []
    for name in ("run_doctor", "run_rehearsal"):

        class Task:
            @staticmethod
            def delay(row_id: int, name: str = name) -> None:
                found.append((name, row_id))

        monkeypatch.setattr(doctor_actions, name, Task)
    return found


def post(client: Client, name: str, *args: int, **data: str) -> str:
    answer = client.post(reverse(f"desk:{name}", args=args), data)
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def page(client: Client, **query: str) -> str:
    return client.get(reverse("desk:doctor"), query).content.decode()


def test_an_examination_is_asked_of_the_trader(desk: DeskRows, owner: Client, asked: list[tuple[str, int]]) -> None:
    assert "trader examines" in post(owner, "doctor_examine")
    run = DoctorRun.objects.get()
    assert asked == [("run_doctor", run.pk)] and not run.deep
    assert "under way since" in page(owner)
    assert "Not examined" in post(owner, "doctor_examine", deep="1")


def test_what_the_trader_found_is_shown_beside_what_the_tables_say(desk: DeskRows, owner: Client) -> None:
    found = {
        "area": "allowances", "label": "0xExchange", "health": "bad", "value": "$0", "limit": "$9",
        "cause": "may not move it", "remedy": "Grant it.",
    }  # fmt: skip
    now = timezone.now()
    DoctorRun.objects.create(
        account=desk.account, state="done", requested_by="ada", requested_at=now, finished_at=now, findings=[found],
        deep=True, story=[{"at": now.isoformat(), "kind": "order.live", "what": "it rests"}],
    )  # fmt: skip
    shown = page(owner)
    assert "0xExchange" in shown and "Grant it." in shown and "it rests" in shown and "Trader" in shown


def test_staff_accept_what_changed(desk: DeskRows, owner: Client, staff: Client) -> None:
    drift.drift_note("polymarket", "rest.balance", "haircut", "unknown_field", now=timezone.now())
    row = Drift.objects.get()
    assert "haircut" in page(owner) and "Accept</button>" not in page(owner)
    assert "Only staff" in post(owner, "drift_accept", row.pk)
    assert "Accept</button>" in page(staff)
    assert "Entries may go again" in post(staff, "drift_accept", row.pk)
    assert "Not accepted" in post(staff, "drift_accept", row.pk)
    assert not Block.objects.filter(lifted_at=None).exists()


def test_a_rehearsal_is_asked_for_once(desk: DeskRows, owner: Client, asked: list[tuple[str, int]]) -> None:
    post(owner, "kill_rehearse")
    post(owner, "kill_rehearse")
    row = KillRehearsal.objects.get()
    assert asked == [("run_rehearsal", row.pk)] * 2 and not row.dry_run


def test_a_refusal_is_explained(desk: DeskRows, owner: Client) -> None:
    assert "Cause" in page(owner, said="not enough balance / allowance")
    assert "Nobody knows this text" in page(owner, said="<b>surprise</b>")
    assert "<b>surprise</b>" not in page(owner, said="<b>surprise</b>")


def test_an_orders_story_explains_its_refusal(desk: DeskRows, owner: Client) -> None:
    order = desk.orders["open"]
    Order.objects.filter(pk=order.pk).update(state_reason="invalid post-only order: order crosses book")
    shown = owner.get(reverse("desk:order", args=[order.pk])).content.decode()
    assert "The venue said" in shown and "Quote again from the current book." in shown
