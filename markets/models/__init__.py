"""Tables of the data stage. Other apps reach them through `markets.selectors`."""

from markets.models.catalogue import Event, Market, Outcome, SyncRun, Tag, VenueIssue
from markets.models.drift import Block, Drift
from markets.models.history import Candle, MarketSnapshot, TradePrint
from markets.models.watch import Watch

__all__ = [
    "Block",
    "Candle",
    "Drift",
    "Event",
    "Market",
    "MarketSnapshot",
    "Outcome",
    "SyncRun",
    "Tag",
    "TradePrint",
    "VenueIssue",
    "Watch",
]
