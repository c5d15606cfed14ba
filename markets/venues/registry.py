"""Which venue is made of what. One line per venue and port; hosts come from settings."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings

from markets.domain.instruments import Venue
from markets.venues.base import BookSource, CatalogueSource, FeedProtocol
from markets.venues.polymarket.catalogue import PolymarketCatalogue
from markets.venues.polymarket.client import PolymarketBooks, PolymarketHttp
from markets.venues.polymarket.feed import PolymarketFeed

CATALOGUES: dict[Venue, Callable[[], CatalogueSource]] = {
    Venue.POLYMARKET: lambda: PolymarketCatalogue(PolymarketHttp(settings.POLYMARKET["gamma"], timeout_s=20)),
}
BOOKS: dict[Venue, Callable[[], BookSource]] = {
    Venue.POLYMARKET: lambda: PolymarketBooks(PolymarketHttp(settings.POLYMARKET["clob"], timeout_s=4)),
}
FEEDS: dict[Venue, Callable[[], FeedProtocol]] = {Venue.POLYMARKET: PolymarketFeed}
SOCKET_URLS: dict[Venue, Callable[[], str]] = {Venue.POLYMARKET: lambda: settings.POLYMARKET["ws_market"]}
