"""Equal wants are one decision, whatever words go with them."""

from __future__ import annotations

from dataclasses import replace

from markets.domain.instruments import Side
from markets.domain.units import Price, Shares, Usd
from orders.domain.intents import Basket, BasketPolicy, OrderIntent, Quote
from strategies.domain.base import Decision
from strategies.domain.wanted import wanted_hash, wanted_json

QUOTE = Quote(outcome_id=1, side=Side.BUY, price=Price(515_000), size=Shares(10_000_000), reason="because")
INTENT = OrderIntent(outcome_id=2, side=Side.SELL, size=Shares(5_000_000), limit_price=Price(400_000))
BASKET = Basket(legs=(INTENT,), policy=BasketPolicy.ALL_OR_NONE, worst_loss=Usd(1_500_000))


def test_reasons_do_not_count_and_everything_else_does():
    def digest(decision):
        return wanted_hash(wanted_json(decision))

    first = digest(Decision(quotes=(QUOTE,), intents=(INTENT,), baskets=(BASKET,)))
    assert first == digest(Decision(quotes=(replace(QUOTE, reason="so"),), intents=(INTENT,), baskets=(BASKET,)))
    assert first != digest(Decision(quotes=(replace(QUOTE, level=1),), intents=(INTENT,), baskets=(BASKET,)))
    assert first != digest(Decision(quotes=(QUOTE,), intents=(INTENT,)))


def test_amounts_are_texts():
    quote, intent, basket = wanted_json(Decision(quotes=(QUOTE,), intents=(INTENT,), baskets=(BASKET,)))
    assert (quote["price"], quote["size"], quote["side"]) == ("0.515", "10", "buy")
    assert (intent["limit_price"], intent["urgency"], intent["expires_at"]) == ("0.4", "medium", None)
    assert (basket["worst_loss"], basket["policy"], basket["legs"][0]["size"]) == ("1.5", "all_or_none", "5")
