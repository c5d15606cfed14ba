"""Strategies over HTTP: read, create, switch, parameters, decisions, results. Every write calls one service.

A person sees the strategies of the accounts they own; staff see all. What one may not see
answers as if it did not exist.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet, Sum
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from markets.domain.units import decimal_from_micro
from orders.api.views import accounts_of, asked
from orders.selectors import screens as order_screens
from strategies.api import serializers
from strategies.api.filters import StrategyFilter
from strategies.domain.parameters import ParameterError, fields, json_schema
from strategies.library.registry import STRATEGIES, UnknownStrategy, strategy_get
from strategies.models import Decision, StrategyConfig, StrategyRun, StrategyVersion, UniverseMember
from strategies.selectors.performance import performance_get
from strategies.services import configs, states


class Conflict(APIException):
    """The strategy cannot do that in the state it is in."""

    status_code = 409
    default_code = "conflict"


def strategies_of(request: Request, account_id: int | None = None) -> QuerySet[StrategyConfig]:
    ids = list(accounts_of(request, account_id).values_list("pk", flat=True))
    return StrategyConfig.objects.filter(account_id__in=ids).order_by("name")


def strategy_of(request: Request, strategy_id: int) -> StrategyConfig:
    row = strategies_of(request).filter(pk=strategy_id).first()
    if row is None:
        raise NotFound(f"there is no strategy {strategy_id} for you")
    return row


def refuse_parameters(error: ParameterError) -> ValidationError:
    return ValidationError({field: [problem] for field, problem in error.errors.items()})


class StrategyListView(ListAPIView):
    """Strategies by name; and a new draft."""

    serializer_class = serializers.StrategySerializer
    queryset = StrategyConfig.objects.none()
    required_scope: ClassVar[str] = "trade"

    @extend_schema(parameters=[StrategyFilter], tags=["strategies"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[StrategyConfig]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        query = asked(self.request, StrategyFilter)
        rows = strategies_of(self.request, query.pop("account", None))
        return rows.filter(**query)

    @extend_schema(
        request=serializers.StrategyCreateSerializer,
        responses={201: serializers.StrategySerializer},
        tags=["strategies"],
    )
    def post(self, request: Request) -> Response:
        form = serializers.StrategyCreateSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = dict(form.validated_data)
        account = accounts_of(request, wanted.pop("account")).get()
        try:
            row = configs.strategy_create(
                account_id=account.pk, owner=request.user, by=str(request.user), now=timezone.now(), **wanted
            )
        except ParameterError as error:
            raise refuse_parameters(error) from error
        return Response(serializers.StrategySerializer(row).data, status=201)


class StrategyClassListView(APIView):
    """The kinds of strategies there are, each with the schema of its parameters."""

    @extend_schema(responses=serializers.StrategyClassSerializer(many=True), tags=["strategies"])
    def get(self, request: Request) -> Response:
        return Response([serializers.class_json(strategy) for strategy in STRATEGIES.values()])


class StrategyView(GenericAPIView):
    serializer_class = serializers.StrategySerializer
    required_scope: ClassVar[str] = "trade"

    @extend_schema(tags=["strategies"])
    def get(self, request: Request, strategy_id: int) -> Response:
        return Response(self.get_serializer(strategy_of(request, strategy_id)).data)

    @extend_schema(request=serializers.SettingsSerializer, tags=["strategies"])
    def patch(self, request: Request, strategy_id: int) -> Response:
        """Change how often it ticks and how it ranks."""
        row = strategy_of(request, strategy_id)
        form = serializers.SettingsSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        configs.settings_change(row.pk, by=str(request.user), now=timezone.now(), **form.validated_data)
        row.refresh_from_db()
        return Response(self.get_serializer(row).data)


class SwitchView(GenericAPIView):
    """Base of start, stop and pause: 409 with the reason where the state does not allow it."""

    serializer_class = serializers.StopSerializer
    required_scope: ClassVar[str] = "trade"

    @extend_schema(responses=serializers.StateResultSerializer, tags=["strategies"])
    def post(self, request: Request, strategy_id: int) -> Response:
        row = strategy_of(request, strategy_id)
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            result = self.switch(row, str(request.user), form.validated_data)
        except states.StateError as error:
            raise Conflict(str(error)) from error
        row.refresh_from_db()
        body = {"id": row.pk, "state": row.state, "run_id": None, "cancelled": 0, **result}
        return Response(serializers.StateResultSerializer(body).data)

    def switch(self, row: StrategyConfig, by: str, wanted: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError


class StartView(SwitchView):
    serializer_class = serializers.StartSerializer

    def switch(self, row: StrategyConfig, by: str, wanted: dict[str, Any]) -> dict[str, Any]:
        return {"run_id": states.strategy_start(row.pk, by=by, now=timezone.now(), observe=wanted["observe"])}


class StopView(SwitchView):
    def switch(self, row: StrategyConfig, by: str, wanted: dict[str, Any]) -> dict[str, Any]:
        return {"cancelled": states.strategy_stop(row.pk, by=by, now=timezone.now(), reason=wanted["reason"])}


class PauseView(SwitchView):
    serializer_class = serializers.PauseSerializer

    def switch(self, row: StrategyConfig, by: str, wanted: dict[str, Any]) -> dict[str, Any]:
        return {"cancelled": states.strategy_pause(row.pk, by=by, now=timezone.now(), **wanted)}


class ToggleView(SwitchView):
    """Start what does not run, stop what does."""

    def switch(self, row: StrategyConfig, by: str, wanted: dict[str, Any]) -> dict[str, Any]:
        now = timezone.now()
        if row.state in states.ACTIVE:
            return {"cancelled": states.strategy_stop(row.pk, by=by, now=now, reason=wanted["reason"])}
        return {"run_id": states.strategy_start(row.pk, by=by, now=now)}


class ParametersView(APIView):
    """The parameters in force with their schema; and a new version of them."""

    required_scope: ClassVar[str] = "trade"

    @extend_schema(responses=serializers.ParametersSerializer, tags=["strategies"])
    def get(self, request: Request, strategy_id: int) -> Response:
        row = strategy_of(request, strategy_id)
        try:
            schema = strategy_get(row.strategy_class).params
        except UnknownStrategy as error:
            raise Conflict(str(error)) from error
        return Response(
            {
                "version": row.version,
                "parameters": row.parameters,
                "schema": json_schema(schema),
                "fields": [serializers.field_json(spec) for spec in fields(schema)],
            }
        )

    @extend_schema(
        request=serializers.ParametersPutSerializer,
        responses=serializers.ParametersResultSerializer,
        tags=["strategies"],
    )
    def put(self, request: Request, strategy_id: int) -> Response:
        """Replace the parameters; what is left out takes its default. In force from the next tick on."""
        row = strategy_of(request, strategy_id)
        form = serializers.ParametersPutSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            version, changes = configs.parameters_change(
                row.pk, form.validated_data["parameters"], by=str(request.user), now=timezone.now()
            )
        except ParameterError as error:
            raise refuse_parameters(error) from error
        return Response(serializers.ParametersResultSerializer({"version": version, "changes": changes}).data)


class _OwnListView(ListAPIView):
    """Base of the lists that belong to one strategy."""

    model: Any

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return self.model.objects.none()
        row = strategy_of(self.request, self.kwargs["strategy_id"])
        return self.model.objects.filter(strategy=row).order_by("-pk")


@extend_schema(tags=["strategies"])
class DecisionListView(_OwnListView):
    """What it decided, newest first: only evaluations that changed what it wants are kept."""

    serializer_class = serializers.DecisionSerializer
    model = Decision


@extend_schema(tags=["strategies"])
class RunListView(_OwnListView):
    serializer_class = serializers.RunSerializer
    model = StrategyRun


@extend_schema(tags=["strategies"])
class VersionListView(_OwnListView):
    serializer_class = serializers.VersionSerializer
    model = StrategyVersion


@extend_schema(tags=["strategies"])
class UniverseView(_OwnListView):
    """Which markets it watches, and why others are left out."""

    serializer_class = serializers.UniverseSerializer
    model = UniverseMember

    def get_queryset(self) -> QuerySet[Any]:
        return super().get_queryset().order_by("-included", "market_id")


class PerformanceView(APIView):
    @extend_schema(responses=serializers.PerformanceSerializer, tags=["strategies"])
    def get(self, request: Request, strategy_id: int) -> Response:
        row = strategy_of(request, strategy_id)
        now = timezone.now()
        found = performance_get(row.account_id, [row.pk], now=now)[row.pk]
        origin = ("strategy", row.pk)
        outcomes = [
            {
                name: _decimal(getattr(one, name))
                for name in ("bought", "sold", "held", "average_cost", "mark", "profit")
            }
            | {"outcome_id": one.outcome_id}
            for one in found.outcomes
        ]
        body = {
            "profit": _decimal(found.profit),
            "today": _decimal(found.today),
            "fees": _decimal(found.fees),
            "turnover": _decimal(found.turnover),
            "unmarked": found.unmarked,
            "orders": order_screens.order_count(row.account_id, since=row.created_at, origin=origin),
            "fills": order_screens.fill_counts(row.account_id, since=row.created_at, origin=origin)[0],
            "ticks": row.runs.aggregate(n=Sum("ticks"))["n"] or 0,
            "decisions": row.decisions.count(),
            "outcomes": outcomes,
        }
        return Response(serializers.PerformanceSerializer(body).data)


def _decimal(micro: int | None) -> Any:
    return None if micro is None else decimal_from_micro(micro)
