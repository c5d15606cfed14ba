"""Execution plans, cancels by market, and the heartbeat. Plans are posted to `risk/api`: only the gate makes them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orders.api.filters import AccountFilter
from orders.api.serializers import CancelResultSerializer, CancelSerializer, OrderSerializer
from orders.api.views import accounts_of, asked
from orders.models import ExecutionPlan, HeartbeatState, PlanLeg
from orders.selectors import plans as plan_pages
from orders.selectors.heartbeat import heartbeat_get, heartbeat_ok
from orders.services import execution, heartbeat, plans


class PlanLegSerializer(serializers.ModelSerializer):
    """One outcome and side of the envelope; `ordered` counts filled, open and unknown size."""

    class Meta:
        model = PlanLeg
        fields = ["number", "market_id", "outcome_id", "side", "size", "worst_price", "ordered", "filled"]
        read_only_fields = fields


class PlanSerializer(serializers.ModelSerializer):
    legs = PlanLegSerializer(many=True, read_only=True)

    class Meta:
        model = ExecutionPlan
        fields = [
            "id", "key", "account_id", "kind", "state", "state_reason", "max_cost", "committed", "max_loss",
            "unwind_bound", "expires_at", "next_due_at", "origin_kind", "origin_id", "origin_label", "verdict_id",
            "decision_id", "parent_id", "reason", "created_at", "ended_at", "legs",
        ]  # fmt: skip
        read_only_fields = fields


class PlanStorySerializer(serializers.Serializer):
    plan = PlanSerializer()
    orders = OrderSerializer(many=True)


class PlanFilter(AccountFilter):
    working = serializers.BooleanField(required=False, allow_null=True, default=None)


class CancelMarketSerializer(CancelSerializer):
    account = serializers.IntegerField(min_value=1)
    market = serializers.IntegerField(min_value=1, help_text="the market whose orders and plans are to end")


class HeartbeatSetSerializer(serializers.Serializer):
    account = serializers.IntegerField(min_value=1)
    wanted = serializers.BooleanField(help_text="false: the venue cancels every order of the key seconds later")


class HeartbeatSerializer(serializers.ModelSerializer):
    kept = serializers.SerializerMethodField(help_text="whether new orders may go as far as the heartbeat counts")

    class Meta:
        model = HeartbeatState
        fields = ["account_id", "wanted", "kept", "armed_at", "last_ok_at", "failures", "note"]
        read_only_fields = fields

    def get_kept(self, row: HeartbeatState) -> bool:
        return heartbeat_ok(row.account_id)


@extend_schema(parameters=[PlanFilter], tags=["orders"])
class PlanListView(ListAPIView):
    """Plans, newest first: what the gate approved once for several orders."""

    serializer_class = PlanSerializer
    queryset = ExecutionPlan.objects.none()

    def get_queryset(self) -> QuerySet[ExecutionPlan]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        query = asked(self.request, PlanFilter)
        ids = accounts_of(self.request, query.get("account")).values_list("pk", flat=True)
        return plan_pages.plan_rows(ids, working=query.get("working"))


class PlanView(APIView):
    """One plan with the orders it made."""

    @extend_schema(responses=PlanStorySerializer, tags=["orders"])
    def get(self, request: Request, plan_id: int) -> Response:
        story = _story(request, plan_id)
        return Response(PlanStorySerializer({"plan": story.row, "orders": story.children}).data)


class PlanCancelView(GenericAPIView):
    """End a plan and ask for the end of its orders. What has filled stays."""

    serializer_class = CancelSerializer
    required_scope: ClassVar[str] = "trade"

    @extend_schema(responses=CancelResultSerializer, tags=["orders"])
    def post(self, request: Request, plan_id: int) -> Response:
        story = _story(request, plan_id)
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        done = plans.plan_cancel(story.row.pk, form.validated_data["reason"], str(request.user), timezone.now())
        return Response({"requested": int(done)}, status=202)


class CancelMarketView(GenericAPIView):
    """Ask for the end of every open order and plan of one account in one market."""

    serializer_class = CancelMarketSerializer
    required_scope: ClassVar[str] = "trade"

    @extend_schema(responses=CancelResultSerializer, tags=["orders"])
    def post(self, request: Request) -> Response:
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        wanted: dict[str, Any] = form.validated_data
        account = accounts_of(request, wanted["account"]).get()
        count = execution.cancel_market(
            account.pk, wanted["market"], wanted["reason"], str(request.user), timezone.now()
        )
        return Response({"requested": count}, status=202)


class HeartbeatView(GenericAPIView):
    """The venue's dead-man switch of an account: asked for by a person, kept by the trader."""

    serializer_class = HeartbeatSetSerializer
    required_scope: ClassVar[str] = "trade"

    @extend_schema(parameters=[AccountFilter], responses=HeartbeatSerializer(many=True), tags=["orders"])
    def get(self, request: Request) -> Response:
        query = asked(request, AccountFilter)
        ids = accounts_of(request, query.get("account")).values_list("pk", flat=True)
        rows = [row for row in map(heartbeat_get, ids) if row is not None]
        return Response(HeartbeatSerializer(rows, many=True).data)

    @extend_schema(responses=HeartbeatSerializer, tags=["orders"])
    def post(self, request: Request) -> Response:
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        account = accounts_of(request, form.validated_data["account"]).get()
        try:
            heartbeat.heartbeat_set(
                account.pk, wanted=form.validated_data["wanted"], by=str(request.user), now=timezone.now()
            )
        except heartbeat.HeartbeatError as error:
            raise ValidationError({"account": str(error)}) from error
        return Response(HeartbeatSerializer(heartbeat_get(account.pk)).data)


def _story(request: Request, plan_id: int) -> plan_pages.PlanStory:
    story = plan_pages.plan_story(plan_id, account_ids=accounts_of(request).values_list("pk", flat=True))
    if story is None:
        raise NotFound(f"there is no plan {plan_id} for you")
    return story
