"""What the archive holds, for programs: tapes by market and day with their digests, gaps and coverage."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView

from markets.api.views import asked
from markets.domain.tape import Fidelity
from markets.domain.units import text_from_micro
from markets.selectors.archive import TapeInfo, tapes_list


class TapeFilter(serializers.Serializer):
    q = serializers.CharField(required=False, max_length=100, help_text="words in key, question or event")
    market = serializers.CharField(required=False, max_length=160, help_text="the archive's key, exactly")
    day = serializers.DateField(required=False, help_text="UTC")
    fidelity = serializers.ChoiceField(required=False, choices=[str(f) for f in Fidelity])


class TapeSerializer(serializers.Serializer):
    market = serializers.CharField()
    day = serializers.DateField()
    digest = serializers.CharField(help_text="SHA-256 over columns and facts")
    question = serializers.CharField()
    outcomes = serializers.ListField(child=serializers.CharField())
    category = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    event = serializers.CharField()
    fidelity = serializers.CharField()
    source = serializers.CharField()
    rows = serializers.IntegerField()
    trades = serializers.IntegerField()
    inferred_trades = serializers.IntegerField(source="inferred", help_text="trades that an importer deduced")
    start = serializers.SerializerMethodField()
    end = serializers.SerializerMethodField()
    coverage = serializers.FloatField(help_text="share of the day's 24 hours for which something is known")
    gaps = serializers.SerializerMethodField()
    resolved = serializers.BooleanField(help_text="the tape ends with the market's result")
    payouts = serializers.SerializerMethodField(help_text="dollars a share by outcome, where known; may be later")
    size_bytes = serializers.IntegerField()
    notes = serializers.ListField(child=serializers.CharField())

    def get_start(self, info: TapeInfo) -> str:
        return _time(info.start_ns)

    def get_end(self, info: TapeInfo) -> str:
        return _time(info.end_ns)

    def get_gaps(self, info: TapeInfo) -> list[dict[str, str]]:
        return [{"start": _time(start), "end": _time(end)} for start, end in info.gaps]

    def get_payouts(self, info: TapeInfo) -> list[str]:
        return [text_from_micro(payout) for payout in info.payouts]


@extend_schema(parameters=[TapeFilter], tags=["archive"])
class TapeListView(ListAPIView):
    """Recorded and imported market data that backtests can use, by market and day."""

    serializer_class = TapeSerializer

    def get_queryset(self) -> list[TapeInfo]:
        if getattr(self, "swagger_fake_view", False):
            return []
        query: dict[str, Any] = asked(self.request, TapeFilter)
        words = query.get("q", "").lower()
        day = query["day"].isoformat() if "day" in query else ""
        return [
            info
            for info in tapes_list(query.get("market", ""))
            if day in ("", info.day)
            and query.get("fidelity") in (None, str(info.fidelity))
            and (words in info.market or words in info.question.lower() or words in info.event)
        ]


def _time(ns: int) -> str:
    return datetime.fromtimestamp(ns / 10**9, tz=UTC).isoformat()
