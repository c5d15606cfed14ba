"""What a caller may ask for in the query string, checked before it reaches a query."""

from __future__ import annotations

from rest_framework import serializers

from alerts.domain.events import Severity
from alerts.models import Delivery


class EventFilter(serializers.Serializer):
    kind = serializers.CharField(max_length=80, required=False, help_text="a kind, or its first word")
    severity = serializers.ChoiceField(choices=[s.value for s in Severity], required=False)
    stream = serializers.CharField(max_length=80, required=False)
    text = serializers.CharField(max_length=120, required=False)


class DeliveryFilter(serializers.Serializer):
    state = serializers.ChoiceField(choices=Delivery.State.values, required=False)


class NotificationFilter(serializers.Serializer):
    unseen = serializers.BooleanField(required=False, allow_null=True, default=None)
