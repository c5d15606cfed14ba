from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from alerts.models import AuditEvent
from markets.domain.answers import AnswerKind
from markets.models import Market, Outcome
from orders.domain.lifecycle import Environment, OrderState, TradingState
from orders.models import Account, KillSwitch, Order, OrderSubmission, SendAttempt, StreamState
from orders.services import keyholder, kill, rate_budget
from orders.services.accounts import trading_state_set
from orders.services.execution import order_cancel_request, order_submit, orders_submit
from orders.services.invariants import check_invariants
from tests.live_desk import LiveDesk
from tests.orders.services.submission.conftest import Line, answer

pytestmark = pytest.mark.django_db


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def row_of(order: Order) -> OrderSubmission:
    return OrderSubmission.objects.get(pk=order.pk)


def test_the_exact_bytes_their_id_and_sending_are_stored_before_the_first_byte(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line
) -> None:
    order = desk.order(account, outcome)
    seen: list[tuple[str, str, str, int]] = []

    def look() -> None:
        row = row_of(order)
        seen.append((fresh(order).state, row.order_hash, row.body, SendAttempt.objects.filter(order=order).count()))

    line.before_send = look
    assert order_submit(order.pk, timezone.now())
    assert seen == [("sending", line.sends[0], line.bodies[0].decode(), 1)]


def test_what_leaves_has_one_event_that_names_the_hash(desk: LiveDesk, account: Account, outcome: Outcome) -> None:
    order = desk.order(account, outcome)
    order_submit(order.pk, timezone.now())
    kinds = AuditEvent.objects.filter(subject_kind="order", subject_id=str(order.pk)).order_by("seq")
    assert [row.kind for row in kinds] == ["order.approved", "order.submitted", "order.live"]
    assert kinds[1].payload["order_hash"] == row_of(order).order_hash
    assert (kinds[1].payload["before"], kinds[1].payload["through"]) == ("reserved", "signed")


def test_a_second_submission_sends_nothing(desk: LiveDesk, account: Account, outcome: Outcome, line: Line) -> None:
    order = desk.order(account, outcome)
    assert order_submit(order.pk, timezone.now()) is True
    assert order_submit(order.pk, timezone.now()) is False
    assert len(line.sends) == 1


def test_orders_of_one_decision_are_claimed_in_one_commit(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line
) -> None:
    orders = [desk.order(account, outcome, price=f"0.0{n}", size="20") for n in (3, 4, 5)]
    states: list[list[str]] = []
    line.before_send = lambda: states.append([fresh(order).state for order in orders])
    assert orders_submit([order.pk for order in orders], timezone.now()) == 3
    assert states[0] == ["sending"] * 3
    assert {fresh(order).state for order in orders} == {"live"}


def test_the_same_row_makes_the_same_bytes_again_after_a_crash_before_the_commit(
    desk: LiveDesk, account: Account, outcome: Outcome
) -> None:
    from markets.selectors.trading import outcome_terms
    from orders.services.submission.signing import Ready, make_ready

    order = desk.order(account, outcome)
    terms = outcome_terms({outcome.pk: outcome.market_id})
    one, two = (make_ready(account, [fresh(order)], terms)[order.pk] for _ in range(2))
    assert isinstance(one, Ready) and one == two
    order_submit(order.pk, timezone.now())
    assert row_of(order).body.encode() == one.body


def test_nothing_happens_in_a_process_without_keys(desk: LiveDesk, account: Account, outcome: Outcome) -> None:
    order = desk.order(account, outcome)
    keyholder.install()
    assert order_submit(order.pk, timezone.now()) is False
    assert fresh(order).state == "reserved"


Spoil = Callable[[Order], object]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda o: kill.kill_set("drill", "ada", timezone.now()), "the kill switch is set"),
        (lambda o: KillSwitch.objects.all().delete(), "the kill switch is set"),
        (
            lambda o: trading_state_set(account_id=o.account_id, state=TradingState.HALTED, reason="a loss"),
            "the account is halted: a loss",
        ),
        (
            lambda o: trading_state_set(account_id=o.account_id, state=TradingState.REDUCE_ONLY, reason="a loss"),
            "the account may only reduce: a loss",
        ),
        (
            lambda o: Market.objects.update(tick="0.1"),
            "it cannot be made: price: 0.05 is not a multiple of 0.1 between 0.1 and 0.9",
        ),
        (lambda o: Market.objects.update(state="closed"), "the market is closed: it takes no orders now"),
        (lambda o: StreamState.objects.all().delete(), "the user stream was never connected"),
        (lambda o: Account.objects.update(reconciled_at=None), "the account was never reconciled"),
        (lambda o: Account.objects.update(connection="failed"), "the account is not connected to the venue (failed)"),
    ],
)
def test_what_is_not_well_at_the_last_moment_stops_the_order(  # noqa: PLR0917
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, spoil: Spoil, reason: str
) -> None:
    order = desk.order(account, outcome, price="0.05")
    spoil(order)
    assert order_submit(order.pk, timezone.now()) is False
    assert (fresh(order).state, fresh(order).state_reason) == ("abandoned", reason)
    assert line.sends == []
    assert Account.objects.get(pk=account.pk).reserved_cash == 0
    assert check_invariants() == []


def test_nothing_leaves_in_a_mode_that_only_looks(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = desk.order(account, outcome)
    monkeypatch.setattr(settings, "POLYBOT_MODE", "monitor")
    assert order_submit(order.pk, timezone.now()) is False
    assert "monitor" in fresh(order).state_reason
    assert line.sends == []


def test_an_order_that_is_too_old_is_dropped(desk: LiveDesk, account: Account, outcome: Outcome, line: Line) -> None:
    order = desk.order(account, outcome, now=timezone.now() - timedelta(seconds=61))
    assert order_submit(order.pk, timezone.now()) is False
    assert fresh(order).state_reason == "61 s old, and it may be sent within 60 s"


def test_real_money_needs_every_permit(desk: LiveDesk, outcome: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "POLYBOT_VENUE", "polymarket")
    account = desk.account(environment=Environment.LIVE)
    line: Line = keyholder.gateway(account.pk)  # type: ignore[assignment]
    order = desk.order(account, outcome)
    assert order_submit(order.pk, timezone.now()) is False
    assert "not permitted" in fresh(order).state_reason
    assert line.sends == []


def test_nothing_replaces_an_order_whose_outcome_is_unknown(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line
) -> None:
    first, second = desk.order(account, outcome), desk.order(account, outcome, price="0.04")
    other_side = desk.order(account, desk.outcome(index=1), price="0.04")
    line.answers = [answer(AnswerKind.UNKNOWN, "timed_out")]
    order_submit(first.pk, timezone.now())
    assert fresh(first).state == "unknown"
    assert order_submit(second.pk, timezone.now()) is False
    assert fresh(second).state_reason == f"order {first.pk} of the same kind has an unknown outcome"
    assert order_submit(other_side.pk, timezone.now()) is True


def test_stored_bytes_that_were_changed_are_never_sent_and_stop_everything(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line
) -> None:
    order = desk.order(account, outcome)
    line.answers = [answer(AnswerKind.NOT_PROCESSED, "rate_limited")]
    order_submit(order.pk, timezone.now())
    assert fresh(order).state == "signed"
    body = row_of(order).body
    OrderSubmission.objects.filter(pk=order.pk).update(body=body.replace('"makerAmount":"', '"makerAmount":"9'))
    assert order_submit(order.pk, timezone.now() + timedelta(seconds=2)) is False
    assert len(line.sends) == 1
    switch = KillSwitch.objects.get()
    assert switch.killed and "the stored request has the id" in switch.reason
    assert fresh(order).state == "abandoned"


def test_a_signer_that_refuses_ends_the_order_with_its_reason(
    desk: LiveDesk, account: Account, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = desk.order(account, outcome)

    def refuse(*_: object) -> bytes:
        raise keyholder.KeyRefused("more than its cap of $5")

    monkeypatch.setattr(keyholder.signer(), "sign", refuse, raising=False)
    assert order_submit(order.pk, timezone.now()) is False
    assert fresh(order).state_reason == "the signer refuses: more than its cap of $5"


def test_the_rate_budget_lets_some_go_and_the_others_wait_in_their_rows(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [desk.order(account, outcome, price=f"0.0{n}", size="20") for n in (3, 4, 5)]
    waits = iter([0.0, 2.0])
    monkeypatch.setattr(rate_budget, "take", lambda *_, **__: next(waits))
    assert orders_submit([order.pk for order in orders], timezone.now()) == 1
    assert [fresh(order).state for order in orders] == ["live", "reserved", "reserved"]
    event = AuditEvent.objects.get(kind="venue.budget")  # an alert rule of its own tells a person
    assert event.severity == "warning" and "2 orders wait 2.0 s" in event.message


def test_a_cancel_before_the_claim_ends_the_order_at_once(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line
) -> None:
    order = desk.order(account, outcome)
    assert order_cancel_request(order.pk, "not wanted", "ada", timezone.now())
    assert order_submit(order.pk, timezone.now()) is False
    assert (fresh(order).state, line.sends) == (OrderState.ABANDONED, [])
