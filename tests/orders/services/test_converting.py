"""Neg-risk conversions at the local exchange: wished, confirmed, booked, equal to the venue to the micro-unit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from markets.models import Event, Market
from markets.selectors.groups import GroupUnknown, group_of
from orders.models import Account, ChainAction, Position
from orders.services.chain import ChainError, action_confirm
from orders.services.chain_wishes import convert_wish, set_wish
from tests.factories.orders import micro
from tests.live_desk import LiveDesk
from tests.orders.services.test_chain_send import equal_to_the_venue, finish

pytestmark = pytest.mark.django_db


def members(*, positions: bool = False) -> list[Market]:
    """Return the open markets of one group, in the order of their places."""
    version = "-v2-" if positions else ""
    event = Event.objects.filter(neg_risk=True, slug__contains=version, group_size__gte=3, markets__state="open")
    event = event.exclude(markets__state__in=("closed", "resolved"))  # other tests of the session decide some
    if not positions:
        event = event.exclude(slug__contains="-v2-")
    return list(Market.objects.filter(event=event.order_by("pk").first()).order_by("group_index"))


def with_sets(desk: LiveDesk, markets: list[Market], size: str, kind: str = "safe") -> Account:
    account = desk.account(kind)
    for market in markets:
        wish = set_wish(account_id=account.pk, market_id=market.pk, amount=micro(size), merge=False,
                        key=f"{market.pk}", by="ada", now=timezone.now(), preview=False)  # fmt: skip
        assert finish(wish).state == "confirmed"
    return account


def wish(account: Account, markets: list[Market], size: str) -> ChainAction:
    return convert_wish(
        account_id=account.pk, market_ids=[m.pk for m in markets], amount=micro(size), key="c", by="ada",
        now=timezone.now(),
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "count"), [("safe", 2), ("eoa", 1)])
def test_no_shares_become_yes_shares_of_the_others_and_dollars(live_desk: LiveDesk, kind: str, count: int) -> None:
    group = members()
    given = [group[2], group[0]][:count]
    account = with_sets(live_desk, given, "20", kind)
    preview = wish(account, given, "7.123457")
    assert (preview.state, preview.expected["says"][0][:7]) == ("preview", "convert")
    done = finish(action_confirm(preview.pk, by="ada", now=timezone.now()))
    assert (done.state, done.state_reason) == ("confirmed", "")
    account.refresh_from_db()
    assert account.cash == 1000 - 20 * count + Decimal("7.123457") * (count - 1)
    sizes = {(p.outcome.market_id, p.outcome.index): p.size for p in Position.objects.filter(account=account)}
    for market in group:
        if market in given:
            assert sizes[market.pk, 1] == Decimal("12.876543")
        else:
            assert sizes[market.pk, 0] == Decimal("7.123457")
    equal_to_the_venue(live_desk, account)


def test_what_cannot_be_converted_is_said_before_anything_is_stored(live_desk: LiveDesk) -> None:
    group, account = members(), live_desk.account("safe")
    stranger = Market.objects.filter(neg_risk=False, state="open").first()
    assert stranger is not None
    with pytest.raises(ChainError, match="not a market of a group"):
        wish(account, [stranger], "1")
    with pytest.raises(ChainError, match="not all of one group"):
        wish(account, [group[0], stranger], "1")
    with pytest.raises(ChainError, match="more than zero"):
        wish(account, group[:1], "0")
    with pytest.raises(ChainError, match="not free"):
        action_confirm(wish(account, group[:1], "1").pk, by="ada", now=timezone.now())
    newer = members(positions=True)
    if newer:
        with pytest.raises(ChainError, match="newer token protocol"):
            convert_wish(account_id=account.pk, market_ids=[newer[0].pk], amount=1, key="v2", by="ada",
                         now=timezone.now())  # fmt: skip


def test_a_group_that_is_not_known_whole_is_not_converted(live_desk: LiveDesk) -> None:
    group = members()
    assert sorted(group_of(group[0].pk).places) == list(range(len(group)))
    Event.objects.filter(pk=group[0].event_id).update(group_size=len(group) + 1)  # one that is not on the book
    with pytest.raises(GroupUnknown, match="are known"):
        group_of(group[0].pk)
    Market.objects.filter(pk=group[1].pk).update(group_index=None)
    with pytest.raises(GroupUnknown, match="not proven"):
        group_of(group[0].pk)
    Market.objects.filter(pk=group[1].pk).update(group_index=1, state="resolved")
    with pytest.raises(GroupUnknown, match="being decided"):
        group_of(group[0].pk)
