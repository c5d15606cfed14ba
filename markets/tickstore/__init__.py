"""Latest market data in Redis: the only package that knows its keys and encodings.

Readers use `get_tickstore()`; the feed alone uses `TickstoreWriter`.
"""

from markets.tickstore.codec import StreamEvent
from markets.tickstore.reads import StreamHead, StreamRead, Tickstore, TickstoreUnavailable, get_tickstore
from markets.tickstore.writes import Batch, TickstoreWriter

__all__ = [
    "Batch",
    "StreamEvent",
    "StreamHead",
    "StreamRead",
    "Tickstore",
    "TickstoreUnavailable",
    "TickstoreWriter",
    "get_tickstore",
]
