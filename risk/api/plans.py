"""Flatten and replacements: changes that take more than one order, carried through the gate."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from markets.domain.units import Price, Shares, decimal_from_micro, micro_from_decimal
from orders.api.filters import AccountFilter
from orders.api.views import accounts_of, asked
from orders.domain.intents import Origin, OriginKind
from orders.selectors import pages
from risk.selectors import flattening
from risk.services import flatten, manual, plans

_AMOUNT = {"max_digits": 20, "decimal_places": 6}
_PRICE = {"max_digits": 8, "decimal_places": 6}


class HoldingSerializer(serializers.Serializer):
    outcome_id = serializers.IntegerField()
    market_id = serializers.IntegerField()
    held = serializers.DecimalField(**_AMOUNT)
    size = serializers.DecimalField(**_AMOUNT, help_text="shares that would be sold")
    floor = serializers.DecimalField(**_PRICE, allow_null=True, help_text="the worst price of the sale")
    reason = serializers.CharField(help_text="why it cannot be sold; empty: it can")
    note = serializers.CharField()


class FlattenPreviewSerializer(serializers.Serializer):
    account = serializers.IntegerField()
    slippage_bps = serializers.IntegerField()
    open_orders = serializers.IntegerField(help_text="orders that end first")
    holdings = HoldingSerializer(many=True)


class FlattenScopeSerializer(AccountFilter):
    account = serializers.IntegerField(min_value=1)
    strategy = serializers.IntegerField(min_value=1, required=False, help_text="only what this strategy bought")
    slippage_bps = serializers.IntegerField(
        min_value=0, max_value=10_000, required=False, help_text="below the best bid; the profile's cap at most"
    )


class FlattenResultSerializer(FlattenPreviewSerializer):
    plan_id = serializers.IntegerField(allow_null=True)
    cancels_requested = serializers.IntegerField()
    refused = serializers.ListField(child=serializers.CharField())


class ReplaceSerializer(serializers.Serializer):
    price = serializers.DecimalField(**_PRICE)
    size = serializers.DecimalField(**_AMOUNT, help_text="shares beyond what the old order has filled")


class PlanResultSerializer(serializers.Serializer):
    plan_id = serializers.IntegerField()


class FlattenView(GenericAPIView):
    """What a flatten would do (get), and doing it (post): sell what is held, never buy. Apart from kill."""

    serializer_class = FlattenScopeSerializer
    required_scope: ClassVar[str] = "trade"

    @extend_schema(parameters=[FlattenScopeSerializer], responses=FlattenPreviewSerializer, tags=["risk"])
    def get(self, request: Request) -> Response:
        wanted = asked(request, FlattenScopeSerializer)
        account = accounts_of(request, wanted["account"]).get()
        preview = flattening.flatten_preview(account.pk, now=timezone.now(), **_scope(wanted))
        return Response(FlattenPreviewSerializer(_preview(account.pk, preview)).data)

    @extend_schema(responses={202: FlattenResultSerializer}, tags=["risk"])
    def post(self, request: Request) -> Response:
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        account = accounts_of(request, form.validated_data["account"]).get()
        result = flatten.flatten(account.pk, by=str(request.user), **_scope(form.validated_data))
        body = {
            **_preview(account.pk, result.preview),
            "plan_id": result.plan_id,
            "cancels_requested": result.cancelled,
            "refused": [verdict.message for verdict in result.refused],
        }
        return Response(FlattenResultSerializer(body).data, status=202)


class ReplaceView(GenericAPIView):
    """Replace a resting order: the old one ends first, the new one is sized by what is then left."""

    serializer_class = ReplaceSerializer
    required_scope: ClassVar[str] = "trade"

    @extend_schema(responses={202: PlanResultSerializer}, tags=["orders"])
    def post(self, request: Request, order_id: int) -> Response:
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        story = pages.order_story(order_id, account_ids=accounts_of(request).values_list("pk", flat=True))
        if story is None:
            raise NotFound(f"there is no order {order_id} for you")
        try:
            result = plans.order_replace(
                story.order.account_id,
                order_id,
                price=Price(micro_from_decimal(form.validated_data["price"], field="price")),
                size=Shares(micro_from_decimal(form.validated_data["size"], field="size")),
                origin=manual.manual_origin(user_id=request.user.pk, name=str(request.user)),
                by=str(request.user),
            )
        except plans.PlanError as error:
            raise ValidationError({"non_field_errors": [str(error)]}) from error
        if result.plan_id is None:
            raise ValidationError({"non_field_errors": [result.message]})
        return Response({"plan_id": result.plan_id}, status=202)


def _scope(wanted: dict[str, Any]) -> dict[str, Any]:
    number = wanted.get("strategy")
    strategy = None
    if number is not None:
        strategy = Origin(kind=OriginKind.STRATEGY, id=number, label=f"strategy {number}")
    return {"strategy": strategy, "slippage_bps": wanted.get("slippage_bps")}


def _preview(account_id: int, preview: flattening.FlattenPreview) -> dict[str, Any]:
    return {
        "account": account_id,
        "slippage_bps": preview.slippage_bps,
        "open_orders": preview.open_orders,
        "holdings": [
            {
                "outcome_id": holding.outcome_id,
                "market_id": holding.market_id,
                "held": decimal_from_micro(holding.held),
                "size": decimal_from_micro(holding.size),
                "floor": None if holding.floor is None else decimal_from_micro(holding.floor),
                "reason": holding.reason,
                "note": holding.note,
            }
            for holding in preview.holdings
        ],
    }
