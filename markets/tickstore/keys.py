"""The names of everything the tickstore keeps in Redis database 2, in one table.

book:<outcome>      the latest BookView, msgpack
state               hash outcome -> "status:confirmed_ms"
trades:<outcome>    list of recent TradePrints, newest first, msgpack
ring:<s>:<outcome>  a price ring (markets.domain.rings)
events              stream: every event in order; an id is <epoch ms>-<batch number>
wakes               stream: what strategies may wake up for
ticks               channel: ids of outcomes that changed, for browsers
feed:status         what the feed says of itself, JSON
"""

from __future__ import annotations

STATE = "state"
EVENTS = "events"
WAKES = "wakes"
TICKS = "ticks"
FEED_STATUS = "feed:status"

EVENTS_LENGTH = 12_000  # batches: ten minutes at twenty a second
WAKES_LENGTH = 2_000
TRADES_LENGTH = 100
PER_OUTCOME = ("book:*", "trades:*", "ring:*")  # all end in the outcome's id


def book(outcome_id: int) -> str:
    return f"book:{outcome_id}"


def trades(outcome_id: int) -> str:
    return f"trades:{outcome_id}"


def ring(period_s: int, outcome_id: int) -> str:
    return f"ring:{period_s}:{outcome_id}"
