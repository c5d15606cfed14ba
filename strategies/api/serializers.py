"""How strategies, their versions, runs and decisions look in JSON, and what may be posted."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from strategies.domain.base import Strategy
from strategies.domain.parameters import FieldSpec, fields, json_schema
from strategies.library.registry import STRATEGIES, strategy_choices
from strategies.models import Decision, StrategyConfig, StrategyRun, StrategyVersion, UniverseMember


class StrategySerializer(serializers.ModelSerializer):
    title = serializers.SerializerMethodField(help_text="the name of its class for people")

    class Meta:
        model = StrategyConfig
        fields = [
            "id",
            "name",
            "strategy_class",
            "title",
            "account_id",
            "state",
            "state_reason",
            "state_by",
            "paused_until",
            "interval_s",
            "priority",
            "version",
            "ticked_at",
            "last_outcome",
            "consecutive_errors",
            "created_at",
        ]
        read_only_fields = fields

    def get_title(self, row: StrategyConfig) -> str:
        known = STRATEGIES.get(row.strategy_class)
        return known.title if known else row.strategy_class


class StrategyCreateSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=80)
    strategy_class = serializers.ChoiceField(choices=strategy_choices())
    account = serializers.IntegerField(min_value=1)
    interval_s = serializers.IntegerField(min_value=1, max_value=86_400, default=5)
    priority = serializers.IntegerField(min_value=-1000, max_value=1000, default=0)
    parameters = serializers.DictField(required=False, default=dict)


class SettingsSerializer(serializers.Serializer):
    interval_s = serializers.IntegerField(min_value=1, max_value=86_400, required=False)
    priority = serializers.IntegerField(min_value=-1000, max_value=1000, required=False)


class StartSerializer(serializers.Serializer):
    observe = serializers.BooleanField(default=False, help_text="decide and be judged, send nothing")


class StopSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)


class PauseSerializer(StopSerializer):
    until = serializers.DateTimeField(required=False, allow_null=True, default=None)


class StateResultSerializer(serializers.Serializer):
    """What a switch did: the state now, the run it opened, the orders that were asked to cancel."""

    id = serializers.IntegerField()
    state = serializers.CharField()
    run_id = serializers.IntegerField(allow_null=True)
    cancelled = serializers.IntegerField()


class ParametersSerializer(serializers.Serializer):
    """The parameters in force, and everything a form needs to change them."""

    version = serializers.IntegerField(read_only=True)
    parameters = serializers.DictField()
    schema = serializers.DictField(read_only=True, help_text="JSON schema; decimals are texts")
    fields_ = serializers.ListField(child=serializers.DictField(), read_only=True, source="fields")

    def get_fields(self) -> dict[str, Any]:
        found = super().get_fields()
        found["fields"] = found.pop("fields_")  # `fields` itself is taken in a serializer class
        found["fields"].source = None
        return found


class ParametersPutSerializer(serializers.Serializer):
    parameters = serializers.DictField()


class ChangeSerializer(serializers.Serializer):
    path = serializers.CharField()
    title = serializers.CharField()
    unit = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()


class ParametersResultSerializer(serializers.Serializer):
    version = serializers.IntegerField()
    changes = ChangeSerializer(many=True)


class VersionSerializer(serializers.ModelSerializer):
    class Meta:
        model = StrategyVersion
        fields = ["version", "parameters", "by", "at"]
        read_only_fields = fields


class RunSerializer(serializers.ModelSerializer):
    class Meta:
        model = StrategyRun
        fields = [
            "id", "mode", "version", "parameters", "started_at", "started_by", "ended_at", "end_reason",
            "ticks", "unchanged", "errors",
        ]  # fmt: skip
        read_only_fields = fields


class DecisionSerializer(serializers.ModelSerializer):
    class Meta:
        model = Decision
        fields = [
            "id", "run_id", "at", "version", "trigger", "books", "wanted_hash", "wanted", "trace", "outcome", "took_us",
        ]  # fmt: skip
        read_only_fields = fields


class UniverseSerializer(serializers.ModelSerializer):
    class Meta:
        model = UniverseMember
        fields = ["market_id", "included", "reason"]
        read_only_fields = fields


_USD = {"max_digits": 20, "decimal_places": 6}


class OutcomeResultSerializer(serializers.Serializer):
    outcome_id = serializers.IntegerField()
    bought = serializers.DecimalField(**_USD, help_text="shares")
    sold = serializers.DecimalField(**_USD, help_text="shares")
    held = serializers.DecimalField(**_USD, help_text="shares")
    average_cost = serializers.DecimalField(**_USD, allow_null=True)
    mark = serializers.DecimalField(**_USD, allow_null=True)
    profit = serializers.DecimalField(**_USD)


class PerformanceSerializer(serializers.Serializer):
    """Dollars, from the strategy's own fills."""

    profit = serializers.DecimalField(**_USD)
    today = serializers.DecimalField(**_USD)
    fees = serializers.DecimalField(**_USD)
    turnover = serializers.DecimalField(**_USD)
    unmarked = serializers.IntegerField(help_text="held outcomes that count at cost for want of a price")
    orders = serializers.IntegerField()
    fills = serializers.IntegerField()
    ticks = serializers.IntegerField()
    decisions = serializers.IntegerField()
    outcomes = OutcomeResultSerializer(many=True)


class StrategyClassSerializer(serializers.Serializer):
    name = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    wakes = serializers.ListField(child=serializers.CharField())
    schema = serializers.DictField()
    fields_ = serializers.ListField(child=serializers.DictField(), source="fields")

    def get_fields(self) -> dict[str, Any]:
        found = super().get_fields()
        found["fields"] = found.pop("fields_")
        found["fields"].source = None
        return found


def class_json(strategy: Strategy) -> dict[str, Any]:
    return {
        "name": strategy.name,
        "title": strategy.title,
        "description": strategy.description,
        "wakes": [str(wake.kind) for wake in strategy.wakes],
        "schema": json_schema(strategy.params),
        "fields": [field_json(spec) for spec in fields(strategy.params)],
    }


def field_json(spec: FieldSpec) -> dict[str, Any]:
    """Return one form input as plain values."""
    return {
        "path": spec.path,
        "group": spec.group,
        "title": spec.title,
        "help": spec.help,
        "unit": spec.unit,
        "kind": str(spec.kind),
        "default": spec.default,
        "required": spec.required,
        "minimum": None if spec.minimum is None else str(spec.minimum),
        "maximum": None if spec.maximum is None else str(spec.maximum),
        "step": spec.step,
        "choices": [{"value": value, "label": label} for value, label in spec.choices],
        "sweep": [str(number) for number in spec.sweep] if spec.sweep else None,
    }
