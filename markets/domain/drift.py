"""Does a venue still send what it used to? An observed object compared with the shape declared for it.

Pure and cheap: a shape is compiled once into plain dictionaries, and comparing an object that fits costs one
pass over its keys. A difference names its field with its path ("maker_orders[].side"). Values are hardly
ever kept: a message about our own account may contain what nobody should read in a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

MOST_DIFFERENCES = 20  # of one object: more says nothing new
_ROWS_LOOKED_AT = 3  # of a list, from its front
_SHORT = 24  # characters of a text that may be shown; keys, secrets and addresses are longer
_HUSHED = ("secret", "passphrase", "signature", "apikey", "api_key", "owner", "token", "auth", "key")


class Kind(StrEnum):
    """What JSON can hold. A field that may be left out may also be null: both say nothing."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    LIST = "list"
    OBJECT = "object"
    NULL = "null"


ANY = frozenset(Kind)


class DriftKind(StrEnum):
    UNKNOWN_FIELD = "unknown_field"
    MISSING_FIELD = "missing_field"
    RETYPED_FIELD = "retyped_field"
    CHANGED_FACT = "changed_fact"


@dataclass(frozen=True, slots=True)
class Part:
    """What one field may be. `inside` is the shape of the object, or of every object in the list."""

    kinds: frozenset[Kind] = ANY
    optional: bool = False
    inside: Shape | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """All the fields that a kind of object has. `open`: other names may appear, such as ids that are keys."""

    parts: Mapping[str, Part]
    open: bool = False
    required: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "required", frozenset(n for n, part in self.parts.items() if not part.optional))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as declared. `sample` says what was there, as far as it may be shown."""

    kind: DriftKind
    field: str
    sample: str = ""


def shape(text: str, *, inside: Mapping[str, Shape] | None = None, open: bool = False) -> Shape:
    """Return the shape written as "name:text price:text|number note?:text": kinds after a colon, `?` may be absent.

    Without a colon any kind is right. `inside` gives the shapes of fields that hold objects.
    """
    parts: dict[str, Part] = {}
    for word in text.split():
        name, _, kinds = word.partition(":")
        optional = name.endswith("?")
        name = name.removesuffix("?")
        known = frozenset(Kind(kind) for kind in kinds.split("|")) if kinds else ANY
        if optional:
            known |= {Kind.NULL}
        parts[name] = Part(kinds=known, optional=optional, inside=(inside or {}).get(name))
    return Shape(parts, open=open)


def differences(observed: object, declared: Shape) -> list[Difference]:
    """Return how `observed` differs from what is declared; nothing when it fits."""
    found: list[Difference] = []
    for difference in _compare(observed, declared, ""):
        found.append(difference)
        if len(found) >= MOST_DIFFERENCES:
            break
    return found


def kind_of(value: object) -> Kind:
    if value is None:
        return Kind.NULL
    if isinstance(value, bool):
        return Kind.FLAG
    if isinstance(value, int | float | Decimal):
        return Kind.NUMBER
    if isinstance(value, str):
        return Kind.TEXT
    return Kind.OBJECT if isinstance(value, Mapping) else Kind.LIST


def _compare(observed: object, declared: Shape, path: str) -> Iterator[Difference]:
    if not isinstance(observed, Mapping):
        yield Difference(kind=DriftKind.RETYPED_FIELD, field=path or "(whole)", sample=kind_of(observed).value)
        return
    parts = declared.parts
    for name, value in observed.items():
        part = parts.get(name)
        if part is None:
            if not declared.open:
                yield Difference(
                    kind=DriftKind.UNKNOWN_FIELD, field=_joined(path, name), sample=_shown(str(name), value)
                )
            continue
        kind = kind_of(value)
        if kind not in part.kinds:
            wanted = " or ".join(sorted(part.kinds - {Kind.NULL})) or "null"
            yield Difference(
                kind=DriftKind.RETYPED_FIELD,
                field=_joined(path, name),
                sample=f"{_shown(str(name), value)}, was {wanted}",
            )
        elif part.inside is not None and value is not None:
            yield from _inside(value, part.inside, _joined(path, name))
    for name in declared.required - observed.keys():
        yield Difference(kind=DriftKind.MISSING_FIELD, field=_joined(path, name))


def _inside(value: Any, declared: Shape, path: str) -> Iterator[Difference]:
    if isinstance(value, Mapping):
        yield from _compare(value, declared, path)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for row in value[:_ROWS_LOOKED_AT]:
            yield from _compare(row, declared, f"{path}[]")


def _joined(path: str, name: object) -> str:
    text = f"{name}"[:60]
    return f"{path}.{text}" if path else text


def _shown(name: str, value: object) -> str:
    """Return what was there: the kind, and the value where it is short and harmless."""
    kind = kind_of(value)
    if kind in (Kind.LIST, Kind.OBJECT, Kind.NULL) or any(word in name.lower() for word in _HUSHED):
        return kind.value
    text = str(value).replace("\x00", "?")
    return f"{kind.value} {text}" if len(text) <= _SHORT else f"{kind.value} of {len(text)} characters"
