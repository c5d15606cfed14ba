"""Admin of the data stage: what a venue said is read-only; what a person decides (blocks, acknowledgements) is not."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline

from markets.models import Candle, Event, Market, Outcome, SyncRun, Tag, TradePrint, VenueIssue, Watch


class _ReadOnly(ModelAdmin):
    """Nothing is added, changed or deleted by hand, but for `editable`."""

    editable: ClassVar[tuple[str, ...]] = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [f.name for f in self.model._meta.get_fields() if f.concrete and f.name not in self.editable]


class _Outcomes(TabularInline):
    model = Outcome
    extra = 0
    can_delete = False
    fields = readonly_fields = ("index", "label", "token_id", "payout")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Event)
class EventAdmin(_ReadOnly):
    list_display = ("title", "category", "neg_risk", "neg_risk_augmented", "closes_at", "updated_at")
    list_filter = ("venue", "category", "neg_risk")
    search_fields = ("title", "slug")


@admin.register(Market)
class MarketAdmin(_ReadOnly):
    """`blocked_reason` is the operator's: with any text in it the gate opens nothing new here."""

    editable = ("blocked_reason",)
    list_display = ("question", "state", "category", "tick", "volume_24h", "closes_at", "blocked_reason")
    list_filter = ("venue", "state", "category", "neg_risk")
    search_fields = ("question", "slug", "condition_id")
    list_select_related = ("event",)
    inlines = (_Outcomes,)


@admin.register(Tag)
class TagAdmin(_ReadOnly):
    list_display = ("label", "slug", "venue")
    search_fields = ("label", "slug")


@admin.register(Watch)
class WatchAdmin(ModelAdmin):
    list_display = ("outcome", "reason", "until")
    list_filter = ("reason",)
    search_fields = ("reason", "outcome__market__question")
    raw_id_fields = ("outcome",)
    list_select_related = ("outcome__market",)


@admin.register(SyncRun)
class SyncRunAdmin(_ReadOnly):
    list_display = ("started_at", "venue", "kind", "events_seen", "markets_seen", "rows_written", "refused", "error")
    list_filter = ("venue", "kind")


@admin.register(VenueIssue)
class VenueIssueAdmin(_ReadOnly):
    """What a venue sent and we did not understand. Acknowledge what has been looked at."""

    list_display = ("last_at", "venue", "source", "field", "problem", "count", "acknowledged_at")
    list_filter = ("venue", "source", ("acknowledged_at", admin.EmptyFieldListFilter))
    search_fields = ("field", "problem")
    actions = ("acknowledge",)

    @admin.action(description="Acknowledge")
    def acknowledge(self, request: HttpRequest, rows: QuerySet[VenueIssue]) -> None:
        changed = rows.filter(acknowledged_at__isnull=True).update(acknowledged_at=timezone.now())
        self.message_user(request, f"{changed} acknowledged")


@admin.register(TradePrint)
class TradePrintAdmin(_ReadOnly):
    list_display = ("at", "outcome", "side", "price", "size", "inferred")
    list_select_related = ("outcome__market",)
    show_full_result_count = False


@admin.register(Candle)
class CandleAdmin(_ReadOnly):
    list_display = ("opens_at", "outcome", "period_s", "open", "high", "low", "close", "volume")
    list_filter = ("period_s",)
    list_select_related = ("outcome__market",)
    show_full_result_count = False
