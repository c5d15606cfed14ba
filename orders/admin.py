"""Accounts may be looked at and steered; orders, fills, ledger and reconciliations may only be read.

Money is moved by services alone: there is no form for a balance, an order or an entry.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline

from markets.domain.units import AmountError, Usd, micro_from_decimal
from orders.models import (
    Account,
    Discrepancy,
    Fill,
    KillSwitch,
    LedgerEntry,
    LedgerTransaction,
    LivePermit,
    Order,
    PaperOrder,
    PaperTrade,
    PnlSnapshot,
    Position,
    ReconcileRun,
    Secret,
)
from orders.services import accounts, execution


class ReadOnly:
    """No row is added, changed or deleted here; every field can be read."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class AccountForm(forms.ModelForm):
    """What an operator decides about an account. `opening_cash` can be given once, when it is opened."""

    opening_cash = forms.DecimalField(
        max_digits=12, decimal_places=6, min_value=0, initial=1000, help_text="dollars of play money to start with"
    )

    class Meta:
        model = Account
        fields = ["name", "owner", "opening_cash", "auto_trade", "on_stop"]

    def clean_opening_cash(self) -> Any:
        value = self.cleaned_data["opening_cash"]
        try:
            micro_from_decimal(value)
        except AmountError as error:
            raise forms.ValidationError(str(error)) from error
        return value


@admin.register(Account)
class AccountAdmin(ModelAdmin):
    list_display = ["name", "environment", "owner", "trading_state", "auto_trade", "cash", "reserved_cash", "on_stop"]
    list_filter = ["environment", "trading_state", "auto_trade"]
    search_fields = ["name"]
    actions = ["cancel_everything"]  # halts are made and lifted under Risk: only the gate releases

    def get_form(self, request: HttpRequest, obj: Account | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **(kwargs if change else {**kwargs, "form": AccountForm}))

    def get_fields(self, request: HttpRequest, obj: Account | None = None) -> list[str]:
        if obj is None:
            return ["name", "owner", "opening_cash", "auto_trade", "on_stop"]
        return [
            "name",
            "owner",
            "venue",
            "environment",
            "connection",
            "connection_note",
            "wallet_address",
            "wallet_kind",
            "signer_address",
            "builder_code",
            "auto_trade",
            "on_stop",
            "trading_state",
            "trading_state_reason",
            "cash",
            "reserved_cash",
            "opening_cash",
            "peak_equity",
            "reconciled_at",
            "created_at",
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> list[str]:
        if obj is None:
            return []
        return [name for name in self.get_fields(request, obj) if name not in ("auto_trade", "on_stop")]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        """Hand the form to the services, which lock, check and journal."""
        by = str(request.user)
        if change:
            accounts.auto_trade_set(account_id=obj.pk, on=obj.auto_trade, by=by)
            accounts.on_stop_set(account_id=obj.pk, on_stop=obj.on_stop, by=by)
            return
        opened = accounts.account_open(
            name=obj.name,
            owner=obj.owner,
            cash=Usd(micro_from_decimal(form.cleaned_data["opening_cash"])),
            on_stop=obj.on_stop,
        )
        if not obj.auto_trade:
            accounts.auto_trade_set(account_id=opened.pk, on=False, by=by)
        obj.pk = opened.pk
        obj.refresh_from_db()

    @admin.action(description="Cancel all open orders")
    def cancel_everything(self, request: HttpRequest, rows: QuerySet[Account]) -> None:
        count = sum(
            execution.cancel_all(row.pk, "cancelled in the admin", str(request.user), timezone.now()) for row in rows
        )
        self.message_user(request, f"{count} cancels requested.")


class FillInline(ReadOnly, TabularInline):
    model = Fill
    extra = 0
    fields = ["venue_trade_id", "role", "price", "size", "fee", "settlement", "voided", "venue_at"]
    ordering = ["id"]


@admin.register(Order)
class OrderAdmin(ReadOnly, ModelAdmin):
    list_display = ["id", "account", "outcome", "side", "price", "size", "filled_size", "state", "origin_label"]
    list_filter = ["state", "side", "order_type", "account"]
    search_fields = ["=id", "client_key", "venue_order_id", "origin_label", "market__question"]
    list_select_related = ["account", "outcome", "outcome__market"]
    inlines = [FillInline]


@admin.register(Fill)
class FillAdmin(ReadOnly, ModelAdmin):
    list_display = ["id", "account", "outcome", "side", "price", "size", "fee", "role", "settlement", "venue_at"]
    list_filter = ["role", "settlement", "account"]
    list_select_related = ["account", "outcome", "outcome__market"]


class EntryInline(ReadOnly, TabularInline):
    model = LedgerEntry
    extra = 0
    fields = ["asset", "book", "amount"]
    ordering = ["id"]


@admin.register(LedgerTransaction)
class LedgerAdmin(ReadOnly, ModelAdmin):
    list_display = ["id", "account", "kind", "reference", "realized", "at", "memo"]
    list_filter = ["kind", "account"]
    search_fields = ["reference", "memo"]
    inlines = [EntryInline]


@admin.register(Position)
class PositionAdmin(ReadOnly, ModelAdmin):
    list_display = ["account", "outcome", "size", "reserved_size", "cost", "realized", "fees", "updated_at"]
    list_filter = ["account"]
    list_select_related = ["account", "outcome", "outcome__market"]


@admin.register(PnlSnapshot)
class PnlSnapshotAdmin(ReadOnly, ModelAdmin):
    list_display = ["account", "at", "equity", "cash", "positions_value", "unrealized", "unmarked"]
    list_filter = ["account"]


class DiscrepancyInline(ReadOnly, TabularInline):
    model = Discrepancy
    extra = 0
    fields = ["kind", "subject", "ours", "theirs", "repaired", "repair"]


@admin.register(ReconcileRun)
class ReconcileRunAdmin(ReadOnly, ModelAdmin):
    list_display = ["id", "account", "started_at", "clean", "orders_compared", "fills_compared", "error"]
    list_filter = ["clean", "account"]
    inlines = [DiscrepancyInline]


@admin.register(PaperOrder)
class PaperOrderAdmin(ReadOnly, ModelAdmin):
    list_display = ["venue_order_id", "account", "side", "price", "size", "filled", "state", "queue_ahead"]
    list_filter = ["state", "account"]


@admin.register(PaperTrade)
class PaperTradeAdmin(ReadOnly, ModelAdmin):
    list_display = ["trade_id", "account", "role", "price", "size", "fee", "inferred", "ingested", "at"]
    list_filter = ["ingested", "inferred", "account"]


@admin.register(KillSwitch)
class KillSwitchAdmin(ReadOnly, ModelAdmin):
    list_display = ["killed", "reason", "by", "at", "empty_reads"]


@admin.register(Secret)
class SecretAdmin(ReadOnly, ModelAdmin):
    """Which secrets are kept, for which key file. The sealed bytes are of no use here and are not shown."""

    list_display = ["account", "kind", "public", "sealing_key", "created_at", "created_by", "retired_at"]
    list_filter = ["kind", "account"]
    list_select_related = ["account", "sealing_key"]
    exclude = ["sealed"]


@admin.register(LivePermit)
class LivePermitAdmin(ReadOnly, ModelAdmin):
    """Granted and revoked on the accounts page, with password and phrase."""

    list_display = ["scope", "subject_label", "granted_by", "granted_at", "revoked_by", "revoked_at"]
    list_filter = ["scope"]
