"""Profiles and limits may be edited, verdicts may only be read, halts are made and lifted.

Every change goes through a service, which writes it into the journal.
"""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.forms.models import model_to_dict
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from orders.selectors.portfolio import account_list
from risk.api.serializers import check_plain
from risk.models import AccountLimits, Halt, OriginLimits, RiskProfile, RiskVerdict
from risk.services import halts, profiles


def account_choices() -> list[tuple[int, str]]:
    return [(account.id, f"{account.name} ({account.environment})") for account in account_list()]


@admin.register(RiskProfile)
class RiskProfileAdmin(ModelAdmin):
    """Amounts in dollars, ratios in basis points (100 is 1 %), times in seconds."""

    list_display = [
        "name",
        "account_exposure",
        "market_exposure",
        "strategy_exposure",
        "order_size",
        "open_orders",
        "open_positions",
        "daily_loss",
        "drawdown_stop_bps",
        "drawdown_kill_bps",
        "slippage_bps",
    ]

    def save_model(self, request: HttpRequest, obj: RiskProfile, form: Any, change: bool) -> None:
        before = None
        if change:
            before = model_to_dict(RiskProfile.objects.get(pk=obj.pk), exclude=["id"])
        profiles.profile_save(obj, by=str(request.user), before=before)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # an account may use it, and its history names it


class AccountLimitsForm(forms.ModelForm):
    account_id = forms.TypedChoiceField(coerce=int, choices=account_choices, label="account")

    class Meta:
        model = AccountLimits
        fields = ["account_id", "profile"]


@admin.register(AccountLimits)
class AccountLimitsAdmin(ModelAdmin):
    """Which profile an account uses. Without one the gate refuses every order on it."""

    list_display = ["account", "profile", "updated_at"]

    def get_form(self, request: HttpRequest, obj: AccountLimits | None = None, change: bool = False, **kw: Any) -> Any:
        return super().get_form(request, obj, change, **(kw if change else {**kw, "form": AccountLimitsForm}))

    @admin.display(ordering="account_id")
    def account(self, obj: AccountLimits) -> str:
        return dict(account_choices()).get(obj.account_id, f"account {obj.account_id}")

    def save_model(self, request: HttpRequest, obj: AccountLimits, form: Any, change: bool) -> None:
        profiles.profile_assign(obj.account_id, obj.profile.name, by=str(request.user))
        obj.pk = AccountLimits.objects.get(account_id=obj.account_id).pk

    def get_readonly_fields(self, request: HttpRequest, obj: AccountLimits | None = None) -> list[str]:
        return ["account"] if obj else []

    def get_fields(self, request: HttpRequest, obj: AccountLimits | None = None) -> list[str]:
        return ["account", "profile"] if obj else ["account_id", "profile"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # to stop an account, halt it


@admin.register(OriginLimits)
class OriginLimitsAdmin(ModelAdmin):
    """Tighter limits of one strategy, in dollars. A value above the account's profile has no effect."""

    list_display = ["origin_kind", "origin_id", "exposure", "order_size", "open_orders", "daily_loss"]

    def save_model(self, request: HttpRequest, obj: OriginLimits, form: Any, change: bool) -> None:
        saved = profiles.origin_limits_set(
            obj.origin_kind,
            obj.origin_id,
            exposure=obj.exposure,
            order_size=obj.order_size,
            open_orders=obj.open_orders,
            daily_loss=obj.daily_loss,
            by=str(request.user),
        )
        obj.pk = saved.pk

    def get_readonly_fields(self, request: HttpRequest, obj: OriginLimits | None = None) -> list[str]:
        return ["origin_kind", "origin_id"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # empty fields mean the profile alone decides


@admin.register(RiskVerdict)
class RiskVerdictAdmin(ModelAdmin):
    """What the gate said, with every rule's numbers. Nobody edits it."""

    list_display = ["id", "at", "decision", "rule", "message", "origin_label", "side", "price", "asked_size", "repeats"]
    list_filter = ["decision", "rule", "environment", "origin_kind"]
    search_fields = ["origin_label", "message", "=order_id"]
    date_hierarchy = "at"
    exclude = ["checks"]
    readonly_fields = ["rules"]

    @admin.display(description="every rule")
    def rules(self, obj: RiskVerdict) -> str:
        lines = [json.dumps(check_plain(check), ensure_ascii=False) for check in obj.checks]
        return format_html("<pre>{}</pre>", "\n".join(lines))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class HaltForm(forms.ModelForm):
    account_id = forms.TypedChoiceField(
        coerce=lambda value: int(value) if value else None,
        choices=lambda: [("", "every account"), *account_choices()],
        required=False,
        empty_value=None,
        label="account",
    )
    kind = forms.ChoiceField(choices=[(Halt.Kind.REDUCE_ONLY, "reduce only"), (Halt.Kind.HALTED, "halted")])

    class Meta:
        model = Halt
        fields = ["account_id", "kind", "reason"]


@admin.register(Halt)
class HaltAdmin(ModelAdmin):
    """Stops, until they are lifted. The kill switch is released on the risk page or by `manage.py release`."""

    form = HaltForm
    list_display = ["id", "account_id", "kind", "cause", "reason", "by", "created_at", "lifted_at", "lifted_by"]
    list_filter = ["kind", "cause", ("lifted_at", admin.EmptyFieldListFilter)]
    actions = ["lift"]

    def save_model(self, request: HttpRequest, obj: Halt, form: Any, change: bool) -> None:
        halt = halts.halt_create(obj.account_id, obj.kind, obj.reason, str(request.user))
        obj.pk = halt.pk

    @admin.action(description="Lift")
    def lift(self, request: HttpRequest, rows: QuerySet[Halt]) -> None:
        lifted = 0
        for row in rows:
            try:
                lifted += halts.halt_lift(row.pk, by=str(request.user), reason="lifted in the admin")
            except halts.HaltError as error:
                self.message_user(request, str(error), messages.ERROR)
        self.message_user(request, f"{lifted} halts lifted. Others, if any, still hold their accounts.")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
