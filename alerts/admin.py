"""Rules and channels may be edited and tried out; the journal, deliveries and signs of life may only be read."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from alerts.models import AlertChannel, AlertRule, AuditEvent, Delivery, Heartbeat, JobRun
from alerts.services import channels
from alerts.transports.registry import CHOICES, TRANSPORTS


class ReadOnly:
    """No row is added, changed or deleted here; every field can be read."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ChannelForm(forms.ModelForm):
    transport = forms.ChoiceField(choices=CHOICES)
    target = forms.CharField(
        required=False,
        max_length=200,
        help_text="; ".join(f"{name}: {transport.target_help}" for name, transport in TRANSPORTS.items()),
    )

    class Meta:
        model = AlertChannel
        fields = ["transport", "label", "target", "enabled", "minimum_severity"]


@admin.register(AlertChannel)
class AlertChannelAdmin(ModelAdmin):
    """Where alerts go. Bot tokens and mail passwords are settings, never rows."""

    form = ChannelForm
    list_display = ["label", "transport", "target", "enabled", "minimum_severity"]
    list_filter = ["transport", "enabled"]
    actions = ["send_test"]

    def save_model(self, request: HttpRequest, obj: AlertChannel, form: Any, change: bool) -> None:
        channels.channel_save(obj, by=str(request.user))

    def delete_model(self, request: HttpRequest, obj: AlertChannel) -> None:
        channels.channel_delete(obj, by=str(request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AlertChannel]) -> None:
        for row in queryset:
            channels.channel_delete(row, by=str(request.user))

    @admin.action(description="Send a test message")
    def send_test(self, request: HttpRequest, rows: QuerySet[AlertChannel]) -> None:
        for row in rows:
            delivery = channels.channel_test(row.pk, by=str(request.user))
            sent = delivery.state == Delivery.State.SENT
            said = f"{row}: sent" if sent else f"{row}: {delivery.last_error}"
            self.message_user(request, said, messages.SUCCESS if sent else messages.ERROR)


class RuleForm(forms.ModelForm):
    class Meta:
        model = AlertRule
        fields = [
            "name", "description", "enabled", "kind", "subject_kind", "subject_id", "field", "operator", "threshold",
            "severity", "channels", "wait_s", "cleared_by", "quiet_from", "quiet_until", "repeat_after_s", "repeat_by",
        ]  # fmt: skip
        help_texts = {
            "kind": "event kinds separated by blanks; a trailing * matches any rest, as in order.*",
            "subject_kind": "only events about this kind of thing, for example strategy; empty: all",
            "field": "a number of the event's payload to compare, for example notional; empty: every event",
            "operator": "gt, gte, lt or lte",
            "channels": "none chosen: every enabled channel",
            "wait_s": "seconds to wait for the clearing event before telling; 0: tell at once",
            "cleared_by": "the kind of event that clears it, for example feed.recovered",
            "quiet_from": "UTC; critical alerts ignore quiet hours",
            "repeat_after_s": "seconds in which the same thing is counted instead of told again",
            "repeat_by": "what counts as the same thing",
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                channels.rule_check(AlertRule(**{k: v for k, v in cleaned.items() if k != "channels"}))
            except ValidationError as error:
                self.add_error(None, error)
        return cleaned


@admin.register(AlertRule)
class AlertRuleAdmin(ModelAdmin):
    """Which events are worth telling. The defaults come with the installation; edits survive updates."""

    form = RuleForm
    list_display = ["name", "kind", "severity", "operator", "threshold", "enabled", "repeat_after_s", "description"]
    list_filter = ["enabled", "severity"]
    list_per_page = 50
    search_fields = ["name", "kind", "description"]

    def save_model(self, request: HttpRequest, obj: AlertRule, form: Any, change: bool) -> None:
        channels.rule_save(obj, by=str(request.user))

    def delete_model(self, request: HttpRequest, obj: AlertRule) -> None:
        channels.rule_delete(obj, by=str(request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        for row in queryset:
            channels.rule_delete(row, by=str(request.user))


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly, ModelAdmin):
    """The journal. The database refuses changes; `manage.py verify_audit` recomputes every hash."""

    list_display = ["id", "at", "kind", "severity", "message", "actor", "stream", "seq"]
    list_filter = ["severity", "stream"]
    search_fields = ["=kind", "message", "subject_label", "actor"]
    show_full_result_count = False
    exclude = ["payload"]
    readonly_fields = ["payload_text"]

    @admin.display(description="payload")
    def payload_text(self, obj: AuditEvent) -> str:
        return format_html("<pre>{}</pre>", json.dumps(obj.payload, indent=2, ensure_ascii=False, sort_keys=True))


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, ModelAdmin):
    list_display = [
        "id",
        "event",
        "channel",
        "rule",
        "severity",
        "state",
        "attempts",
        "repeats",
        "sent_at",
        "last_error",
    ]
    list_filter = ["state", "severity", "channel"]
    list_select_related = ["event", "channel", "rule"]


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnly, ModelAdmin):
    list_display = ["name", "at", "pid"]


@admin.register(JobRun)
class JobRunAdmin(ReadOnly, ModelAdmin):
    list_display = ["name", "slot", "started_at", "finished_at", "error"]
    search_fields = ["name"]
    show_full_result_count = False
