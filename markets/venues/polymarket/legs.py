"""Our own part in a trade, with the dollars that the venue's clearing moves for it.

The venue clears maker by maker: a maker's dollars are price times size rounded down, and the taker takes what
is left, whichever side he is on. Where both buy (or both sell) different outcomes, what is left is one dollar
per share less the maker's dollars. So the taker's dollars follow from the makers' rows, not from his own price.
Fees come on top. Everything is in millionths.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from markets.domain.trading import Role as TradeRole
from markets.domain.trading import TradeStage, VenueLeg
from markets.domain.units import notional_down
from markets.venues.base import ParseError
from markets.venues.polymarket.user_events import Leg, Role, TradeEvent, TradeStatus, own_legs

_STAGE = {
    TradeStatus.MATCHED: TradeStage.MATCHED,
    TradeStatus.MATCHED_NOT_BROADCASTED: TradeStage.MATCHED,
    TradeStatus.MINED: TradeStage.MINED,
    TradeStatus.CONFIRMED: TradeStage.CONFIRMED,
    TradeStatus.RETRYING: TradeStage.RETRYING,
    TradeStatus.FAILED: TradeStage.FAILED,
}


def legs_of(
    trade: TradeEvent,
    *,
    api_keys: Collection[str] = (),
    addresses: Collection[str] = (),
    order_ids: Collection[str] = (),
) -> tuple[VenueLeg, ...]:
    """Return our legs of `trade`, one for each (order, role). Raises ParseError as `own_legs` does.

    An order that stands in the trade twice is one leg with the sizes added up: its key is counted once.
    """
    found: dict[tuple[str, Role], VenueLeg] = {}
    for leg in own_legs(trade, api_keys=api_keys, addresses=addresses, order_ids=order_ids):
        made = _leg(trade, leg)
        known = found.get((leg.order_id, leg.role))
        found[leg.order_id, leg.role] = made if known is None else _added(known, made)
    return tuple(found.values())


def _leg(trade: TradeEvent, leg: Leg) -> VenueLeg:
    taken = leg.role is Role.TAKER
    return VenueLeg(
        trade_id=trade.trade_id,
        order_id=leg.order_id,
        role=TradeRole(leg.role.value),
        condition_id=trade.condition_id,
        token_id=leg.token_id,
        side=leg.side,
        price=leg.price,
        size=leg.size,
        stage=_STAGE[trade.status],
        fee_rate_bps=None,
        matched_ms=trade.matched_ms,
        updated_ms=trade.updated_ms,
        transaction_hash=trade.transaction_hash,
        side_is_inferred=leg.side_is_inferred,
        dollars=_taken_dollars(trade) if taken else notional_down(leg.price, leg.size),
    )


def _taken_dollars(trade: TradeEvent) -> int | None:
    """Return the taker's dollars, None where the makers' rows are not the whole of the trade."""
    if sum(maker.size for maker in trade.makers) != trade.taker.size:
        return None
    return sum(
        notional_down(maker.price, maker.size)
        if maker.token_id == trade.taker.token_id
        else maker.size - notional_down(maker.price, maker.size)
        for maker in trade.makers
    )


def _added(known: VenueLeg, more: VenueLeg) -> VenueLeg:
    if known.price != more.price:
        raise ParseError("maker_orders", f"order {known.order_id} stands in trade {known.trade_id} at two prices")
    dollars = None if known.dollars is None or more.dollars is None else known.dollars + more.dollars
    return replace(known, size=known.size + more.size, dollars=dollars)
