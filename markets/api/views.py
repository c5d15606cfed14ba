"""Markets for every signed-in caller: lists, one market, its live books, candles and public trades."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from markets.api import serializers
from markets.api.filters import PERIODS, BookFilter, CandleFilter, MarketFilter, TradeFilter
from markets.models import Market, Outcome, TradePrint
from markets.selectors import catalogue, history
from markets.tickstore import get_tickstore


def asked(request: Request, kind: type[Any]) -> dict[str, Any]:
    """Return the checked query. Raises ValidationError that names the field."""
    form = kind(data=request.query_params)
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


def market_or_404(market_id: int) -> Market:
    market = catalogue.market_get(market_id)
    if market is None:
        raise NotFound(f"there is no market {market_id}")
    return market


def outcomes_of(market: Market, outcome_id: int | None) -> list[Outcome]:
    outcomes = [o for o in market.outcomes.all() if outcome_id in (None, o.pk)]
    if not outcomes:
        raise ValidationError({"outcome": [f"market {market.pk} has no outcome {outcome_id}"]})
    return outcomes


@extend_schema(parameters=[MarketFilter], tags=["markets"])
class MarketListView(ListAPIView):
    """Markets, most traded first unless ordered otherwise."""

    serializer_class = serializers.MarketSerializer
    queryset = Market.objects.none()

    def get_queryset(self) -> QuerySet[Market]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        query = asked(self.request, MarketFilter)
        return catalogue.market_list(
            text=query.get("q", ""),
            state=query.get("state", ""),
            category=query.get("category", ""),
            tag=query.get("tag", ""),
            event_slug=query.get("event", ""),
            neg_risk=query["neg_risk"],
            order=query["order"],
        )


class MarketView(APIView):
    """One market with its rules."""

    @extend_schema(responses=serializers.MarketDetailSerializer, tags=["markets"])
    def get(self, request: Request, market_id: int) -> Response:
        return Response(serializers.MarketDetailSerializer(market_or_404(market_id)).data)


class BookView(APIView):
    """The live books of both outcomes."""

    @extend_schema(parameters=[BookFilter], responses=serializers.BookSerializer(many=True), tags=["markets"])
    def get(self, request: Request, market_id: int) -> Response:
        depth = asked(request, BookFilter)["depth"]
        market = market_or_404(market_id)
        store = get_tickstore()
        outcomes = list(market.outcomes.all())
        books = store.books_get(o.pk for o in outcomes)
        rows = [serializers.book_data(o, books.get(o.pk), depth=depth, now_ms=store.now_ms()) for o in outcomes]
        return Response(serializers.BookSerializer(rows, many=True).data)


class CandleView(APIView):
    """Candles of one outcome, oldest first: the latest `limit` of the time asked for. Gaps have none."""

    @extend_schema(parameters=[CandleFilter], responses=serializers.CandleSerializer(many=True), tags=["markets"])
    def get(self, request: Request, market_id: int) -> Response:
        query = asked(request, CandleFilter)
        outcome = outcomes_of(market_or_404(market_id), query.get("outcome"))[0]
        rows = history.candle_list(
            outcome.pk, period_s=PERIODS[query["period"]], since=query.get("since"), until=query.get("until")
        )
        latest = list(rows.reverse()[: query["limit"]])[::-1]
        return Response(serializers.CandleSerializer(latest, many=True).data)


@extend_schema(parameters=[TradeFilter], tags=["markets"])
class TradeListView(ListAPIView):
    """Public trades of a market, newest first."""

    serializer_class = serializers.TradeSerializer
    queryset = TradePrint.objects.none()

    def get_queryset(self) -> QuerySet[TradePrint]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        query = asked(self.request, TradeFilter)
        outcomes = outcomes_of(market_or_404(self.kwargs["market_id"]), query.get("outcome"))
        return history.trade_list((o.pk for o in outcomes), since=query.get("since"))
