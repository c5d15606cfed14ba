"""What a backtest took for granted, in plain words: label and sentence, in the order of the report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from backtests.domain.request import BacktestRequest, Fees, Mode, QueueAssumption, Slippage
from backtests.domain.result import BacktestResult
from markets.domain.tape import Fidelity, Tape
from markets.domain.units import text_from_micro

QUEUE_WORDS = {
    QueueAssumption.PESSIMISTIC: "back of the level; who cancels stood behind us",
    QueueAssumption.NEUTRAL: "back of the level; cancels are spread evenly",
    QueueAssumption.OPTIMISTIC: "back of the level; who cancels stood before us",
}


def assumptions_of(
    request: BacktestRequest, result: BacktestResult, tapes: Sequence[Tape]
) -> tuple[tuple[str, str], ...]:
    """Return every assumption. Two runs that differ in none of them, nor in data, differ in nothing."""
    latency = request.latency
    return (
        ("Mode", _MODES[request.mode]),
        ("Queue", QUEUE_WORDS[request.queue] + (", all three shown as bands" if request.bands else "")),
        ("Fills", _fills(result)),
        (
            "Latency",
            f"feed {latency.feed_ms} ms after receipt, order {latency.order_ms} ms, answer {latency.answer_ms} ms",
        ),
        ("Venue delay", "as each market holds takers"),
        ("Fees", _fees(request)),
        ("Rebates", "estimated, maker share of taker fees" if request.rebates else "none counted"),
        ("Slippage", _slippage(request, result)),
        ("Ticks", f"every {request.interval_ms / 1000:g} s, and what wakes the strategy"),
        ("Limits", f"risk profile {request.profile}"),
        ("Capital", f"${_dollars(request.capital)}"),
        ("Settlement", _settlement(result)),
        ("Marks", "what is held at the end counts at its last bid, at cost where none is known"),
        ("Span", f"{_moment(result.start_ns)} to {_moment(result.end_ns)} UTC"),
        ("Sources", _sources(tapes)),
        ("Seed", str(request.seed)),
    )


_MODES = {
    Mode.EXACT: "exact: the cycle, gate, matching, fees and ledger of paper",
    Mode.FAST: "fast: limits and ledger in compiled code, equal to exact by test",
}


def _fills(result: BacktestResult) -> str:
    if all(fidelity is Fidelity.PRICES for fidelity in result.fidelity):
        return "at the recorded price, whole, whatever the size: no book was recorded"
    if all(fidelity is Fidelity.TOP_OF_BOOK for fidelity in result.fidelity):
        return "takers only up to the size shown at the best price"
    return "never more than stood in the book or was traded at the price; what we take is gone"


def _fees(request: BacktestRequest) -> str:
    if request.fees is Fees.FIXED:
        return f"one rate of {text_from_micro(request.fee_rate_ppm)} × p (1 − p), makers 0"
    return {
        Fees.BY_DATE: "of each market's category on the day of the fill, makers 0",
        Fees.MARKET: "as recorded with each market, makers 0",
        Fees.NONE: "NONE: real trading pays them",
    }[request.fees]


def _slippage(request: BacktestRequest, result: BacktestResult) -> str:
    if Fidelity.PRICES not in result.fidelity:
        return "what the book gives"
    amount = text_from_micro(request.slippage_amount)
    return {
        Slippage.NONE: "none: orders get the recorded price",
        Slippage.FIXED: f"${amount} a share, against us",
        Slippage.PROPORTIONAL: f"{amount} of the price, against us",
    }[request.slippage]


def _settlement(result: BacktestResult) -> str:
    settled = len({int(market) for market in result.settlements["market"]})
    open_ = len({holding.market for holding in result.holdings if holding.size})
    return f"{settled} markets settled while held; {open_} still held at the end; outcomes hidden until then"


def _sources(tapes: Sequence[Tape]) -> str:
    names = list(dict.fromkeys(tape.source for tape in tapes if tape.source))
    if not names:
        return "not stated"
    return ", ".join(names[:3])[:200] + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _moment(ns: int) -> str:
    return datetime.fromtimestamp(ns // 10**9, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def _dollars(micro: int) -> str:
    return f"{micro / 1e6:,.2f}".removesuffix(".00")
