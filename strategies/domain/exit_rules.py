"""The parameters of every strategy's exits: when own shares are sold whatever the strategy itself thinks."""

from __future__ import annotations

from decimal import Decimal

from strategies.domain.parameters import Amount, Count, Parameters, param


class ExitParameters(Parameters):
    take_profit: Amount = param(
        Decimal(0), title="Take profit", unit="usd/share", ge=0, le=1, sweep=("0.02", "0.1", "0.02"),
        help="Sell when the best bid is this far above the average cost; 0 is off.",
    )  # fmt: skip
    stop_loss: Amount = param(
        Decimal(0), title="Stop loss", unit="usd/share", ge=0, le=1, sweep=("0.02", "0.1", "0.02"),
        help="Sell when the best bid is this far below the average cost; 0 is off.",
    )  # fmt: skip
    trailing: Amount = param(
        Decimal(0), title="Trailing stop", unit="usd/share", ge=0, le=1, sweep=("0.02", "0.1", "0.02"),
        help="Sell when the best bid fell this far from the highest since the purchase; 0 is off.",
    )  # fmt: skip
    slippage_bps: Count = param(
        100, title="Exit slippage", unit="bps", ge=0, le=1_000,
        help="How much worse than the best bid an exit may sell; the gate caps it too.",
    )  # fmt: skip

    @property
    def is_off(self) -> bool:
        return not (self.take_profit or self.stop_loss or self.trailing)
