"""What a parameter search may try: axes with exact values, the grid over them, and seeded random draws.

Values are the decimal texts that the strategy's schema takes, so that a trial's parameters are exactly what a person
would have typed. An axis has at most `MOST_VALUES` values, a grid at most `MOST_TRIALS` points: more is refused
instead of being thinned out silently.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import product
from math import prod
from typing import Any, Protocol

from strategies.domain.parameters import FieldSpec, Kind, Parameters, fields, flatten, unflatten

MOST_VALUES = 500
MOST_TRIALS = 10_000

Assignment = tuple[str, ...]  # one value per axis, in the order of the axes


class SpaceError(ValueError):
    """Ranges that cannot be searched. `errors` maps a parameter's path to what is wrong with it."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__("; ".join(f"{path}: {problem}" for path, problem in self.errors.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One parameter and the values to try, in order."""

    path: str
    title: str
    unit: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    axes: tuple[Axis, ...]

    @property
    def size(self) -> int:
        """How many points the whole grid has."""
        return prod(len(axis.values) for axis in self.axes)

    def applied(self, params: Mapping[str, Any], assignment: Assignment) -> dict[str, Any]:
        """Return `params` (nested, as JSON) with the assignment's values in their places."""
        flat = flatten(params)
        flat.update(zip((axis.path for axis in self.axes), assignment, strict=True))
        return unflatten(flat)

    def named(self, assignment: Assignment) -> dict[str, str]:
        return dict(zip((axis.path for axis in self.axes), assignment, strict=True))


def space_of(schema: type[Parameters], ranges: Mapping[str, Sequence[str]]) -> Space:
    """Return the space over `ranges`: per path (low, high, step) for a number, or the choices to try.

    Raises SpaceError for unknown parameters, ranges outside the parameter's bounds, and steps of zero.
    """
    known = {spec.path: spec for spec in fields(schema)}
    errors: dict[str, str] = {}
    axes: list[Axis] = []
    for path, wanted in ranges.items():
        spec = known.get(path)
        if spec is None:
            errors[path] = "there is no such parameter"
            continue
        try:
            values = _values(spec, wanted)
        except ValueError as error:
            errors[path] = str(error)
            continue
        axes.append(Axis(path=path, title=spec.title, unit=spec.unit, values=values))
    if not ranges:
        errors["ranges"] = "name at least one parameter to vary"
    if errors:
        raise SpaceError(errors)
    return Space(axes=tuple(axes))


def space_default(schema: type[Parameters], paths: Sequence[str]) -> dict[str, tuple[str, str, str]]:
    """Return the sweep ranges that the schema itself proposes for `paths`. Raises SpaceError where it has none."""
    known = {spec.path: spec for spec in fields(schema)}
    errors: dict[str, str] = {}
    ranges: dict[str, tuple[str, str, str]] = {}
    for path in paths:
        spec = known.get(path)
        if spec is None:
            errors[path] = "there is no such parameter"
        elif spec.sweep is None:
            errors[path] = "it proposes no range; give low, high and step"
        else:
            low, high, step = (_text(value, spec) for value in spec.sweep)
            ranges[path] = (low, high, step)
    if errors:
        raise SpaceError(errors)
    return ranges


def grid(space: Space) -> tuple[Assignment, ...]:
    """Return every point, the last axis moving fastest. Raises SpaceError when there are more than MOST_TRIALS."""
    if space.size > MOST_TRIALS:
        raise SpaceError({"ranges": f"{space.size:,} points are more than {MOST_TRIALS:,}; use larger steps or draws"})
    return tuple(product(*(axis.values for axis in space.axes)))


class Chooser(Protocol):
    """The part of a seeded `random.Random` that draws need."""

    def shuffle(self, x: MutableSequence[Any], /) -> None: ...
    def choice(self, seq: Sequence[str], /) -> str: ...


def draws(space: Space, count: int, *, rng: Chooser) -> tuple[Assignment, ...]:
    """Return `count` different random points; all of them, shuffled, when the space has no more."""
    if not 1 <= count <= MOST_TRIALS:
        raise SpaceError({"trials": f"between 1 and {MOST_TRIALS:,} are possible"})
    if space.size <= min(2 * count, MOST_TRIALS):
        points = list(grid(space))
        rng.shuffle(points)
        return tuple(points[:count])
    found: dict[Assignment, None] = {}
    while len(found) < count:
        found[tuple(rng.choice(axis.values) for axis in space.axes)] = None
    return tuple(found)


def _values(spec: FieldSpec, wanted: Sequence[str]) -> tuple[str, ...]:
    if spec.kind is Kind.CHOICE:
        allowed = dict(spec.choices)
        if wrong := [value for value in wanted if value not in allowed]:
            raise ValueError(f"{', '.join(wrong)} is no choice; known: {', '.join(allowed)}")
        return _some(tuple(dict.fromkeys(wanted)))
    if spec.kind is Kind.BOOLEAN:
        if wrong := [value for value in wanted if value not in ("true", "false")]:
            raise ValueError(f"{', '.join(wrong)} is neither true nor false")
        return _some(tuple(dict.fromkeys(wanted)))
    if spec.kind not in (Kind.DECIMAL, Kind.INTEGER):
        raise ValueError("only numbers, choices and switches can be varied")
    if len(wanted) != 3:
        raise ValueError("low, high and step are needed")
    try:
        low, high, step = (Decimal(value) for value in wanted)
    except InvalidOperation:
        raise ValueError("low, high and step must be numbers") from None
    if not all(value.is_finite() for value in (low, high, step)):
        raise ValueError("low, high and step must be finite")
    _within(spec, low, high, step)
    count = int((high - low) / step) + 1
    if count > MOST_VALUES:
        raise ValueError(f"{count:,} values are more than {MOST_VALUES}; use a larger step")
    return tuple(_text(low + step * index, spec) for index in range(count))


def _within(spec: FieldSpec, low: Decimal, high: Decimal, step: Decimal) -> None:
    if step <= 0:
        raise ValueError("the step must be above zero")
    if high < low:
        raise ValueError("high is below low")
    if spec.minimum is not None and low < spec.minimum:
        raise ValueError(f"low is below {spec.minimum}, the smallest allowed")
    if spec.maximum is not None and high > spec.maximum:
        raise ValueError(f"high is above {spec.maximum}, the largest allowed")
    if spec.kind is Kind.INTEGER and any(value != int(value) for value in (low, high, step)):
        raise ValueError("whole numbers are needed")
    if spec.places is not None and any(_places(value) > spec.places for value in (low, step)):
        raise ValueError(f"at most {spec.places} decimals are allowed")


def _some(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("name at least one value")
    return values


def _places(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _text(value: Decimal, spec: FieldSpec) -> str:
    if spec.kind is Kind.INTEGER:
        return str(int(value))
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
