"""How orders, fills, positions and equity look in JSON: decimals as strings, times in UTC, ids as numbers."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from markets.domain.units import micro_from_decimal
from orders.domain.lifecycle import ApiStatus, OrderState, api_status
from orders.models import Account, Fill, Order, PnlSnapshot, Position

_AMOUNT = {"max_digits": 20, "decimal_places": 6}


class FillSerializer(serializers.ModelSerializer):
    class Meta:
        model = Fill
        fields = [
            "id",
            "order_id",
            "outcome_id",
            "venue_trade_id",
            "role",
            "side",
            "price",
            "size",
            "fee",
            "settlement",
            "voided",
            "venue_at",
            "recorded_at",
        ]
        read_only_fields = fields


class OrderSerializer(serializers.ModelSerializer):
    status = serializers.SerializerMethodField(help_text="one public word; `state` is the exact one")
    question = serializers.CharField(source="market.question", read_only=True)
    outcome = serializers.CharField(source="outcome.label", read_only=True)
    environment = serializers.CharField(source="account.environment", read_only=True)

    class Meta:
        model = Order
        fields = [
            "id",
            "client_key",
            "account_id",
            "environment",
            "market_id",
            "question",
            "outcome_id",
            "outcome",
            "side",
            "price",
            "size",
            "filled_size",
            "order_type",
            "post_only",
            "expires_at",
            "status",
            "state",
            "state_reason",
            "venue_order_id",
            "reserved",
            "origin_kind",
            "origin_id",
            "origin_label",
            "decision_id",
            "verdict_id",
            "level",
            "fair_value",
            "reason",
            "created_at",
            "sent_at",
            "acknowledged_at",
            "cancel_requested_at",
            "cancel_reason",
            "ended_at",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=[s.value for s in ApiStatus]))
    def get_status(self, order: Order) -> str:
        return api_status(OrderState(order.state), filled=micro_from_decimal(order.filled_size)).value


class LedgerEntrySerializer(serializers.Serializer):
    asset = serializers.CharField()
    book = serializers.CharField()
    amount = serializers.DecimalField(**_AMOUNT)


class LedgerFactSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    kind = serializers.CharField()
    reference = serializers.CharField()
    at = serializers.DateTimeField()
    realized = serializers.DecimalField(**_AMOUNT)
    entries = LedgerEntrySerializer(many=True)


class OrderEventSerializer(serializers.Serializer):
    at = serializers.DateTimeField()
    kind = serializers.CharField()
    message = serializers.CharField()
    actor = serializers.CharField()


class OrderStorySerializer(serializers.Serializer):
    order = OrderSerializer()
    fills = FillSerializer(many=True)
    ledger = LedgerFactSerializer(many=True)
    fees = serializers.DecimalField(**_AMOUNT)
    realized = serializers.DecimalField(**_AMOUNT)
    events = OrderEventSerializer(many=True)


class PositionSerializer(serializers.ModelSerializer):
    market_id = serializers.IntegerField(source="outcome.market_id", read_only=True)
    question = serializers.CharField(source="outcome.market.question", read_only=True)
    outcome = serializers.CharField(source="outcome.label", read_only=True)
    average_cost = serializers.DecimalField(**_AMOUNT, read_only=True, allow_null=True)
    mark = serializers.DecimalField(**_AMOUNT, read_only=True, allow_null=True, help_text="null: no fresh mark")
    value = serializers.DecimalField(**_AMOUNT, read_only=True)
    unrealized = serializers.DecimalField(**_AMOUNT, read_only=True)

    class Meta:
        model = Position
        fields = [
            "account_id",
            "market_id",
            "question",
            "outcome_id",
            "outcome",
            "size",
            "confirmed_size",
            "reserved_size",
            "cost",
            "average_cost",
            "mark",
            "value",
            "unrealized",
            "realized",
            "fees",
            "updated_at",
        ]
        read_only_fields = fields


class AccountSerializer(serializers.ModelSerializer):
    class Meta:
        model = Account
        fields = [
            "id",
            "name",
            "venue",
            "environment",
            "trading_state",
            "trading_state_reason",
            "auto_trade",
            "on_stop",
            "opening_cash",
            "reconciled_at",
        ]
        read_only_fields = fields


class PortfolioSerializer(serializers.Serializer):
    account = AccountSerializer()
    cash = serializers.DecimalField(**_AMOUNT)
    reserved_cash = serializers.DecimalField(**_AMOUNT)
    free_cash = serializers.DecimalField(**_AMOUNT)
    positions_value = serializers.DecimalField(**_AMOUNT)
    equity = serializers.DecimalField(**_AMOUNT)
    peak_equity = serializers.DecimalField(**_AMOUNT)
    day_start_equity = serializers.DecimalField(**_AMOUNT)
    day_profit = serializers.DecimalField(**_AMOUNT)
    unrealized = serializers.DecimalField(**_AMOUNT)
    unmarked = serializers.IntegerField(help_text="positions valued at cost because no fresh mark existed")
    open_orders = serializers.IntegerField()
    positions = serializers.IntegerField()


class EquityPointSerializer(serializers.ModelSerializer):
    class Meta:
        model = PnlSnapshot
        fields = ["at", "cash", "positions_value", "equity", "realized", "unrealized", "fees", "unmarked"]
        read_only_fields = fields


class CancelSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=120, default="requested by a person")


class CancelAllSerializer(CancelSerializer):
    account = serializers.IntegerField(help_text="the account whose open orders are to end")


class CancelResultSerializer(serializers.Serializer):
    requested = serializers.IntegerField(help_text="orders whose end was requested by this call")
