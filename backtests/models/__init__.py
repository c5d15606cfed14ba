"""Backtests as rows. What a replay left behind as columns lies in files beside the database (services.columns)."""

from backtests.models.run import BacktestRun

__all__ = ["BacktestRun"]
