"""Backtests over HTTP: start, follow, cancel, repeat, list, fetch. Every write calls one service.

Everybody who is signed in may read them: no account stands behind a backtest. Writing needs the scope `trade`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import FileResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backtests.api import serializers
from backtests.models import BacktestRun
from backtests.selectors import runs
from backtests.services import jobs
from backtests.tasks import run_soon
from strategies.domain.parameters import ParameterError

TAGS = ["backtests"]


class Conflict(APIException):
    """The run cannot do that in the state it is in."""

    status_code = 409
    default_code = "conflict"


def run_of(run_id: int) -> BacktestRun:
    row = runs.run_get(run_id)
    if row is None:
        raise NotFound(f"there is no backtest {run_id}")
    return row


def refuse(error: ParameterError) -> ValidationError:
    return ValidationError({field: [problem] for field, problem in error.errors.items()})


class BacktestListView(ListAPIView):
    """Runs, newest first; and a new one."""

    serializer_class = serializers.BacktestSerializer
    queryset = BacktestRun.objects.none()
    required_scope: ClassVar[str] = "trade"

    @extend_schema(parameters=[serializers.RunFilter], tags=TAGS)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[BacktestRun]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        form = serializers.RunFilter(data=self.request.query_params)
        form.is_valid(raise_exception=True)
        asked = dict(form.validated_data)
        state = asked.pop("state", "")
        return runs.run_rows(states=[state] if state else (), text=asked.pop("q", ""), **asked).order_by("-pk")

    @extend_schema(
        request=serializers.BacktestStartSerializer,
        responses={202: serializers.BacktestDetailSerializer},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Queue a run. It is replayed after everything that trades; follow its `state` and `progress`."""
        form = serializers.BacktestStartSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            run_id = jobs.backtest_ask(**form.validated_data, by=str(request.user), now=timezone.now())
        except ParameterError as error:
            raise refuse(error) from error
        run_soon(run_id)
        return Response(serializers.BacktestDetailSerializer(run_of(run_id)).data, status=202)


class BacktestOptionsView(APIView):
    """The schema of how a run may be asked for, beside the strategy's own (strategy-classes)."""

    @extend_schema(responses=serializers.BacktestOptionsSerializer, tags=TAGS)
    def get(self, request: Request) -> Response:
        return Response(serializers.options_json(jobs.profile_names()))


class BacktestView(GenericAPIView):
    serializer_class = serializers.BacktestDetailSerializer
    required_scope: ClassVar[str] = "trade"

    @extend_schema(tags=TAGS)
    def get(self, request: Request, run_id: int) -> Response:
        """How far it is, and what it came to."""
        return Response(self.get_serializer(run_of(run_id)).data)

    @extend_schema(request=serializers.BacktestEditSerializer, tags=TAGS)
    def patch(self, request: Request, run_id: int) -> Response:
        """Change its name, tags or notes."""
        run_of(run_id)
        form = serializers.BacktestEditSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        try:
            jobs.backtest_edit(run_id, by=str(request.user), now=timezone.now(), **form.validated_data)
        except ParameterError as error:
            raise refuse(error) from error
        return Response(self.get_serializer(run_of(run_id)).data)


class BacktestCancelView(GenericAPIView):
    serializer_class = serializers.BacktestSerializer
    required_scope: ClassVar[str] = "trade"

    @extend_schema(request=None, responses={202: serializers.BacktestSerializer}, tags=TAGS)
    def post(self, request: Request, run_id: int) -> Response:
        """Ask for its end; it keeps what was replayed. 409 when it is over."""
        row = run_of(run_id)
        if not jobs.backtest_cancel(run_id, str(request.user), now=timezone.now()) and row.is_over:
            raise Conflict(f"backtest {run_id} is {row.state} already")
        return Response(self.get_serializer(run_of(run_id)).data, status=202)


class BacktestRerunView(GenericAPIView):
    serializer_class = serializers.BacktestDetailSerializer
    required_scope: ClassVar[str] = "trade"

    @extend_schema(request=None, responses={202: serializers.BacktestDetailSerializer}, tags=TAGS)
    def post(self, request: Request, run_id: int) -> Response:
        """Queue the same request again; `differences` tells what is no longer as it was."""
        run_of(run_id)
        try:
            again = jobs.backtest_rerun(run_id, str(request.user), now=timezone.now())
        except ParameterError as error:
            raise refuse(error) from error
        except ValueError as error:  # a request that this version cannot read
            raise Conflict(str(error)) from error
        run_soon(again)
        return Response(self.get_serializer(run_of(again)).data, status=202)


class BacktestReportView(APIView):
    @extend_schema(responses=OpenApiTypes.OBJECT, tags=TAGS)
    def get(self, request: Request, run_id: int) -> Response:
        """The report. 404 while there is none."""
        row = run_of(run_id)
        if row.report is None:
            raise NotFound(f"backtest {run_id} is {row.state} and has no report")
        return Response(row.report)


class BacktestTradesView(APIView):
    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR}, tags=TAGS)
    def get(self, request: Request, run_id: int) -> FileResponse:
        """Its fills as CSV, without an envelope. 404 while there are none."""
        run_of(run_id)
        path = runs.trades_path(run_id)
        if path is None:
            raise NotFound(f"backtest {run_id} has no trades on file")
        return FileResponse(path.open("rb"), as_attachment=True, filename=f"backtest-{run_id}-trades.csv")
