"""The journal, notifications, alert rules, channels and their delivery log.

Everybody who is signed in reads what belongs to no account or to their own; staff see all,
and only staff change rules and channels, because those speak for the whole desk.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from alerts.api import filters, serializers
from alerts.api.scope import account_ids, staff_only
from alerts.models import AlertChannel, AlertRule, AuditEvent, Delivery
from alerts.selectors import screens
from alerts.services import channels


def asked(request: Request, kind: type[Serializer]) -> dict[str, Any]:
    """Return the checked query. Raises ValidationError that names the field."""
    form = kind(data=request.query_params)
    form.is_valid(raise_exception=True)
    return {name: value for name, value in form.validated_data.items() if value is not None}


@extend_schema(parameters=[filters.EventFilter], tags=["audit"])
class AuditView(ListAPIView):
    """The journal, newest first. `manage.py verify_audit` recomputes its hashes."""

    serializer_class = serializers.EventSerializer
    queryset = AuditEvent.objects.none()

    def get_queryset(self) -> QuerySet[AuditEvent]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        return screens.event_rows(account_ids=account_ids(self.request), **asked(self.request, filters.EventFilter))


@extend_schema(parameters=[filters.NotificationFilter], tags=["notifications"])
class NotificationListView(ListAPIView):
    """What was told to the browser, newest first."""

    serializer_class = serializers.NotificationSerializer
    queryset = Delivery.objects.none()

    def get_queryset(self) -> QuerySet[Delivery]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        query = asked(self.request, filters.NotificationFilter)
        rows = screens.delivery_rows(account_ids=account_ids(self.request), state=Delivery.State.SENT)
        rows = rows.filter(channel__transport="browser")
        return rows.filter(seen_at__isnull=query["unseen"]) if "unseen" in query else rows


class NotificationSeenView(GenericAPIView):
    """Mark notifications as seen, for everybody who sees them."""

    serializer_class = serializers.SeenSerializer
    required_scope: ClassVar[str] = "read"

    @extend_schema(responses=serializers.SeenResultSerializer, tags=["notifications"])
    def post(self, request: Request) -> Response:
        form = self.get_serializer(data=request.data)
        form.is_valid(raise_exception=True)
        mine = screens.delivery_rows(account_ids=account_ids(request)).filter(pk__in=form.validated_data["ids"])
        seen = channels.notifications_seen(list(mine.values_list("pk", flat=True)), now=timezone.now())
        return Response({"seen": seen})


@extend_schema(parameters=[filters.DeliveryFilter], tags=["alerts"])
class DeliveryListView(ListAPIView):
    """Every alert that was or should have been sent, with its attempts and the last problem."""

    serializer_class = serializers.DeliverySerializer
    queryset = Delivery.objects.none()

    def get_queryset(self) -> QuerySet[Delivery]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        return screens.delivery_rows(
            account_ids=account_ids(self.request), **asked(self.request, filters.DeliveryFilter)
        )


class RuleListView(ListAPIView):
    """Which events are told, to whom, how often."""

    serializer_class = serializers.RuleSerializer
    queryset = AlertRule.objects.prefetch_related("channels").order_by("name")
    required_scope: ClassVar[str] = "admin"

    @extend_schema(tags=["alerts"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(request=serializers.RuleSerializer, responses={201: serializers.RuleSerializer}, tags=["alerts"])
    def post(self, request: Request) -> Response:
        staff_only(request)
        row = _rule_write(request, None, partial=False)
        return Response(serializers.RuleSerializer(row).data, status=201)


class RuleView(GenericAPIView):
    serializer_class = serializers.RuleSerializer
    required_scope: ClassVar[str] = "admin"

    @extend_schema(tags=["alerts"])
    def get(self, request: Request, rule_id: int) -> Response:
        return Response(serializers.RuleSerializer(_found(AlertRule, rule_id)).data)

    @extend_schema(tags=["alerts"])
    def patch(self, request: Request, rule_id: int) -> Response:
        staff_only(request)
        row = _rule_write(request, _found(AlertRule, rule_id), partial=True)
        return Response(serializers.RuleSerializer(row).data)

    @extend_schema(responses={204: None}, tags=["alerts"])
    def delete(self, request: Request, rule_id: int) -> Response:
        staff_only(request)
        channels.rule_delete(_found(AlertRule, rule_id), by=str(request.user))
        return Response(status=204)


class ChannelListView(ListAPIView):
    """Where alerts go. Targets are shown to staff only."""

    serializer_class = serializers.ChannelSerializer
    queryset = AlertChannel.objects.order_by("id")
    required_scope: ClassVar[str] = "admin"

    @extend_schema(tags=["alerts"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        staff_only(request)
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=serializers.ChannelSerializer, responses={201: serializers.ChannelSerializer}, tags=["alerts"]
    )
    def post(self, request: Request) -> Response:
        staff_only(request)
        row = _channel_write(request, None, partial=False)
        return Response(serializers.ChannelSerializer(row).data, status=201)


class ChannelView(GenericAPIView):
    serializer_class = serializers.ChannelSerializer
    required_scope: ClassVar[str] = "admin"

    @extend_schema(tags=["alerts"])
    def patch(self, request: Request, channel_id: int) -> Response:
        staff_only(request)
        row = _channel_write(request, _found(AlertChannel, channel_id), partial=True)
        return Response(serializers.ChannelSerializer(row).data)

    @extend_schema(responses={204: None}, tags=["alerts"])
    def delete(self, request: Request, channel_id: int) -> Response:
        staff_only(request)
        channels.channel_delete(_found(AlertChannel, channel_id), by=str(request.user))
        return Response(status=204)


class ChannelTestView(GenericAPIView):
    """Send one test message over the channel now and say how it went."""

    serializer_class = serializers.DeliverySerializer
    required_scope: ClassVar[str] = "admin"

    @extend_schema(request=None, responses=serializers.DeliverySerializer, tags=["alerts"])
    def post(self, request: Request, channel_id: int) -> Response:
        staff_only(request)
        delivery = channels.channel_test(_found(AlertChannel, channel_id).pk, by=str(request.user))
        return Response(serializers.DeliverySerializer(delivery).data)


def _found(model: type[Any], pk: int) -> Any:
    row = model.objects.filter(pk=pk).first()
    if row is None:
        raise NotFound(f"there is no {model._meta.verbose_name} {pk}")
    return row


def _rule_write(request: Request, row: AlertRule | None, *, partial: bool) -> AlertRule:
    form = serializers.RuleSerializer(row, data=request.data, partial=partial)
    form.is_valid(raise_exception=True)
    fields = dict(form.validated_data)
    chosen = fields.pop("channels", None)
    row = row or AlertRule()
    for name, value in fields.items():
        setattr(row, name, value)
    channels.rule_save(row, by=str(request.user), channels=chosen)
    return row


def _channel_write(request: Request, row: AlertChannel | None, *, partial: bool) -> AlertChannel:
    form = serializers.ChannelSerializer(row, data=request.data, partial=partial)
    form.is_valid(raise_exception=True)
    row = row or AlertChannel()
    for name, value in form.validated_data.items():
        setattr(row, name, value)
    channels.channel_save(row, by=str(request.user))
    return row
