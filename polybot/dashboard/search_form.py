"""The form of a parameter search: it starts from a backtest, and names what to vary and how.

What was typed stays, whatever is wrong with it. A number is varied by low, high and step, a choice by its values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from django.http import QueryDict

from backtests.domain.request import BacktestRequest
from backtests.domain.search.plan import RANGES, SearchPlan
from strategies.domain import parameters as schema
from strategies.domain.parameters import FieldSpec, Kind
from strategies.library import registry

METHODS = (
    ("grid", "grid: every combination"),
    ("random", "random: different points drawn by the seed"),
    ("tpe", "TPE: each point chosen from what was found so far"),
)
OBJECTIVES = (
    ("profit", "net profit, $"),
    ("steadiness", "steadiness: mean over deviation of the profit per part of the time"),
    ("profit_to_drawdown", "net profit over the deepest fall"),
)
_NUMBERS = (Kind.DECIMAL, Kind.INTEGER)
PLAIN = {"method": "grid", "trials": "50", "objective": "profit", "holdout": "20", "folds": "4", "seed": "0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisInput:
    """One parameter that may be varied. `values` are low, high and step; choices are ticked."""

    spec: FieldSpec
    value: str  # of the backtest the search starts from
    on: bool
    values: tuple[str, str, str] = ("", "", "")
    chosen: tuple[str, ...] = ()
    error: str = ""

    @property
    def is_number(self) -> bool:
        return self.spec.kind in _NUMBERS


@dataclass(slots=True, kw_only=True)
class SearchForm:
    """Everything the page shows; `typed` is None for a fresh form."""

    request: BacktestRequest
    typed: QueryDict | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def known(self) -> Any:
        return registry.STRATEGIES.get(self.request.strategy)

    @property
    def plain(self) -> dict[str, str]:
        """Return the values of the simple inputs."""
        typed = self.typed
        return {name: default if typed is None else typed.get(name, "") for name, default in PLAIN.items()}

    @property
    def name(self) -> str:
        return "" if self.typed is None else self.typed.get("name", "")

    @property
    def axes(self) -> list[AxisInput]:
        if self.known is None:
            return []
        flat = schema.flatten(self.request.params)
        out = []
        for spec in schema.fields(self.known.params):
            if spec.path.startswith("universe.") or spec.kind in (Kind.WORDS, Kind.TEXT):
                continue
            value = flat.get(spec.path, spec.default)
            text = ("true" if value else "false") if spec.kind is Kind.BOOLEAN else str(value)
            out.append(self._axis(spec, text))
        return out

    def _axis(self, spec: FieldSpec, value: str) -> AxisInput:
        typed = self.typed
        error = self.errors.get(f"{RANGES}.{spec.path}", "")
        if spec.kind not in _NUMBERS:
            chosen = () if typed is None else tuple(typed.getlist(f"c.{spec.path}"))
            return AxisInput(spec=_with_choices(spec), value=value, on=bool(chosen), chosen=chosen, error=error)
        if typed is None:
            sweep = spec.sweep
            values = ("", "", "") if sweep is None else (_text(sweep[0]), _text(sweep[1]), _text(sweep[2]))
            return AxisInput(spec=spec, value=value, on=False, values=values, error=error)
        low, high, step = (typed.get(f"{part}.{spec.path}", "").strip() for part in ("low", "high", "step"))
        on = typed.get(f"on.{spec.path}") == "on"
        return AxisInput(spec=spec, value=value, on=on, values=(low, high, step), error=error)


def plan_of(form: SearchForm) -> SearchPlan:
    """Return what was typed as a plan. Raises ValueError with `errors` by field for what is no number."""
    plain, errors = form.plain, {}
    numbers: dict[str, int] = {}
    for name in ("trials", "folds", "seed"):
        text = plain[name].strip()
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            errors[name] = "a whole number is needed"
        else:
            numbers[name] = int(text)
    holdout = 0
    try:
        share = Decimal(plain["holdout"].strip())
        holdout = int(share * 10_000) if share.is_finite() and 0 <= share <= 100 else -1
    except InvalidOperation:
        errors["holdout"] = "a number of per cent is needed"
    if errors:
        raise FormError(errors)
    return SearchPlan(
        method=plain["method"],
        ranges={a.spec.path: list(a.values if a.is_number else a.chosen) for a in form.axes if a.on},
        trials=numbers["trials"],
        objective=plain["objective"],
        holdout_ppm=holdout,
        folds=numbers["folds"],
        seed=numbers["seed"],
    )


class FormError(ValueError):
    """Texts that are no numbers, by field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__("; ".join(errors))


def _with_choices(spec: FieldSpec) -> FieldSpec:
    if spec.kind is not Kind.BOOLEAN:
        return spec
    return replace(spec, choices=(("true", "yes"), ("false", "no")))


def _text(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
