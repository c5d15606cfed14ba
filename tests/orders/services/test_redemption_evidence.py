"""Resolution while something of the market is still under way, dust, and groups: paid once, and only what is proven."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from markets.domain.instruments import MarketState, Side
from markets.domain.units import text_from_micro
from markets.models import Market
from markets.selectors.catalogue import market_facts
from orders.domain.lifecycle import OrderState
from orders.models import Account, ChainAction, Fill, LedgerTransaction, Order, Position
from orders.services import keyholder
from orders.services.chain_wishes import set_wish
from orders.services.redemption import Waiting, claim, payouts_proven, redemptions_apply
from orders.services.resync import account_resync
from tests.factories.orders import micro
from tests.live_desk import LiveDesk
from tests.orders.services.test_chain_send import equal_to_the_venue, finish
from tests.orders.services.test_redemption import holding, resolve
from tests.orders.services.venue_kit import send, until

pytestmark = pytest.mark.django_db


def redeemed(desk: LiveDesk, account: Account) -> None:
    assert redemptions_apply(timezone.now()) == 1
    for action in ChainAction.objects.filter(account=account, kind="redeem"):
        assert finish(action).state == "confirmed", action.state_reason
    assert redemptions_apply(timezone.now()) == 0
    equal_to_the_venue(desk, account)


def looked_later(account: Account) -> None:
    """Look three times, minutes apart: an order that is gone that long is over."""
    for minutes in (2, 3, 4):
        account_resync(account.pk, keyholder.gateway(account.pk), since_ms=0,
                       clock=lambda passed=minutes: timezone.now() + timedelta(minutes=passed))  # fmt: skip


def sets(account: Account, market: Market, size: str) -> None:
    wish = set_wish(account_id=account.pk, market_id=market.pk, amount=micro(size), merge=False, key=f"{market.pk}",
                    by="ada", now=timezone.now(), preview=False)  # fmt: skip
    assert finish(wish).state == "confirmed"


def plain_market(desk: LiveDesk) -> Market:
    found = [o.market for o in desk.outcomes(neg_risk=False) if o.index == 0 and "-v2-" not in o.market.event.slug]
    return found[-1]


def test_orders_that_rest_are_taken_off_before_anything_is_claimed(live_desk: LiveDesk) -> None:
    account, market = holding(live_desk)
    outcome = market.outcomes.get(index=0)
    order, sent = send(live_desk, account, outcome, Side.BUY, "0.01", "10")
    assert sent.answer.is_accepted, sent
    resolve(live_desk, market, 0)
    facts = market_facts([market.pk])[market.pk]
    with pytest.raises(Waiting, match="orders of this market have not ended"):
        claim(account.pk, facts, now=timezone.now())
    order.refresh_from_db()
    assert (order.cancel_requested_at is not None, order.cancel_reason) == (True, "the market is resolved")
    assert not ChainAction.objects.filter(account=account, kind="redeem").exists()
    looked_later(account)
    order.refresh_from_db()
    assert order.state == OrderState.CANCELED
    redeemed(live_desk, account)


def test_fills_that_may_still_fail_are_waited_for(live_desk: LiveDesk) -> None:
    account, market = holding(live_desk)
    outcome = market.outcomes.get(index=0)
    bids, asks = live_desk.book(outcome)
    side, price = (Side.BUY, asks[0][0]) if asks else (Side.SELL, bids[0][0])
    live_desk.exchange.control("faults", scope="engine", kind="slow_settlement", latency_ms=1_500, times=1)
    _, sent = send(live_desk, account, outcome, side, text_from_micro(price), "10", "fak",
                   answered=OrderState.MATCHED)  # fmt: skip
    assert sent.answer.is_accepted, sent
    gateway = keyholder.gateway(account.pk)
    account_resync(account.pk, gateway, since_ms=0, clock=timezone.now)
    assert Fill.objects.filter(account=account, settlement="matched").exists()
    resolve(live_desk, market, 1)
    facts = market_facts([market.pk])[market.pk]
    with pytest.raises(Waiting, match="not settled yet"):
        claim(account.pk, facts, now=timezone.now())

    def settled() -> bool:
        account_resync(account.pk, gateway, since_ms=0, clock=timezone.now)
        return not Fill.objects.filter(account=account).exclude(settlement="confirmed").exists()

    until(settled, every=0.1)
    redeemed(live_desk, account)
    assert not Position.objects.filter(account=account, size__gt=0).exists()


def test_dust_of_a_market_that_pays_halves_is_rounded_down_as_the_chain_does(live_desk: LiveDesk) -> None:
    account, market = live_desk.account("safe"), plain_market(live_desk)
    sets(account, market, "0.000003")
    resolve(live_desk, market, "split")
    redeemed(live_desk, account)
    account.refresh_from_db()
    assert account.cash == Decimal("999.999999")  # two outcomes of 1.5 millionths pay one each
    assert LedgerTransaction.objects.get(account=account, kind="redeem").realized == Decimal("-0.000001")


@pytest.mark.parametrize("winner", [0, 1])
def test_a_market_of_an_augmented_group_pays_by_its_own_payout_vector(live_desk: LiveDesk, winner: int) -> None:
    account = live_desk.account("safe")
    markets = Market.objects.filter(event__neg_risk_augmented=True, state=MarketState.OPEN).order_by("-pk")
    market = next(m for m in markets if "-v2-" not in m.event.slug)
    sets(account, market, "4.2")
    resolve(live_desk, market, winner)
    proven = payouts_proven(market_facts([market.pk])[market.pk])
    won, lost = (market.outcomes.get(index=i).pk for i in (winner, 1 - winner))
    assert (proven.of(won, 7), proven.of(lost, 7)) == (7, 0)
    redeemed(live_desk, account)


def test_what_a_catalogue_says_about_a_group_does_not_matter(live_desk: LiveDesk) -> None:
    account = live_desk.account("safe")
    market = Market.objects.filter(event__neg_risk_augmented=True, state=MarketState.OPEN).order_by("pk")[1]
    sets(account, market, "1")
    Market.objects.filter(pk=market.pk).update(state=MarketState.RESOLVED)
    market.outcomes.filter(index=0).update(payout=1)
    market.outcomes.filter(index=1).update(payout=0)
    assert redemptions_apply(timezone.now()) == 0
    assert not Order.objects.filter(account=account).exists()
    account.refresh_from_db()
    assert account.cash == 999


def auto_redeem(desk: LiveDesk, account: Account, market: Market, **only: int) -> None:
    desk.exchange.control("auto-redeem", address=account.wallet_address, market=market.condition_id, **only)


def test_what_the_auto_redeemer_paid_first_is_booked_and_not_claimed(live_desk: LiveDesk) -> None:
    account, market = holding(live_desk)
    resolve(live_desk, market, 1)
    auto_redeem(live_desk, account, market)
    assert redemptions_apply(timezone.now()) == 1
    assert redemptions_apply(timezone.now()) == 0
    assert not ChainAction.objects.filter(account=account, kind="redeem").exists()
    equal_to_the_venue(live_desk, account)


def test_an_auto_redeemer_that_pays_while_our_claim_is_on_its_way_pays_once(live_desk: LiveDesk) -> None:
    account, market = holding(live_desk)
    resolve(live_desk, market, 1)
    assert redemptions_apply(timezone.now()) == 1
    auto_redeem(live_desk, account, market)
    action = finish(ChainAction.objects.get(account=account, kind="redeem"))
    assert action.ended_at is not None
    redemptions_apply(timezone.now())
    assert LedgerTransaction.objects.filter(account=account, kind="redeem").count() == 1
    equal_to_the_venue(live_desk, account)


def test_an_auto_redeemer_that_takes_the_winner_only_leaves_the_rest_to_us(live_desk: LiveDesk) -> None:
    account, market = holding(live_desk)
    resolve(live_desk, market, 1)
    auto_redeem(live_desk, account, market, outcome=1)
    assert redemptions_apply(timezone.now()) == 1  # booked
    equal_to_the_venue(live_desk, account)
    redeemed(live_desk, account)
    assert not Position.objects.filter(account=account, size__gt=0).exists()
    assert LedgerTransaction.objects.filter(account=account, kind="redeem").count() == 2
