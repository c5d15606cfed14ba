import threading
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError, connection, transaction

from orders.models import Account, PnlSnapshot
from orders.selectors.portfolio import portfolio_get
from orders.services.paper import paper_sync
from orders.services.pnl import snapshot_create
from tests.factories.markets import outcome_make
from tests.factories.orders import AT, account_make, micro, paper_order, paper_trade, sent_order

pytestmark = pytest.mark.django_db


@dataclass
class Mark:
    mid: int | None
    bid: int | None = None
    fresh: bool = True


def holder() -> tuple[Account, int]:
    account, outcome = account_make("100"), outcome_make(fee_rate_ppm=0)
    order = sent_order(account, outcome, price="0.40", size="10")
    paper_order(order, state="filled", filled="10")
    paper_trade(order, "10", fee="0.1")
    paper_sync(order.venue_order_id or "", now=AT)
    return account, outcome.pk


def test_a_snapshot_is_cash_plus_positions_at_their_marks() -> None:
    account, outcome_id = holder()
    assert snapshot_create(account.pk, AT, {outcome_id: Mark(mid=micro("0.55"))})
    row = PnlSnapshot.objects.get()
    assert (row.cash, row.positions_value, row.equity) == (Decimal("95.9"), Decimal("5.5"), Decimal("101.4"))
    assert (row.unrealized, row.fees, row.unmarked) == (Decimal("1.5"), Decimal("0.1"), 0)
    assert Account.objects.get().peak_equity == Decimal("101.4")


def test_there_is_one_snapshot_a_minute() -> None:
    account, _ = holder()
    assert snapshot_create(account.pk, AT, {})
    assert not snapshot_create(account.pk, AT + timedelta(seconds=59), {})
    assert snapshot_create(account.pk, AT + timedelta(seconds=60), {})
    assert PnlSnapshot.objects.filter(unmarked=1).count() == 2


def test_the_peak_never_falls() -> None:
    account, outcome_id = holder()
    snapshot_create(account.pk, AT, {outcome_id: Mark(mid=micro("0.90"))})
    snapshot_create(account.pk, AT + timedelta(minutes=1), {outcome_id: Mark(mid=micro("0.10"))})
    assert Account.objects.get().peak_equity == Decimal("104.9")


def test_a_position_without_a_price_does_not_raise_the_peak() -> None:
    account, outcome_id = holder()
    snapshot_create(account.pk, AT, {outcome_id: Mark(mid=micro("0.35"))})  # 99.4, and 99.9 at cost
    Account.objects.filter(pk=account.pk).update(peak_equity=Decimal("99.5"))
    snapshot_create(account.pk, AT + timedelta(minutes=1), {})
    assert Account.objects.get().peak_equity == Decimal("99.5")


@pytest.mark.django_db(transaction=True)
def test_nothing_moves_between_reading_the_cash_and_the_shares() -> None:
    account, _ = holder()
    held: list[bool] = []

    class Looking(dict[int, Mark]):
        """Prices, asked for after the cash was read: could a fill be booked now?"""

        def get(self, *_: object) -> None:  # type: ignore[override]
            thread = threading.Thread(target=self.look)
            thread.start()
            thread.join()

        def look(self) -> None:
            try:
                with transaction.atomic():
                    Account.objects.select_for_update(nowait=True, no_key=True).get(pk=account.pk)
                held.append(False)
            except OperationalError:
                held.append(True)
            finally:
                connection.close()

    assert snapshot_create(account.pk, AT, Looking())
    assert held and all(held)


def test_the_day_starts_with_the_last_equity_before_midnight() -> None:
    account, outcome_id = holder()
    assert portfolio_get(account.pk, {}, now=AT).day_start_equity == micro(100)
    snapshot_create(account.pk, AT, {outcome_id: Mark(mid=micro("0.55"))})
    tomorrow = portfolio_get(account.pk, {}, now=AT + timedelta(days=1))
    assert tomorrow.day_start_equity == micro("101.4")
    assert tomorrow.day_profit == micro("-1.5")  # valued at cost: 99.9 against 101.4


def test_a_feed_that_was_down_at_midnight_does_not_move_losses_to_the_next_day() -> None:
    account, outcome_id = holder()
    midnight = AT.replace(hour=0) + timedelta(days=1)
    snapshot_create(account.pk, midnight - timedelta(minutes=5), {outcome_id: Mark(mid=micro("0.10"))})  # 96.9
    snapshot_create(account.pk, midnight - timedelta(minutes=1), {})  # 99.9 at cost
    later = portfolio_get(account.pk, {outcome_id: Mark(mid=micro("0.10"))}, now=midnight + timedelta(minutes=1))
    assert (later.day_start_equity, later.day_profit) == (micro("96.9"), 0)
