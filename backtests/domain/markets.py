"""The markets of one replay put together: what we see, what the venue does, what they cost, from numbered tapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backtests.domain.catalogue import opened
from backtests.domain.clock import BLOCK_ROWS, SMALLEST_BLOCK, Payout, Rows, payout_of, segments_of
from backtests.domain.exchange import Market
from backtests.domain.fees_by_date import FeeCalendar
from backtests.domain.numbering import markets_group, markets_number
from backtests.domain.price_venue import PriceMarket
from backtests.domain.request import BacktestRequest, QueueAssumption, RequestError
from backtests.domain.venue import VenueMarket
from backtests.domain.views import SeenMarket, Watching
from markets.domain.instruments import MarketFacts
from markets.domain.tape import Fidelity, Kind, Tape, TapeError, tape_check
from markets.venues.simulated.queue import QueueModel
from strategies.domain.view import Needs

MODELS = {
    QueueAssumption.PESSIMISTIC: QueueModel.PESSIMISTIC,
    QueueAssumption.NEUTRAL: QueueModel.NEUTRAL,
    QueueAssumption.OPTIMISTIC: QueueModel.OPTIMISTIC,
}
_WORST_LAST = list(Fidelity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One market of a replay."""

    facts: MarketFacts  # as recorded, with the replay's numbers
    fidelity: Fidelity
    seen: SeenMarket
    venue: Market
    fees: FeeCalendar
    payout: Payout | None
    start_ns: int
    end_ns: int  # when its last row was received
    mirrored: int | None


def markets_open(
    tapes: Sequence[Tape], request: BacktestRequest, *, needs: Needs, watching: Watching, venue_time: bool = True
) -> tuple[Replayed, ...]:
    """Return the markets of the tapes, ready to be replayed from their first row.

    Without `venue_time` things happen at the venue when we received them, as our paper venue hears of them.

    Raises RequestError for tapes that cannot be replayed, or not together.
    """
    checked = [tape for tape in tapes if len(tape)]
    if not checked:
        raise RequestError("there are no recorded events in what was chosen", field="data")
    for tape in checked:
        try:
            tape_check(tape)
        except TapeError as error:
            raise RequestError(f"{tape.facts.question or tape.facts.slug}: {error}", field="data") from None
    groups = markets_group(markets_number(checked))
    block = max(SMALLEST_BLOCK, BLOCK_ROWS // len(groups))
    return tuple(
        _open(group, request, needs=needs, watching=watching, block=block, venue_time=venue_time) for group in groups
    )


def _open(
    parts: Sequence[Tape], request: BacktestRequest, *, needs: Needs, watching: Watching, block: int, venue_time: bool
) -> Replayed:
    facts = parts[-1].facts
    shown = opened(parts[0].facts)
    fidelity = max((tape.fidelity for tape in parts), key=_WORST_LAST.index)
    segments = segments_of(parts, end_ns=request.end_ns)
    mirrored = _mirrored(parts)
    delay_ns = request.latency.feed_ms * 10**6
    fees = FeeCalendar(shown, request)
    at_venue = Rows(segments, at_venue=venue_time, delay_ns=0, block=block)
    venue: Market
    if fidelity is Fidelity.PRICES:
        venue = PriceMarket(shown, at_venue, request=request, fees=fees, mirrored=mirrored)
    else:
        model = MODELS[request.queue]
        venue = VenueMarket(shown, at_venue, model=model, fees=fees, fidelity=fidelity, mirrored=mirrored)
    rows = Rows(segments, at_venue=False, delay_ns=delay_ns, block=block)
    ends = [int(s.tape.columns["received_ns"][s.last - 1]) for s in segments if s.tape is not None]
    return Replayed(
        facts=facts,
        fidelity=fidelity,
        seen=SeenMarket(shown, rows, mirrored=mirrored, needs=needs, watching=watching),
        venue=venue,
        fees=fees,
        payout=payout_of(parts, end_ns=request.end_ns),
        start_ns=parts[0].start_ns,
        end_ns=max(ends, default=parts[0].start_ns),
        mirrored=mirrored,
    )


def _mirrored(parts: Sequence[Tape]) -> int | None:
    """Return the outcome of which no book and no price was recorded, when the other one was."""
    found = {0: False, 1: False}
    for tape in parts:
        kinds, outcomes = tape.columns["kind"], tape.columns["outcome"]
        for kind in (Kind.LEVEL, Kind.PRICE):
            for outcome in np.unique(outcomes[kinds == kind]).tolist():
                found[outcome] = True
    if found[0] == found[1]:
        return None
    return 0 if found[1] else 1
