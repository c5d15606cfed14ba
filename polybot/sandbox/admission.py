"""Whether a signed order is one the venue would look at: price, decimals, size, expiration.

Amounts are millionths. What depends on the book or on money (crossing, balances) is decided in `exchange`.
"""

from __future__ import annotations

from dataclasses import dataclass

from markets.domain.instruments import Side
from markets.domain.units import ONE, is_on_tick, text_from_micro
from markets.venues.simulated import refusals
from markets.venues.simulated.matching import OrderType
from polybot.sandbox.catalogue import Market
from polybot.sandbox.messages import NewOrder, Refusal

GTD_LEAST_S = 180  # how far ahead an expiration must be
GTD_EARLY_S = 60  # how long before its expiration an order is taken off
_FINEST = 100  # prices live on a grid of 0.0001
_CENT_OF_SHARE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What the signed amounts mean: a limit, and shares or (market BUY) dollars to spend."""

    limit: int
    size: int  # shares; for a market BUY the least number of shares wanted
    cash: int | None  # dollars of a market BUY


def admit(order: NewOrder, market: Market, *, now_ms: int) -> Admitted:
    """Return the order's meaning. Raises Refusal with the venue's text."""
    if order.maker_amount <= 0 or order.taker_amount <= 0:
        raise Refusal(400, "Invalid order payload")
    market_order = order.order_type in (OrderType.FOK, OrderType.FAK)
    if order.post_only and market_order:
        raise Refusal(400, refusals.POST_ONLY_TYPE)
    _check_expiration(order, now_ms)
    buys = order.side is Side.BUY
    shares, dollars = (order.taker_amount, order.maker_amount) if buys else (order.maker_amount, order.taker_amount)
    _check_decimals(order, market.tick, market_order=market_order)
    limit = _limit(order, market.tick, shares, dollars, market_order=market_order)
    if not is_on_tick(limit, market.tick):
        raise Refusal(400, refusals.off_tick(order.order_id, text_from_micro(limit), text_from_micro(market.tick)))
    # The venue is reported not to apply its minimum of shares to FAK orders; a FOK BUY is counted in dollars.
    if not market_order and shares < market.min_size:
        least = text_from_micro(market.min_size)
        raise Refusal(400, refusals.too_small(order.order_id, text_from_micro(shares), least))
    return Admitted(limit=limit, size=shares, cash=dollars if market_order and buys else None)


def _check_expiration(order: NewOrder, now_ms: int) -> None:
    if order.order_type is OrderType.GTD:
        if order.expiration_s * 1000 < now_ms + GTD_LEAST_S * 1000:
            raise Refusal(400, refusals.INVALID_EXPIRATION)
    elif order.expiration_s:
        raise Refusal(400, refusals.INVALID_EXPIRATION)


def decimals(micro: int) -> int:
    """Return how many decimals an amount needs, 0 to 6."""
    needed = 6
    while needed and micro % 10 == 0:
        micro //= 10
        needed -= 1
    return needed


def amount_decimals(tick: int) -> int:
    """Return how many decimals the dollar side may have: those of the tick plus two for the size."""
    return decimals(tick) + 2


def _check_decimals(order: NewOrder, tick: int, *, market_order: bool) -> None:
    if market_order and order.side is Side.BUY:
        kind, most = "market buy", (2, 4)  # whatever the tick
    elif market_order:
        kind, most = "market sell", (2, amount_decimals(tick))
    elif order.side is Side.BUY:
        kind, most = "buy", (amount_decimals(tick), 2)
    else:
        kind, most = "sell", (2, amount_decimals(tick))
    if decimals(order.maker_amount) > most[0] or decimals(order.taker_amount) > most[1]:
        raise Refusal(400, refusals.too_precise(kind, *most))


def _limit(order: NewOrder, tick: int, shares: int, dollars: int, *, market_order: bool) -> int:
    """Return the price that the two amounts stand for.

    An exact ratio on the venue's finest grid is meant as it is. Anything else comes from rounding the amounts:
    a market order may be off by what its coarser decimals lose, a limit order may not be off at all.
    """
    ratio, rest = divmod(dollars * ONE, shares)
    if not rest and ratio % _FINEST == 0:
        return ratio
    nearest = (ratio + tick // 2) // tick * tick
    off_by = abs(nearest * shares - dollars * ONE) // ONE
    if market_order:
        # Floored shares make a BUY look dearer, floored dollars make a SELL look cheaper than it was meant.
        allowed = nearest // 10_000 + 1 if order.side is Side.BUY else 10 ** (6 - amount_decimals(tick)) + 1
        if off_by <= allowed and nearest:
            return nearest
    elif off_by <= _CENT_OF_SHARE:
        amount = "maker" if order.side is Side.BUY else "taker"
        raise Refusal(
            400,
            refusals.wrong_product(
                amount,
                text_from_micro(nearest),
                text_from_micro(shares),
                text_from_micro(nearest * shares // ONE),
                text_from_micro(dollars),
            ),
        )
    return max(1, (ratio + _FINEST // 2) // _FINEST * _FINEST)
