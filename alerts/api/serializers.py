"""How events, rules, channels and deliveries look in JSON. Secrets of transports are settings and never appear."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework import serializers

from alerts.models import AlertChannel, AlertRule, AuditEvent, Delivery
from alerts.services.channels import rule_check
from alerts.transports.registry import CHOICES


class EventSerializer(serializers.ModelSerializer):
    class Meta:
        model = AuditEvent
        fields = [
            "id", "stream", "seq", "at", "kind", "severity", "account_id", "subject_kind", "subject_id",
            "subject_label", "actor", "message", "payload", "previous_hash", "hash",
        ]  # fmt: skip
        read_only_fields = fields


class RuleSerializer(serializers.ModelSerializer):
    channels = serializers.PrimaryKeyRelatedField(
        many=True, queryset=AlertChannel.objects.all(), required=False, help_text="empty: every enabled channel"
    )

    class Meta:
        model = AlertRule
        fields = [
            "id", "name", "description", "kind", "subject_kind", "subject_id", "operator", "field", "threshold",
            "severity", "enabled", "channels", "wait_s", "cleared_by", "quiet_from", "quiet_until", "repeat_after_s",
            "repeat_by",
        ]  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        fields = {name: value for name, value in attrs.items() if name != "channels"}
        names = [f.name for f in AlertRule._meta.fields if f.name != "id"]
        before = {name: getattr(self.instance, name) for name in names} if self.instance else {}
        try:
            rule_check(AlertRule(**{**before, **fields}))
        except ValidationError as error:
            raise serializers.ValidationError(error.message_dict) from error
        return attrs


class ChannelSerializer(serializers.ModelSerializer):
    transport = serializers.ChoiceField(choices=CHOICES)

    class Meta:
        model = AlertChannel
        fields = ["id", "transport", "label", "target", "enabled", "minimum_severity"]


class DeliverySerializer(serializers.ModelSerializer):
    event = EventSerializer(read_only=True)
    channel = serializers.StringRelatedField()
    rule = serializers.StringRelatedField()

    class Meta:
        model = Delivery
        fields = [
            "id", "event", "channel_id", "channel", "rule_id", "rule", "severity", "state", "repeats", "attempts",
            "due_at", "sent_at", "last_error", "seen_at",
        ]  # fmt: skip
        read_only_fields = fields


class NotificationSerializer(serializers.ModelSerializer):
    kind = serializers.CharField(source="event.kind", read_only=True)
    message = serializers.CharField(source="event.message", read_only=True)
    account_id = serializers.IntegerField(source="event.account_id", read_only=True, allow_null=True)
    subject_kind = serializers.CharField(source="event.subject_kind", read_only=True)
    subject_id = serializers.CharField(source="event.subject_id", read_only=True)
    at = serializers.DateTimeField(source="event.at", read_only=True)

    class Meta:
        model = Delivery
        fields = [
            "id", "at", "severity", "kind", "message", "account_id", "subject_kind", "subject_id", "repeats", "seen_at",
        ]  # fmt: skip
        read_only_fields = fields


class SeenSerializer(serializers.Serializer):
    ids = serializers.ListField(child=serializers.IntegerField(min_value=1), max_length=200)


class SeenResultSerializer(serializers.Serializer):
    seen = serializers.IntegerField()
