import pytest

from markets.models import Market
from markets.selectors import ahead
from tests.factories.markets import market_make

pytestmark = pytest.mark.django_db


def test_facts_are_read_once_in_a_while_and_every_time_without_reading_ahead(settings, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    clock = [100.0]
    monkeypatch.setattr(ahead, "monotonic", lambda: clock[0])
    monkeypatch.setattr(ahead, "_held", {})
    settings.READ_AHEAD_S = 1.0
    market, other = market_make(), market_make()
    assert ahead.market_facts_ahead([market.pk])[market.pk].state == "open"
    Market.objects.update(state="closed")
    found = ahead.market_facts_ahead([market.pk, other.pk, 999_999])
    assert {pk: str(facts.state) for pk, facts in found.items()} == {market.pk: "open", other.pk: "closed"}
    clock[0] += 1.1
    assert ahead.market_facts_ahead([market.pk])[market.pk].state == "closed"
    settings.READ_AHEAD_S = 0
    Market.objects.update(state="open")
    assert ahead.market_facts_ahead([market.pk])[market.pk].state == "open"
