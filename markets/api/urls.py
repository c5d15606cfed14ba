"""Addresses of the data stage under /api/v1."""

from django.urls import path

from markets.api import archive, views

urlpatterns = [
    path("markets", views.MarketListView.as_view(), name="markets"),
    path("archive/tapes", archive.TapeListView.as_view(), name="archive-tapes"),
    path("markets/<int:market_id>", views.MarketView.as_view(), name="market"),
    path("markets/<int:market_id>/book", views.BookView.as_view(), name="market-book"),
    path("markets/<int:market_id>/candles", views.CandleView.as_view(), name="market-candles"),
    path("markets/<int:market_id>/trades", views.TradeListView.as_view(), name="market-trades"),
]
