"""The metadata API: lists by keyset and offset, single objects, tags, series, search.

Public and read-only; every answer is made from the engine's catalogue at the moment of the request.
"""

from __future__ import annotations

from typing import Any

from polybot.sandbox.catalogue import Event, Market
from polybot.sandbox.exchange import Exchange
from polybot.sandbox.gamma_bodies import event_body, market_body, series_body, series_id, tag_body
from polybot.sandbox.gamma_filters import (
    MARKET_ORDERS,
    event_orders,
    filter_events,
    filter_markets,
    keyset_page,
    offset_page,
    ordered,
)
from polybot.sandbox.http_core import ApiError, Request, Router


class GammaApi:
    def __init__(self, exchange: Exchange) -> None:
        self._catalogue = exchange.catalogue

    def router(self) -> Router:
        router = Router("gamma", not_found="not found")
        get = {
            "/markets/keyset": self.markets_keyset,
            "/events/keyset": self.events_keyset,
            "/markets": self.markets,
            "/events": self.events,
            "/events/pagination": self.events_pagination,
            "/markets/slug/{slug}": self.market_by_slug,
            "/events/slug/{slug}": self.event_by_slug,
            "/events/slug/{slug}/related": lambda _: [],
            "/markets/{id}": self.market_by_id,
            "/events/{id}": self.event_by_id,
            "/markets/{id}/tags": self.market_tags,
            "/events/{id}/tags": self.event_tags,
            "/tags": self.tags,
            "/tags/{id}": self.tag,
            "/tags/slug/{slug}": self.tag,
            "/tags/{id}/related-tags": lambda _: [],
            "/tags/{id}/related-tags/tags": lambda _: [],
            "/tags/slug/{slug}/related-tags": lambda _: [],
            "/tags/slug/{slug}/related-tags/tags": lambda _: [],
            "/series": self.series,
            "/series/{id}": self.one_series,
            "/public-search": self.search,
            "/teams": lambda _: [],
            "/sports": lambda _: [],
            "/sports/market-types": self.sports_market_types,
            "/comments": lambda _: [],
            "/comments/keyset": lambda _: {"comments": []},
            "/status": lambda _: "OK",
            "/ok": lambda _: "OK",
        }
        for path, handler in get.items():
            router.add("GET", path, handler)
        router.add("POST", "/markets/information", self.markets)
        return router

    def _market(self, market: Market, *, tags: bool = False) -> dict[str, Any]:
        body = market_body(market, self._catalogue)
        if tags:
            body["tags"] = self._tags_of(self._catalogue.event_of(market))
        return body

    def _tags_of(self, event: Event) -> list[dict[str, Any]]:
        return [tag_body(tag, event.created_ms) for tag in event.tags]

    def _event(self, request: Request, event: Event) -> dict[str, Any]:
        body = event_body(event, self._catalogue)
        if request.flag("include_markets") is False:
            del body["markets"]
        return body

    def markets_keyset(self, request: Request) -> dict[str, Any]:
        rows, key, descending = ordered(request, filter_markets(request, self._catalogue), MARKET_ORDERS)
        page, cursor = keyset_page(request, rows, key, descending=descending)
        tags = request.flag("include_tag") is True
        body: dict[str, Any] = {"markets": [self._market(m, tags=tags) for m in page]}
        return body if cursor is None else {**body, "next_cursor": cursor}

    def events_keyset(self, request: Request) -> dict[str, Any]:
        rows, key, descending = ordered(request, filter_events(request, self._catalogue), event_orders(self._catalogue))
        page, cursor = keyset_page(request, rows, key, descending=descending)
        body: dict[str, Any] = {"events": [self._event(request, e) for e in page]}
        return body if cursor is None else {**body, "next_cursor": cursor}

    def markets(self, request: Request) -> list[dict[str, Any]]:
        rows, _, _ = ordered(request, filter_markets(request, self._catalogue), MARKET_ORDERS)
        tags = request.flag("include_tag") is True
        return [self._market(m, tags=tags) for m in offset_page(request, rows)]

    def events(self, request: Request) -> list[dict[str, Any]]:
        rows, _, _ = ordered(request, filter_events(request, self._catalogue), event_orders(self._catalogue))
        return [self._event(request, e) for e in offset_page(request, rows)]

    def events_pagination(self, request: Request) -> dict[str, Any]:
        rows, _, _ = ordered(request, filter_events(request, self._catalogue), event_orders(self._catalogue))
        page = offset_page(request, rows)
        more = request.whole("offset", 0) + len(page) < len(rows)
        return {
            "data": [self._event(request, e) for e in page],
            "pagination": {"hasMore": more, "totalResults": len(rows)},
        }

    def market_by_id(self, request: Request) -> dict[str, Any]:
        text = request.params["id"]
        market = self._catalogue.markets.get(int(text)) if text.isascii() and text.isdecimal() else None
        if market is None:
            raise ApiError(404, "id not found", type="not found error")
        return self._market(market, tags=request.flag("include_tag") is True)

    def market_by_slug(self, request: Request) -> dict[str, Any]:
        market = self._catalogue.market_slugs.get(request.params["slug"])
        if market is None:
            raise ApiError(404, "slug not found", type="not found error")
        return self._market(market, tags=request.flag("include_tag") is True)

    def event_by_id(self, request: Request) -> dict[str, Any]:
        text = request.params["id"]
        event = self._catalogue.events.get(int(text)) if text.isascii() and text.isdecimal() else None
        if event is None:
            raise ApiError(404, "id not found", type="not found error")
        return self._event(request, event)

    def event_by_slug(self, request: Request) -> dict[str, Any]:
        event = self._catalogue.event_slugs.get(request.params["slug"])
        if event is None:
            raise ApiError(404, "slug not found", type="not found error")
        return self._event(request, event)

    def market_tags(self, request: Request) -> list[dict[str, Any]]:
        self.market_by_id(request)
        return self._tags_of(self._catalogue.event_of(self._catalogue.markets[int(request.params["id"])]))

    def event_tags(self, request: Request) -> list[dict[str, Any]]:
        self.event_by_id(request)
        return self._tags_of(self._catalogue.events[int(request.params["id"])])

    def tags(self, request: Request) -> list[dict[str, Any]]:
        known = sorted(self._catalogue.tags.values(), key=lambda tag: tag.id)
        return [tag_body(tag, self._born()) for tag in offset_page(request, known)]  # type: ignore[type-var]

    def tag(self, request: Request) -> dict[str, Any]:
        wanted = request.params
        for tag in self._catalogue.tags.values():
            if str(tag.id) == wanted.get("id") or tag.slug == wanted.get("slug"):
                return tag_body(tag, self._born())
        raise ApiError(404, "tag not found", type="not found error")

    def series(self, request: Request) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        wanted = set(request.all("slug"))
        for event in self._catalogue.events.values():
            if event.series_slug and (not wanted or event.series_slug in wanted):
                found.setdefault(event.series_slug, series_body(event, self._catalogue))
        limit, offset = request.whole("limit", 20, high=50), request.whole("offset", 0)
        return list(found.values())[offset : offset + limit]

    def one_series(self, request: Request) -> dict[str, Any]:
        for event in self._catalogue.events.values():
            if event.series_slug and str(series_id(event.series_slug)) == request.params["id"]:
                return series_body(event, self._catalogue)
        raise ApiError(404, "series not found", type="not found error")

    def search(self, request: Request) -> dict[str, Any]:
        """Find events by words of their title or of their markets' questions; all words must occur."""
        words = request.first("q").lower().split()
        limit, page = max(1, request.whole("limit_per_type", 5, high=50)), max(1, request.whole("page", 1))
        status = request.first("events_status")
        keep_closed = request.whole("keep_closed_markets", 0) == 1 or status in ("all", "resolved")

        def speaks(event: Event) -> bool:
            text = " ".join([event.title, *(m.question for m in self._catalogue.markets_of(event))]).lower()
            return bool(words) and all(word in text for word in words)

        found = [e for e in self._catalogue.events.values() if speaks(e) and (keep_closed or not e.closed)]
        tags = [t for t in self._catalogue.tags.values() if any(word in t.label.lower() for word in words)]
        start = (page - 1) * limit
        return {
            "events": [event_body(e, self._catalogue) for e in found[start : start + limit]],
            "tags": [
                {"id": str(t.id), "label": t.label, "slug": t.slug, "event_count": self._count(t.id)}
                for t in tags[:limit]
                if request.flag("search_tags") is not False
            ],
            "profiles": [],
            "pagination": {"hasMore": start + limit < len(found), "totalResults": len(found)},
        }

    def sports_market_types(self, _: Request) -> dict[str, Any]:
        kinds = {m.sports_market_type for m in self._catalogue.markets.values() if m.sports_market_type}
        return {"marketTypes": sorted(kinds)}

    def _count(self, tag_id: int) -> int:
        return sum(any(t.id == tag_id for t in e.tags) for e in self._catalogue.events.values())

    def _born(self) -> int:
        return min((e.created_ms for e in self._catalogue.events.values()), default=0)
