"""Manual orders, verdicts, limits, exposure and halts. Every write calls one service.

A person sees the accounts they own; staff see all. What one may not see answers as if it did not exist.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from kombu.exceptions import OperationalError
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from markets.domain.instruments import Side
from markets.domain.units import Price, Shares, micro_from_decimal
from orders.api.filters import AccountFilter
from orders.api.views import OrderListView, accounts_of, asked
from orders.domain.drafts import PlanDraft
from orders.domain.intents import OrderType, Placement
from orders.domain.slices import JOIN, TAKE
from orders.tasks import submit_order
from risk.api import serializers
from risk.api.again import person_again
from risk.api.filters import HaltFilter, VerdictFilter
from risk.models import Halt, RiskVerdict
from risk.selectors import screens
from risk.selectors.caps import caps_get
from risk.selectors.halts import lift_is_grave
from risk.services import gate, halts, manual, plans, profiles

log = logging.getLogger(__name__)

# Which field of the order a rule is about; the others are about the desk, the market or the account.
FIELD_OF = {
    "price_tick": "price",
    "slippage": "price",
    "self_trade": "price",
    "post_only": "post_only",
    "expiry": "expires_at",
    "lot": "size",
    "order_size": "size",
    "minimum_size": "size",
    "order_minimum": "size",
    "cash_available": "size",
    "shares_available": "size",
    "market_exposure": "size",
    "event_exposure": "size",
    "account_exposure": "size",
}


class OrdersView(OrderListView):
    """Orders, newest first; and a person's new order, which the gate reviews like any other."""

    required_scope: ClassVar[str] = "trade"

    @extend_schema(
        request=serializers.ManualOrderSerializer, responses={201: serializers.ManualResultSerializer}, tags=["orders"]
    )
    def post(self, request: Request) -> Response:
        form = serializers.ManualOrderSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = form.validated_data
        account = accounts_of(request, wanted["account"]).get()
        try:
            placement = manual.placement_make(
                outcome_id=wanted["outcome"],
                side=Side(wanted["side"]),
                price=Price(micro_from_decimal(wanted["price"], field="price")),
                size=Shares(micro_from_decimal(wanted["size"], field="size")),
                order_type=_single(wanted["order_type"]),
                post_only=wanted["post_only"] and wanted["order_type"] != "twap",
                origin=manual.manual_origin(user_id=request.user.pk, name=str(request.user)),
                expires_at=wanted.get("expires_at"),
                reason=wanted["reason"],
                now=timezone.now(),
            )
        except manual.UnknownOutcome as error:
            raise ValidationError({"outcome": str(error)}) from error
        try:
            draft = _draft(placement, wanted)
        except plans.PlanError as error:
            raise ValidationError({"slices": str(error)}) from error
        if draft is not None:
            return self._planned(request, account.pk, replace(draft, whole=not wanted["allow_smaller"]))
        result = gate.review_manual(account.pk, placement, by=str(request.user), allow_smaller=wanted["allow_smaller"])
        if result.order_id is None:
            return Response(_refusal(result.verdict), status=422)
        order_submit_later(result.order_id)
        body = {"order_id": result.order_id, "verdict": result.verdict}
        return Response(serializers.ManualResultSerializer(body).data, status=201)

    def _planned(self, request: Request, account_id: int, draft: PlanDraft) -> Response:
        made = plans.draft_review(account_id, draft, by=str(request.user))
        if made.plan_id is None:
            return Response(_refusal(made.verdicts[0]), status=422)
        body = {"order_id": None, "plan_id": made.plan_id, "verdict": made.verdicts[0]}
        return Response(serializers.ManualResultSerializer(body).data, status=201)


def _single(kind: str) -> OrderType:
    """Return the type of one order of this kind; what a plan makes takes what is there."""
    return OrderType.FAK if kind in ("chase", "twap") else OrderType(kind)


def _draft(placement: Placement, wanted: dict[str, Any]) -> PlanDraft | None:
    """Return the plan that was asked for; None for a single order, or a chase that needs one step only."""
    if wanted["order_type"] == "chase":
        return plans.chase_wanted(placement)
    if wanted["order_type"] == "twap":
        child = JOIN if wanted["post_only"] else TAKE
        count, every = wanted["slices"], wanted["interval_s"]
        return plans.slices_wanted(placement, count=count, interval_s=every, child=child, now=placement.created_at)
    return None


def order_submit_later(order_id: int) -> None:
    """Hand the order to the trader. If the broker is down, the sweep of lost orders sends it instead."""
    try:
        submit_order.delay(order_id)
    except OperationalError as error:
        log.warning("order waits for the sweep", extra={"order": order_id, "problem": str(error)[:200]})


def _refusal(verdict: RiskVerdict) -> dict[str, Any]:
    field = FIELD_OF.get(verdict.rule, "non_field_errors")
    return {
        "code": "refused_by_gate",
        "message": verdict.message,
        "details": {field: [verdict.message], "rule": verdict.rule, "verdict_id": verdict.pk},
        "hint": f"read /api/v1/risk/verdicts/{verdict.pk} for every rule's value and limit",
    }


@extend_schema(parameters=[VerdictFilter], tags=["risk"])
class VerdictListView(ListAPIView):
    """What the gate said, newest first, with every rule's numbers."""

    serializer_class = serializers.VerdictSerializer
    queryset = RiskVerdict.objects.none()

    def get_queryset(self) -> QuerySet[RiskVerdict]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        query = asked(self.request, VerdictFilter)
        ids = accounts_of(self.request, query.pop("account", None)).values("pk")
        exact = {"since": "at__gte", "outcome": "outcome_id", "market": "market_id"}
        return RiskVerdict.objects.filter(
            account_id__in=ids, **{exact.get(name, name): value for name, value in query.items()}
        ).order_by("-id")


class VerdictView(APIView):
    @extend_schema(responses=serializers.VerdictSerializer, tags=["risk"])
    def get(self, request: Request, verdict_id: int) -> Response:
        row = RiskVerdict.objects.filter(pk=verdict_id, account_id__in=accounts_of(request).values("pk")).first()
        if row is None:
            raise NotFound("there is no such verdict for you")
        return Response(serializers.VerdictSerializer(row).data)


class LimitsView(GenericAPIView):
    """The limits of one account, and which profile it uses."""

    serializer_class = serializers.LimitsChangeSerializer
    required_scope: ClassVar[str] = "admin"

    @extend_schema(parameters=[AccountFilter], responses=serializers.LimitsSerializer(many=True), tags=["risk"])
    def get(self, request: Request) -> Response:
        query = asked(request, AccountFilter)
        rows = [
            {"account": account.pk, "profile": screens.profile_of(account.pk), "origins": screens.origin_limit_rows()}
            for account in accounts_of(request, query.get("account"))
        ]
        return Response(serializers.LimitsSerializer(rows, many=True).data)

    @extend_schema(responses=serializers.LimitsSerializer, tags=["risk"])
    def put(self, request: Request) -> Response:
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        account = accounts_of(request, form.validated_data["account"]).get()
        try:
            profiles.profile_assign(account.pk, form.validated_data["profile"], by=str(request.user))
        except LookupError as error:
            raise ValidationError({"profile": str(error)}) from error
        row = {"account": account.pk, "profile": screens.profile_of(account.pk), "origins": []}
        return Response(serializers.LimitsSerializer(row).data)


class ExposureView(APIView):
    """What could be lost, by account, event and market, against its limit."""

    @extend_schema(parameters=[AccountFilter], responses=serializers.ExposureSerializer(many=True), tags=["risk"])
    def get(self, request: Request) -> Response:
        query = asked(request, AccountFilter)
        rows = [
            {"account": account.pk, "caps": caps_get(account.pk)}
            for account in accounts_of(request, query.get("account"))
        ]
        return Response(serializers.ExposureSerializer(rows, many=True).data)


class HaltListView(ListAPIView):
    """Halts, newest first; a post stops one account, or with staff rights all of them."""

    serializer_class = serializers.HaltSerializer
    queryset = Halt.objects.none()
    required_scope: ClassVar[str] = "trade"

    def get_queryset(self) -> QuerySet[Halt]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        query = asked(self.request, HaltFilter)
        ids = accounts_of(self.request, query.get("account")).values("pk")
        rows = Halt.objects.filter(Q(account_id__in=ids) | Q(account_id=None))
        if "open" in query:
            rows = rows.filter(lifted_at__isnull=query["open"])
        return rows.order_by("-id")

    @extend_schema(parameters=[HaltFilter], tags=["risk"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(request=serializers.HaltCreateSerializer, responses={201: serializers.HaltSerializer}, tags=["risk"])
    def post(self, request: Request) -> Response:
        form = serializers.HaltCreateSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        account_id = form.validated_data.get("account")
        if account_id is None:
            staff_only(request, "stop every account")
        else:
            accounts_of(request, account_id)
        try:
            halt = halts.halt_create(
                account_id, form.validated_data["kind"], form.validated_data["reason"], str(request.user)
            )
        except halts.HaltError as error:
            raise ValidationError({"reason": str(error)}) from error
        return Response(serializers.HaltSerializer(halt).data, status=201)


class HaltLiftView(GenericAPIView):
    """Let the account go again, as far as this halt held it. Where real money waits, with the password again."""

    serializer_class = serializers.LiftSerializer
    required_scope: ClassVar[str] = "trade"

    @extend_schema(responses=serializers.HaltSerializer, tags=["risk"])
    def post(self, request: Request, halt_id: int) -> Response:
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        halt = Halt.objects.filter(pk=halt_id).first()
        visible = halt is not None and (
            halt.account_id is None or accounts_of(request).filter(pk=halt.account_id).exists()
        )
        if halt is None or not visible:
            raise NotFound("there is no such halt for you")
        if halt.account_id is None:
            staff_only(request, "lift a halt of every account")
        scopes = getattr(request.auth, "scopes", None)  # a signed-in person has none: the session is enough
        if scopes is not None and "admin" not in scopes:
            raise PermissionDenied("a key needs the scope `admin` to lift a halt; `trade` can only make one")
        if lift_is_grave(halt_id):
            person_again(request, form.validated_data["password"])
        try:
            halts.halt_lift(halt_id, by=str(request.user), reason=form.validated_data["reason"])
        except halts.HaltError as error:
            raise ValidationError({"non_field_errors": [str(error)]}) from error
        halt.refresh_from_db()
        return Response(serializers.HaltSerializer(halt).data)


class KillView(GenericAPIView):
    """Set the kill switch: nothing is sent from now on, all open orders are cancelled."""

    serializer_class = serializers.ReasonSerializer
    required_scope: ClassVar[str] = "admin"

    @extend_schema(responses={202: None}, tags=["risk"])
    def post(self, request: Request) -> Response:
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        staff_only(request, "kill")
        asked_to_end = halts.kill(form.validated_data["reason"], str(request.user))
        return Response({"killed": True, "cancels_requested": asked_to_end}, status=202)


class ReleaseView(GenericAPIView):
    """Release the kill switch. A signed-in person sends the phrase and the password again."""

    serializer_class = serializers.ReleaseSerializer
    required_scope: ClassVar[str] = "admin"

    @extend_schema(responses={200: None}, tags=["risk"])
    def post(self, request: Request) -> Response:
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        staff_only(request, "release the kill switch")
        if form.validated_data["phrase"].strip().lower() != halts.RELEASE_PHRASE:
            raise ValidationError({"phrase": f"type {halts.RELEASE_PHRASE!r} to release the kill switch"})
        person_again(request, form.validated_data["password"])
        try:
            released = halts.release(str(request.user), form.validated_data["phrase"])
        except halts.HaltError as error:
            raise ValidationError({"phrase": str(error)}) from error
        return Response({"killed": False, "was_set": released})


def staff_only(request: Request, what: str) -> None:
    """Raise PermissionDenied unless the person is staff: it concerns accounts of others too."""
    if not request.user.is_staff:
        raise PermissionDenied(f"only staff can {what}")
