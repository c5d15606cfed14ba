"""How a backtest is to be run, as people state it: one typed schema that makes the form, the API and the request.

Amounts are Decimals here and millionths in the request; times are UTC texts here and nanoseconds there. What the
strategy does is not here: that is its own schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields as dataclass_fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pydantic import Field, field_validator, model_validator

from backtests.domain.request import (
    BacktestRequest,
    DataRef,
    Fees,
    Latency,
    Mode,
    QueueAssumption,
    RequestError,
    Slippage,
)
from markets.domain.units import Usd, decimal_from_micro
from strategies.domain.parameters import (
    Amount,
    Count,
    ParameterError,
    Parameters,
    micro,
    param,
    parameters_dump,
    parameters_load,
)
from strategies.library.registry import UnknownStrategy, strategy_get

MOST_TAPES = 500
PARAMS = "params"  # prefix of a strategy parameter in what is wrong with a request
_WORDS = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?(Z|\+00:00)?")
_MODES = {Mode.EXACT: "exact: cycle, gate, matching and ledger of paper", Mode.FAST: "fast: compiled, quotes only"}
_QUEUES = {
    QueueAssumption.PESSIMISTIC: "pessimistic: who cancels stood behind us",
    QueueAssumption.NEUTRAL: "neutral: cancels are spread evenly",
    QueueAssumption.OPTIMISTIC: "optimistic: who cancels stood before us",
}
_FEES = {
    Fees.BY_DATE: "by date: the category's schedule on the day of the fill",
    Fees.MARKET: "as recorded with the market",
    Fees.NONE: "none",
    Fees.FIXED: "one fixed rate",
}
_SLIPPAGE = {
    Slippage.NONE: "none",
    Slippage.FIXED: "fixed: dollars a share, against us",
    Slippage.PROPORTIONAL: "proportional: a share of the price, against us",
}


def _choices(words: Mapping[Any, str]) -> dict[str, str]:
    return {str(key): label for key, label in words.items()}


class LatencyOptions(Parameters):
    feed_ms: Count = param(
        0, title="Feed", help="Added to the recorded receive time of every event.", unit="ms", ge=0, le=60_000
    )
    order_ms: Count = param(
        150, title="Order", help="From a decision to the venue; a cancel's way too.", unit="ms", ge=0, le=60_000
    )
    answer_ms: Count = param(
        50, title="Answer", help="From the venue back: when fills and answers are known.", unit="ms", ge=0, le=60_000
    )


class RunOptions(Parameters):
    """Everything of a request besides the strategy, its parameters and the data."""

    capital: Amount = param(Decimal(1_000), title="Capital", help="Cash at the start.", unit="$", ge=1, le=100_000_000)
    mode: Mode = param(Mode.EXACT, title="Mode", help="Both modes give the same fills.", choices=_choices(_MODES))
    start: str = param("", title="From", help="UTC, as 2026-07-11 14:30. Empty: the first event.", max_length=40)
    end: str = param("", title="Until", help="UTC, not included. Empty: the last event.", max_length=40)
    interval_ms: Count = param(
        1_000, title="Tick every", help="Between interval ticks of the strategy.", unit="ms", ge=10, le=86_400_000
    )
    profile: str = param("moderate", title="Risk profile", help="Whose limits the gate holds.", max_length=40)
    queue: QueueAssumption = param(
        QueueAssumption.PESSIMISTIC,
        title="Queue",
        help="What is assumed of the shares before ours at a price.",
        choices=_choices(_QUEUES),
    )
    bands: bool = param(
        True, title="Bands", help="Also run the two other queue assumptions: three runs instead of one."
    )
    latency: LatencyOptions = Field(default_factory=LatencyOptions, title="Latency")
    fees: Fees = param(Fees.BY_DATE, title="Fees", help="What takers pay.", choices=_choices(_FEES))
    fee_rate: Amount = param(
        Decimal(0),
        title="Fixed fee rate",
        help="For one fixed rate: the fee is shares × rate × price × (1 − price).",
        ge=0,
        le=1,
    )
    slippage: Slippage = param(
        Slippage.NONE,
        title="Slippage",
        help="For price series only, where no book says what an order would have got.",
        choices=_choices(_SLIPPAGE),
    )
    slippage_amount: Amount = param(
        Decimal(0), title="Slippage amount", help="Dollars a share, or a share of the price.", ge=0, le=1
    )
    rebates: bool = param(False, title="Maker rebates", help="Estimated: our part of the pool is in no recording.")
    seed: Count = param(0, title="Seed", help="Equal seeds give equal runs.", ge=0, le=2**63 - 1)

    @field_validator("start", "end")
    @classmethod
    def _time(cls, text: str) -> str:
        nanoseconds_of(text)
        return text.strip()

    @model_validator(mode="after")
    def _order(self) -> RunOptions:
        start, end = nanoseconds_of(self.start), nanoseconds_of(self.end)
        if start is not None and end is not None and end <= start:
            raise ValueError("the end must lie after the start")
        return self


def nanoseconds_of(text: str) -> int | None:
    """Return a UTC time or day in nanoseconds since 1970; None for an empty text. Raises ValueError."""
    clean = text.strip()
    if not clean:
        return None
    if not _WORDS.fullmatch(clean):
        raise ValueError("write a UTC time as 2026-07-11 14:30, or a day as 2026-07-11")
    try:
        # datetime knows microseconds only; the digits below them are read apart.
        whole, _, digits = clean.removesuffix("Z").removesuffix("+00:00").partition(".")
        at = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("there is no such time; write it as 2026-07-11 14:30") from None
    seconds = int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return seconds * 10**9 + int(digits.ljust(9, "0") or 0)


def text_of(nanoseconds: int | None) -> str:
    """Return the text that `nanoseconds_of` reads."""
    if nanoseconds is None:
        return ""
    seconds, rest = divmod(nanoseconds, 10**9)
    at = datetime.fromtimestamp(seconds, tz=UTC)
    text = f"{at:%Y-%m-%d %H:%M:%S}"
    return text if not rest else f"{text}.{rest:09d}".rstrip("0")


def request_make(
    *, strategy: str, params: Mapping[str, Any], data: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
) -> BacktestRequest:
    """Return the request that plain values describe. Raises ParameterError that names every bad field.

    A path is that of an option (`latency.order_ms`), `params.` and that of a parameter, `strategy` or `data`.
    """
    problems: dict[str, str] = {}
    chosen: RunOptions | None = None
    stored: dict[str, Any] = {}
    refs: tuple[DataRef, ...] = ()
    try:
        stored = parameters_dump(parameters_load(strategy_get(strategy).params, params))
    except UnknownStrategy as error:
        problems["strategy"] = str(error)
    except ParameterError as error:
        problems |= {f"{PARAMS}.{path}": words for path, words in error.errors.items()}
    try:
        chosen = parameters_load(RunOptions, options)  # type: ignore[assignment]
    except ParameterError as error:
        problems |= {("end" if path == "parameters" else path): words for path, words in error.errors.items()}
    try:
        refs = data_refs(data)
    except RequestError as error:
        problems["data"] = str(error)
    if problems or chosen is None:
        raise ParameterError(problems)
    return BacktestRequest(
        strategy=strategy,
        params=stored,
        data=refs,
        capital=Usd(micro(chosen.capital)),
        mode=chosen.mode,
        start_ns=nanoseconds_of(chosen.start),
        end_ns=nanoseconds_of(chosen.end),
        interval_ms=chosen.interval_ms,
        queue=chosen.queue,
        bands=chosen.bands,
        latency=Latency(**chosen.latency.model_dump()),
        fees=chosen.fees,
        fee_rate_ppm=micro(chosen.fee_rate),
        slippage=chosen.slippage,
        slippage_amount=micro(chosen.slippage_amount),
        rebates=chosen.rebates,
        profile=chosen.profile,
        seed=chosen.seed,
    )


def data_refs(data: Sequence[Mapping[str, Any]]) -> tuple[DataRef, ...]:
    """Return the tapes that were named, in the order they were named. Raises RequestError."""
    if not data:
        raise RequestError("choose at least one recorded market", field="data")
    if len(data) > MOST_TAPES:
        raise RequestError(f"{len(data)} recordings are more than {MOST_TAPES}: split the run", field="data")
    refs = []
    for item in data:
        if not isinstance(item, Mapping) or not {"market", "day"} <= set(item) <= {"market", "day", "digest"}:
            raise RequestError("each recording is named by its market and its day", field="data")
        market, day, digest = (str(item.get(key, "")).strip() for key in ("market", "day", "digest"))
        try:
            date.fromisoformat(day)
        except ValueError:
            raise RequestError(f"{day!r:.40} is no day; write it as 2026-07-11", field="data") from None
        refs.append(DataRef(market=market, day=day, digest=digest))
    named = [(ref.market, ref.day) for ref in refs]
    if twice := sorted({pair for pair in named if named.count(pair) > 1}):
        raise RequestError(f"{twice[0][0]} of {twice[0][1]} is named twice", field="data")
    return tuple(refs)


def options_of(request: BacktestRequest) -> dict[str, Any]:
    """Return the options that a request was made of, as the form shows them."""
    return {
        "capital": plain(request.capital),
        "mode": str(request.mode),
        "start": text_of(request.start_ns),
        "end": text_of(request.end_ns),
        "interval_ms": request.interval_ms,
        "profile": request.profile,
        "queue": str(request.queue),
        "bands": request.bands,
        "latency": {item.name: getattr(request.latency, item.name) for item in dataclass_fields(Latency)},
        "fees": str(request.fees),
        "fee_rate": plain(request.fee_rate_ppm),
        "slippage": str(request.slippage),
        "slippage_amount": plain(request.slippage_amount),
        "rebates": request.rebates,
        "seed": request.seed,
    }


def request_load(stored: Mapping[str, Any]) -> BacktestRequest:
    """Return a stored request as it was made. Raises RequestError for one that this code cannot read."""
    known = {item.name for item in dataclass_fields(BacktestRequest)}
    if unknown := sorted(set(stored) - known):
        raise RequestError(f"the stored request has {', '.join(unknown)}, which this version does not know")
    try:
        return BacktestRequest(
            **{
                **stored,
                "data": tuple(DataRef(**item) for item in stored["data"]),
                "capital": Usd(int(stored["capital"])),
                "mode": Mode(stored["mode"]),
                "queue": QueueAssumption(stored["queue"]),
                "latency": Latency(**stored["latency"]),
                "fees": Fees(stored["fees"]),
                "slippage": Slippage(stored["slippage"]),
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError(f"the stored request cannot be read: {error}") from None


def plain(value: int) -> str:
    """Return millionths as the text that a form shows."""
    text = format(decimal_from_micro(value), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
