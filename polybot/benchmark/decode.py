"""Frames to books: the feed's parser and array book against json and dicts.

The plain way is measured twice: with the texts as they come and nothing known of the best prices (the
least a program can do), and with numbers and best prices, which is what the array book knows after
every message. The second is the comparison that counts.
"""

from __future__ import annotations

import json
import time
from typing import Any

from markets.domain.book import OrderBook
from markets.domain.events import BookSnapshot, FeedEvent
from markets.domain.instruments import Side
from markets.venues.polymarket import parse
from markets.venues.polymarket.feed import PolymarketFeed
from polybot.benchmark.report import Comparison, Wrong, interleaved

Plain = dict[str, tuple[dict[Any, Any], dict[Any, Any]]]


def compare(frames: list[bytes], *, rounds: int) -> list[Comparison]:
    """Return messages a second of CPU time. Raises Wrong when the books differ at the end."""
    _assert_equal(_ours(frames)[1], _plain_numbers(frames)[1])
    ours, numbers = interleaved(lambda: _ours(frames)[0], lambda: _plain_numbers(frames)[0], rounds=rounds)
    again, texts = interleaved(lambda: _ours(frames)[0], lambda: _plain_texts(frames), rounds=rounds)
    rate = {"unit": "messages/s"}
    return [
        Comparison(name="decode and apply vs json + dict", ours=ours, theirs=numbers, target=2.3, **rate),
        Comparison(name="the same vs texts only, best prices unknown", ours=again, theirs=texts, target=None, **rate),
    ]


def _ours(frames: list[bytes]) -> tuple[float, dict[str, OrderBook]]:
    parse.prices.known.clear()
    parse.sizes.known.clear()
    books: dict[str, OrderBook] = {}
    read, buy = PolymarketFeed().read, Side.BUY
    began = time.process_time()
    for frame in frames:
        events: list[FeedEvent] = []
        if read(frame, 1, events):
            raise Wrong("a frame was refused")
        for event in events:
            if type(event) is BookSnapshot:
                books.setdefault(event.token_id, OrderBook()).apply_snapshot(event)
            else:
                books[event.token_id].level_set(event.side is buy, event.price, event.size)  # type: ignore[union-attr]
    return len(frames) / (time.process_time() - began), books


def _plain_numbers(frames: list[bytes]) -> tuple[float, Plain]:
    books: Plain = {}
    best: dict[str, tuple[float | None, float | None]] = {}
    began = time.process_time()
    for frame in frames:
        decoded = json.loads(frame)
        for message in decoded if isinstance(decoded, list) else (decoded,):
            if message["event_type"] == "book":
                token = message["asset_id"]
                books[token] = (
                    {float(r["price"]): float(r["size"]) for r in message["bids"]},
                    {float(r["price"]): float(r["size"]) for r in message["asks"]},
                )
                touched = {token}
            else:
                touched = set()
                for change in message["price_changes"]:
                    token = change["asset_id"]
                    side = books[token][0 if change["side"] == "BUY" else 1]
                    size = float(change["size"])
                    if size:
                        side[float(change["price"])] = size
                    else:
                        side.pop(float(change["price"]), None)
                    touched.add(token)
            for token in touched:
                bids, asks = books[token]
                best[token] = (max(bids, default=None), min(asks, default=None))
    return len(frames) / (time.process_time() - began), books


def _plain_texts(frames: list[bytes]) -> float:
    books: Plain = {}
    began = time.process_time()
    for frame in frames:
        decoded = json.loads(frame)
        for message in decoded if isinstance(decoded, list) else (decoded,):
            if message["event_type"] == "book":
                books[message["asset_id"]] = (
                    {r["price"]: r["size"] for r in message["bids"]},
                    {r["price"]: r["size"] for r in message["asks"]},
                )
                continue
            for change in message["price_changes"]:
                side = books[change["asset_id"]][0 if change["side"] == "BUY" else 1]
                if change["size"] == "0":
                    side.pop(change["price"], None)
                else:
                    side[change["price"]] = change["size"]
    return len(frames) / (time.process_time() - began)


def _assert_equal(ours: dict[str, OrderBook], plain: Plain) -> None:
    if ours.keys() != plain.keys():
        raise Wrong("the books of different tokens were built")
    for token, sides in plain.items():
        for side, levels in zip(Side, sides, strict=True):
            found = {p / 1e6: s / 1e6 for p, s in ours[token].levels(side)}
            if found != levels:
                raise Wrong(f"the {side} side of {token} differs")
