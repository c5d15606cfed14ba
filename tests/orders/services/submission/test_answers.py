from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from alerts.models import AuditEvent
from markets.domain.answers import AnswerKind, OrderAnswer
from markets.domain.instruments import Side
from markets.models import Outcome
from orders.models import Account, KillSwitch, Order, OrderSubmission, SendAttempt, VenueCondition
from orders.services.execution import order_submit
from orders.services.invariants import check_invariants
from orders.services.submission import answers, claim, posting
from tests.live_desk import LiveDesk
from tests.orders.services.submission.conftest import Line, answer

pytestmark = pytest.mark.django_db
K = AnswerKind


def fresh(order: Order) -> Order:
    return Order.objects.get(pk=order.pk)


def row_of(order: Order) -> OrderSubmission:
    return OrderSubmission.objects.get(pk=order.pk)


def reserved(account: Account) -> bool:
    return Account.objects.get(pk=account.pk).reserved_cash > 0


@pytest.mark.parametrize(
    ("said", "state", "keeps"),
    [
        (answer(K.LIVE), "live", True),
        (answer(K.MATCHED), "matched", True),
        (answer(K.DELAYED), "delayed", True),
        (answer(K.EXISTING, "duplicated"), "live", True),
        (answer(K.REJECTED, "too_small", said="size (1) lower than the minimum: 5"), "rejected", False),
        (answer(K.NOT_PROCESSED, "rate_limited"), "signed", True),
        (answer(K.NOT_SENT, "connect_failed"), "signed", True),
        (answer(K.UNKNOWN, "timed_out"), "unknown", True),
        (RuntimeError("the gateway broke"), "unknown", True),
    ],
)
def test_every_kind_of_answer_has_its_state_and_only_a_refusal_gives_the_money_back(  # noqa: PLR0917
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, said: OrderAnswer, state: str, keeps: bool
) -> None:
    order = desk.order(account, outcome)
    line.answers = [said]
    order_submit(order.pk, timezone.now())
    assert fresh(order).state == state
    assert reserved(account) is keeps
    assert fresh(order).lease_until is None
    attempt = SendAttempt.objects.get(order=order)
    assert attempt.answered_at is not None
    assert check_invariants() == []


def test_an_order_that_was_not_processed_goes_again_with_the_same_bytes_after_a_pause(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line
) -> None:
    order = desk.order(account, outcome)
    line.answers = [answer(K.NOT_PROCESSED, "rate_limited", retry_after_s=3.0)]
    now = timezone.now()
    order_submit(order.pk, now)
    assert "the venue did not take it now (rate_limited)" in fresh(order).state_reason
    assert order_submit(order.pk, now + timedelta(seconds=2)) is False
    assert fresh(order).state == "signed"
    assert order_submit(order.pk, now + timedelta(seconds=4)) is True
    assert fresh(order).state == "live"
    assert line.bodies[0] == line.bodies[1] == row_of(order).body.encode()
    assert list(SendAttempt.objects.filter(order=order).order_by("number").values_list("number", "answer")) == [
        (1, "not_processed"),
        (2, "live"),
    ]


def test_a_restarting_venue_is_remembered_and_the_signed_order_waits_for_it(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line
) -> None:
    order = desk.order(account, outcome)
    line.answers = [answer(K.NOT_PROCESSED, "restarting", retry_after_s=5.0)]
    now = timezone.now()
    order_submit(order.pk, now)
    assert VenueCondition.objects.get(venue=account.venue, environment="sandbox").mode == "restarting"
    assert order_submit(order.pk, now + timedelta(seconds=5, milliseconds=500)) is False
    assert fresh(order).state == "signed", "in the two minutes after a restart only post-only orders go"
    assert order_submit(order.pk, now + timedelta(seconds=61)) is False
    assert fresh(order).state == "abandoned"
    assert not reserved(account)


@pytest.mark.parametrize("code", ["unauthorized", "region"])
def test_a_venue_that_does_not_let_us_in_halts_the_account_and_pages(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, code: str
) -> None:
    order = desk.order(account, outcome)
    line.answers = [answer(K.NOT_PROCESSED, code, said="Unauthorized", halts_account=True)]
    order_submit(order.pk, timezone.now())
    row = Account.objects.get(pk=account.pk)
    assert (row.trading_state, fresh(order).state) == ("halted", "signed")
    assert code in row.trading_state_reason
    page = AuditEvent.objects.get(kind="account.refused_by_venue")
    assert page.severity == "critical"


def test_an_answer_about_another_order_stops_everything(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line
) -> None:
    order = desk.order(account, outcome)
    line.answers = [answer(K.BROKEN, "order_id_differs", said="0x" + "ab" * 32)]
    order_submit(order.pk, timezone.now())
    assert KillSwitch.objects.get().killed
    assert (fresh(order).state, reserved(account)) == ("unknown", True)
    assert AuditEvent.objects.filter(kind="risk.killed", severity="critical").count() == 1


def test_a_balance_that_lags_is_refreshed_and_the_same_order_goes_again_a_few_times(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MOST_BALANCE_RETRIES", 3)
    order = desk.order(account, outcome)
    line.answers = [answer(K.REJECTED, "balance", said="not enough balance / allowance")] * 10
    now = timezone.now()
    for at_s in (0, 2, 3, 5, 6, 10, 12):  # after pauses of 1, 2 and 4 seconds
        order_submit(order.pk, now + timedelta(seconds=at_s))
    assert len(line.sends) == 4
    assert len(set(line.bodies)) == 1
    assert line.refreshed == [""] * 3
    assert (fresh(order).state, reserved(account)) == ("rejected", False)


def test_a_late_answer_to_an_attempt_that_was_called_unknown_counts_when_it_is_good_news(
    desk: LiveDesk, account: Account, outcome: Outcome
) -> None:
    order = desk.order(account, outcome)
    now = timezone.now()
    claimed = claimed_of(order, account, now)
    from orders.services.submission.tend import lease_expire

    assert lease_expire(order.pk, now + timedelta(seconds=21))
    posted = posting.Posted(claimed=claimed, sent=sent(answer(K.REJECTED, "too_small")))
    answers.answers_store(account.pk, [posted], now=now + timedelta(seconds=22))
    assert fresh(order).state == "unknown", "a refusal that comes after the lease proves nothing"
    posted = posting.Posted(claimed=claimed, sent=sent(answer(K.LIVE)))
    answers.answers_store(account.pk, [posted], now=now + timedelta(seconds=23))
    assert fresh(order).state == "live"
    assert check_invariants() == []


def test_a_claim_that_is_too_old_lets_no_byte_leave(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line
) -> None:
    order = desk.order(account, outcome)
    now = timezone.now()
    claimed = claimed_of(order, account, now)
    late = int((now + timedelta(seconds=15)).timestamp() * 1000)
    posted = posting.post(line, claimed, now_ms=late)  # type: ignore[arg-type]
    assert (posted.sent.answer.kind, posted.sent.first_byte_ms, line.sends) == (K.NOT_SENT, None, [])
    answers.answers_store(account.pk, [posted], now=now + timedelta(seconds=15))
    assert fresh(order).state == "signed"


def test_an_order_accepted_after_its_cancel_was_asked_for_is_cancelled(
    desk: LiveDesk, account: Account, outcome: Outcome, line: Line
) -> None:
    from orders.services.execution import order_cancel_request

    order = desk.order(account, outcome)
    line.before_send = lambda: order_cancel_request(order.pk, "changed", "ada", timezone.now()) and None
    order_submit(order.pk, timezone.now())
    assert line.cancels == [[row_of(order).order_hash]]
    assert row_of(order).ending == "canceled"


def test_a_purchase_that_trades_at_once_knows_how_much_it_matched(desk: LiveDesk, account: Account, line: Line) -> None:
    outcome, (_, asks) = priced(desk)
    price, _ = asks[0]
    order = desk.order(account, outcome, Side.BUY, f"{price / 1e6:.4f}".rstrip("0"), "10", "fok")
    order_submit(order.pk, timezone.now())
    row = row_of(order)
    assert (fresh(order).state, row.ending) == ("matched", "filled")
    assert row.matched_claim is not None and row.matched_claim >= 9
    assert row.next_read_ms is not None


def priced(desk: LiveDesk) -> tuple[Outcome, tuple[list[tuple[int, int]], list[tuple[int, int]]]]:
    """Return an outcome whose book has an ask that may be taken."""
    for outcome in desk.outcomes():
        book = desk.book(outcome)
        if book[1] and book[0] and 200_000 < book[1][0][0] < 800_000 and book[1][0][1] >= 50_000_000:
            return outcome, book
    raise AssertionError("no book to trade in")


def claimed_of(order: Order, account: Account, now: object) -> claim.Claimed:
    from orders.services.submission.stages import claims_make

    claims = claims_make(account.pk, [order.pk], lambda: now)  # type: ignore[arg-type,return-value]
    return claims.claimed[0]


def sent(said: OrderAnswer) -> posting.Sent:
    at = int(timezone.now().timestamp() * 1000)
    return posting.Sent(answer=said, first_byte_ms=at, answered_ms=at)
