"""Turns market frames as they were received into rows of drafts, by the parser that the live feed uses.

A frame is a message: what it changes in one market ends with its last row. A frame that cannot be understood leaves
the books it speaks of unsure (GAP) until their next whole book, as it does live.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from markets.domain.events import BookSnapshot, FeedEvent, LevelChange, MarketResolved, TickSizeChange, TradePrint
from markets.domain.instruments import Side
from markets.domain.tape import ASK, BID
from markets.domain.units import ONE, Price
from markets.services.archive.drafts import Draft
from markets.services.archive.report import ImportReport
from markets.venues.polymarket.feed import PolymarketFeed

_MS = 1_000_000
_SIDES = {Side.BUY: BID, Side.SELL: ASK}
_MOST_BACK_NS = 60 * 10**9

# Makes the draft of a market: (condition id, tokens in the order in which they were named); None: not chosen
DraftMaker = Callable[[str, Sequence[str]], Draft | None]


class _Named(msgspec.Struct):
    asset_id: str = ""


class _Naming(msgspec.Struct):
    """Which market and tokens a frame speaks of."""

    market: str = ""
    asset_id: str = ""
    price_changes: list[_Named] = []


_naming = msgspec.json.Decoder(_Naming)
_namings = msgspec.json.Decoder(list[_Naming])


@dataclass(slots=True)
class MarketTokens:
    """Which tokens belong to which market, as frames say it, in the order of their first mention."""

    tokens: dict[str, list[str]] = field(default_factory=dict)  # by condition id

    def hear(self, frame: bytes) -> None:
        """Note what a frame names; a frame that cannot be read names nothing."""
        try:
            found = _namings.decode(frame) if frame.lstrip()[:1] == b"[" else [_naming.decode(frame)]
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return
        for naming in found:
            if naming.market and (naming.asset_id or naming.price_changes):
                named = self.tokens.setdefault(naming.market, [])
                for token in (naming.asset_id, *(change.asset_id for change in naming.price_changes)):
                    if token and token not in named:
                        named.append(token)


class FrameReader:
    """Applies frames to the drafts of the markets that were chosen."""

    def __init__(self, report: ImportReport) -> None:
        self.last_ns = 0
        self.drafts: dict[str, Draft] = {}  # by condition id
        self._outcomes: dict[str, tuple[Draft, int]] = {}  # by token
        self._protocol = PolymarketFeed()
        self._report = report

    def follow(self, condition_id: str, tokens: Sequence[str], make: DraftMaker) -> None:
        """Take in a market, unless it is known already or not chosen."""
        if condition_id in self.drafts or not tokens:
            return
        if len(tokens) > 2:
            self._report.refuse(condition_id[:20], f"{len(tokens)} tokens in one market; a tape holds two outcomes")
            return
        draft = make(condition_id, tokens)
        if draft is not None:
            self.drafts[condition_id] = draft
            named = [outcome.token_id for outcome in draft.facts.outcomes]
            for number, token in enumerate(tokens):
                self._outcomes[token] = (draft, named.index(token) if token in named else number)

    def frame(self, frame: bytes, received_ns: int, where: str) -> None:
        """Apply one frame. Never raises for what a frame holds."""
        if received_ns < self.last_ns - _MOST_BACK_NS:
            back = (self.last_ns - received_ns) // 10**9
            self._report.refuse(where, f"received {back} s before the line above: lines stand in no order of time")
            return
        self.last_ns = max(self.last_ns, received_ns)
        events: list[FeedEvent] = []
        if problems := self._protocol.read(frame, received_ns, events):
            for error in problems.errors:
                self._report.refuse(where, error)
            self.gap(problems.doubtful, at_ns=received_ns)
        if not events:
            if not problems:
                self._report.ignored += 1
            return
        if not self._apply(events):
            self._report.ignored += 1
            return
        self._report.kept += 1

    def gap(self, tokens: Iterable[str], *, at_ns: int) -> None:
        """Nothing is sure of these tokens until their next book."""
        for token in tokens:
            if found := self._outcomes.get(token):
                found[0].gap((found[1],), at_ns=at_ns)

    def gap_everywhere(self, *, at_ns: int, goes_on: bool = False) -> None:
        """Nothing is sure of any book that was known; of tapes that `goes_on` extends, any may have been."""
        for draft in self.drafts.values():
            if known := [0, 1] if goes_on else list(draft.books):
                draft.gap(known, at_ns=at_ns)

    def _apply(self, events: list[FeedEvent]) -> bool:
        touched: dict[int, tuple[Draft, set[int]]] = {}
        known = False
        for event in events:
            if isinstance(event, MarketResolved):
                known |= self._resolved(event)
                continue
            found = self._outcomes.get(event.token_id)
            if found is None:
                continue
            known = True
            draft, outcome = found
            venue_ns, received_ns = event.venue_ms * _MS, event.received_ns
            if type(event) is LevelChange:
                draft.level(
                    outcome, _SIDES[event.side], event.price, event.size, venue_ns=venue_ns, received_ns=received_ns
                )
                touched.setdefault(id(draft), (draft, set()))[1].add(outcome)
                continue
            if ended := touched.pop(id(draft), None):
                draft.end(ended[1])
            if isinstance(event, BookSnapshot):
                _fit_tick(draft, event)
                draft.book(outcome, event.bids, event.asks, venue_ns=venue_ns, received_ns=received_ns)
            elif isinstance(event, TradePrint):
                side = _SIDES[event.side]
                draft.trade(
                    outcome, side, event.price, event.size,
                    venue_ns=venue_ns, received_ns=received_ns, inferred=event.inferred,
                )  # fmt: skip
            elif isinstance(event, TickSizeChange) and event.new_tick != draft.tick:
                draft.ticks(event.new_tick, venue_ns=venue_ns, received_ns=received_ns)
        for draft, outcomes in touched.values():
            draft.end(outcomes)
        return known

    def _resolved(self, event: MarketResolved) -> bool:
        draft = self.drafts.get(event.condition_id)
        found = self._outcomes.get(event.winning_token_id)
        if draft is None or found is None:
            return False
        payouts = [ONE if outcome == found[1] else 0 for outcome in range(2)]
        draft.resolved(payouts, venue_ns=event.venue_ms * _MS, received_ns=event.received_ns)
        return True


def _fit_tick(draft: Draft, event: BookSnapshot) -> None:
    if event.tick is None or event.tick == draft.tick:
        return
    if draft.last_ns:
        draft.ticks(event.tick, venue_ns=event.venue_ms * _MS, received_ns=event.received_ns)
    else:
        draft.tick = Price(event.tick)
