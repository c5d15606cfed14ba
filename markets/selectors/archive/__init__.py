"""Reads recorded market data: what there is, and tapes mapped into memory."""

from markets.selectors.archive.files import ArchiveError
from markets.selectors.archive.manifest import TapeInfo, market_key
from markets.selectors.archive.tapes import archive_folder, tape_info, tape_open, tapes_damaged, tapes_list

__all__ = [
    "ArchiveError",
    "TapeInfo",
    "archive_folder",
    "market_key",
    "tape_info",
    "tape_open",
    "tapes_damaged",
    "tapes_list",
]
