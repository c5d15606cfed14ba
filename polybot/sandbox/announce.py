"""What the market channel says: keeps the displayed books in step and tells every change once.

Adding or cancelling orders is a `price_change` for both tokens; a trade is `last_trade_price` on the taker's
token and then a fresh `book` of both. Custom events follow where the best prices moved.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from markets.domain.instruments import Side
from markets.domain.units import ONE
from polybot.sandbox.catalogue import Market
from polybot.sandbox.core import Core
from polybot.sandbox.display import text

Changed = tuple[Side, int, int]  # side, price, new total size


class Announcer:
    def __init__(self, core: Core) -> None:
        self._core = core

    def yes_levels(self, market: Market, touched: Iterable[tuple[bool, int]], sizes: Iterable[int]) -> None:
        """Tell new totals of levels given in YES terms: (is_bid, yes price), mirrored into the NO book."""
        yes, no = market.token_ids
        changes: list[tuple[str, Changed]] = []
        for (is_bid, price), size in zip(touched, sizes, strict=True):
            side = Side.BUY if is_bid else Side.SELL
            changes.append((yes, (side, price, size)))
            changes.append((no, (side.opposite, ONE - price, size)))
        self.levels(market, changes)

    def levels(self, market: Market, changes: list[tuple[str, Changed]]) -> None:
        """Apply level changes to the displayed books and send them as one price_change."""
        core = self._core
        books = core.books
        for token_id, (side, price, size) in changes:
            book = books[token_id]
            book.set_level(side, price, size)
            book.updated_ms = core.now
        hashes = {token_id: books[token_id].hash() for token_id in {t for t, _ in changes}}
        entries = [
            {
                "asset_id": token_id,
                "price": text(price),
                "size": text(size) if size > 0 else "0",
                "side": "BUY" if side is Side.BUY else "SELL",
                "hash": hashes[token_id],
                "best_bid": _best(books[token_id].best(Side.BUY), 0),
                "best_ask": _best(books[token_id].best(Side.SELL), ONE),
            }
            for token_id, (side, price, size) in changes
        ]
        body = {
            "event_type": "price_change",
            "market": market.condition_id,
            "timestamp": str(core.now),
            "price_changes": entries,
        }
        core.emit(market.condition_id, tuple(hashes), body)
        self.best_prices(market)

    def trade(
        self,
        market: Market,
        *,
        token_id: str,
        side: Side,
        price: int,
        size: int,
        inferred: bool = False,
        alone: bool = False,
    ) -> None:
        """Tell a trade of the taker's token and remember it as the last one.

        `alone`: no fresh books follow, so only the told token's book carries it, or hashes of the other token
        would rest on something its watchers never heard.
        """
        core = self._core
        outcome = market.index_of(token_id)
        market.last_trade_price = price if outcome == 0 else ONE - price
        market.last_trade_side = "BUY" if (side is Side.BUY) == (outcome == 0) else "SELL"
        market.volume += price * size // ONE
        market.volume_24h += price * size // ONE
        core.books[token_id].last_trade = price
        if not alone:
            core.books[market.token_ids[1 - outcome]].last_trade = ONE - price
        body: dict[str, Any] = {
            "event_type": "last_trade_price",
            "market": market.condition_id,
            "asset_id": token_id,
            "price": text(price),
            "size": text(size),
            "side": "BUY" if side is Side.BUY else "SELL",
            "fee_rate_bps": "0",
            "timestamp": str(core.now),
        }
        if inferred:
            body["inferred"] = True
        core.emit(market.condition_id, (token_id,), body)

    def books(self, market: Market, token_ids: tuple[str, ...] | None = None) -> None:
        """Send whole books, of both tokens unless told."""
        for token_id in token_ids or market.token_ids:
            self._core.emit(market.condition_id, (token_id,), self._core.books[token_id].state().event())
        self.best_prices(market)

    def best_prices(self, market: Market) -> None:
        """Send best_bid_ask of both tokens when the best prices moved."""
        core = self._core
        yes = core.books[market.token_ids[0]]
        bid, ask = yes.best(Side.BUY), yes.best(Side.SELL)
        if (bid, ask) == (market.best_bid, market.best_ask):
            return
        market.best_bid, market.best_ask = bid, ask
        for token_id in market.token_ids:
            book = core.books[token_id]
            bid, ask = book.best(Side.BUY) or 0, book.best(Side.SELL) or ONE
            body = {
                "event_type": "best_bid_ask",
                "market": market.condition_id,
                "asset_id": token_id,
                "best_bid": text(bid),
                "best_ask": text(ask),
                "spread": text(ask - bid),
                "timestamp": str(core.now),
            }
            core.emit(market.condition_id, (token_id,), body, custom=True)

    def tick(self, market: Market, new_tick: int) -> None:
        """Change a market's tick and say so, with fresh books behind it."""
        core = self._core
        old, market.tick = market.tick, new_tick
        market.updated_ms = core.now
        for token_id in market.token_ids:
            book = core.books[token_id]
            book.tick = new_tick
            book.updated_ms = core.now
            body = {
                "event_type": "tick_size_change",
                "market": market.condition_id,
                "asset_id": token_id,
                "old_tick_size": text(old),
                "new_tick_size": text(new_tick),
                "timestamp": str(core.now),
            }
            core.emit(market.condition_id, (token_id,), body)
        self.books(market)

    def new_market(self, market: Market) -> None:
        core = self._core
        core.emit(market.condition_id, market.token_ids, self.new_market_body(market), custom=True, all_=True)

    def new_market_body(self, market: Market) -> dict[str, Any]:
        event = self._core.catalogue.event_of(market)
        body: dict[str, Any] = {
            "event_type": "new_market",
            "id": str(market.id),
            "question": market.question,
            "market": market.condition_id,
            "slug": market.slug,
            "description": market.description,
            "assets_ids": list(market.token_ids),
            "outcomes": list(market.outcomes),
            "event_message": {
                "id": str(event.id),
                "ticker": event.ticker,
                "slug": event.slug,
                "title": event.title,
                "description": event.description,
            },
            "timestamp": str(self._core.now),
            "tags": [tag.slug for tag in event.tags],
            "condition_id": market.condition_id,
            "active": True,
            "clob_token_ids": list(market.token_ids),
            "sports_market_type": market.sports_market_type,
            "line": market.line,
            "game_start_time": _game_time(market.game_start_ms),
            "order_price_min_tick_size": text(market.tick),
            "group_item_title": market.group_item_title,
            "taker_base_fee": "1000" if market.fee else "0",
            "fees_enabled": market.fee is not None,
        }
        if market.fee is not None:
            body["fee_schedule"] = {
                "exponent": str(market.fee.exponent),
                "rate": text(market.fee.rate_ppm),
                "taker_only": True,
                "rebate_rate": text(market.fee.rebate_ppm),
            }
        return body

    def resolved(self, market: Market) -> None:
        """Tell the winner. A market paid half and half has none, and the venue says nothing."""
        core = self._core
        payouts = market.payouts or (0, 0)
        if max(payouts) != ONE:
            return
        winner = payouts.index(ONE)
        event = core.catalogue.event_of(market)
        body = {
            "event_type": "market_resolved",
            "id": str(market.id),
            "market": market.condition_id,
            "assets_ids": list(market.token_ids),
            "winning_asset_id": market.token_ids[winner],
            "winning_outcome": market.outcomes[winner],
            "timestamp": str(core.now),
            "tags": [tag.slug for tag in event.tags],
        }
        core.emit(market.condition_id, market.token_ids, body, custom=True, all_=True)


def _game_time(at_ms: int | None) -> str:
    return "" if at_ms is None else f"{datetime.fromtimestamp(at_ms / 1000, tz=UTC):%Y-%m-%d %H:%M:%S+00}"


def _best(price: int | None, empty: int) -> str:
    return text(empty if price is None else price)
