"""What a caller may ask for in the query string, checked before it reaches a query."""

from __future__ import annotations

from rest_framework import serializers

from orders.api.filters import AccountFilter
from strategies.library.registry import strategy_choices
from strategies.models import StrategyConfig


class StrategyFilter(AccountFilter):
    state = serializers.ChoiceField(choices=StrategyConfig.State.choices, required=False)
    strategy_class = serializers.ChoiceField(choices=strategy_choices(), required=False)
