"""Which venue is made of what. One line per venue and port; hosts come from settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from django.conf import settings

from markets.domain.drift import Shape
from markets.domain.instruments import FeeSchedule, Venue
from markets.domain.units import Usd
from markets.venues.base import BookSource, CatalogueSource, FactsSource, FeedProtocol
from markets.venues.polymarket import refusals
from markets.venues.polymarket.catalogue import PolymarketCatalogue
from markets.venues.polymarket.client import PolymarketBooks, PolymarketHttp
from markets.venues.polymarket.clob_facts import PolymarketFacts
from markets.venues.polymarket.feed import PolymarketFeed
from markets.venues.polymarket.fees import taker_fee
from markets.venues.polymarket.shapes import SHAPES as POLYMARKET_SHAPES


@lru_cache(maxsize=16)
def _http(base_url: str, timeout_s: float) -> PolymarketHttp:
    """Return the one client of this host: jobs that run twice a minute keep its connections instead of leaking them."""
    return PolymarketHttp(base_url, timeout_s=timeout_s)


CATALOGUES: dict[Venue, Callable[[], CatalogueSource]] = {
    Venue.POLYMARKET: lambda: PolymarketCatalogue(_http(settings.POLYMARKET["gamma"], 20)),
}
BOOKS: dict[Venue, Callable[[], BookSource]] = {
    Venue.POLYMARKET: lambda: PolymarketBooks(_http(settings.POLYMARKET["clob"], 4)),
}
FACTS: dict[Venue, Callable[[], FactsSource]] = {
    Venue.POLYMARKET: lambda: PolymarketFacts(_http(settings.POLYMARKET["clob"], 4)),
}
# What each source of a venue is declared to send; the drift sentinel compares with it.
SHAPES: dict[Venue, Mapping[str, Shape]] = {Venue.POLYMARKET: POLYMARKET_SHAPES}
# A venue's words -> the catalogue's entry, for people.
REFUSALS: dict[str, Callable[[str], refusals.Refusal | None]] = {Venue.POLYMARKET: refusals.explain}
# (price, size, schedule) -> what the taker of one trade pays
TAKER_FEES: dict[Venue, Callable[[int, int, FeeSchedule | None], Usd]] = {Venue.POLYMARKET: taker_fee}
FEEDS: dict[Venue, Callable[[], FeedProtocol]] = {Venue.POLYMARKET: PolymarketFeed}
SOCKET_URLS: dict[Venue, Callable[[], str]] = {Venue.POLYMARKET: lambda: settings.POLYMARKET["ws_market"]}
