"""The user channel of one wallet: its first message, its sign of life, and its frames in the words of every venue.

Pure. The first message carries the API credentials: it is sent and never kept, logged or put into an error.
One API key may trade for several wallets; what belongs to another one is left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from markets.domain.trading import VenueLeg, VenueOrder
from markets.venues.base import ParseError
from markets.venues.polymarket.legs import legs_of
from markets.venues.polymarket.reads import venue_order
from markets.venues.polymarket.user_events import OrderEvent, TradeEvent, read_frame

PING, PONG = "PING", b"PONG"
PING_EVERY_S = 5.0


@dataclass(slots=True)
class UserNews:
    """What some frames said of our orders and trades, and what could not be read of them."""

    orders: list[VenueOrder] = field(default_factory=list)
    legs: list[VenueLeg] = field(default_factory=list)
    problems: list[ParseError] = field(default_factory=list)
    rows: list[tuple[str, object]] = field(default_factory=list)  # all events as they came, with their source


def first_message(*, api_key: str, secret: str, passphrase: str) -> str:
    """Return what opens the channel for all markets. A list of markets, even an empty one, would narrow it."""
    return json.dumps({"type": "user", "auth": {"apiKey": api_key, "secret": secret, "passphrase": passphrase}})


def read_news(frames: list[bytes], *, api_key: str, wallet: str) -> UserNews:
    """Return the wallet's part in `frames`. Nothing is guessed from what cannot be read: it is a problem."""
    news = UserNews()

    def look(source: str, row: object) -> None:
        news.rows.append((source, row))

    for frame in frames:
        events, problems = read_frame(frame, look=look)
        news.problems += problems
        for event in events:
            try:
                _add(event, news, api_key=api_key, wallet=wallet.lower())
            except ParseError as problem:
                news.problems.append(problem)
    return news


def _add(event: OrderEvent | TradeEvent, news: UserNews, *, api_key: str, wallet: str) -> None:
    if isinstance(event, OrderEvent):
        if event.maker_address.lower() in ("", wallet):
            news.orders.append(venue_order(event))
        return
    addresses = {leg.order_id: leg.address.lower() for leg in (event.taker, *event.makers)}
    for leg in legs_of(event, api_keys=(api_key,), addresses=(wallet,)):
        if addresses[leg.order_id] in ("", wallet):
            news.legs.append(leg)
