"""How backtests look in JSON, and what may be posted."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from backtests.domain.options import RunOptions
from backtests.models import BacktestRun
from strategies.domain.parameters import json_schema


class BacktestSerializer(serializers.ModelSerializer):
    """One run. Amounts are dollars; what is not known yet is null."""

    parent_id = serializers.IntegerField(allow_null=True, read_only=True)
    cancel_requested = serializers.SerializerMethodField(help_text="somebody asked for its end")

    class Meta:
        model = BacktestRun
        fields = [
            "id", "name", "by", "tags", "strategy", "mode", "seed", "state", "progress", "words", "created_at",
            "started_at", "ended_at", "cancel_requested", "partial", "error", "parent_id", "events", "replay_s",
            "orders", "fills", "cash", "pnl", "fees", "rebates", "equity_end",
        ]  # fmt: skip
        read_only_fields = fields

    def get_cancel_requested(self, row: BacktestRun) -> bool:
        return row.cancel_requested_at is not None


class BacktestDetailSerializer(BacktestSerializer):
    """One run with what was asked and what it stood on."""

    class Meta(BacktestSerializer.Meta):
        fields = [
            *BacktestSerializer.Meta.fields, "notes", "request", "limits", "differences", "data", "code",
            "request_digest", "data_digest", "code_digest", "result_digest",
        ]  # fmt: skip
        read_only_fields = fields


class RecordingSerializer(serializers.Serializer):
    """One market's tape of one day."""

    market = serializers.CharField(max_length=160, help_text="the archive's key")
    day = serializers.DateField(help_text="UTC")
    digest = serializers.CharField(max_length=64, required=False, help_text="refuse any other recording")

    def to_internal_value(self, data: Any) -> Any:
        found = super().to_internal_value(data)
        return {**found, "day": found["day"].isoformat()}


class BacktestStartSerializer(serializers.Serializer):
    """What is not given has its default, and stands in the answer's `request`."""

    strategy = serializers.CharField(max_length=60, help_text="the name of a strategy class")
    params = serializers.DictField(required=False, default=dict, help_text="the strategy's parameters")
    data = RecordingSerializer(many=True, allow_empty=False)
    options = serializers.DictField(required=False, default=dict, help_text="see /api/v1/backtests/options")
    name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    tags = serializers.ListField(child=serializers.CharField(max_length=40), required=False, default=list)
    notes = serializers.CharField(max_length=20_000, required=False, default="", allow_blank=True)


class BacktestEditSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=120, required=False, allow_blank=True)
    tags = serializers.ListField(child=serializers.CharField(max_length=40), required=False)
    notes = serializers.CharField(max_length=20_000, required=False, allow_blank=True)


class BacktestOptionsSerializer(serializers.Serializer):
    schema = serializers.DictField(help_text="JSON schema of `options`; decimals are texts")
    profiles = serializers.ListField(child=serializers.CharField(), help_text="risk profiles there are")


class RunFilter(serializers.Serializer):
    state = serializers.ChoiceField(choices=BacktestRun.State.choices, required=False)
    strategy = serializers.CharField(max_length=60, required=False)
    tag = serializers.CharField(max_length=40, required=False)
    q = serializers.CharField(max_length=100, required=False, help_text="in names, tags, people and strategies")


def options_json(profiles: list[str]) -> dict[str, Any]:
    return {"schema": json_schema(RunOptions), "profiles": profiles}
