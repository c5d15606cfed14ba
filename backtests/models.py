"""Tables of backtests arrive with the backtest issue; this stage has none yet."""
