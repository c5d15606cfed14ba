"""Parameters of strategies: one typed schema that makes the form, the API schema, the sweep ranges and the diff.

A strategy's parameters are a frozen pydantic model. Every field carries a title, help,
a unit, its bounds and, where it makes sense to vary it, a sweep range. Amounts are
Decimals here (people type them); strategies read them as millionths through `micro`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticUndefined, core_schema

from markets.domain.units import micro_from_decimal


class ParameterError(ValueError):
    """Parameters that cannot be used. `errors` maps each field's path to what is wrong with it."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__("; ".join(f"{field}: {problem}" for field, problem in self.errors.items()))


def _not_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")
    return value


def _words(value: object) -> object:
    """Accept `a, b` and one-per-line texts where a list is wanted: forms send texts."""
    if isinstance(value, str):
        return [word.strip() for word in value.replace("\n", ",").split(",") if word.strip()]
    return value


Amount = Annotated[Decimal, BeforeValidator(_not_boolean)]
Count = Annotated[int, BeforeValidator(_not_boolean)]
Words = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=240)], ...], BeforeValidator(_words)]


def param(
    default: Any,
    *,
    title: str,
    help: str,
    unit: str = "",
    ge: float | Decimal | str | None = None,
    le: float | Decimal | str | None = None,
    places: int | None = None,
    sweep: tuple[str, str, str] | None = None,
    choices: Mapping[str, str] | None = None,
    **extra: Any,
) -> Any:
    """Return a pydantic field with everything that forms, API and docs say about it.

    `sweep` is (low, high, step) as decimal texts: what a parameter sweep tries by default.
    """
    limits: dict[str, Any] = dict(extra)
    if ge is not None:
        limits["ge"] = Decimal(str(ge))
    if le is not None:
        limits["le"] = Decimal(str(le))
    if isinstance(default, Decimal):
        limits["decimal_places"] = 6 if places is None else places  # nothing finer than a millionth can be traded
    about: dict[str, Any] = {"unit": unit}
    if sweep is not None:
        about["sweep"] = {"low": sweep[0], "high": sweep[1], "step": sweep[2]}
    if choices is not None:
        about["choices"] = dict(choices)
    return Field(default, title=title, description=help, json_schema_extra=about, **limits)


class Parameters(BaseModel):
    """Base of every parameter model: frozen, no unknown fields, defaults checked like input."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Kind(StrEnum):
    """What input a field needs."""

    DECIMAL = "decimal"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    WORDS = "words"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One input of a form. `path` has dots for nested groups: `universe.maximum`."""

    path: str
    group: str
    title: str
    help: str
    unit: str
    kind: Kind
    default: Any
    required: bool
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    places: int | None = None
    choices: tuple[tuple[str, str], ...] = ()
    sweep: tuple[Decimal, Decimal, Decimal] | None = None

    @property
    def step(self) -> str:
        """The step of an HTML number input."""
        if self.kind is Kind.INTEGER:
            return "1"
        return "any" if self.places is None else str(Decimal(1).scaleb(-self.places))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One parameter that two versions hold differently, as texts for reading."""

    path: str
    title: str
    unit: str
    before: str
    after: str


def micro(value: Decimal) -> int:
    """Return a parameter's Decimal in millionths."""
    return micro_from_decimal(value)


def parameters_load(schema: type[Parameters], raw: Mapping[str, Any]) -> Parameters:
    """Return the validated parameters. Raises ParameterError that names every bad field."""
    if not isinstance(raw, Mapping):
        raise ParameterError({"parameters": "an object with named fields is needed"})
    try:
        return schema.model_validate(dict(raw))
    except ValidationError as error:
        raise ParameterError(_readable(error)) from None


def _readable(error: ValidationError) -> dict[str, str]:
    errors: dict[str, str] = {}
    for item in error.errors(include_url=False, include_input=False):
        path = ".".join(str(part) for part in item["loc"]) or "parameters"
        message = str(item["msg"]).removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "there is no such parameter"
        errors.setdefault(path, message)
    return errors


def parameters_dump(parameters: Parameters) -> dict[str, Any]:
    """Return JSON-safe values: Decimals as plain texts, tuples as lists."""
    return dict(_plain(parameters.model_dump(mode="python")))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, StrEnum):
        return str(value)
    return value


class _PlainSchema(GenerateJsonSchema):
    """JSON schema in which a Decimal is what our API sends: a decimal text, with its bounds beside it."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        out: JsonSchemaValue = {"type": ["string", "number"], "format": "decimal"}
        for ours, theirs in (
            ("ge", "minimum"),
            ("le", "maximum"),
            ("gt", "exclusiveMinimum"),
            ("lt", "exclusiveMaximum"),
        ):
            if (bound := schema.get(ours)) is not None:
                out[theirs] = float(str(bound))
        return out


def json_schema(schema: type[Parameters]) -> dict[str, Any]:
    """Return the JSON schema of the parameters, defaults as the API sends them."""
    return dict(_plain(schema.model_json_schema(schema_generator=_PlainSchema)))


def fields(schema: type[Parameters], *, prefix: str = "", group: str = "") -> tuple[FieldSpec, ...]:
    """Return one description per input, nested groups flattened, in the order they are declared."""
    out: list[FieldSpec] = []
    for name, info in schema.model_fields.items():
        nested = info.annotation
        if isinstance(nested, type) and issubclass(nested, Parameters):
            out += fields(nested, prefix=f"{prefix}{name}.", group=info.title or name)
            continue
        out.append(_field(f"{prefix}{name}", group, name, info))
    return tuple(out)


def _field(path: str, group: str, name: str, info: FieldInfo) -> FieldSpec:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    bounds: dict[str, Any] = {}
    for item in info.metadata:
        for attribute in ("ge", "le", "decimal_places"):
            if (value := getattr(item, attribute, None)) is not None:
                bounds[attribute] = value
    named: Any = extra.get("choices") or {}
    choices = tuple((str(key), str(label)) for key, label in named.items())
    if not choices and get_origin(info.annotation) is Literal:
        choices = tuple((str(item), str(item)) for item in get_args(info.annotation))
    sweep: Any = extra.get("sweep")
    required = info.default is PydanticUndefined
    return FieldSpec(
        path=path,
        group=group,
        title=info.title or name.replace("_", " "),
        help=info.description or "",
        unit=str(extra.get("unit", "")),
        kind=_kind(info.annotation, bool(choices)),
        default=None if required else _plain(info.default),
        required=required,
        minimum=_decimal_or_none(bounds.get("ge")),
        maximum=_decimal_or_none(bounds.get("le")),
        places=bounds.get("decimal_places"),
        choices=choices,
        sweep=(Decimal(sweep["low"]), Decimal(sweep["high"]), Decimal(sweep["step"])) if sweep else None,
    )


def _kind(annotation: Any, has_choices: bool) -> Kind:
    if has_choices:
        return Kind.CHOICE
    simple = {bool: Kind.BOOLEAN, int: Kind.INTEGER, Decimal: Kind.DECIMAL, str: Kind.TEXT}
    if annotation in simple:
        return simple[annotation]
    if get_origin(annotation) is tuple:
        return Kind.WORDS
    raise TypeError(f"a parameter of type {annotation!r} has no form input; use a number, a text, a choice or words")


def _decimal_or_none(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def sweep_values(spec: FieldSpec) -> tuple[Decimal, ...]:
    """Return what a sweep tries for this field by default; empty when it is not meant to be swept."""
    if spec.sweep is None:
        return ()
    low, high, step = spec.sweep
    return tuple(low + step * index for index in range(int((high - low) / step) + 1))


def flatten(raw: Mapping[str, Any], *, prefix: str = "") -> dict[str, Any]:
    """Return nested values under dotted paths: `{"universe": {"maximum": 5}}` as `{"universe.maximum": 5}`."""
    out: dict[str, Any] = {}
    for key, value in raw.items():
        if isinstance(value, Mapping):
            out |= flatten(value, prefix=f"{prefix}{key}.")
        else:
            out[f"{prefix}{key}"] = value
    return out


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a form sent under dotted paths as nested values."""
    out: dict[str, Any] = {}
    for path, value in flat.items():
        *groups, name = path.split(".")
        target = out
        for group in groups:
            target = target.setdefault(group, {})
        target[name] = value
    return out


def difference(schema: type[Parameters], before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return what changed from one version to the next, in the order of the schema."""
    known = {spec.path: spec for spec in fields(schema)}
    old, new = flatten(before), flatten(after)
    out: list[Difference] = []
    for path in [*known, *sorted((set(old) | set(new)) - set(known))]:
        if path not in old and path not in new:
            continue
        if (was := _text(old.get(path))) != (becomes := _text(new.get(path))):
            spec = known.get(path)
            title, unit = (spec.title, spec.unit) if spec else (path, "")
            out.append(Difference(path=path, title=title, unit=unit, before=was, after=becomes))
    return tuple(out)


def _text(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value) or "none"
    return str(value)
