from datetime import timedelta

import pytest

from markets.domain.instruments import Side
from markets.domain.units import Price, Shares
from orders.domain.intents import INTENT_LEVEL, OrderIntent, OrderType, Urgency
from orders.domain.urgency import intent_placement, order_terms, quote_placement
from tests.factories.orders import AT, ORIGIN, quote


def intent(**values: object) -> OrderIntent:
    fields: dict[str, object] = {"outcome_id": 1, "side": Side.BUY, "size": Shares(10), "limit_price": Price(5)}
    return OrderIntent(**{**fields, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("urgency", "terms"),
    [
        (Urgency.LOW, (OrderType.GTC, True)),
        (Urgency.MEDIUM, (OrderType.GTC, False)),
        (Urgency.HIGH, (OrderType.FAK, False)),
        (Urgency.IMMEDIATE, (OrderType.FOK, False)),
    ],
)
def test_urgency_names_the_order_type(urgency: Urgency, terms: tuple[OrderType, bool]) -> None:
    assert order_terms(intent(urgency=urgency)) == terms


def test_an_expiry_makes_a_resting_order_good_till_date() -> None:
    ends = AT + timedelta(minutes=10)
    assert order_terms(intent(urgency=Urgency.LOW, expires_at=ends)) == (OrderType.GTD, True)
    made = intent_placement(intent(urgency=Urgency.HIGH, expires_at=ends), key="k", market_id=1, origin=ORIGIN, now=AT)
    assert (made.order_type, made.expires_at) == (OrderType.FAK, None)


def test_a_strategy_may_override_the_type_but_a_taker_is_never_post_only() -> None:
    assert order_terms(intent(urgency=Urgency.LOW, order_type=OrderType.FAK)) == (OrderType.FAK, False)


def test_a_one_shot_order_carries_the_level_that_the_quote_diff_ignores() -> None:
    assert intent_placement(intent(), key="k", market_id=1, origin=ORIGIN, now=AT).level == INTENT_LEVEL


def test_a_quote_becomes_the_resting_order_that_it_asks_for() -> None:
    wanted = quote(Side.SELL, "0.52", "7", outcome_id=4, level=2)
    made = quote_placement(wanted, key="k", market_id=3, origin=ORIGIN, now=AT, replaces_order_id=9)
    assert (made.key, made.market_id, made.outcome_id, made.side) == ("k", 3, 4, Side.SELL)
    assert (made.price, made.size, made.order_type) == (wanted.price, wanted.size, OrderType.GTC)
    assert (made.level, made.post_only, made.replaces_order_id) == (2, wanted.post_only, 9)
    assert (made.created_at, made.expires_at, made.marketable) == (AT, None, False)
