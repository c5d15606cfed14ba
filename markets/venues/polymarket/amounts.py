"""Order amounts: what a signed order gives and what it asks for, exactly as the venue recomputes them.

Everything is an integer of one millionth: prices in dollars per share, sizes in shares, amounts in
dollars or shares, which is also the unit of the signed order. No floats, no rounding but down.

A resting order keeps its price exactly: size to hundredths times a price on the tick always fits the
decimals that the venue allows. A market order (FOK, FAK) is held to fewer decimals by the venue than by
its own clients: a buy gives whole cents and asks for shares to four decimals, whatever the tick.
"""

from __future__ import annotations

from dataclasses import dataclass

from markets.domain.instruments import Side
from markets.domain.units import MAX_MICRO, ONE, AmountError, text_from_micro

FINEST_TICK = 100
TICKS = (100_000, 10_000, 5_000, 2_500, 1_000, 100)
SIZE_STEP = 10_000  # sizes, and the dollars of a market buy: two decimals
MARKET_SHARE_STEP = 100  # shares that a market buy asks for: four decimals
_PRICE_DECIMALS = {100_000: 1, 10_000: 2, 5_000: 3, 2_500: 4, 1_000: 3, 100: 4}


@dataclass(frozen=True, slots=True)
class OrderAmounts:
    """What the order gives (`maker`) and asks for (`taker`): a buy gives dollars for shares, a sell the reverse."""

    maker: int
    taker: int


def price_decimals(tick: int) -> int:
    """Return how many decimals a price may have on a market of this tick."""
    _check_tick(tick)
    return _PRICE_DECIMALS[tick]


def dollar_decimals(tick: int) -> int:
    """Return how many decimals a dollar amount may have: those of the price plus two of the size."""
    return price_decimals(tick) + 2


def limit_amounts(side: Side, *, price: int, size: int, tick: int) -> OrderAmounts:
    """Return the amounts of a resting order; `size` is floored to hundredths of a share.

    Raises AmountError for a price that is not on the tick, and for a size below a hundredth.
    """
    _check_price(price, tick)
    shares = _floored(size, SIZE_STEP, "size")
    dollars = shares * price // ONE  # exact: hundredths times a tick never has more than six decimals
    return OrderAmounts(dollars, shares) if side is Side.BUY else OrderAmounts(shares, dollars)


def market_buy_amounts(*, dollars: int, price: int, tick: int) -> OrderAmounts:
    """Return the amounts of a market buy that spends at most `dollars` at no more than `price` a share.

    Shares round down, so that the price the venue derives from the two amounts is not below `price`: an ask
    resting exactly there can be taken. Raises AmountError when that rounding would reach the next price on
    the finest grid, because `price` is a promise.
    """
    _check_price(price, tick)
    spent = _floored(dollars, SIZE_STEP, "amount")
    shares = spent * ONE // price
    shares -= shares % MARKET_SHARE_STEP
    if shares <= 0:
        raise AmountError(f"amount: {text_from_micro(spent)} dollars buy no share at {text_from_micro(price)}")
    if spent * ONE >= shares * (price + FINEST_TICK):
        raise AmountError(
            f"amount: {text_from_micro(spent)} dollars are too few to keep the price at {text_from_micro(price)}; "
            "use a larger amount"
        )
    return OrderAmounts(spent, shares)


def market_buy_of_shares(*, size: int, price: int, tick: int) -> OrderAmounts:
    """Return the market buy that asks for at most `size` shares: whole cents of what they cost at `price`."""
    _check_price(price, tick)
    return market_buy_amounts(dollars=_within(size, "size") * price // ONE, price=price, tick=tick)


def market_sell_amounts(*, size: int, price: int, tick: int) -> OrderAmounts:
    """Return the amounts of a market sell of `size` shares, floored to hundredths, for at least `price` each.

    The dollars are the exact product: the venue recomputes it and refuses anything else.
    """
    return limit_amounts(Side.SELL, price=price, size=size, tick=tick)


def order_amounts(side: Side, *, rests: bool, price: int, size: int, tick: int) -> OrderAmounts:
    """Return the amounts of an order of `size` shares at `price` or better. `rests`: GTC or GTD, not FOK or FAK."""
    if rests or side is Side.SELL:
        return limit_amounts(side, price=price, size=size, tick=tick)
    return market_buy_of_shares(size=size, price=price, tick=tick)


def _check_tick(tick: int) -> None:
    if tick not in _PRICE_DECIMALS:
        known = ", ".join(text_from_micro(each) for each in TICKS)
        raise AmountError(f"tick: {text_from_micro(tick)} is not one of the venue's ticks ({known})")


def _check_price(price: int, tick: int) -> None:
    _check_tick(tick)
    if not tick <= price <= ONE - tick or price % tick:
        raise AmountError(
            f"price: {text_from_micro(price)} is not a multiple of {text_from_micro(tick)} "
            f"between {text_from_micro(tick)} and {text_from_micro(ONE - tick)}"
        )


def _within(micro: int, field: str) -> int:
    if not 0 < micro <= MAX_MICRO:
        raise AmountError(f"{field}: {text_from_micro(micro)} is not a positive amount that the ledger can hold")
    return micro


def _floored(micro: int, step: int, field: str) -> int:
    whole = _within(micro, field) - micro % step
    if not whole:
        raise AmountError(f"{field}: {text_from_micro(micro)} rounds to zero; the smallest is {text_from_micro(step)}")
    return whole
