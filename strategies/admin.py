"""Strategies in the admin: inputs made from the parameter schema, switches as actions, history to read.

Every change goes through a service, which validates it and writes it into the journal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold import widgets
from unfold.admin import ModelAdmin, TabularInline

from orders.selectors.portfolio import account_list
from strategies.domain.parameters import (
    FieldSpec,
    Kind,
    ParameterError,
    difference,
    fields,
    flatten,
    parameters_load,
    unflatten,
)
from strategies.library.registry import STRATEGIES, strategy_choices, strategy_get
from strategies.models import Decision, StrategyConfig, StrategyRun, StrategyVersion, UniverseMember
from strategies.services import configs, states
from strategies.services.states import StateError

PREFIX = "parameter:"


def account_choices() -> list[tuple[int, str]]:
    return [(account.id, f"{account.name} ({account.environment})") for account in account_list()]


def form_field(spec: FieldSpec, value: Any) -> forms.Field:
    """Return the form input of one parameter, with its bounds, unit and help."""
    unit = f" ({spec.unit})" if spec.unit else ""
    bounds = ""
    if spec.minimum is not None and spec.maximum is not None:
        bounds = f" From {spec.minimum:f} to {spec.maximum:f}."
    common: dict[str, Any] = {
        "label": f"{spec.title}{unit}",
        "help_text": f"{spec.help}{bounds}",
        "required": spec.required,
        "initial": value,
    }
    limits = {"min_value": spec.minimum, "max_value": spec.maximum}
    if spec.kind is Kind.BOOLEAN:
        return forms.BooleanField(**common, widget=widgets.UnfoldBooleanSwitchWidget())
    if spec.kind is Kind.CHOICE:
        return forms.ChoiceField(**common, choices=spec.choices, widget=widgets.UnfoldAdminSelectWidget())
    if spec.kind is Kind.INTEGER:
        return forms.IntegerField(**common, **limits, widget=widgets.UnfoldAdminIntegerFieldWidget())
    if spec.kind is Kind.DECIMAL:
        number = widgets.UnfoldAdminDecimalFieldWidget(attrs={"step": spec.step})
        return forms.DecimalField(**common, **limits, decimal_places=spec.places, widget=number)
    text = ", ".join(value) if isinstance(value, list) else value
    return forms.CharField(**{**common, "initial": text}, widget=widgets.UnfoldAdminTextInputWidget())


class StrategyForm(forms.ModelForm):
    """A new strategy: what it is and where. Its parameters are set on the page that follows."""

    strategy_class = forms.ChoiceField(
        choices=strategy_choices, label="kind", widget=widgets.UnfoldAdminSelectWidget(), required=True
    )
    account_id = forms.TypedChoiceField(
        coerce=int, choices=account_choices, label="account", widget=widgets.UnfoldAdminSelectWidget()
    )

    class Meta:
        model = StrategyConfig
        fields = ["name", "strategy_class", "account_id", "interval_s", "priority"]

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if StrategyConfig.objects.filter(name=name).exists():
            raise forms.ValidationError(f"There is a strategy named {name} already: choose another name.")
        return name


class ParametersForm(forms.ModelForm):
    """An existing strategy: how often it ticks, and one input per parameter (added by `parameters_form`)."""

    schema: Any = None

    class Meta:
        model = StrategyConfig
        fields = ["interval_s", "priority"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        wanted = {
            name.removeprefix(PREFIX): value
            for name, value in cleaned.items()
            if name.startswith(PREFIX) and value not in (None, "")
        }
        try:
            parameters_load(self.schema, unflatten(wanted))
        except ParameterError as error:
            for path, problem in error.errors.items():
                base = next((name for name in self.fields if f"{path}.".startswith(f"{name[len(PREFIX) :]}.")), None)
                self.add_error(base if base in self.fields and base.startswith(PREFIX) else None, problem)
        self.wanted = unflatten(wanted)
        return cleaned


def parameters_form(row: StrategyConfig) -> type[ParametersForm]:
    """Return the form class of this strategy, with the values it has now."""
    schema = strategy_get(row.strategy_class).params
    values = flatten(row.parameters)
    inputs: dict[str, Any] = {
        f"{PREFIX}{spec.path}": form_field(spec, values.get(spec.path, spec.default)) for spec in fields(schema)
    }
    return type("StrategyParametersForm", (ParametersForm,), {**inputs, "schema": schema})


class ReadOnly:
    """Rows that nobody edits here."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class VersionInline(ReadOnly, TabularInline):
    model = StrategyVersion
    fields = ["version", "at", "by", "changes"]
    readonly_fields = ["changes"]
    ordering = ["-version"]
    extra = 0
    verbose_name_plural = "versions"

    @admin.display(description="what changed")
    def changes(self, obj: StrategyVersion) -> str:
        earlier = StrategyVersion.objects.filter(strategy_id=obj.strategy_id, version=obj.version - 1).first()
        known = STRATEGIES.get(obj.strategy.strategy_class)
        if earlier is None or known is None:
            return "first version" if earlier is None else "-"
        found = difference(known.params, earlier.parameters, obj.parameters)
        return "; ".join(f"{change.title} {change.before} → {change.after}" for change in found) or "nothing"


class RunInline(ReadOnly, TabularInline):
    model = StrategyRun
    fields = ["mode", "version", "started_at", "started_by", "ended_at", "end_reason", "ticks", "unchanged", "errors"]
    ordering = ["-id"]
    extra = 0
    verbose_name_plural = "runs"


@admin.register(StrategyConfig)
class StrategyConfigAdmin(ModelAdmin):
    """Start, observe, pause and stop are actions of the list; parameters take effect at the next tick."""

    list_display = ["name", "strategy_class", "account", "state", "interval_s", "version", "ticked_at", "last_outcome"]
    list_filter = ["state", "strategy_class"]
    search_fields = ["name"]
    actions = ["start", "observe", "pause", "stop"]
    inlines = [RunInline, VersionInline]

    def get_form(
        self, request: HttpRequest, obj: StrategyConfig | None = None, change: bool = False, **more: Any
    ) -> Any:
        more["form"] = StrategyForm if obj is None else parameters_form(obj)
        return super().get_form(request, obj, change, **more)

    def get_fieldsets(self, request: HttpRequest, obj: StrategyConfig | None = None) -> Any:
        if obj is None:
            return [(None, {"fields": ["name", "strategy_class", "account_id", "interval_s", "priority"]})]
        groups: dict[str, list[str]] = {}
        for spec in fields(strategy_get(obj.strategy_class).params):
            groups.setdefault(spec.group or "Parameters", []).append(f"{PREFIX}{spec.path}")
        status = ["name", "kind", "account", "state_now", "version", "last_outcome", "interval_s", "priority"]
        return [(None, {"fields": status}), *((name, {"fields": names}) for name, names in groups.items())]

    def get_readonly_fields(self, request: HttpRequest, obj: StrategyConfig | None = None) -> list[str]:
        return ["name", "kind", "account", "state_now", "version", "last_outcome"] if obj else []

    def get_inlines(self, request: HttpRequest, obj: StrategyConfig | None = None) -> list[Any]:
        return list(self.inlines) if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # its orders and decisions name it: stop it instead

    @admin.display(description="account", ordering="account_id")
    def account(self, obj: StrategyConfig) -> str:
        return dict(account_choices()).get(obj.account_id, f"account {obj.account_id}")

    @admin.display(description="kind")
    def kind(self, obj: StrategyConfig) -> str:
        known = STRATEGIES.get(obj.strategy_class)
        return f"{known.title}: {known.description}" if known else obj.strategy_class

    @admin.display(description="state")
    def state_now(self, obj: StrategyConfig) -> str:
        words = obj.get_state_display()
        words += f", by {obj.state_by}" if obj.state_by else ""
        words += f": {obj.state_reason}" if obj.state_reason else ""
        return f"{words}, until {obj.paused_until:%Y-%m-%d %H:%M} UTC" if obj.paused_until else words

    def save_model(self, request: HttpRequest, obj: StrategyConfig, form: Any, change: bool) -> None:
        now, by = timezone.now(), str(request.user)
        if not change:
            made = configs.strategy_create(
                name=obj.name,
                strategy_class=obj.strategy_class,
                account_id=obj.account_id,
                owner=request.user,
                interval_s=obj.interval_s,
                priority=obj.priority,
                by=by,
                now=now,
            )
            obj.pk = made.pk
            return
        configs.settings_change(obj.pk, interval_s=obj.interval_s, priority=obj.priority, by=by, now=now)
        version, changes = configs.parameters_change(obj.pk, form.wanted, by=by, now=now)
        if changes:
            messages.info(request, f"Version {version} is in effect from the next tick.")

    def response_add(
        self, request: HttpRequest, obj: StrategyConfig, post_url_continue: str | None = None
    ) -> HttpResponse:
        messages.success(request, f"{obj.name} is a draft: set its parameters, then start it from the list.")
        return HttpResponseRedirect(reverse("admin:strategies_strategyconfig_change", args=[obj.pk]))

    @admin.action(description="Start")
    def start(self, request: HttpRequest, queryset: QuerySet[StrategyConfig]) -> None:
        self._each(request, queryset, lambda pk: f"started, run {states.strategy_start(pk, **_who(request))}")

    @admin.action(description="Observe: decide, send nothing")
    def observe(self, request: HttpRequest, queryset: QuerySet[StrategyConfig]) -> None:
        self._each(
            request, queryset, lambda pk: f"observes, run {states.strategy_start(pk, observe=True, **_who(request))}"
        )

    @admin.action(description="Pause")
    def pause(self, request: HttpRequest, queryset: QuerySet[StrategyConfig]) -> None:
        self._each(
            request, queryset, lambda pk: f"paused, {states.strategy_pause(pk, **_who(request))} orders asked to cancel"
        )

    @admin.action(description="Stop")
    def stop(self, request: HttpRequest, queryset: QuerySet[StrategyConfig]) -> None:
        self._each(
            request, queryset, lambda pk: f"stopped, {states.strategy_stop(pk, **_who(request))} orders asked to cancel"
        )

    def _each(self, request: HttpRequest, queryset: QuerySet[StrategyConfig], switch: Callable[[int], str]) -> None:
        if not self.has_change_permission(request):
            raise PermissionDenied
        for row in queryset:
            try:
                messages.success(request, f"{row.name}: {switch(row.pk)}.")
            except StateError as error:
                messages.error(request, f"{error}.")


def _who(request: HttpRequest) -> Mapping[str, Any]:
    return {"by": str(request.user), "now": timezone.now()}


@admin.register(Decision)
class DecisionAdmin(ReadOnly, ModelAdmin):
    """What strategies decided and why; only evaluations that changed what one wants are kept."""

    list_display = ["id", "at", "strategy", "trigger", "outcome", "took_us"]
    list_filter = ["strategy", "trigger"]
    fields = ["strategy", "run", "at", "trigger", "version", "outcome", "took_us", "wants", "reasons", "books"]
    readonly_fields = ["wants", "reasons"]
    show_full_result_count = False

    @admin.display(description="wanted")
    def wants(self, obj: Decision) -> str:
        return format_html("<pre>{}</pre>", json.dumps(obj.wanted, indent=1))

    @admin.display(description="trace")
    def reasons(self, obj: Decision) -> str:
        return format_html("<pre>{}</pre>", json.dumps(obj.trace, indent=1))


@admin.register(UniverseMember)
class UniverseMemberAdmin(ReadOnly, ModelAdmin):
    """Which markets a strategy watches, and why others are left out."""

    list_display = ["strategy", "market_id", "included", "reason"]
    list_filter = ["included", "strategy"]
    search_fields = ["reason"]
