"""Recorded and imported market data: tapes by market and day, series of prices, and what fills them."""

from markets.services.archive.files import ArchiveError
from markets.services.archive.manifest import TapeInfo, market_key
from markets.services.archive.store import (
    archive_folder,
    tape_delete,
    tape_info,
    tape_open,
    tape_save,
    tapes_damaged,
    tapes_list,
)

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
