"""Polymarket's catalogue over Gamma: events by keyset, the recently changed, and the named ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from markets.domain.instruments import Venue
from markets.venues.base import CataloguePage, ParseError
from markets.venues.polymarket import gamma
from markets.venues.polymarket.client import Pace, PolymarketHttp, chunks

PAGE = 100
MOST_PAGES = 2_000  # a cursor that never ends is a fault, not a catalogue
_IDS_PER_CALL = 50
VERSIONS = ["v1", "v2"]  # both token protocols; Gamma lists the older one only unless asked


class PolymarketCatalogue:
    """Implements `CatalogueSource`."""

    venue = Venue.POLYMARKET

    def __init__(self, http: PolymarketHttp, *, pace: Pace | None = None) -> None:
        self._http = http
        self._pace = pace or Pace(0.05)  # 200 calls in 10 s; the venue allows 500 for /events

    def open_events(self) -> Iterator[CataloguePage]:
        yield from self._keyset({"closed": "false"}, pages=MOST_PAGES)

    def recent_events(self, *, limit: int) -> Iterator[CataloguePage]:
        pages = -(-limit // PAGE)
        for closed in ("false", "true"):
            yield from self._keyset({"closed": closed, "order": "updatedAt", "ascending": "false"}, pages=pages)

    def events_of_markets(self, condition_ids: Collection[str]) -> Iterator[CataloguePage]:
        event_ids: dict[str, None] = {}
        for chunk in chunks(sorted(condition_ids), _IDS_PER_CALL):
            for closed in ("false", "true"):  # Gamma leaves closed markets out unless asked
                query = {"condition_ids": chunk, "closed": closed, "version": VERSIONS, "limit": str(PAGE)}
                body = self._get("/markets", query)
                event_ids.update(dict.fromkeys(gamma.read_market_event_ids(body)))
        for chunk in chunks(list(event_ids), _IDS_PER_CALL):
            yield gamma.read_events_list(self._get("/events", {"id": chunk, "version": VERSIONS, "limit": str(PAGE)}))

    def _keyset(self, query: dict[str, str], *, pages: int) -> Iterator[CataloguePage]:
        cursor = ""
        for _ in range(pages):
            after = {"after_cursor": cursor} if cursor else {}
            asked: dict[str, object] = {**query, "version": VERSIONS, "limit": str(PAGE), **after}
            page, following = gamma.read_events_page(self._get("/events/keyset", asked))
            yield page
            if not following:
                return
            if following == cursor:
                raise ParseError("next_cursor", "repeats: the catalogue would never end", source="gamma.events")
            cursor = following

    def _get(self, path: str, query: dict[str, object]) -> bytes:
        self._pace.wait()
        return self._http.get(path, query)  # type: ignore[arg-type]
