"""What a caller may ask for in the query string, checked before it reaches a query."""

from __future__ import annotations

from rest_framework import serializers

from orders.api.filters import AccountFilter
from orders.domain.intents import OriginKind
from risk.domain.verdicts import Decision


class VerdictFilter(AccountFilter):
    decision = serializers.ChoiceField(choices=[d.value for d in Decision], required=False)
    rule = serializers.CharField(max_length=40, required=False)
    origin_kind = serializers.ChoiceField(choices=[k.value for k in OriginKind], required=False)
    origin_id = serializers.IntegerField(required=False, min_value=1)
    market = serializers.IntegerField(required=False, min_value=1)
    outcome = serializers.IntegerField(required=False, min_value=1)
    since = serializers.DateTimeField(required=False)


class HaltFilter(AccountFilter):
    open = serializers.BooleanField(required=False, allow_null=True, default=None)

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        return {name: value for name, value in attrs.items() if value is not None}
