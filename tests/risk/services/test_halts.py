"""Halts and the kill switch: everybody can stop, only this module lets go again."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from alerts.models import AuditEvent
from markets.models import Outcome
from orders.domain.lifecycle import TradingState
from orders.models import Account, KillSwitch, Order
from orders.services import kill as switch
from orders.services.accounts import trading_state_set
from risk.domain.verdicts import Decision
from risk.models import Halt, RiskVerdict
from risk.services import halts
from risk.services.gate import GateDesk, placements_review
from tests.factories.markets import AT
from tests.factories.orders import ORIGIN, account_make, order_make, placement

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]


def state_of(account: Account) -> tuple[str, str]:
    account.refresh_from_db()
    return (account.trading_state, account.trading_state_reason)


def test_a_halt_stops_one_account_with_its_reason_on_file(account: Account) -> None:
    other = account_make("10")
    halts.halt_create(account.pk, Halt.Kind.HALTED, "looks odd", "ann", now=AT)
    assert state_of(account) == (TradingState.HALTED, "looks odd")
    assert state_of(other) == (TradingState.ACTIVE, "")
    event = AuditEvent.objects.get(kind="risk.halted")
    assert (event.account_id, event.actor, event.severity) == (account.pk, "ann", "warning")


def test_a_halt_of_everything_stops_every_account_and_later_ones(account: Account, outcome: Outcome) -> None:
    halts.halt_create(None, Halt.Kind.REDUCE_ONLY, "maintenance", "ann", now=AT)
    assert state_of(account)[0] == TradingState.REDUCE_ONLY
    later = account_make("1000")
    from risk.services import profiles

    profiles.profile_assign(later.pk, "conservative")
    desk = GateDesk(account_id=later.pk, origin=ORIGIN, clock=lambda: AT)
    (verdict,) = placements_review(desk, [placement(outcome)], now=AT)
    assert (verdict.decision, verdict.rule) == (Decision.REFUSED, "trading_state")


def test_halting_twice_is_halting_once(account: Account) -> None:
    first = halts.halt_create(account.pk, Halt.Kind.HALTED, "one", "ann", now=AT)
    second = halts.halt_create(account.pk, Halt.Kind.HALTED, "two", "bob", now=AT)
    assert (first.pk, second.reason) == (second.pk, "one")
    assert AuditEvent.objects.filter(kind="risk.halted").count() == 1


def test_the_strictest_open_halt_holds_and_lifting_one_leaves_the_others(account: Account) -> None:
    loose = halts.halt_create(account.pk, Halt.Kind.REDUCE_ONLY, "loss", "watch", cause="daily_loss", now=AT)
    strict = halts.halt_create(None, Halt.Kind.HALTED, "disk", "watch", cause="disk", now=AT)
    assert state_of(account) == (TradingState.HALTED, "disk")
    assert halts.halt_lift(strict.pk, by="ann", now=AT)
    assert state_of(account) == (TradingState.REDUCE_ONLY, "loss")
    assert halts.halt_lift(loose.pk, by="ann", now=AT)
    assert state_of(account) == (TradingState.ACTIVE, "")
    assert not halts.halt_lift(loose.pk, by="ann", now=AT)


def test_an_account_whose_books_differ_stays_halted_whatever_other_halts_come_and_go(account: Account) -> None:
    trading_state_set(account_id=account.pk, state=TradingState.HALTED, reason="books differ", by="reconciliation")
    disk = halts.halt_create(None, Halt.Kind.HALTED, "disk", "watch", cause="disk", now=AT)
    loss = halts.halt_create(account.pk, Halt.Kind.REDUCE_ONLY, "loss", "watch", cause="daily_loss", now=AT)
    assert state_of(account)[0] == TradingState.HALTED
    halts.halt_lift(disk.pk, by="watch", now=AT)
    halts.halt_lift(loss.pk, by="watch", now=AT)
    assert state_of(account) == (TradingState.HALTED, "books differ")


def test_a_person_can_lift_what_the_books_halted(account: Account) -> None:
    trading_state_set(account_id=account.pk, state=TradingState.HALTED, reason="books differ", by="reconciliation")
    assert halts.halt_adopt(account.pk, now=AT)
    assert halts.halt_adopt(account.pk, now=AT) is None
    halt = Halt.objects.get(account_id=account.pk, lifted_at=None)
    assert (halt.cause, halt.kind, halt.reason) == ("books", "halted", "books differ")
    assert halts.halt_lift(halt.pk, by="ann", now=AT)
    assert state_of(account) == (TradingState.ACTIVE, "")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"reason": " "}, "needs a reason"),
        ({"kind": "kill"}, "use kill"),
        ({"account_id": 999_999}, "no account"),
    ],
)
def test_a_halt_that_makes_no_sense_is_refused(account: Account, values: dict[str, Any], says: str) -> None:
    fields = {"account_id": account.pk, "kind": "halted", "reason": "x", "by": "ann", **values}
    with pytest.raises(halts.HaltError, match=says):
        halts.halt_create(**fields)


def test_kill_sets_the_switch_and_asks_for_the_end_of_every_order(account: Account, outcome: Outcome) -> None:
    order = order_make(account, outcome)
    assert halts.kill("fire", "ann", now=AT) == 1
    order.refresh_from_db()
    assert order.state == "abandoned"
    assert switch.killed()
    assert Halt.objects.get().kind == "kill"
    assert AuditEvent.objects.filter(kind="risk.killed").count() == 1


def test_killing_twice_is_killing_once(account: Account) -> None:
    halts.kill("fire", "ann", now=AT)
    halts.kill("fire again", "bob", now=AT)
    assert Halt.objects.count() == 1
    assert KillSwitch.objects.get().reason == "fire"


def test_only_the_phrase_releases_the_kill_switch(account: Account, outcome: Outcome) -> None:
    halts.kill("fire", "ann", now=AT)
    for phrase in ("", "yes", "release"):
        with pytest.raises(halts.HaltError, match="trade again"):
            halts.release("ann", phrase)
    assert switch.killed()
    with pytest.raises(halts.HaltError, match="released, not lifted"):
        halts.halt_lift(Halt.objects.get().pk, by="ann")
    assert halts.release("ann", "Trade again", now=AT)
    assert not switch.killed()
    assert Halt.objects.get().lifted_by == "ann"
    assert not halts.release("ann", "trade again", now=AT)


def test_after_a_kill_the_gate_refuses_until_release(account: Account, outcome: Outcome) -> None:
    desk = GateDesk(account_id=account.pk, origin=ORIGIN, clock=lambda: AT)
    halts.kill("fire", "ann", now=AT)
    assert placements_review(desk, [placement(outcome)], now=AT)[0].rule == "kill_switch"
    halts.release("ann", "trade again", now=AT)
    assert placements_review(desk, [placement(outcome)], now=AT + timedelta(seconds=1))[0].approved
    assert RiskVerdict.objects.count() == 2
    assert Order.objects.count() == 1


def run(name: str, *arguments: str) -> str:
    out = io.StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def test_the_commands_halt_and_resume(account: Account, outcome: Outcome) -> None:
    order_make(account, outcome)
    assert "asked for the end of 1 open orders" in run("halt", "looks odd", "--account", str(account.pk), "--cancel")
    assert state_of(account)[0] == TradingState.HALTED
    assert "lifted 1 halts" in run("resume")
    assert state_of(account)[0] == TradingState.ACTIVE
    run("halt", "maintenance", "--reduce-only")
    assert state_of(account)[0] == TradingState.REDUCE_ONLY
    with pytest.raises(CommandError, match="no halt"):
        run("resume", "999999")


def test_the_commands_kill_and_release(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    user = get_user_model().objects
    user.create_user("chief", password="a long password", is_staff=True)
    user.create_user("clerk", password="a long password")

    def release(name: str, password: str, phrase: str) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        return run("release", "--user", name, "--password-stdin", "--phrase", phrase)

    assert "kill switch set" in run("kill", "fire")
    for name, password, phrase, said in (
        ("chief", "a long password", "please", "trade again"),
        ("chief", "wrong", "trade again", "not the name and password"),
        ("nobody", "a long password", "trade again", "not the name and password"),
        ("clerk", "a long password", "trade again", "not staff"),
    ):
        with pytest.raises(CommandError, match=said):
            release(name, password, phrase)
    assert switch.killed()
    assert "released" in release("chief", "a long password", "trade again")
    assert "was not set" in release("chief", "a long password", "trade again")
