"""A strategy's parameters as a form, made from its schema: bounds, units, help, errors beside the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

from polybot.dashboard import pictures
from strategies.domain import parameters as schema
from strategies.domain.parameters import FieldSpec, Kind

OWN = "Strategy"
PREFIX = "p."  # of every input's name, so that a parameter may be called anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    spec: FieldSpec
    name: str
    value: str
    shown: str
    error: str
    changed_in: int | None
    picture: str

    @property
    def is_checked(self) -> bool:
        return self.value == "true"


def inputs_of(
    params: type[schema.Parameters],
    stored: Mapping[str, Any],
    *,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    changed: Mapping[str, int] | None = None,
    prefix: str = PREFIX,
) -> list[tuple[str, list[Input]]]:
    """Return the inputs by group, holding what was typed where something was, what is stored otherwise."""
    flat = schema.flatten(stored)
    groups: dict[str, list[Input]] = {}
    for spec in schema.fields(params):
        value = _text(flat.get(spec.path, spec.default), spec.kind)
        if typed is not None:
            value = _typed(typed, spec, prefix)
        groups.setdefault(spec.group or OWN, []).append(
            Input(
                spec=spec,
                name=prefix + spec.path,
                value=value,
                shown=_shown(value, spec),
                error=(errors or {}).get(spec.path, ""),
                changed_in=(changed or {}).get(spec.path),
                picture=_picture(value, spec),
            )
        )
    # The strategy's own parameters first: the universe is long and rarely changed.
    return sorted(groups.items(), key=lambda item: item[0] != OWN)


def parameters_from(
    posted: Mapping[str, str], params: type[schema.Parameters], *, prefix: str = PREFIX
) -> dict[str, Any]:
    """Return what a posted form says, nested as the schema wants it. An empty text means: the default."""
    flat: dict[str, Any] = {}
    for spec in schema.fields(params):
        name = prefix + spec.path
        if spec.kind is Kind.BOOLEAN:
            flat[spec.path] = posted.get(name) in ("on", "true")
            continue
        text = posted.get(name)
        if text is None or (text.strip() == "" and spec.kind is not Kind.WORDS):
            continue
        flat[spec.path] = text if spec.kind is Kind.WORDS else text.strip()
    return schema.unflatten(flat)


def changes_by_version(params: type[schema.Parameters], versions: list[Any]) -> dict[str, int]:
    """Return, per parameter, the newest version that changed it. `versions` are newest first."""
    changed: dict[str, int] = {}
    for newer, older in pairwise(versions):
        for item in schema.difference(params, older.parameters, newer.parameters):
            changed.setdefault(item.path, newer.version)
    return changed


def _typed(posted: Mapping[str, str], spec: FieldSpec, prefix: str) -> str:
    value = posted.get(prefix + spec.path)
    if spec.kind is Kind.BOOLEAN:
        return "true" if value in ("on", "true") else "false"
    return value or ""


def _text(value: Any, kind: Kind) -> str:
    if value is None:
        return ""
    if kind is Kind.BOOLEAN:
        return "true" if value else "false"
    if kind is Kind.WORDS:
        return ", ".join(str(word) for word in value)
    return str(value)


def _shown(value: str, spec: FieldSpec) -> str:
    if spec.kind is Kind.BOOLEAN:
        return "yes" if value == "true" else "no"
    if spec.kind is Kind.CHOICE:
        return dict(spec.choices).get(value, value)
    return value or "none"


def _picture(value: str, spec: FieldSpec) -> str:
    if spec.minimum is None or spec.maximum is None or spec.maximum <= spec.minimum:
        return ""
    try:
        share = (Decimal(value) - spec.minimum) / (spec.maximum - spec.minimum)
    except ArithmeticError:
        return ""
    return pictures.range_dot(float(share))
