"""The doctor over REST: examinations, the meaning of refusals, what changed at a venue, kill rehearsals."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiTypes, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from markets.selectors.drift import block_rows, drift_rows
from markets.selectors.refusals import refusal_explain
from markets.services import drift
from orders.domain.checkup import worst
from orders.selectors import doctor as examinations
from orders.services.doctor import DoctorError, run_request
from orders.services.rehearsals import rehearsal_open
from polybot.dashboard.frame import accounts_for
from risk.tasks import run_doctor, run_rehearsal

_MOST = 200


class ExamineSerializer(serializers.Serializer):
    account = serializers.IntegerField(min_value=1)
    deep = serializers.BooleanField(default=False, help_text="also one free post-only order, cancelled at once")


class RehearseSerializer(serializers.Serializer):
    account = serializers.IntegerField(min_value=1)


class AcceptSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=200, required=False, default="")
    alike = serializers.BooleanField(default=False, help_text="the same difference on every market too")


class DoctorView(GenericAPIView):
    """What stands between each account and its venue now, and its last examination by the trader."""

    serializer_class = ExamineSerializer
    required_scope: ClassVar[str] = "trade"

    @extend_schema(responses=OpenApiTypes.OBJECT, tags=["doctor"])
    def get(self, request: Request) -> Response:
        return Response([self._account(account) for account in accounts_for(request.user)])

    @extend_schema(responses={202: OpenApiTypes.OBJECT}, tags=["doctor"])
    def post(self, request: Request) -> Response:
        """Ask the trader for an examination; its result is read by GET."""
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        account = account_or_404(request, form.validated_data["account"])
        try:
            run = run_request(
                account.id,
                user=request.user,
                deep=form.validated_data["deep"],
                by=str(request.user),
                now=timezone.now(),
            )
        except DoctorError as error:
            raise ValidationError({"deep": str(error)}) from error
        run_doctor.delay(run.pk)
        return Response({"run": run.pk, "state": run.state}, status=202)

    def _account(self, account: Any) -> dict[str, Any]:
        findings = examinations.findings_now(account.id, now=timezone.now())
        last = examinations.runs(account.id).first()
        return {
            "account": account.id,
            "name": account.name,
            "environment": account.environment,
            "health": worst(findings).value,
            "findings": [finding.as_dict() for finding in findings],
            "last": None
            if last is None
            else {
                "run": last.pk,
                "state": last.state,
                "deep": last.deep,
                "requested_at": last.requested_at,
                "finished_at": last.finished_at,
                "findings": last.findings,
                "order": last.order_id,
                "story": last.story,
                "error": last.error,
            },
        }


class ExplainView(APIView):
    """What a venue's refusal means. An unknown text explains nothing, and an order answered so stays unknown."""

    @extend_schema(
        parameters=[OpenApiParameter("text", str, required=True)], responses=OpenApiTypes.OBJECT, tags=["doctor"]
    )
    def get(self, request: Request) -> Response:
        text = request.query_params.get("text", "").strip()[:2_000]
        if not text:
            raise ValidationError({"text": "say what the venue said"})
        found = refusal_explain(text)
        return Response({"known": found is not None, **(asdict(found) if found else {})})


class DriftView(APIView):
    """Differences that nobody has accepted yet, and the blocks that stand."""

    @extend_schema(responses=OpenApiTypes.OBJECT, tags=["doctor"])
    def get(self, request: Request) -> Response:
        names = ("id", "venue", "source", "field", "kind", "market_id", "sample", "before", "after", "count")
        rows = drift_rows(accepted=False).values(*names, "first_at", "last_at")[:_MOST]
        blocks = block_rows(is_open=True).values("id", "venue", "market_id", "cause", "reason", "created_at")[:_MOST]
        return Response({"drift": list(rows), "blocks": list(blocks)})


class DriftAcceptView(GenericAPIView):
    """Say that a difference is fine, so that entries may go again. A signed-in member of staff only."""

    serializer_class = AcceptSerializer
    required_scope: ClassVar[str] = "admin"

    @extend_schema(responses=OpenApiTypes.OBJECT, tags=["doctor"])
    def post(self, request: Request, drift_id: int) -> Response:
        if not request.user.is_staff or request.auth is not None:
            raise PermissionDenied("a signed-in member of staff accepts a difference, no key does")
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        by, reason, now = str(request.user), form.validated_data["reason"], timezone.now()
        try:
            if form.validated_data["alike"]:
                return Response({"accepted": drift.drift_accept_alike(drift_id, by=by, now=now, reason=reason)})
            lifted = drift.drift_accept(drift_id, by=by, now=now, reason=reason)
        except drift.DriftError as error:
            raise ValidationError({"non_field_errors": [str(error)]}) from error
        return Response({"accepted": 1, "block_lifted": lifted})


class RehearsalView(GenericAPIView):
    """Kill rehearsals of the caller's accounts; a post runs one. Real money is only counted."""

    serializer_class = RehearseSerializer
    required_scope: ClassVar[str] = "trade"

    @extend_schema(responses=OpenApiTypes.OBJECT, tags=["doctor"])
    def get(self, request: Request) -> Response:
        names = ("id", "account_id", "dry_run", "by", "started_at", "committed_at", "empty_at", "finished_at")
        more = ("open_before", "open_after", "sent_after", "passed", "steps")
        return Response(
            [
                row
                for a in accounts_for(request.user)
                for row in examinations.rehearsals(a.id).values(*names, *more)[:20]
            ]
        )

    @extend_schema(responses={202: OpenApiTypes.OBJECT}, tags=["doctor"])
    def post(self, request: Request) -> Response:
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        account = account_or_404(request, form.validated_data["account"])
        row = rehearsal_open(account.id, by=str(request.user), now=timezone.now())
        run_rehearsal.delay(row.pk)
        return Response({"rehearsal": row.pk}, status=202)


def account_or_404(request: Request, account_id: int) -> Any:
    for account in accounts_for(request.user):
        if account.id == account_id:
            return account
    raise NotFound(f"there is no account {account_id} for you")
