"""The watch turns losses and venue errors into halts, and lifts only what passed by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError

from alerts.models import AlertRule, AuditEvent
from alerts.services import defaults
from markets.models import Outcome
from orders.domain.lifecycle import TradingState
from orders.models import Account
from orders.selectors.portfolio import account_get
from orders.services import kill as switch
from risk.domain.limits import Limits
from risk.domain.watch import error_rate_percent
from risk.models import Halt, RiskProfile
from risk.selectors.limits import limits_get
from risk.services import halts, watch
from tests.factories.alerts import event_make
from tests.factories.markets import AT
from tests.factories.orders import account_make, order_make

pytestmark = pytest.mark.django_db
MIDNIGHT = datetime(2026, 11, 21, 0, 0, tzinfo=UTC)


def lose(account: Account, dollars: str) -> None:
    """Move the account's cash as a loss of today would."""
    Account.objects.filter(pk=account.pk).update(cash=Decimal(1000) - Decimal(dollars))


def look(account: Account, now: datetime = AT) -> str:
    watch.account_watch(account_get(account.pk), now)
    account.refresh_from_db()
    return account.trading_state


def kinds() -> list[str]:
    return list(AuditEvent.objects.filter(actor="risk watch").order_by("id").values_list("kind", flat=True))


def test_an_account_in_order_is_left_alone(account: Account) -> None:
    assert look(account) == TradingState.ACTIVE
    assert kinds() == []


def test_the_daily_loss_stops_entries_until_midnight(account: Account) -> None:
    RiskProfile.objects.update(drawdown_stop_bps=9000, drawdown_kill_bps=9500)
    lose(account, "50")
    assert look(account) == TradingState.REDUCE_ONLY
    assert look(account, AT + timedelta(hours=1)) == TradingState.REDUCE_ONLY
    assert kinds().count("pnl.daily_loss") == 1
    assert account.trading_state_reason == "$50.00 lost today, the limit is $50.00; until midnight UTC"
    Account.objects.update(opening_cash=950)  # the new day starts with what is left
    assert look(account, MIDNIGHT) == TradingState.ACTIVE


def test_a_loss_below_the_limit_stops_nothing(account: Account) -> None:
    lose(account, "49.99")
    assert look(account) == TradingState.ACTIVE


def test_a_drawdown_stops_entries_and_waits_for_a_person(account: Account) -> None:
    RiskProfile.objects.update(daily_loss=900)
    lose(account, "60")  # 6 % of 1,000; the stop is at 5 %
    assert look(account) == TradingState.REDUCE_ONLY
    Account.objects.update(opening_cash=940)
    assert look(account, MIDNIGHT) == TradingState.REDUCE_ONLY
    halts.halt_lift(Halt.objects.get().pk, by="ann", now=MIDNIGHT)
    assert look(account, MIDNIGHT + timedelta(days=2)) == TradingState.REDUCE_ONLY  # and it comes back another day


def test_a_halt_lifted_by_a_person_does_not_come_back_the_same_day(account: Account) -> None:
    RiskProfile.objects.update(daily_loss=900)
    lose(account, "60")
    look(account)
    halts.halt_lift(Halt.objects.get().pk, by="ann", now=AT)
    assert look(account, AT + timedelta(minutes=1)) == TradingState.ACTIVE


def test_a_deep_drawdown_kills(account: Account) -> None:
    lose(account, "100")  # 10 %
    look(account)
    assert switch.killed()
    assert "10 % below its peak" in Halt.objects.get(kind="kill").reason


def test_a_released_kill_is_not_set_again_the_same_day(account: Account) -> None:
    lose(account, "100")
    look(account)
    halts.release("ann", "trade again", now=AT)
    look(account, AT + timedelta(minutes=1))
    assert not switch.killed()


def test_a_kill_that_could_not_be_set_is_tried_again(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    lose(account, "100")
    with monkeypatch.context() as broken:
        broken.setattr(switch, "kill_set", _database_gone)
        with pytest.raises(DatabaseError):
            look(account)
    look(account, AT + timedelta(seconds=15))
    assert switch.killed()


def _database_gone(*_: object) -> bool:
    raise DatabaseError("the connection is gone")


def test_many_refusals_by_the_venue_are_reported_and_a_quarter_stops_entries(account: Account) -> None:
    for number in range(40):
        event_make("order.submitted", account_id=account.pk, subject_id=str(number))
    for number in range(3):
        event_make("order.rejected", account_id=account.pk, subject_id=str(number))
    assert look(account) == TradingState.ACTIVE
    assert AuditEvent.objects.get(kind="venue.error_rate").payload["rate_percent"] == "8"
    for number in range(7):
        event_make("order.rejected", account_id=account.pk, subject_id=str(number))
    assert look(account) == TradingState.REDUCE_ONLY
    assert "refused or left open 10 of 40 orders" in account.trading_state_reason


def test_orders_of_unknown_outcome_count_among_the_errors(account: Account) -> None:
    for number in range(40):
        event_make("order.submitted", account_id=account.pk, subject_id=str(number))
    for number in range(6):
        event_make("order.rejected", account_id=account.pk, subject_id=str(number))
    assert look(account) == TradingState.ACTIVE
    for number in range(4):
        event_make("order.unknown", account_id=account.pk, subject_id=str(10 + number))
    assert look(account) == TradingState.REDUCE_ONLY


def test_quotes_that_a_moving_book_turned_away_are_no_errors(account: Account) -> None:
    for number in range(20):
        event_make("order.submitted", account_id=account.pk, subject_id=str(number))
        event_make(
            "order.rejected",
            "order 7 was rejected: invalid post-only order: order crosses book",
            account_id=account.pk,
            subject_id=str(number),
        )
    assert look(account) == TradingState.ACTIVE


def test_a_few_orders_are_no_rate(account: Account) -> None:
    for number in range(19):
        event_make("order.submitted", account_id=account.pk, subject_id=str(number))
        event_make("order.rejected", account_id=account.pk, subject_id=str(number))
    assert look(account) == TradingState.ACTIVE
    assert error_rate_percent(refused=1, sent=40) == 3
    assert error_rate_percent(refused=0, sent=0) == 0


def test_a_low_balance_is_told_once_in_six_hours(account: Account) -> None:
    defaults.install()
    RiskProfile.objects.update(daily_loss=5000, drawdown_stop_bps=100_000, drawdown_kill_bps=100_000)
    lose(account, "901")
    look(account)
    look(account, AT + timedelta(minutes=5))
    assert AuditEvent.objects.get(kind="account.balance_low").payload["free_cash"] == "99.000000"
    AlertRule.objects.filter(name="balance-low").update(enabled=False)
    look(account, AT + timedelta(hours=7))
    assert AuditEvent.objects.filter(kind="account.balance_low").count() == 1


def test_exposure_above_a_lowered_limit_is_told(account: Account, outcome: Outcome) -> None:
    order_make(account, outcome, price="0.50", size="100", post_only=True)
    RiskProfile.objects.update(market_exposure=20)
    look(account)
    event = AuditEvent.objects.get(kind="risk.over_limit")
    assert "could lose $50.00, the limit is $20.00" in event.message


def test_one_account_that_fails_does_not_keep_the_others_from_being_looked_at(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = account_make("1000")
    lose(account, "50")

    def limits_or_fail(account_id: int) -> Limits | None:
        if account_id == other.pk:
            raise OSError("no such device")
        return limits_get(account_id)

    monkeypatch.setattr(watch, "limits_get", limits_or_fail)
    assert watch.watch_all(AT) == [other.name]
    account.refresh_from_db()
    assert account.trading_state == TradingState.REDUCE_ONLY
