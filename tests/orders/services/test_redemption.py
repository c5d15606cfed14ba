"""Claims at the local exchange: proven, redeemed, booked when confirmed, equal to the venue to the micro-unit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from markets.domain.instruments import MarketState
from markets.models import Market
from markets.selectors.catalogue import market_facts
from orders.models import Account, ChainAction, LedgerTransaction, Position
from orders.services.redemption import Waiting, claim, payouts_proven, redemptions_apply
from orders.services.settlement import resolutions_apply
from tests.live_desk import LiveDesk
from tests.orders.services.test_chain_send import KINDS, equal_to_the_venue, finish, theirs, wanted

pytestmark = pytest.mark.django_db


def holding(desk: LiveDesk, kind: str = "safe") -> tuple[Account, Market]:
    """Return an account with 20 sets of a market that nobody else in this session resolves."""
    account = desk.account(kind)
    open_markets = [o.market for o in desk.outcomes() if o.index == 0]
    for market in open_markets[::-1]:  # the quiet ones
        if not market_facts([market.pk])[market.pk].neg_risk:
            break
    assert finish(wanted(desk, account, market.pk)).state == "confirmed"
    return account, market


def resolve(desk: LiveDesk, market: Market, winner: object) -> None:
    desk.exchange.control("resolve", market=market.condition_id, winner=winner)
    Market.objects.filter(pk=market.pk).update(state=MarketState.RESOLVED)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("winner", "profit"), [(0, 0), ("split", 0)])
def test_a_resolved_market_is_redeemed_and_booked_when_the_chain_has_confirmed_it(
    live_desk: LiveDesk, kind: str, winner: object, profit: int
) -> None:
    account, market = holding(live_desk, kind)
    resolve(live_desk, market, winner)
    assert redemptions_apply(timezone.now()) == 1
    assert redemptions_apply(timezone.now()) == 0  # underway: not a second time
    action = ChainAction.objects.get(account=account, kind="redeem")
    account.refresh_from_db()
    assert account.cash == 980  # nothing is booked before it is confirmed
    assert finish(action).state == "confirmed", action.state_reason
    account.refresh_from_db()
    assert account.cash == 1000
    assert sum(p.realized for p in Position.objects.filter(account=account)) == profit
    equal_to_the_venue(live_desk, account)
    assert redemptions_apply(timezone.now()) == 0


def test_the_catalogue_alone_pays_nobody(live_desk: LiveDesk) -> None:
    account, market = holding(live_desk)
    for outcome, payout in zip(market.outcomes.order_by("index"), ("1", "0"), strict=True):
        outcome.payout = Decimal(payout)
        outcome.save()
    Market.objects.filter(pk=market.pk).update(state=MarketState.RESOLVED)
    with pytest.raises(Waiting, match="the chain does not know"):
        payouts_proven(market_facts([market.pk])[market.pk])
    assert redemptions_apply(timezone.now()) == 0
    assert resolutions_apply(timezone.now()) == 0  # paper's settlement leaves it alone
    account.refresh_from_db()
    assert account.cash == 980
    assert theirs(live_desk, account)[0] == 980


def test_what_the_auto_redeemer_paid_is_booked_without_a_transaction(
    live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, market = holding(live_desk)
    resolve(live_desk, market, 1)
    monkeypatch.setattr("orders.services.redemption.chain_shares", lambda wallet, tokens: dict.fromkeys(tokens, 0))
    assert redemptions_apply(timezone.now()) == 1
    assert redemptions_apply(timezone.now()) == 0
    assert not ChainAction.objects.filter(account=account, kind="redeem").exists()
    account.refresh_from_db()
    assert account.cash == 1000
    assert LedgerTransaction.objects.get(account=account, kind="redeem").reference == f"resolution:{market.pk}"


def test_a_wallet_that_differs_from_the_books_is_not_redeemed_on_a_guess(
    live_desk: LiveDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, market = holding(live_desk)
    resolve(live_desk, market, 0)
    monkeypatch.setattr("orders.services.redemption.chain_shares", lambda wallet, tokens: dict.fromkeys(tokens, 5))
    with pytest.raises(Waiting, match="differ from our books"):
        claim(account.pk, market_facts([market.pk])[market.pk], now=timezone.now())


def test_a_redemption_that_failed_three_times_waits_for_a_person(live_desk: LiveDesk) -> None:
    account, market = holding(live_desk)
    resolve(live_desk, market, 0)
    live_desk.exchange.control("faults", scope="engine", kind="relay_failed", times=3)
    for _ in range(3):
        assert redemptions_apply(timezone.now()) == 1
        finish(ChainAction.objects.filter(account=account, kind="redeem").latest("pk"))
    assert redemptions_apply(timezone.now()) == 0
    assert {a.state for a in ChainAction.objects.filter(account=account, kind="redeem")} == {"failed"}
    account.refresh_from_db()
    assert (account.cash, account.reserved_cash) == (980, 0)
    assert {p.reserved_size for p in Position.objects.filter(account=account)} == {0}
