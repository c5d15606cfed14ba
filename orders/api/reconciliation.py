"""Reconciliation: runs with their figures and open items, differences and what is done about them, foreign orders."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from orders.api.filters import AccountFilter
from orders.api.views import accounts_of, asked
from orders.models import Discrepancy, ExternalOrder, ReconcileRun
from orders.selectors import reconciling
from orders.services.differences import DifferenceError, difference_book, difference_close
from orders.services.foreign import ForeignError, foreign_acknowledge


class DiscrepancySerializer(serializers.ModelSerializer):
    account_id = serializers.IntegerField(source="run.account_id", read_only=True)
    found_at = serializers.DateTimeField(source="run.started_at", read_only=True)

    class Meta:
        model = Discrepancy
        fields = [
            "id", "account_id", "run_id", "found_at", "kind", "subject", "ours", "theirs", "cause", "repaired",
            "repair", "closed_at", "closed_by",
        ]  # fmt: skip
        read_only_fields = fields


class ReconcileRunSerializer(serializers.ModelSerializer):
    open_items = serializers.ListField(
        child=inline_serializer(
            "OpenItem",
            {
                "kind": serializers.CharField(),
                "subject": serializers.CharField(),
                "asset": serializers.CharField(help_text="usd, or outcome:<id>"),
                "low": serializers.IntegerField(help_text="millionths that the venue may show beyond ours, at least"),
                "high": serializers.IntegerField(help_text="and at most"),
                "in_flight": serializers.BooleanField(),
            },
        ),
        read_only=True,
    )
    differences = serializers.IntegerField(read_only=True)
    open_ends = serializers.IntegerField(read_only=True, help_text="differences that nobody dealt with")

    class Meta:
        model = ReconcileRun
        fields = [
            "id", "account_id", "started_at", "finished_at", "clean", "quiescent", "orders_compared",
            "fills_compared", "cash_ours", "cash_theirs", "open_items", "differences", "open_ends", "error",
        ]  # fmt: skip
        read_only_fields = fields


class ExternalOrderSerializer(serializers.ModelSerializer):
    class Meta:
        model = ExternalOrder
        fields = [
            "id", "account_id", "venue_order_id", "facts", "state", "first_seen_at", "last_seen_at",
            "acknowledged_at", "acknowledged_by",
        ]  # fmt: skip
        read_only_fields = fields


class SettleReasonSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=240, help_text="the journal keeps it")


class SettleSerializer(SettleReasonSerializer):
    how = serializers.ChoiceField(
        choices=["book", "close"], help_text="book: our ledger takes the venue's figure as a transfer"
    )


@extend_schema(parameters=[AccountFilter], tags=["reconciliation"])
class RunListView(ListAPIView):
    """Reconciliations, newest first."""

    serializer_class = ReconcileRunSerializer
    queryset = ReconcileRun.objects.none()

    def get_queryset(self) -> QuerySet[ReconcileRun]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        return reconciling.run_rows(_ids(self.request)).order_by("-id")


@extend_schema(parameters=[AccountFilter], tags=["reconciliation"])
class DifferenceListView(ListAPIView):
    """Differences between our records and the venue's, newest first."""

    serializer_class = DiscrepancySerializer
    queryset = Discrepancy.objects.none()

    def get_queryset(self) -> QuerySet[Discrepancy]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        return reconciling.difference_rows(_ids(self.request)).order_by("-id")


class DifferenceSettleView(GenericAPIView):
    """Book a difference as a transfer, or close it. Lifts no halt."""

    serializer_class = SettleSerializer
    required_scope: ClassVar[str] = "trade"

    @extend_schema(responses=DiscrepancySerializer, tags=["reconciliation"])
    def post(self, request: Request, difference_id: int) -> Response:
        rows = reconciling.difference_rows(_ids(request)).filter(pk=difference_id)
        if not rows.exists():
            raise NotFound(f"there is no difference {difference_id} for you")
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        settle: Any = difference_book if form.validated_data["how"] == "book" else difference_close
        try:
            settle(difference_id, by=str(request.user), reason=form.validated_data["reason"], now=timezone.now())
        except DifferenceError as error:
            raise ValidationError({"how": [str(error)]}) from error
        return Response(DiscrepancySerializer(rows.get()).data)


@extend_schema(parameters=[AccountFilter], tags=["reconciliation"])
class ExternalOrderListView(ListAPIView):
    """Orders of our wallets that this desk did not make, newest first."""

    serializer_class = ExternalOrderSerializer
    queryset = ExternalOrder.objects.none()

    def get_queryset(self) -> QuerySet[ExternalOrder]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        return reconciling.foreign_rows(_ids(self.request)).order_by("-id")


class ExternalOrderAcknowledgeView(GenericAPIView):
    """Say whose order it is. Entries of the account go on when every one is acknowledged."""

    serializer_class = SettleReasonSerializer
    required_scope: ClassVar[str] = "trade"

    @extend_schema(responses=ExternalOrderSerializer, tags=["reconciliation"])
    def post(self, request: Request, external_id: int) -> Response:
        rows = reconciling.foreign_rows(_ids(request)).filter(pk=external_id)
        if not rows.exists():
            raise NotFound(f"there is no foreign order {external_id} for you")
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            foreign_acknowledge(
                external_id, by=str(request.user), reason=form.validated_data["reason"], now=timezone.now()
            )
        except ForeignError as error:
            raise ValidationError({"reason": [str(error)]}) from error
        return Response(ExternalOrderSerializer(rows.get()).data)


def _ids(request: Request) -> list[int]:
    account = asked(request, AccountFilter).get("account") if request.method == "GET" else None
    return list(accounts_of(request, account).values_list("pk", flat=True))
