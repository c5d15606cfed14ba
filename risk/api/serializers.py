"""How limits, verdicts, halts and manual orders look in JSON: decimals as strings, times in UTC."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from markets.domain.instruments import Side
from markets.domain.units import ONE
from orders.domain.intents import OrderType
from risk.models import Halt, OriginLimits, RiskProfile, RiskVerdict

_AMOUNT = {"max_digits": 20, "decimal_places": 6}


class ManualOrderSerializer(serializers.Serializer):
    """A person's order. Prices are dollars per share, sizes are shares."""

    account = serializers.IntegerField(min_value=1)
    outcome = serializers.IntegerField(min_value=1)
    side = serializers.ChoiceField(choices=[s.value for s in Side])
    price = serializers.DecimalField(max_digits=8, decimal_places=6)
    size = serializers.DecimalField(**_AMOUNT)
    order_type = serializers.ChoiceField(
        choices=[*(t.value for t in OrderType), "chase", "twap"],
        default=OrderType.GTC.value,
        help_text="chase: three steps to the price; twap: slices over time. Both answer with a plan",
    )
    slices = serializers.IntegerField(min_value=2, max_value=100, required=False, help_text="for twap")
    interval_s = serializers.IntegerField(min_value=5, max_value=3600, required=False, help_text="between slices")
    post_only = serializers.BooleanField(default=False, help_text="of a twap: its slices join instead of taking")
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="for gtd, two minutes ahead or more"
    )
    allow_smaller = serializers.BooleanField(
        default=False, help_text="place what the limits leave over instead of refusing"
    )
    reason = serializers.CharField(max_length=200, required=False, default="manual")

    def validate_price(self, value: Any) -> Any:
        if not 0 < value < 1:
            raise serializers.ValidationError("a price lies between 0 and 1 dollar, ends excluded")
        return value

    def validate_size(self, value: Any) -> Any:
        if value <= 0:
            raise serializers.ValidationError("a size is a number of shares above 0")
        if value * 100 != int(value * 100):
            raise serializers.ValidationError("sizes go down to a hundredth of a share")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["order_type"] == OrderType.GTD and not attrs.get("expires_at"):
            raise serializers.ValidationError({"expires_at": "a gtd order needs the time it expires"})
        if attrs["order_type"] != OrderType.GTD and attrs.get("expires_at"):
            raise serializers.ValidationError({"expires_at": "only a gtd order expires"})
        if (attrs["order_type"] == "twap") != bool(attrs.get("slices") and attrs.get("interval_s")):
            raise serializers.ValidationError({"slices": "a twap, and only that, needs `slices` and `interval_s`"})
        if attrs["post_only"] and attrs["order_type"] not in ("gtc", "gtd", "twap"):
            raise serializers.ValidationError({"post_only": f"a {attrs['order_type']} order never rests"})
        return attrs


class VerdictSerializer(serializers.ModelSerializer):
    checks = serializers.SerializerMethodField(help_text="every rule's value and limit, in the unit named")

    class Meta:
        model = RiskVerdict
        fields = [
            "id", "client_key", "account_id", "environment", "at", "last_at", "repeats", "decision", "rule", "message",
            "market_id", "outcome_id", "side", "price", "asked_size", "allowed_size", "origin_kind", "origin_id",
            "origin_label", "decision_id", "order_id", "by", "checks",
        ]  # fmt: skip
        read_only_fields = fields

    def get_checks(self, row: RiskVerdict) -> list[dict[str, Any]]:
        return [check_plain(check) for check in row.checks]


class ManualResultSerializer(serializers.Serializer):
    order_id = serializers.IntegerField(allow_null=True, help_text="null for a chase or a twap")
    plan_id = serializers.IntegerField(allow_null=True, default=None)
    verdict = VerdictSerializer()


class HaltSerializer(serializers.ModelSerializer):
    class Meta:
        model = Halt
        fields = ["id", "account_id", "kind", "cause", "reason", "by", "created_at", "lifted_at", "lifted_by"]
        read_only_fields = fields


class HaltCreateSerializer(serializers.Serializer):
    account = serializers.IntegerField(
        min_value=1, required=False, allow_null=True, help_text="left out: every account, staff only"
    )
    kind = serializers.ChoiceField(choices=[Halt.Kind.REDUCE_ONLY.value, Halt.Kind.HALTED.value])
    reason = serializers.CharField(max_length=240)


class ReasonSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=240)


class LiftSerializer(ReasonSerializer):
    password = serializers.CharField(
        max_length=200, required=False, default="", write_only=True, help_text="yours; needed where real money waits"
    )


class ReleaseSerializer(serializers.Serializer):
    phrase = serializers.CharField(max_length=40, help_text="trade again")
    password = serializers.CharField(
        max_length=200, required=False, default="", write_only=True, help_text="your own, again"
    )


class ProfileSerializer(serializers.ModelSerializer):
    class Meta:
        model = RiskProfile
        exclude = ["id"]


class OriginLimitsSerializer(serializers.ModelSerializer):
    class Meta:
        model = OriginLimits
        fields = ["origin_kind", "origin_id", "exposure", "order_size", "open_orders", "daily_loss"]


class LimitsSerializer(serializers.Serializer):
    account = serializers.IntegerField()
    profile = ProfileSerializer(allow_null=True)
    origins = OriginLimitsSerializer(many=True)


class LimitsChangeSerializer(serializers.Serializer):
    account = serializers.IntegerField(min_value=1)
    profile = serializers.SlugField(max_length=40)


class CapSerializer(serializers.Serializer):
    """One value against its limit, in dollars."""

    name = serializers.CharField()
    value = serializers.DecimalField(**_AMOUNT)
    limit = serializers.DecimalField(**_AMOUNT, allow_null=True)


class ExposureSerializer(serializers.Serializer):
    account = serializers.IntegerField()
    caps = CapSerializer(many=True)


def check_plain(check: dict[str, Any]) -> dict[str, Any]:
    """Return a stored check with its millionths as decimal text."""
    plain = dict(check)
    if check.get("unit") in ("usd", "shares", "price"):
        for name in ("value", "limit"):
            plain[name] = _decimal_text(check.get(name))
    plain["allowed_size"] = _decimal_text(check.get("allowed_size"))
    return plain


def _decimal_text(micro: int | None) -> str | None:
    if micro is None:
        return None
    sign, amount = ("-", -micro) if micro < 0 else ("", micro)
    return f"{sign}{amount // ONE}.{amount % ONE:06d}"
