"""One sentence that says what a backtest made, and how far to trust it, with the reasons.

Thresholds are judgements and stand here: nobody should need a second file to see why a run is called weak.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backtests.domain.fidelity import DataScore
from backtests.domain.metrics import Metrics
from backtests.domain.request import BacktestRequest, Fees
from backtests.domain.resampling import Resampled
from backtests.domain.result import BacktestResult

FEW_POSITIONS = 30  # the usual least sample of a mean
FEW_DAYS = 10
MANY_INFERRED = 0.2
MUCH_REBATE = 0.25  # of the profit

NOTHING, WEAK, PAPER = "It says nothing", "Do not trust it yet", "Good enough for paper, not proof"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    lead: str  # "Made", "Lost" or "Made nothing"
    amount: int  # millionths of a dollar
    rest: str
    trust: str
    because: tuple[str, ...]

    @property
    def text(self) -> str:
        amount = f" {dollars(self.amount, signed=True)}" if self.amount else ""
        because = f": {'; '.join(self.because)}" if self.because else ""
        return f"{self.lead}{amount}{self.rest} {self.trust}{because}."


def verdict_of(
    request: BacktestRequest,
    result: BacktestResult,
    metrics: Metrics,
    *,
    data: DataScore,
    bands: Mapping[str, int],
    luck: Resampled | None,
) -> Verdict:
    """Return the verdict. `bands` holds the net profit by queue assumption, `luck` the redrawn closed positions."""
    grave = tuple(_grave(request, result, metrics, data, bands))
    mild = tuple(_mild(request, metrics, data, luck))
    trust = NOTHING if not metrics.fills else WEAK if grave else PAPER
    lead = "Made" if metrics.profit > 0 else "Lost" if metrics.profit < 0 else "Made nothing"
    return Verdict(
        lead=lead,
        amount=metrics.profit,
        rest=_rest(result, metrics, data, bands),
        trust=trust,
        because=grave + mild,
    )


def _rest(result: BacktestResult, metrics: Metrics, data: DataScore, bands: Mapping[str, int]) -> str:
    share = f"{metrics.total_return * 100:+.2f} %".replace("-", "−")
    share = share.replace("+0.00", "0.00")
    days, fills = _many(metrics.days, "day"), _many(metrics.fills, "fill")
    markets = _many(len(result.markets), "market")
    costs = f"after {dollars(metrics.fees)} of fees" if metrics.fees else "paying no fees"
    text = (
        f" ({share}) on {dollars(result.capital)} in {days} with {fills} in {markets}, {costs};"
        f" data fidelity {data.score} of 100."
    )
    if len(bands) > 1:
        low, high = min(bands.values()), max(bands.values())
        text += f" Queue assumptions span {dollars(low, signed=True)} to {dollars(high, signed=True)}."
    return text


def _grave(
    request: BacktestRequest, result: BacktestResult, metrics: Metrics, data: DataScore, bands: Mapping[str, int]
) -> Iterator[str]:
    if result.stopped:
        yield f"it stopped before its data ended ({result.stopped})"
    if not metrics.fills:
        yield "it did not trade"
        return
    if data.is_low:
        yield f"the data are of low fidelity ({data.score} of 100)"
    if bands and min(bands.values()) < 0 < max(bands.values()):
        yield "whether it gains or loses depends on the place assumed in the queue"
    if metrics.closed < FEW_POSITIONS:
        was = "was" if metrics.closed == 1 else "were"
        yield f"only {_many(metrics.closed, 'position')} {was} closed, fewer than {FEW_POSITIONS}"
    if request.fees is Fees.NONE:
        yield "no fees were charged"
    if result.funnel.errors:
        yield f"the strategy raised an error on {_many(result.funnel.errors, 'tick')}"


def _mild(request: BacktestRequest, metrics: Metrics, data: DataScore, luck: Resampled | None) -> Iterator[str]:
    if not metrics.fills:
        return
    if metrics.days < FEW_DAYS:
        yield f"{metrics.days} day{'s are' if metrics.days != 1 else ' is'} few"
    if data.inferred > MANY_INFERRED:
        yield f"{data.inferred * 100:.0f} % of the fills hang on inferred trades"
    if luck is not None and luck.profit[0] < 0 < luck.profit[2]:
        yield f"drawing its closed positions again loses in {luck.losing * 100:.0f} % of the cases"
    if metrics.profit > 0 and metrics.rebates > MUCH_REBATE * metrics.profit:
        yield f"{metrics.rebates / metrics.profit * 100:.0f} % of the profit are estimated rebates"
    if not request.latency.order_ms:
        yield "orders were assumed to arrive at once"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def dollars(micro: int, *, signed: bool = False) -> str:
    """Return `$1,234.56`, `−$3.10`, and with `signed` also `+$3.10`; fractions of a cent are rounded."""
    text = f"${abs(micro) / 1e6:,.2f}".removesuffix(".00")
    if micro < 0:
        return f"−{text}"
    return f"+{text}" if signed and micro > 0 else text
