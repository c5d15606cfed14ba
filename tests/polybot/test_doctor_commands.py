"""The commands doctor, explain and drift say what they find, for people and for programs."""

from __future__ import annotations

import io
import json

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from markets.models import Drift
from markets.services import drift
from polybot.management.commands import doctor as command
from risk.services.doctor import doctor_run
from tests.factories.orders import account_make

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


@pytest.fixture
def trader(monkeypatch: pytest.MonkeyPatch) -> None:
    class Task:
        @staticmethod
        def delay(run_id: int) -> None:
            doctor_run(run_id)

    monkeypatch.setattr(command, "run_doctor", Task)


def test_the_doctor_names_what_is_wrong_and_ends_with_an_error(trader: None) -> None:
    account = account_make("10")
    out = io.StringIO()
    with pytest.raises(CommandError, match="something is wrong"):
        call_command("doctor", account.name, stdout=out, stderr=io.StringIO())
    assert "BAD  processes: Trader: never seen of 45 s" in out.getvalue()
    assert "It restarts by itself" in out.getvalue()


def test_the_doctor_speaks_json(trader: None) -> None:
    account = account_make("10")
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("doctor", str(account.pk), "--json", stdout=out, stderr=io.StringIO())
    (told,) = json.loads(out.getvalue())
    assert (told["account"], told["health"], told["trader_answered"]) == (account.pk, "bad", True)


def test_a_deep_one_names_account_and_person(trader: None) -> None:
    account_make("10", name="mine")
    with pytest.raises(CommandError, match="whose with --user"):
        run("doctor", "mine", "--deep")
    account_make("10")
    with pytest.raises(CommandError, match="for one account"):
        run("doctor", "--deep")
    with pytest.raises(CommandError, match="there is no account 'yours'"):
        run("doctor", "yours")


def test_explain_says_cause_and_fix() -> None:
    assert "cause:" in run("explain", "not enough balance / allowance")
    assert json.loads(run("explain", "not enough balance / allowance", "--json"))["remedy"]
    with pytest.raises(CommandError, match="nobody knows this text"):
        run("explain", "surprise")


def test_drift_is_listed_and_accepted_by_staff(monkeypatch: pytest.MonkeyPatch) -> None:
    get_user_model().objects.create_user("chief", password="a long password", is_staff=True)
    drift.drift_note("polymarket", "rest.balance", "haircut", "unknown_field", now=timezone.now())
    listed = run("drift")
    assert "haircut" in listed and "entries blocked on polymarket" in listed
    number = str(Drift.objects.get().pk)
    monkeypatch.setattr("sys.stdin", io.StringIO("wrong\n"))
    with pytest.raises(CommandError, match="not the name and password"):
        run("drift", "--accept", number, "--user", "chief", "--password-stdin")
    monkeypatch.setattr("sys.stdin", io.StringIO("a long password\n"))
    said = run("drift", "--accept", number, "--user", "chief", "--password-stdin")
    assert "accepted; entries may go again" in said and "haircut" not in said
