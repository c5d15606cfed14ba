"""What a caller may ask of the market lists; a wrong value is answered with its field's name."""

from __future__ import annotations

from rest_framework import serializers

from markets.domain.instruments import Category, MarketState
from markets.selectors.catalogue import ORDERS

PERIODS = {"1m": 60, "5m": 300, "1h": 3_600, "1d": 86_400}


class MarketFilter(serializers.Serializer):
    q = serializers.CharField(required=False, max_length=100, help_text="words in question, slug or event title")
    state = serializers.ChoiceField(required=False, choices=[str(s) for s in MarketState])
    category = serializers.ChoiceField(required=False, choices=[str(c) for c in Category])
    tag = serializers.SlugField(required=False, max_length=120)
    event = serializers.SlugField(required=False, max_length=240, help_text="the event's slug")
    neg_risk = serializers.BooleanField(required=False, allow_null=True, default=None)
    order = serializers.ChoiceField(required=False, choices=sorted(ORDERS), default="volume")


class BookFilter(serializers.Serializer):
    depth = serializers.IntegerField(required=False, min_value=1, max_value=20, default=10)


class CandleFilter(serializers.Serializer):
    outcome = serializers.IntegerField(required=False, min_value=1, help_text="an outcome's id; the first by default")
    period = serializers.ChoiceField(required=False, choices=list(PERIODS), default="1m")
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    limit = serializers.IntegerField(required=False, min_value=1, max_value=1_500, default=500)


class TradeFilter(serializers.Serializer):
    outcome = serializers.IntegerField(required=False, min_value=1)
    since = serializers.DateTimeField(required=False)
