"""Exact replays: recorded events through the cycle, the gate, the matching, the fees and the ledger of paper.

What follows holds for both modes. Times are nanoseconds, everything else counts millionths.

CLOCKS. A message is the rows up to one marked LAST; rows after the last LAST of a tape are left out. It has two times.
- At the venue it happens at v = min(venue_ns, received_ns) of its LAST row (received_ns where venue_ns is 0), but never
  before the message above it: v is a running maximum within one market.
- We see it at s = received_ns of its LAST row + feed_ms. Our view is the messages with s <= now, nothing else.
Days of one market follow each other. Where more than five minutes lie between two tapes, and from the beginning
of each of `Tape.gaps`, both of its books are unsure, as after a GAP row.

SPAN. start = request.start_ns, or the first received_ns of all tapes. end = request.end_ns, or the last s + 1. Rows
received in [.., end) are replayed; those before the start only fill the books (no tick, no order). Interval ticks are
at start + k x interval_ms, k = 0, 1, 2 .., before end. At the end whatever has happened at the venue before end
becomes known and is booked; orders on their way never arrive; resting orders stay OPEN; unsettled shares are holdings.

ORDER OF THINGS at one moment: 1. messages happen at the venue, markets in their order; 2. good-till-date orders expire;
3. orders and cancels arrive and held orders are let go, in the order in which they were sent; 4. answers and fills
become known, in the order in which they happened; 5. messages are seen, settlements are booked, minutes are counted;
6. the strategy ticks, once: fills are told, then resolutions, then it decides.

VENUE. One `PaperBook` per outcome (queue model of the request). LEVEL and CLEAR go to their outcome's book, a TRADE to
both. A book is unknown until its first CLEAR and after a GAP until the next: levels are ignored meanwhile, trades
still fill what rests. TICK changes the tick. An order that would rest deeper than a side of 20 or more levels
reaches has that side's largest level before it, as on paper. Where only one outcome was recorded the other one's book
is its mirror (bid p is ask 1 - p). TOP_OF_BOOK: trades fill nobody; PRICES: see `price_venue`.
- A placement decided at t arrives at t + order_ms. The market must be open, its fee known, its book known (it looks
  every 50 ms, for 5 s at most). Where the market holds takers (`seconds_delay`), an order that is not post-only and
  crosses the book on arrival is held so long, cannot be cancelled meanwhile, and is placed then; else on arrival.
- A cancel decided at t arrives at t + order_ms, always after its order. One that meets a held order ends the rest
  of it right after its placement.
- GTD: gone at max(expires_at, arrival + 120 s).
- The answer to a placement (its fills at once included), later fills and ends are known answer_ms after they happened.
  Until an end is known the order counts as open and keeps what it reserved, also after a cancel was asked for.
- Fee of a taker: schedule of the day (UTC) of the fill. RESOLVED ends all orders of the market at the venue; those that
  arrive later are rejected.

US. An order reserves when it is decided (`cash_to_reserve`); fills free the part they fill, ends free the rest. Cash,
positions and entries change when a fill is known: `position_after`, bought shares can be sold at once. A settlement
is booked max(feed_ms, answer_ms) after its RESOLVED message was received, so that every fill is known before; orders
still on their way put it off by 50 ms at a time. Until then facts are OPEN and have no payout.
Payouts of both outcomes must add up to a dollar, else nothing is booked. Facts are dated anew every 30 s, as live.
Equity for the gate is cash plus shares at the middle of a live book, at the bid where nobody asks, at cost otherwise;
peak and day start come from whole minutes, as the desk's snapshots do. A drawdown of the profile's kill ends trading.

VIEW. Books: best 20 levels, `seq` counts changes (a CLEAR with its levels is one), LIVE, STALE after a gap, CLOSED
once resolved, absent before the first CLEAR. `confirmed_ms` of a live book is its last message or the last of the
venue's answers since, one every 1.8 s: a recorded book without a gap is as fresh as a live one. Samples and trades are
those of the first outcome, as live: a slot of a second is the book before the second that follows it.

TICKS. Beside the interval: BOOK (a middle that moved by the threshold since it last woke us), TRADE, FILL (known) and
RESOLUTION (booked) where the strategy declares them, at most one every 250 ms; an interval tick answers what waits.
A tick that changes nothing never opens the gate; what the gate refused is asked again after 5, 10, 20, 40, 60 s
(`strategies.domain.patience`). A strategy that raises five times in a row is stopped and its orders are cancelled.
"""

from __future__ import annotations

from backtests.domain.numbering import markets_number
from backtests.domain.run import Progress, always, replay_exact

__all__ = ["Progress", "always", "markets_number", "replay_exact"]
