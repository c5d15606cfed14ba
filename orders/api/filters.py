"""What a caller may ask for in the query string, checked before it reaches a query."""

from __future__ import annotations

from rest_framework import serializers

from orders.domain.intents import OriginKind
from orders.domain.lifecycle import ApiStatus, OrderState, api_status

# Which exact states a public word stands for; open and partial differ by what is filled.
STATES_OF = {
    status: [state.value for state in OrderState for filled in (0, 1) if api_status(state, filled=filled) is status]
    for status in ApiStatus
}


class AccountFilter(serializers.Serializer):
    account = serializers.IntegerField(required=False, min_value=1)


class OrderFilter(AccountFilter):
    status = serializers.ChoiceField(choices=[s.value for s in ApiStatus], required=False)
    state = serializers.ChoiceField(choices=[s.value for s in OrderState], required=False)
    market = serializers.IntegerField(required=False, min_value=1)
    outcome = serializers.IntegerField(required=False, min_value=1)
    origin_kind = serializers.ChoiceField(choices=[k.value for k in OriginKind], required=False)
    origin_id = serializers.IntegerField(required=False, min_value=1)
    since = serializers.DateTimeField(required=False, help_text="created at or after this time")


class FillFilter(AccountFilter):
    market = serializers.IntegerField(required=False, min_value=1)
    order = serializers.IntegerField(required=False, min_value=1)
    since = serializers.DateTimeField(required=False)


class HistoryFilter(AccountFilter):
    since = serializers.DateTimeField(required=False)
