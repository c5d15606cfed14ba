"""Backtests in the admin, to look up: pages and commands start and change them."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from backtests.models import BacktestRun


@admin.register(BacktestRun)
class BacktestRunAdmin(ModelAdmin):
    """What was asked, how it went, and what it stood on."""

    list_display = ["id", "name", "strategy", "mode", "state", "progress", "pnl", "fills", "by", "created_at"]
    list_filter = ["state", "mode", "strategy"]
    search_fields = ["name", "by", "strategy", "notes"]
    show_full_result_count = False
    readonly_fields = ["asked", "recordings"]
    fieldsets = [
        (None, {"fields": ["name", "by", "tags", "notes", "strategy", "mode", "seed", "parent", "differences"]}),
        ("How far", {"fields": ["state", "progress", "words", "created_at", "started_at", "ended_at", "beat_at",
                                "worker", "attempts", "cancel_requested_at", "cancel_by"]}),
        ("What it came to", {"fields": ["partial", "error", "events", "replay_s", "orders", "fills", "cash", "pnl",
                                        "fees", "rebates", "equity_end"]}),
        ("What it stood on", {"fields": ["asked", "recordings", "code", "request_digest", "data_digest", "code_digest",
                                         "result_digest"]}),
    ]  # fmt: skip

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="request and limits")
    def asked(self, obj: BacktestRun) -> str:
        return format_html("<pre>{}</pre>", json.dumps({"request": obj.request, "limits": obj.limits}, indent=1))

    @admin.display(description="recordings")
    def recordings(self, obj: BacktestRun) -> str:
        return format_html("<pre>{}</pre>", json.dumps(obj.data, indent=1))
