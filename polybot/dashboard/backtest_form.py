"""The form of a backtest: the strategy's generated inputs, the options' generated inputs, and a picker of recordings.

What was typed stays, whatever else is wrong. An empty field is never filled in silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from django.http import QueryDict

from backtests.domain.options import MOST_TAPES, PARAMS, RunOptions, options_of, request_load
from backtests.domain.request import BacktestRequest, QueueAssumption
from backtests.selectors import runs
from polybot.dashboard.parameters import PREFIX, Input, inputs_of, parameters_from
from risk.selectors.screens import profile_rows
from strategies.domain import parameters as schema
from strategies.domain.parameters import FieldSpec, Kind
from strategies.library import registry

if TYPE_CHECKING:
    from markets.selectors.archive import TapeInfo

OPTION = "o."  # of the names of the options' inputs
SHOWN_TAPES = 60
MAY_BE_EMPTY = (Kind.WORDS, Kind.TEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """One recording in the picker."""

    info: TapeInfo
    key: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run would have to do. `seconds` is None before the first measured run."""

    recordings: int
    markets: int
    rows: int
    trades: int
    replays: int
    seconds: float | None
    measured_on: int
    gaps: int
    unresolved: int
    fidelities: tuple[tuple[str, int], ...]


@dataclass(slots=True, kw_only=True)
class BacktestForm:
    """Everything the page shows; `typed` is None for a fresh form."""

    strategy: str
    params: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    chosen: Sequence[str] = ()
    name: str = ""
    tags: str = ""
    notes: str = ""
    text: str = ""
    typed: QueryDict | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def known(self) -> Any:
        return registry.STRATEGIES.get(self.strategy)

    @property
    def parameter_groups(self) -> list[tuple[str, list[Input], bool]]:
        """Return the strategy's inputs by group, and whether one of them is wrong."""
        if self.known is None:
            return []
        prefix = f"{PARAMS}."
        errors = {path.removeprefix(prefix): words for path, words in self.errors.items() if path.startswith(prefix)}
        groups = inputs_of(
            self.known.params, self.params, typed=self._typed(), errors=_at_inputs(errors, self.known.params)
        )
        return [(group, inputs, any(item.error for item in inputs)) for group, inputs in groups]

    @property
    def option_groups(self) -> list[tuple[str, list[Input]]]:
        groups = inputs_of(
            RunOptions,
            self.options,
            typed=self._typed(),
            errors=_at_inputs(self.errors, RunOptions),
            prefix=OPTION,
        )
        names = tuple((row.name, row.name) for row in profile_rows())
        return [
            ("How it runs" if number == 0 else group, [_with_choices(item, "profile", names) for item in inputs])
            for number, (group, inputs) in enumerate(groups)
        ]

    def picks(self) -> tuple[list[Pick], int, int]:
        """Return what the picker shows, how many recordings match the filter, and how many there are."""
        infos = {f"{info.market}|{info.day}": info for info in _recordings()}
        chosen = [key for key in self.chosen if key in infos]
        matching = [key for key, info in infos.items() if _matches(info, self.text)]
        shown = dict.fromkeys([*chosen, *matching])
        picks = [Pick(info=infos[key], key=key, chosen=key in set(chosen)) for key in shown]
        return picks[: max(SHOWN_TAPES, len(chosen))], len(matching), len(infos)

    def _typed(self) -> Mapping[str, str] | None:
        return None if self.typed is None else self.typed


def form_new(query: QueryDict, *, like: Any | None) -> BacktestForm:
    """Return the form for a strategy, or like a run that there was."""
    if like is not None:
        request = request_load(like.request)
        return BacktestForm(
            strategy=request.strategy,
            params=request.params,
            options=options_of(request),
            chosen=[f"{ref.market}|{ref.day}" for ref in request.data],
            name=like.name,
            tags=", ".join(like.tags),
            text=query.get("q", "").strip()[:100],
        )
    names = [name for name, _ in registry.strategy_choices()]
    asked = query.get("strategy", "")
    return BacktestForm(
        strategy=asked if asked in names else names[0],
        chosen=query.getlist("data")[:MOST_TAPES],
        text=query.get("q", "").strip()[:100],
    )


def form_posted(posted: QueryDict) -> BacktestForm:
    return BacktestForm(
        strategy=posted.get("strategy", ""),
        chosen=posted.getlist("data")[: MOST_TAPES + 1],
        name=posted.get("name", "")[:200],
        tags=posted.get("tags", "")[:600],
        notes=posted.get("notes", ""),
        text=posted.get("q", "").strip()[:100],
        typed=posted,
    )


def asked_values(form: BacktestForm) -> dict[str, Any]:
    """Return what a posted form asks for, as the services want it."""
    posted: Any = form.typed
    known = form.known
    return {
        "strategy": form.strategy,
        "params": parameters_from(posted, known.params) if known else {},
        "data": [dict(zip(("market", "day"), key.partition("|")[::2], strict=True)) for key in form.chosen],
        "options": parameters_from(posted, RunOptions, prefix=OPTION),
        "name": form.name,
        "tags": [word for word in form.tags.replace(",", " ").split() if word],
        "notes": form.notes,
    }


def blanks(form: BacktestForm) -> dict[str, str]:
    """Return the fields that were left empty although they have no empty meaning, with their default in words."""
    posted: Any = form.typed
    found = {}
    schemas: list[tuple[str, str, Any]] = [(OPTION, "", RunOptions)]
    if form.known is not None:
        schemas.append((PREFIX, f"{PARAMS}.", form.known.params))
    for prefix, path, params in schemas:
        for spec in schema.fields(params):
            if spec.kind is Kind.BOOLEAN or (spec.kind in MAY_BE_EMPTY and not spec.default):
                continue
            if not (posted.get(prefix + spec.path) or "").strip():
                found[path + spec.path] = f"give a value; the default is {spec.default}"
    return found


def matching_keys(form: BacktestForm) -> list[str]:
    """Return the chosen recordings and all that match the filter, as many as a run may have."""
    matching = [f"{info.market}|{info.day}" for info in _recordings() if _matches(info, form.text)]
    return list(dict.fromkeys([*form.chosen, *matching]))[:MOST_TAPES]


def estimate_of(request: BacktestRequest) -> Estimate:
    """Return what this request would replay. Rows are those of whole recordings, whatever the span."""
    wanted = {(ref.market, ref.day) for ref in request.data}
    infos = [info for info in _recordings() if (info.market, info.day) in wanted]
    replays = len(QueueAssumption) if request.bands else 1
    rows = sum(info.rows for info in infos)
    speed = runs.events_per_second(mode=str(request.mode), strategy=request.strategy)
    fidelities: dict[str, int] = {}
    for info in infos:
        fidelities[str(info.fidelity)] = fidelities.get(str(info.fidelity), 0) + 1
    return Estimate(
        recordings=len(infos),
        markets=len({info.market for info in infos}),
        rows=rows,
        trades=sum(info.trades for info in infos),
        replays=replays,
        seconds=None if speed is None else rows * replays / speed[0],
        measured_on=0 if speed is None else speed[1],
        gaps=sum(len(info.gaps) for info in infos),
        unresolved=len({info.market for info in infos} - {info.market for info in infos if info.resolved}),
        fidelities=tuple(sorted(fidelities.items(), key=lambda item: -item[1])),
    )


def _recordings() -> list[TapeInfo]:
    from markets.selectors.archive import tapes_list  # numpy comes with it: only when somebody opens the form

    return tapes_list()


def _matches(info: TapeInfo, text: str) -> bool:
    """Say whether every word of the filter is somewhere in what is known of a recording."""
    if not text:
        return True
    words = (info.market, info.question, info.day, info.category, str(info.fidelity), info.source, *info.tags)
    everything = " ".join(words).lower()
    return all(word in everything for word in text.lower().split())


def _at_inputs(errors: Mapping[str, str], params: Any) -> dict[str, str]:
    """Return errors under the path of the input they belong to: `universe.markets.0` is said at `universe.markets`."""
    paths = [spec.path for spec in schema.fields(params)]
    found: dict[str, str] = {}
    for path, words in errors.items():
        base = next((known for known in paths if f"{path}.".startswith(f"{known}.")), None)
        if base is not None:
            found.setdefault(base, words)
    return found


def unplaced(form: BacktestForm) -> list[str]:
    """Return what is wrong with fields that the page has no input for."""
    shown = {"strategy", "data", "name", "tags", "notes"}
    options = _at_inputs(form.errors, RunOptions)
    prefix = f"{PARAMS}."
    params = {path.removeprefix(prefix): words for path, words in form.errors.items() if path.startswith(prefix)}
    placed = _at_inputs(params, form.known.params) if form.known else {}
    out = []
    for path, words in form.errors.items():
        if path in shown or words in options.values() or words in placed.values():
            continue
        out.append(f"{path}: {words}")
    return out


def _with_choices(item: Input, path: str, choices: Iterable[tuple[str, str]]) -> Input:
    if item.spec.path != path:
        return item
    spec: FieldSpec = replace(item.spec, kind=Kind.CHOICE, choices=tuple(choices))
    return replace(item, spec=spec)
