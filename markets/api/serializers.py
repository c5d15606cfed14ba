"""How markets, books, candles and trades look in JSON: decimals as strings, times in UTC, ids as numbers."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from markets.domain.units import text_from_micro
from markets.domain.views import BookView
from markets.models import Candle, Market, Outcome, TradePrint


class OutcomeSerializer(serializers.ModelSerializer):
    class Meta:
        model = Outcome
        fields = ["id", "index", "label", "token_id", "payout"]
        read_only_fields = fields


class MarketSerializer(serializers.ModelSerializer):
    event_slug = serializers.CharField(source="event.slug", read_only=True)
    event_title = serializers.CharField(source="event.title", read_only=True)
    tags = serializers.SerializerMethodField()
    outcomes = OutcomeSerializer(many=True, read_only=True)
    fee = serializers.SerializerMethodField(help_text="null: not known, and the gate refuses to trade")

    class Meta:
        model = Market
        fields = [
            "id",
            "venue",
            "condition_id",
            "slug",
            "question",
            "group_label",
            "event_id",
            "event_slug",
            "event_title",
            "category",
            "tags",
            "state",
            "neg_risk",
            "tick",
            "minimum_size",
            "fee",
            "seconds_delay",
            "closes_at",
            "resolved_at",
            "resolution_status",
            "volume",
            "volume_24h",
            "liquidity",
            "blocked_reason",
            "outcomes",
        ]
        read_only_fields = fields

    def get_tags(self, market: Market) -> list[str]:
        return [tag.slug for tag in market.event.tags.all()]

    @extend_schema_field({"type": "object", "nullable": True})
    def get_fee(self, market: Market) -> dict[str, Any] | None:
        if not market.fee_known:
            return None
        return {
            "rate": text_from_micro(market.fee_rate_ppm),
            "exponent": market.fee_exponent,
            "maker_rebate": text_from_micro(market.rebate_ppm),
        }


class MarketDetailSerializer(MarketSerializer):
    class Meta(MarketSerializer.Meta):
        fields = [
            *MarketSerializer.Meta.fields,
            "rules_text",
            "resolution_source",
            "opened_at",
            "reward_rate_per_day",
            "reward_minimum_size",
            "reward_maximum_spread",
            "synced_at",
        ]
        read_only_fields = fields


class LevelSerializer(serializers.Serializer):
    price = serializers.CharField()
    size = serializers.CharField()


class BookSerializer(serializers.Serializer):
    """One outcome's book, best first, with its age and how far it can be trusted."""

    outcome_id = serializers.IntegerField()
    label = serializers.CharField()
    status = serializers.CharField(help_text="live, stale, polled, closed or missing")
    age_ms = serializers.IntegerField(allow_null=True, help_text="since the venue last confirmed it")
    seq = serializers.IntegerField(allow_null=True)
    tick = serializers.CharField(allow_null=True)
    best_bid = serializers.CharField(allow_null=True)
    best_ask = serializers.CharField(allow_null=True)
    mid = serializers.CharField(allow_null=True)
    spread = serializers.CharField(allow_null=True)
    last_trade_price = serializers.CharField(allow_null=True)
    bids = LevelSerializer(many=True)
    asks = LevelSerializer(many=True)


def book_data(outcome: Outcome, view: BookView | None, *, depth: int, now_ms: int) -> dict[str, Any]:
    """Return the values of a BookSerializer; an outcome nobody listens to has status "missing"."""
    seen = view or BookView(outcome_id=outcome.pk)
    return {
        "outcome_id": outcome.pk,
        "label": outcome.label,
        "status": str(view.status) if view else "missing",
        "age_ms": view.age_ms(now_ms) if view else None,
        "seq": view.seq if view else None,
        "tick": text_from_micro(view.tick) if view else None,
        **{name: _text(getattr(seen, name)) for name in ("best_bid", "best_ask", "mid", "spread", "last_trade_price")},
        "bids": [{"price": text_from_micro(p), "size": text_from_micro(s)} for p, s in seen.bids[:depth]],
        "asks": [{"price": text_from_micro(p), "size": text_from_micro(s)} for p, s in seen.asks[:depth]],
    }


def _text(micro: int | None) -> str | None:
    return None if micro is None else text_from_micro(micro)


class CandleSerializer(serializers.ModelSerializer):
    class Meta:
        model = Candle
        fields = ["opens_at", "open", "high", "low", "close", "volume", "trades"]
        read_only_fields = fields


class TradeSerializer(serializers.ModelSerializer):
    class Meta:
        model = TradePrint
        fields = ["id", "outcome_id", "at", "side", "price", "size", "inferred"]
        read_only_fields = fields
