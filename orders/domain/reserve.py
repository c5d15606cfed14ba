"""How much an order must be able to cost: what is set aside before it is sent.

A buy sets aside dollars, a sell sets aside shares. The bound covers every price at which
the order may trade, and the taker's fee where it may take. Millionths, rounded up.
"""

from __future__ import annotations

from markets.domain.instruments import FeeSchedule, Side
from markets.domain.units import ONE, Price, Shares, Usd, notional_up

# A fee is rounded per trade, and an order may take many levels: up to this many dollars (millionths) more.
FEE_ROUNDING = Usd(1_000)


def worst_taker_fee(*, price: Price, size: Shares, fee: FeeSchedule) -> Usd:
    """Return a bound on the fee of taking `size` at `price` or better, whatever the fills are.

    The fee grows with p x (1 - p), which is largest at one half: a buy limited to 0.90
    may fill at 0.50 and pay more fee than at 0.90. A sell at 0.10 may fill at 0.50 too.
    """
    if not fee.rate_ppm:
        return Usd(0)
    spread = (ONE // 2) * (ONE // 2) if price >= ONE // 2 else price * (ONE - price)
    exponent = max(1, fee.exponent)
    numerator = size * fee.rate_ppm * spread**exponent
    return Usd(-(-numerator // (ONE * ONE ** (2 * exponent))) + FEE_ROUNDING)


def cash_to_reserve(*, side: Side, price: Price, size: Shares, may_take: bool, fee: FeeSchedule | None) -> Usd:
    """Return the dollars an order must set aside: none for a sell, whose fee comes out of what it earns."""
    if side is Side.SELL or not size:
        return Usd(0)
    cost = notional_up(price, size)
    if may_take and fee is not None:
        cost = Usd(cost + worst_taker_fee(price=price, size=size, fee=fee))
    return cost
