"""Recorded and imported market data: tapes by market and day, series of prices, and what fills them."""

from markets.selectors.archive import (
    ArchiveError,
    TapeInfo,
    archive_folder,
    market_key,
    tape_info,
    tape_open,
    tapes_damaged,
    tapes_list,
)
from markets.services.archive.store import tape_delete, tape_save

__all__ = [
    "ArchiveError",
    "TapeInfo",
    "archive_folder",
    "market_key",
    "tape_delete",
    "tape_info",
    "tape_open",
    "tape_save",
    "tapes_damaged",
    "tapes_list",
]
