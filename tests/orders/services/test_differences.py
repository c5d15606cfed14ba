"""What a person does about a difference, and what may explain one while something is under way."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from alerts.models import AuditEvent
from markets.domain.instruments import Side
from markets.domain.trading import TradeStage
from markets.models import Outcome
from orders.domain.lifecycle import OrderState
from orders.domain.open_items import USD, ItemKind, OpenItem, cash_cause, either_way, explains
from orders.models import Account, ChainAction, Discrepancy, LedgerTransaction, Position, ReconcileRun
from orders.selectors.open_items import open_items
from orders.services.differences import DifferenceError, difference_book, difference_close
from orders.services.invariants import check_invariants
from orders.services.legs import legs_ingest
from tests.factories.markets import outcome_make
from tests.factories.orders import AT, micro
from tests.factories.venue import leg, live_order, sandbox_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return sandbox_account("100")


@pytest.fixture
def outcome() -> Outcome:
    return outcome_make(fee_rate_ppm=0)


def found(account: Account, kind: str, subject: str, ours: str, theirs: str) -> Discrepancy:
    run = ReconcileRun.objects.create(account=account, started_at=AT, finished_at=AT)
    return Discrepancy.objects.create(run=run, kind=kind, subject=subject, ours=ours, theirs=theirs)


def bought(account: Account, outcome: Outcome, size: str, price: str) -> None:
    order = live_order(account, outcome, price=price, size=size)
    legs_ingest(account.pk, [leg(order, f"t{order.pk}", size, TradeStage.CONFIRMED)], now=AT)


def book(row: Discrepancy) -> str:
    return difference_book(row.pk, by="ada", reason="as the explorer shows", now=AT)


# Booking --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "said", "cash"),
    [("112.5", "a deposit of $12.5", "112.5"), ("99.999999", "a withdrawal of $0.000001", "99.999999")],
)
def test_cash_that_came_or_went_is_booked_as_the_venue_has_it(
    account: Account, theirs: str, said: str, cash: str
) -> None:
    row = found(account, "cash_differs", "cash", "100", theirs)
    assert book(row) == said
    row.refresh_from_db()
    assert (Account.objects.get().cash, row.repaired, row.closed_by) == (Decimal(cash), True, "ada")
    assert LedgerTransaction.objects.latest("id").memo == f"{said}: as the explorer shows"
    assert AuditEvent.objects.get(kind="reconcile.booked").actor == "ada"
    assert check_invariants() == []


def test_shares_that_came_cost_nothing_and_those_that_went_take_their_part_of_the_cost(
    account: Account, outcome: Outcome
) -> None:
    subject = f"outcome {outcome.pk}"
    assert book(found(account, "position_differs", subject, "", "3")) == "3 shares received"
    assert Position.objects.get().cost == 0
    bought(account, outcome, "6", "0.50")  # nine for three dollars
    assert book(found(account, "position_differs", subject, "9", "6")) == "3 shares sent away"
    held = Position.objects.get()
    assert (held.size, held.cost) == (6, 2)
    assert check_invariants() == []


def test_what_is_not_there_or_promised_cannot_be_booked_away(account: Account, outcome: Outcome) -> None:
    subject = f"outcome {outcome.pk}"
    with pytest.raises(DifferenceError, match="sent 2 shares while holding 0"):
        book(found(account, "position_differs", subject, "2", "0"))
    bought(account, outcome, "6", "0.50")
    live_order(account, outcome, side=Side.SELL, price="0.60", size="5")
    with pytest.raises(DifferenceError, match="orders have promised"):
        book(found(account, "position_differs", subject, "6", "4"))
    with pytest.raises(DifferenceError, match=r"has not \$98 free"):
        book(found(account, "cash_differs", "cash", "97", "-1"))
    assert (Position.objects.get().size, Account.objects.get().cash) == (6, 97)
    assert not Discrepancy.objects.filter(repaired=True).exists()


@pytest.mark.parametrize(
    ("kind", "subject", "theirs", "says"),
    [
        ("state_differs", "order 7", "2", "only differences of cash"),
        ("position_differs", "token 12345", "2", "only differences of cash"),
        ("cash_differs", "cash", "a lot", "its figures cannot be read"),
    ],
)
def test_only_figures_of_cash_and_known_shares_are_booked(
    account: Account, kind: str, subject: str, theirs: str, says: str
) -> None:
    with pytest.raises(DifferenceError, match=says):
        book(found(account, kind, subject, "1", theirs))
    assert Account.objects.get().cash == 100


def test_an_older_run_is_not_booked_and_nothing_is_dealt_with_twice_or_without_a_word(account: Account) -> None:
    old = found(account, "cash_differs", "cash", "100", "101")
    new = found(account, "cash_differs", "cash", "100", "102")
    with pytest.raises(DifferenceError, match="a newer reconciliation has run"):
        book(old)
    difference_close(old.pk, by="ada", reason="the same as the later one", now=AT)
    assert (Account.objects.get().cash, Discrepancy.objects.get(pk=old.pk).closed_by) == (100, "ada")
    book(new)
    for row in (old, new):
        with pytest.raises(DifferenceError, match="somebody has dealt with it already"):
            difference_close(row.pk, by="ada", reason="again", now=AT)
    with pytest.raises(DifferenceError, match="say what it was"):
        difference_close(new.pk, by="ada", reason="  ", now=AT)
    with pytest.raises(DifferenceError, match="there is no difference 999"):
        difference_close(999, by="ada", reason="x", now=AT)
    assert Account.objects.get().cash == 102


# Open items -----------------------------------------------------------------------------


def ranges(account: Account, *, at_s: float = 0) -> dict[str, list[tuple[int, int, bool]]]:
    told: dict[str, list[tuple[int, int, bool]]] = {}
    for item in open_items(account, now=AT + timedelta(seconds=at_s)):
        asset = "shares" if item.asset.startswith("outcome:") else item.asset
        told.setdefault(f"{item.kind} {asset}", []).append((item.low, item.high, item.in_flight))
    return told


def test_an_order_nobody_knows_about_may_have_spent_what_is_set_aside(account: Account, outcome: Outcome) -> None:
    live_order(account, outcome, state=OrderState.UNKNOWN, price="0.50", size="10", post_only=True)
    live_order(account, outcome, price="0.40", size="10")  # rests: it explains nothing
    assert ranges(account) == {
        "unknown_order usd": [(-micro("5"), 0, True)],
        # At the cheapest tick, a hundredth of a cent, five dollars buy fifty thousand shares.
        "unknown_order shares": [(0, micro("50000"), True)],
    }


def test_a_sale_on_its_way_may_have_brought_a_dollar_a_share(account: Account, outcome: Outcome) -> None:
    bought(account, outcome, "10", "0.50")
    live_order(account, outcome, state=OrderState.MATCHED, side=Side.SELL, price="0.60", size="4")
    told = ranges(account, at_s=120)
    assert told == {
        "order_under_way usd": [(0, micro("4"), True)],
        "order_under_way shares": [(-micro("4"), 0, True)],
    }


def test_a_trade_explains_itself_while_it_settles_and_for_a_minute_after(account: Account, outcome: Outcome) -> None:
    order = live_order(account, outcome, price="0.50", size="10", post_only=True)
    legs_ingest(account.pk, [leg(order, "t1", "4")], now=AT)
    told = ranges(account, at_s=600)
    assert told["provisional_fill usd"] == [(0, micro("2"), True)], "the venue may still show the two dollars"
    assert told["provisional_fill shares"] == [(-micro("4"), 0, True)]
    legs_ingest(account.pk, [leg(order, "t1", "4", TradeStage.FAILED)], now=AT)
    assert ranges(account)["recent_fill usd"] == [(-micro("2"), 0, False)], "or show it a moment longer"
    assert ranges(account, at_s=61) == {}


def test_a_transaction_explains_what_it_may_move_either_way(account: Account, outcome: Outcome) -> None:
    fields = {"account": account, "route": "relayer", "created_at": AT, "amount": Decimal(3)}
    ChainAction.objects.create(key="a", kind="approve", state="pending", **fields)
    ChainAction.objects.create(key="b", kind="transfer", state="pending", expected={}, **fields)
    assert ranges(account) == {"chain_action usd": [(-micro("3"), micro("3"), True)]}
    ChainAction.objects.filter(key="b").update(state="failed")
    other = outcome.market.outcomes.get(index=1)
    ChainAction.objects.create(
        key="c", kind="split", state="confirmed", ended_at=AT, expected={"outcomes": [outcome.pk, other.pk]}, **fields
    )
    six = (-micro("6"), micro("6"), False)
    assert ranges(account) == {"chain_action usd": [six], "chain_action shares": [six, six]}
    assert ranges(account, at_s=61) == {}


def test_a_difference_within_the_sum_of_the_ranges_is_explained_and_one_beyond_is_not() -> None:
    items = [
        either_way(ItemKind.PROVISIONAL_FILL, "fill 1", USD, -5),
        either_way(ItemKind.PROVISIONAL_FILL, "fill 2", USD, 2),
        OpenItem(kind=ItemKind.UNKNOWN_ORDER, subject="order 3", asset="outcome:1", low=0, high=9),
    ]
    assert [explains(items, asset=USD, difference=d) for d in (-3, -2, 0, 5, 6)] == [False, True, True, True, False]
    assert explains([], asset=USD, difference=0) and not explains([], asset=USD, difference=1)


@pytest.mark.parametrize(
    ("difference", "foreign", "cause"),
    [
        (5, 7, "an order that this desk did not make has traded"),
        (-5, -7, "an order that this desk did not make has traded"),
        (5, -7, "the venue does not show order 1: buy 10 at 0.5"),
        (-5, 0, "the venue shows order 1: buy 10 at 0.5 twice"),
        (3, 0, "more than was booked"),
        (-3, 0, "less than was booked"),
    ],
)
def test_the_best_explanation_of_a_cash_difference(difference: int, foreign: int, cause: str) -> None:
    recent = [("order 1: buy 10 at 0.5", -5), ("order 2: sell 1 at 0.2", 2)]
    assert cash_cause(difference, foreign=foreign, recent=recent).startswith(cause)
