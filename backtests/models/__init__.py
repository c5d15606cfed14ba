"""Backtests as rows. What a replay left behind as columns lies in files beside the database (services.columns)."""

from backtests.models.parity import ParityRun
from backtests.models.run import BacktestRun
from backtests.models.search import SearchRun, SearchTrial

__all__ = ["BacktestRun", "ParityRun", "SearchRun", "SearchTrial"]
